"""Estimated against real time and memory of whole fits (``rnnspike.runs.fitting.estimate``).

    python benchmarks/estimate.py --data FOLDER
    python benchmarks/estimate.py --data FOLDER --cases stn-fast bp1005-fast --workers 2

Runs ``rnnspike fit`` once per case, from the file to the report, in processes with one thread each. Right after an
installation the first case also compiles, which the estimate leaves out: run that one again. Seconds are of the
processor, so that a busy machine does not count; memory is the peak of the largest process. Prints both with their
estimates, and the ratio: within a factor of two is what the estimate is for.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rnnspike.config import FitSettings
from rnnspike.runs.fitting.estimate import START_S
from rnnspike.runs.plan import plan_recording

#: Name -> file, effort and further options.
CASES: dict[str, tuple[str, str, list[str]]] = {
    "stn-fast": ("case_stn.nwb", "fast", []),
    "stn-standard": ("case_stn.nwb", "standard", []),
    "bp1005-fast": ("nd_it_bp1005.nwb", "fast", ["--units", "index < 3"]),
    "bp1005-standard": ("nd_it_bp1005.nwb", "standard", ["--units", "index < 2", "--condition", "shown_object"]),
    "e070528-fast": ("star_cockroach_e070528.nwb", "fast", ["--window", "1", "13"]),
    "CAL2-standard": ("star_cockroach_CAL2.nwb", "standard", ["--window", "1", "15", "--units", "index < 1"]),
    "locust-fast": ("locust_20000613.nwb", "fast", ["--units", "index < 2"]),
    "nelpy-fast": ("nelpy_linear_track.nwb", "fast", ["--segment", "2s", "--units", "index < 4"]),
    "boot-glm": ("boot_neuro.nwb", "standard", ["--models", "glm"]),
}


def main() -> None:
    """Run the cases and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of recordings")
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    print(f"{'case':18} {'seconds':>8} {'estimate':>9} {'ratio':>6}   {'GB':>5} {'estimate':>9} {'ratio':>6}")
    for name in given.cases:
        file, effort, options = CASES[name]
        seconds, size = measured(given.data / file, ["--effort", effort, *options, "-j", str(given.workers)])
        guess, memory = estimated(given.data / file, effort, options, given.workers)
        print(
            f"{name:18} {seconds:8.1f} {guess:9.1f} {guess / seconds:6.2f}   "
            f"{size / 1e9:5.2f} {memory / 1e9:9.2f} {memory / size:6.2f}",
            flush=True,
        )


def measured(path: Path, options: list[str]) -> tuple[float, float]:
    """Return processor seconds and peak bytes of a fit."""
    with tempfile.TemporaryDirectory() as out:
        words = [sys.executable, "-m", "rnnspike", "fit", str(path), *options, "--out", out, "-q", "--format", "csv"]
        child = subprocess.Popen(words, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
        _, status, used = os.wait4(child.pid, 0)
        if status:
            raise SystemExit(f"{path}: the fit failed")
    return used.ru_utime + used.ru_stime, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def estimated(path: Path, effort: str, options: list[str], n_workers: int) -> tuple[float, float]:
    """Return what the estimate says of the same fit: processor seconds, and bytes of one process."""
    given: dict[str, object] = {}
    words = iter(options)
    for option in words:
        name = option.removeprefix("--")
        value: object = (float(next(words)), float(next(words))) if name == "window" else next(words)
        given[name] = (value,) if name in ("models", "condition") else value
    with tempfile.TemporaryDirectory() as out:
        plan = plan_recording(path, FitSettings(effort=effort, out=out, **given))  # type: ignore[arg-type]
    return START_S * n_workers + plan.estimate.seconds, plan.estimate.memory_bytes(1)


if __name__ == "__main__":
    main()
