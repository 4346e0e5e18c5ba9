"""Bins sampled from many: all with spikes, and silent ones evenly spaced in expected count."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rnnspike.trials.data import FloatArray


def sample_bins(log_mu: FloatArray, counts: FloatArray, most_silent: int) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """Return all bins with spikes, then at most so many silent ones, and how many bins each stands for (row,).

    Parameters
    ----------
    log_mu, counts
        (bin,) log expected count, and spikes. The expected count of silent bins is kept exactly.
    most_silent
        Silent bins at the most.
    """
    spiked, silent = np.flatnonzero(counts > 0), np.flatnonzero(counts == 0)
    weight = np.ones(len(silent))
    if len(silent) > most_silent:
        mu = np.exp(log_mu[silent]).astype(np.float64)
        clock = np.cumsum(mu)
        marks = (np.arange(most_silent) + 0.5) * clock[-1] / most_silent
        at = np.minimum(np.searchsorted(clock, marks), len(silent) - 1)
        silent, weight = silent[at], clock[-1] / most_silent / mu[at]
    return np.concatenate([spiked, silent]), np.concatenate([np.ones(len(spiked)), weight])
