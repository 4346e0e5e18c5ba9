"""A session of very many units: makes one, and times ``rnnspike psth`` on it, beside another version of the package.

    python benchmarks/neuropixels.py --make session.nwb
    python benchmarks/neuropixels.py --time session.nwb --units 40
    python benchmarks/neuropixels.py --time session.nwb --units 40 --old FOLDER

1000 units, 600 trials of 1.3 s, eight conditions, 100 MB. Units are Poisson: a rate of their own (log-normal, 6 Hz in
the median) and a response of 10 to 100 ms whose size depends on the condition. ``--old`` is a folder that holds
another version of ``rnnspike``: both then run by turns on the same units, and their rows are compared. Seconds are of
the processor, per unit, less those of a run on one unit (reading, imports).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb

ROOT = Path(__file__).resolve().parents[1]
EVERY_S, TRIAL_S, N_CONDITIONS = 2.0, 1.3, 8


def session(path: Path, n_units: int, n_trials: int) -> Recording:
    """Return a simulated session."""
    rng = np.random.default_rng(0)
    start_s, stop_s = np.arange(n_trials) * EVERY_S + 0.5, n_trials * EVERY_S + 1.0
    condition = rng.permutation(np.arange(n_trials) % N_CONDITIONS)
    units = tuple(
        Unit(f"{u}", one_unit(rng, start_s, condition, stop_s), np.array([[0.0, stop_s]])) for u in range(n_units)
    )
    table = pd.DataFrame({"start_time": start_s, "stop_time": start_s + TRIAL_S, "stimulus": condition})
    return Recording(path, "", 0, "nwb", units, intervals={"trials": table})


def one_unit(rng: np.random.Generator, start_s: np.ndarray, condition: np.ndarray, stop_s: float) -> np.ndarray:
    """Return the spike times of a unit: its own rate, and more spikes after each stimulus."""
    rate_hz, width_s = rng.lognormal(np.log(6.0), 0.9), rng.uniform(0.01, 0.1)
    latency_s, size = rng.uniform(0.1, 0.6), rng.gamma(1.0, 3.0, N_CONDITIONS) * min(rate_hz, 20.0) / 20.0
    own = rng.uniform(0, stop_s, rng.poisson(rate_hz * stop_s))
    n_evoked = rng.poisson(size[condition])
    evoked = np.repeat(start_s, n_evoked) + rng.normal(latency_s, width_s, n_evoked.sum())
    return np.sort(np.concatenate([own, evoked]))


def psth_rows(package: Path, path: Path, n_units: int) -> tuple[float, list[dict]]:
    """Return the processor seconds of ``rnnspike psth`` on the first units, and its rows."""
    query = f"id in {[str(u) for u in range(n_units)]}"
    command = [
        sys.executable,
        "-m",
        "rnnspike",
        "psth",
        str(path.resolve()),
        "--condition",
        "stimulus",
        "--units",
        query,
    ]
    command += ["--format", "jsonl", "-q"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(package.resolve())}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=package, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, [json.loads(line) for line in done.stdout.splitlines()]


def per_unit(package: Path, path: Path, n_units: int) -> tuple[float, list[dict]]:
    """Return processor seconds per unit beyond the first, and the rows."""
    alone, _ = psth_rows(package, path, 1)
    seconds, rows = psth_rows(package, path, n_units)
    return (seconds - alone) / (n_units - 1), rows


def furthest(old: list[dict], new: list[dict]) -> dict[str, float]:
    """Return by how much numbers of the rows differ at most, by column; curves relative to the highest rate."""
    differences: dict[str, float] = {}
    for before, after in zip(old, new, strict=True):
        for name, value in before.items():
            if isinstance(value, str | bool) or value is None:
                gap = float(value != after[name])
            else:
                scale = max(np.nanmax(np.abs(np.array(value, float))), 1e-12)
                gap = float(np.nanmax(np.abs(np.array(value, float) - np.array(after[name], float))) / scale)
            differences[name] = max(differences.get(name, 0.0), gap)
    return differences


def compare(path: Path, n_units: int, old: Path | None) -> None:
    """Print seconds per unit, and their ratio to those of another version."""
    psth_rows(ROOT, path, 1)  # compiles what is not compiled
    if old is None:
        print(f"{per_unit(ROOT, path, n_units)[0]:.4f} s per unit")
        return
    ratios = []
    for _ in range(2):
        (before, theirs), (now, ours) = (per_unit(each, path, n_units) for each in (old, ROOT))
        ratios.append(before / now)
        print(f"{before:.4f} s per unit, {now:.4f} now: {before / now:.1f} times", flush=True)
    print(f"{np.mean(ratios):.1f} times quicker; largest relative differences:")
    for name, gap in furthest(theirs, ours).items():
        print(f"  {name}: {gap:.1e}")


def main() -> None:
    """Make a session, or time the PSTHs of one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make", type=Path, help="write the session here (NWB)")
    parser.add_argument("--time", type=Path, help="time PSTHs of this session")
    parser.add_argument("--units", type=int, help="units to make [1000] or to time [40]")
    parser.add_argument("--trials", type=int, default=600)
    parser.add_argument("--old", type=Path, help="folder of another version of rnnspike")
    args = parser.parse_args()
    if args.make:
        write_nwb(args.make, session(args.make, args.units or 1000, args.trials))
    if args.time:
        compare(args.time, args.units or 40, args.old)


if __name__ == "__main__":
    main()
