"""The whole ladder against what users would otherwise write, in one run: seconds and held-out bits/spike.

    python benchmarks/fit.py --data FOLDER --nemos-python PYTHON
    python benchmarks/fit.py --data FOLDER --seconds
    python benchmarks/fit.py --data FOLDER --workers

For the unit with most spikes of each recording, on the same trials, bins and five folds:

- ``rnnspike fit``, standard and fast effort, one worker, from the file to the report;
- the LSTM of ``by_hand.py``, a network per test fold;
- one training of our ``glm`` (strengths chosen, two validation folds), beside a warm refit of nemos' GLM on the same
  trials: raised cosines over 300 ms and a spline of the time in the trial, ridge, one strength.

Seconds are of the processor, of processes with one thread each, compiled before; only ``--workers`` reads the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import by_hand
import numpy as np
from quality import CASES, N_FOLDS, real_plan

from rnnspike.evaluation.scores.likelihood import log_likelihood
from rnnspike.trials.data import FloatArray, IntArray, Trials
from rnnspike.trials.split import assign_folds

EFFORTS = ("standard", "fast")
#: Recordings that are set beside a network by hand, unless others are asked for.
COMPARED = ("stn", "boot_neuro", "e070528", "bp1005", "CAL2")

#: What the other interpreter runs: fits nemos' GLM twice on a design, and says how long the second fit took.
NEMOS = """
import json, sys, time
import jax
jax.config.update("jax_enable_x64", True)
import nemos, numpy as np
data = np.load(sys.argv[1])
y, n_bins = data["y"].astype(float), int(data["n_bins"])
history = nemos.basis.RaisedCosineLogConv(15, window_size=min(300, n_bins - 1))
drive = nemos.basis.BSplineEval(20)
made = time.perf_counter()
blocks = [np.asarray(history.compute_features(row)) for row in y]
time_in_trial = np.asarray(drive.compute_features(np.tile(np.arange(n_bins), len(y))))
x = np.concatenate([np.concatenate(blocks), time_in_trial], axis=1)
target = y.ravel()
known = np.isfinite(x).all(axis=1)
x, target = x[known], target[known]
made = time.perf_counter() - made
for _ in range(2):
    model = nemos.glm.GLM(regularizer="Ridge", regularizer_strength=1e-4)
    started, cpu = time.perf_counter(), time.process_time()
    model.fit(x, target)
    seconds = time.process_time() - cpu
print(json.dumps({"seconds": seconds, "design": made, "rows": len(target), "columns": x.shape[1]}))
"""


def bits(trials: Trials, folds: IntArray, mu: FloatArray) -> float:
    """Return bits/spike over the training-mean rate of each fold."""
    null = np.empty_like(mu)
    for test in range(N_FOLDS):
        rest = folds != test
        null[folds == test] = trials.spikes[rest][trials.observed[rest]].mean()
    model, flat = (float(log_likelihood(each[:, :, None], trials).sum()) for each in (mu, null))
    return (model - flat) / float(trials.spikes[trials.observed].sum()) / np.log(2)


def fit_command(name: str, args: argparse.Namespace) -> list[str]:
    """Return the command that fits a recording as ``quality.py`` reads it."""
    case = CASES[name]
    command = [sys.executable, "-m", "rnnspike", "fit", str(args.data / case.file), "--format", "jsonl", "-q"]
    if case.options.window_s is not None:
        command += ["--window", *(f"{edge}s" for edge in case.options.window_s)]
    if case.options.segment_s is not None:
        command += ["--segment", f"{case.options.segment_s}s"]
    for option, names in (("--condition", case.options.condition), ("--covariate", case.options.covariates)):
        command += [word for each in names for word in (option, each)]
    return command


def our_fit(name: str, args: argparse.Namespace, unit: str, effort: str) -> tuple[float, dict[str, float]]:
    """Return processor seconds of ``rnnspike fit`` on one unit, and bits/spike by rung."""
    with tempfile.TemporaryDirectory() as out:
        command = [
            *fit_command(name, args),
            "--units",
            f"id == '{unit}'",
            "--effort",
            effort,
            "-j",
            "1",
            "--out",
            out,
        ]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, capture_output=True, text=True, env=one_thread(), check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, {row["model"]: row["bits_per_spike"] for row in rows if row["status"] == "ok"}


def one_thread() -> dict[str, str]:
    """Return an environment in which libraries take one thread each."""
    return os.environ | {"OMP_NUM_THREADS": "1", "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false"}


def glm_seconds(trials: Trials, folds: IntArray) -> float:
    """Return processor seconds of one training of our GLM, its second run."""
    from rnnspike.models.registry import build

    train, left = trials.take(folds > 1), [trials.take(folds == fold) for fold in (0, 1)]
    for _ in range(2):
        started = time.process_time()
        build("glm").fit(train, left, np.random.default_rng(0), {})
        seconds = time.process_time() - started
    return seconds


def nemos_seconds(python: str, trials: Trials, folds: IntArray) -> dict[str, float] | None:
    """Return what nemos needs for a warm refit on the training trials; None where it cannot be imported."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "design.npz"
        np.savez(file, y=trials.spikes[folds > 1][:, :, 0], n_bins=trials.n_bins)
        done = subprocess.run([python, "-c", NEMOS, str(file)], capture_output=True, text=True, env=one_thread())
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None


