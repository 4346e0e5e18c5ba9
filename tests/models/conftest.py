"""How a stepper is followed along the recorded spikes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rnnspike.models.protocol import Stepper
from rnnspike.models.simulate import stretch_ends
from rnnspike.trials.data import Trials


def _walk(stepper: Stepper, trials: Trials, unit: int = 0, longest: int = 7) -> np.ndarray:
    """Mu (trial, bin) of a stepper handed the recorded spikes, in looks of random length, each trial by itself."""
    rng = np.random.default_rng(0)
    spikes, ends = trials.spikes[:, :, unit], stretch_ends(trials.observed[:, :, unit])
    at, mu = np.zeros(trials.n_trials, np.int64), np.full(spikes.shape, np.nan)
    while len(rows := rng.permutation(np.flatnonzero(at < trials.n_bins))):
        n, here = int(rng.integers(1, longest)), at[rows]
        looked = stepper.predict_until_spike(rows, here, n)
        limit = np.minimum(ends[rows, here] - here, n)
        moved = np.array(
            [
                next((i + 1 for i in range(m) if spikes[r, k + i]), m)
                for r, k, m in zip(rows, here, limit, strict=True)
            ]
        )
        for i, (row, first, m) in enumerate(zip(rows, here, moved, strict=True)):
            mu[row, first : first + m] = looked[i, :m]
        stepper.advance(rows, here, moved, spikes[rows, here + moved - 1])
        at[rows] += moved
    return mu


@pytest.fixture
def walk() -> Callable[..., np.ndarray]:
    return _walk
