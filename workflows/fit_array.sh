#!/bin/bash
# Fits a list of recordings as a SLURM job array: each task does its part, and goes back into the queue when its time is over.
#
#     mkdir -p logs
#     sbatch --array=1-20 workflows/fit_array.sh recordings.txt runs --effort standard
#     rnnspike collect runs --out rows.csv                   # when all are done
#
# recordings.txt names one recording per line. What follows the folder of run directories are options of `rnnspike fit`.
# Submitted again, it does no more than what is left; with fewer recordings than tasks, each recording is divided.
#SBATCH --job-name=rnnspike
#SBATCH --output=logs/%x-%A_%a.log
#SBATCH --open-mode=append
#SBATCH --cpus-per-task=4
#SBATCH --mem=8G
#SBATCH --time=04:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
set -uo pipefail
recordings=${1:?usage: fit_array.sh RECORDINGS.TXT OUT [options of rnnspike fit]}
out=${2:?usage: fit_array.sh RECORDINGS.TXT OUT [options of rnnspike fit]}
shift 2

# SLURM sends SIGTERM to this shell two minutes before the end: the fit saves its checkpoints and exits with 143.
fit=
told=
trap 'told=1; [ -n "$fit" ] && kill -TERM "$fit" 2>/dev/null' TERM
rnnspike fit --files-from "$recordings" --out "$out" --shard slurm -j "${SLURM_CPUS_PER_TASK:-1}" \
    --format jsonl "$@" >/dev/null &
fit=$!
[ -n "$told" ] && kill -TERM "$fit"
wait "$fit"
code=$?
while kill -0 "$fit" 2>/dev/null; do # the signal ended the wait, not the fit
    wait "$fit"
    code=$?
done
if [ "$code" -eq 143 ]; then
    scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$code"
