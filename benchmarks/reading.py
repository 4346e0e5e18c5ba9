"""Reading 1000 units x 20,000 spikes: rnnspike against a flat h5py read of the same file, in one run.

Both return one array a unit; rnnspike also checks and mends (order, NaN, duplicates, short intervals, clock). The
content hash is worked out at first use and timed apart. Target: at most twice the flat read (median of pairs).

Usage: python benchmarks/reading.py [--units 1000] [--spikes 20000] [--repeats 15]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from rnnspike.recording.provenance import content_hash
from rnnspike.recording.read import read_recording

TARGET_RATIO = 2.0
TARGET_INSPECT_S = 1.0


def write_recording(path: Path, n_units: int, n_spikes: int) -> None:
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.8.0"
        units = file.create_group("units")
        units.attrs["neurodata_type"] = "Units"
        units["id"] = np.arange(n_units)
        times = units.create_dataset("spike_times", (n_units * n_spikes,), np.float64)
        for i in range(n_units):
            times[i * n_spikes : (i + 1) * n_spikes] = np.cumsum(0.002 + rng.exponential(0.1, n_spikes))
        units["spike_times_index"] = (np.arange(n_units) + 1) * n_spikes
        trials = file.create_group("intervals/trials")
        trials["id"], trials["start_time"], trials["stop_time"] = (
            np.arange(100),
            np.arange(100.0),
            np.arange(100.0) + 0.9,
        )


def read_flat(path: Path) -> list[np.ndarray]:
    with h5py.File(path, "r") as file:
        times = file["units/spike_times"][...]
        ends = file["units/spike_times_index"][...].astype(np.int64)
    return np.split(times, ends[:-1])


def seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def inspect_seconds(path: Path, repeats: int = 5) -> float:
    """CPU seconds of ``rnnspike inspect`` on a small file, start-up and all."""
    spent = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "rnnspike", "inspect", str(path)], capture_output=True, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return float(np.median(spent))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=1000)
    parser.add_argument("--spikes", type=int, default=20000)
    parser.add_argument("--repeats", type=int, default=15)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "many.nwb"
        write_recording(path, given.units, given.spikes)
        expected = read_flat(path)
        recording = read_recording(path)
        assert all(np.array_equal(a, unit.spike_times_s) for a, unit in zip(expected, recording.units, strict=True))
        pairs = [
            (seconds(lambda: read_flat(path)), seconds(lambda: read_recording(path))) for _ in range(given.repeats)
        ]
        ratio = float(np.median([ours / flat for flat, ours in pairs]))
        flat_s, ours_s = np.median(pairs, axis=0)
        hash_s = min(seconds(lambda: content_hash([path])) for _ in range(3))
        small = Path(folder) / "small.nwb"
        write_recording(small, 5, 1000)
        inspect_s = inspect_seconds(small)
    print(f"flat h5py read       {flat_s:.3f} s")
    print(f"rnnspike             {ours_s:.3f} s   {ratio:.2f} times (target {TARGET_RATIO:g})")
    print(f"content hash, lazily {hash_s:.3f} s")
    print(f"inspect, small file  {inspect_s:.2f} s of CPU (target {TARGET_INSPECT_S:g})")
    return 0 if ratio <= TARGET_RATIO and inspect_s <= TARGET_INSPECT_S else 1


if __name__ == "__main__":
    sys.exit(main())