def busiest(name: str, args: argparse.Namespace) -> Trials:
    """Return the trials of the unit of a recording with most spikes."""
    plan = real_plan(CASES[name], args.data)
    spikes = plan.trials().spikes.sum(axis=(0, 1))
    return plan.trials([plan.unit_ids[int(np.argmax(spikes))]])


def compare(name: str, args: argparse.Namespace) -> dict[str, float]:
    """Print the comparison for one unit; return ratios of seconds and the stack's gain at both efforts."""
    trials = busiest(name, args)
    folds, unit = assign_folds(trials.condition, trials.group, N_FOLDS), trials.unit_ids[0]
    print(f"{name} unit {unit}: {int(trials.spikes.sum())} spikes, {trials.n_trials} trials of {trials.n_bins} bins")
    started = time.process_time()
    mu = by_hand.held_out(trials, folds)
    seconds, theirs = time.process_time() - started, bits(trials, folds, mu)
    print(f"  LSTM by hand: {seconds:.1f} s; {theirs:.3f}", flush=True)
    found = {}
    for effort in EFFORTS:
        ours, scores = our_fit(name, args, unit, effort)
        found |= {f"{effort}, times": seconds / ours, f"{effort}, gain": scores["stack"] - theirs}
        print(f"  rnnspike fit, {effort}: {ours:.1f} s, {seconds / ours:.1f} times fewer; ", end="")
        print(", ".join(f"{model} {score:.3f}" for model, score in scores.items()), flush=True)
    glm, peer = glm_seconds(trials, folds), nemos_seconds(args.nemos_python, trials, folds)
    beside = "nemos cannot be imported" if peer is None else f"nemos' warm refit {peer['seconds']:.2f} s"
    ratio = "" if peer is None else f" ({peer['seconds'] / glm:.1f} times, {peer['columns']:.0f} columns)"
    print(f"  glm, one training: {glm:.2f} s; {beside}{ratio}", flush=True)
    return found


def summary(found: list[dict[str, float]]) -> None:
    """Print medians and ranges over recordings."""
    for key in found[0]:
        values = [each[key] for each in found]
        low, middle, high = (f"{np.quantile(values, at):.3g}" for at in (0, 0.5, 1))
        print(f"{key}: median {middle} ({low} to {high}) of {len(values)} recordings")


def seconds_per_unit(names: list[str], args: argparse.Namespace) -> None:
    """Print processor seconds of a fit of one unit of each recording."""
    found = []
    for name in names:
        unit = busiest(name, args).unit_ids[0]
        found.append({effort: our_fit(name, args, unit, effort)[0] for effort in EFFORTS})
        print(f"{name} unit {unit}: " + ", ".join(f"{k} {v:.1f} s" for k, v in found[-1].items()), flush=True)
    summary(found)


def workers(args: argparse.Namespace) -> None:
    """Print how much sooner two workers are done than one (by the clock: on a machine with nothing else to do)."""
    wall = []
    for n in ("1", "2"):
        with tempfile.TemporaryDirectory() as out:
            started = time.perf_counter()
            command = [*fit_command("e070528", args), "-j", n, "--out", out]
            subprocess.run(command, capture_output=True, check=True)
            wall.append(time.perf_counter() - started)
    print(f"e070528, four units: {wall[0]:.0f} s with one worker, {wall[1]:.0f} s with two: {wall[0] / wall[1]:.2f}")


def main() -> None:
    """Print the comparisons asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--recordings", nargs="*", choices=sorted(CASES), help="some of the recordings")
    parser.add_argument("--nemos-python", default=sys.executable, help="interpreter that can import nemos")
    parser.add_argument("--seconds", action="store_true", help="only the seconds of our fits, of all recordings")
    parser.add_argument("--workers", action="store_true", help="only two workers against one")
    args = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":  # too late for libraries that are loaded: begin again
        os.execve(sys.executable, [sys.executable, *sys.argv], one_thread())
    our_fit("stn", args, busiest("stn", args).unit_ids[0], "fast")  # compiles what is not compiled
    if args.workers:
        workers(args)
    elif args.seconds:
        seconds_per_unit(args.recordings or list(CASES), args)
    else:
        summary([compare(name, args) for name in args.recordings or COMPARED])


if __name__ == "__main__":
    main()
