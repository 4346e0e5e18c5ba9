"""Time rescaled by a drive: the cumulative sum of its mu (science.md#renewal)."""

from __future__ import annotations

import numpy as np

from rnnspike.models.baselines.table import IntensityTable
from rnnspike.models.numerics import lag_loops
from rnnspike.models.past import Past
from rnnspike.models.renewal.interval_laws import Intervals
from rnnspike.trials.data import BoolArray, FloatArray, Trials


def clock(base: IntensityTable, trials: Trials) -> tuple[FloatArray, FloatArray]:
    """Return the drive's mu (trial, bin), and that of each bin of the burn-in (trial,): its mean."""
    window = base.intensity(trials)[:, :, 0]
    return window, window.mean(axis=1)


def clock_ages(past: Past, mu: FloatArray, before: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return the clock's age at the start of each bin of the window, and whether its last spike is known.

    Where it is not, the age is the rescaled time since observation began.
    """
    age, known = np.empty(mu.shape), np.empty(mu.shape, dtype=bool)
    lag_loops.clock_ages(past.spikes, past.observed, before, np.ascontiguousarray(mu), age, known)
    return age, known


def clock_intervals(base: IntensityTable, trials: Trials) -> Intervals:
    """Return the rescaled intervals that end in the window, and the ages at which observed stretches end."""
    window, before = clock(base, trials)
    past = Past.of(trials)
    age, known = clock_ages(past, window, before)
    observed = past.observed[:, past.n_burn_in :]
    ended = (past.spikes[:, past.n_burn_in :] > 0) & observed & known
    complete = (age + 0.5 * window)[ended]
    last = observed & known
    last[:, :-1] &= ~observed[:, 1:]
    return Intervals(np.maximum(complete, 1e-6), (age + window)[last & ~ended])
