"""The bandwidth of a PSTH by Shimazaki and Shinomoto's rule (2010).

See science.md#psth-bandwidth.

It minimises the expected squared error of the rate and holds for pooled spikes that are near to Poisson: many trials,
no strong bursts. The left-out likelihood (``smoothing.py``) asks less and is the default.
"""

from __future__ import annotations

import numpy as np
from scipy import fft
from scipy.optimize import minimize_scalar

from rnnspike.trials.data import FloatArray, IntArray

#: Steps of the logarithmic grid of bandwidths, which is then refined.
N_STEPS = 40


def kernel_cost(lag_s: FloatArray, n_pairs: FloatArray, n_spikes: float, bandwidth_s: float) -> float:
    """Return the cost of a Gaussian bandwidth, ``2 sqrt(pi) n^2 C(w)`` (Shimazaki & Shinomoto 2010).

    Parameters
    ----------
    lag_s, n_pairs
        (lag,) distances between spikes of the pooled trials, and how many pairs i < j lie at each.
    n_spikes
        Number of pooled spikes.
    bandwidth_s
        Standard deviation w of the kernel.
    """
    x = (lag_s / bandwidth_s) ** 2
    pairs = n_pairs @ (np.exp(-x / 4) - 2 * np.sqrt(2) * np.exp(-x / 2))
    return float(n_spikes / bandwidth_s + 2 / bandwidth_s * pairs)


def pair_lags(pooled: IntArray | FloatArray) -> FloatArray:
    """Return how many pairs i < j of pooled spikes lie at each lag in bins, (lag,), by FFT."""
    counts: FloatArray = np.asarray(pooled, dtype=np.float64)
    size = int(fft.next_fast_len(2 * len(counts), real=True))
    spectrum = fft.rfft(counts, size)
    pairs: FloatArray = np.round(fft.irfft(np.abs(spectrum) ** 2, size)[: len(counts)]).astype(np.float64)
    pairs[0] = (pairs[0] - float(counts.sum())) / 2  # pairs within a bin
    return pairs


def kernel_bandwidth(counts: IntArray | FloatArray, bin_s: float) -> float:
    """Return the Gaussian bandwidth (s) of least cost for counts (bin,) pooled over trials.

    Bins of 1 ms or less are as good as spike times. NaN where there are fewer than two spikes.
    """
    n_spikes = float(counts.sum())
    if n_spikes < 2:
        return float("nan")
    lag_s, n_pairs = np.arange(len(counts), dtype=np.float64) * bin_s, pair_lags(counts)

    def cost(log_w: float) -> float:
        return kernel_cost(lag_s, n_pairs, n_spikes, float(np.exp(log_w)))

    grid = np.linspace(np.log(bin_s), np.log(len(counts) * bin_s / 2), N_STEPS)
    best = int(np.argmin([cost(log_w) for log_w in grid]))
    low, high = grid[max(best - 1, 0)], grid[min(best + 1, N_STEPS - 1)]
    found = minimize_scalar(cost, bounds=(low, high), method="bounded")
    return float(np.exp(found.x if found.fun < cost(grid[best]) else grid[best]))
