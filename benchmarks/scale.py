"""How a batch grows with its recordings: seconds, memory of the process that hands out tasks, and cost of a resume.

    python benchmarks/scale.py --recordings 200 --units 20 --workers 2

simulates small recordings, fits a quarter, a half and all of them in one run each, then all once more (a resume,
which finds everything done), and prints for each batch the seconds per recording, and processor seconds and largest
memory of the process that hands out the tasks. See docs/batches.md#growth.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnspike.neurons.registry import cell_spec
from rnnspike.neurons.session import SessionOptions, simulate_session
from rnnspike.recording.write import write_nwb

MODELS = ("constant", "psth", "renewal", "glm")
TRIALS, TRIAL_S = 24, 1.0


@dataclass(frozen=True)
class Cost:
    """Seconds of a command, and processor seconds and largest memory (MB) of its own process, without workers."""

    wall_s: float
    cpu_s: float
    memory_mb: float


def fit(paths: Sequence[Path], out: Path, n_workers: int) -> Cost:
    """Fit recordings in a process of its own and return what it cost."""
    command = [sys.executable, "-m", "rnnspike", "fit", "--files-from", "-", "--out", str(out)]
    command += [word for model in MODELS for word in ("-m", model)]
    command += [
        "--effort",
        "fast",
        "--replicates",
        "0",
        "--no-report",
        "-j",
        str(n_workers),
        "-q",
        "--format",
        "jsonl",
    ]
    before, began, memory_mb = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter(), 0.0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, env=os.environ) as process:
        assert process.stdin is not None
        process.stdin.write("\n".join(map(str, paths)).encode())
        process.stdin.close()
        while process.poll() is None:
            memory_mb = max(memory_mb, peak_mb(process.pid))
            time.sleep(0.1)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if process.returncode:
        raise SystemExit(f"the fit ended with {process.returncode}")
    return Cost(time.perf_counter() - began, cpu_s, memory_mb)


def peak_mb(pid: int) -> float:
    """Return the largest memory of a process so far, MB; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM")), 0.0)


def make(folder: Path, n_recordings: int, n_units: int) -> list[Path]:
    """Simulate recordings into a folder."""
    paths = []
    for k in range(n_recordings):
        session = simulate_session(
            [cell_spec("refractory")] * n_units, SessionOptions(TRIALS, TRIAL_S, inter_trial_s=0.5, seed=k)
        )
        paths.append(folder / f"session{k:05d}.nwb")
        write_nwb(paths[-1], session.recording)
    return paths


def main() -> None:
    """Simulate, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=200)
    parser.add_argument("--units", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = make(Path(folder), options.recordings, options.units)
        fit(paths[:1], Path(folder) / "compiled", options.workers)
        for part in (4, 2, 1):
            some, out = paths[: max(1, len(paths) // part)], Path(folder) / f"out{part}"
            show("fit", len(some), options.units, fit(some, out, options.workers))
        show("resume", len(paths), options.units, fit(paths, out, options.workers))


def show(what: str, n: int, n_units: int, cost: Cost) -> None:
    """Print one batch."""
    print(
        f"{what}: {n} recordings of {n_units} units, {cost.wall_s / n:.3f} s per recording; the process that",
        f"hands out tasks took {cost.cpu_s / n:.3f} processor seconds per recording and {cost.memory_mb:.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()
