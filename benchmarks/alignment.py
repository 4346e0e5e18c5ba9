"""Alignment: 200 units x 1000 trials x 200 bins in under .3 s, against np.histogram; memory of a plan of 100 units.

Run with ``python benchmarks/alignment.py``; the last line says whether the limits hold.
"""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from rnnspike.recording.data import Recording, Unit
from rnnspike.trials.align import bin_spikes, to_counts
from rnnspike.trials.data import TrialOptions
from rnnspike.trials.plan import plan_trials

LIMIT_S, LIMIT_BYTES = 0.3, 2e9


def session(n_units: int, n_trials: int, every_s: float, rate_hz: float) -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    stop_s = n_trials * every_s
    spikes = [np.sort(rng.uniform(0, stop_s, int(rate_hz * stop_s))) for _ in range(n_units)]
    return spikes, np.arange(n_trials) * every_s + 0.1


def align(spikes: np.ndarray, start_s: np.ndarray, n_bins: int, bin_s: float) -> np.ndarray:
    counts = np.zeros((len(start_s), n_bins), np.uint8)
    to_counts(bin_spikes(spikes, start_s, n_bins, bin_s), counts)
    return counts


def histogram(spikes: np.ndarray, edges: np.ndarray) -> np.ndarray:
    low, high = np.searchsorted(spikes, edges[[0, -1]])
    return np.histogram(spikes[low:high], edges)[0]


def aligned() -> tuple[float, float]:
    spikes, start_s = session(200, 1000, 2.0, 10.0)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        counts = [align(unit, start_s, 200, 0.005) for unit in spikes]
        times.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    edges = np.arange(201) * 0.005
    expected = [[histogram(unit, start + edges) for start in start_s] for unit in spikes[:10]]
    histogram_s = (time.perf_counter() - begin) * 20  # ten units stand for all
    assert np.array_equal(counts[:10], expected)
    return min(times), histogram_s


def planned() -> tuple[float, float]:
    spikes, start_s = session(100, 400, 2.5, 10.0)
    units = tuple(Unit(str(u), times, np.array([[0.0, 1000.0]])) for u, times in enumerate(spikes))
    table = pd.DataFrame({"start_time": start_s, "stop_time": start_s + 1})
    recording = Recording(Path("simulated"), "", 0, "nwb", units, intervals={"trials": table})
    begin = time.perf_counter()
    trials = plan_trials(recording, TrialOptions()).trials()
    assert trials.counts.shape == (400, 1000, 100)
    return time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def main() -> int:
    align_s, histogram_s = aligned()
    print(f"200 units x 1000 trials x 200 bins: {align_s:.3f} s; np.histogram {histogram_s:.1f} s")
    plan_s, peak = planned()
    print(f"100 units x 400 trials x 1 s with 2 s of burn-in: {plan_s:.2f} s, peak {peak / 1e9:.2f} GB")
    held = align_s < LIMIT_S and peak < LIMIT_BYTES
    print(f"limits {'hold' if held else 'do not hold'}: {LIMIT_S} s, {LIMIT_BYTES / 1e9:.0f} GB")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
