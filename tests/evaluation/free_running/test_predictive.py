"""Replicates put together of few runs a trial reject the truth as often as they say (science.md#free-run)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rnnspike.evaluation.free_running.predictive import FreeRunChecks
from rnnspike.evaluation.history import history_of

N_TRIALS, N_BINS = 12, 400


def spikes_of_a_refractory_cell(n: int, rng: np.random.Generator) -> np.ndarray:
    """Gamma intervals of shape 3 and mean 20 bins, (n, trial, bin)."""
    times = np.cumsum(np.maximum(rng.gamma(3.0, 20 / 3, (n * N_TRIALS, 60)).round(), 1), axis=1).astype(int)
    counts = np.zeros((n * N_TRIALS, N_BINS + 1), np.uint8)
    np.put_along_axis(counts, np.minimum(times, N_BINS), 1, axis=1)
    return counts[:, :N_BINS].reshape(n, N_TRIALS, N_BINS)


def test_p_of_the_true_model_is_uniform(make_trials: Callable) -> None:
    rng = np.random.default_rng(5)
    p = []
    for _ in range(150):
        data, *runs = spikes_of_a_refractory_cell(21, rng)
        trials = make_trials(data[:, :, None])
        checks = FreeRunChecks(history_of(trials), trials, np.arange(N_TRIALS), n_replicates=200)
        row = checks.add("truth", np.stack(runs))
        p.append([row[f"predictive_p_{name}"] for name in ("rate_hz", "cv", "cv2", "serial_1", "fano")])
    rejected = (np.array(p) <= 0.05).mean()  # of 750: 5 %, give or take 2
    assert rejected == pytest.approx(0.05, abs=0.025)
