"""The other units' smoothed counts as columns of a regression (science.md#co-smoothing)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rnnspike.models.baselines.binned import kernel
from rnnspike.models.population.cosmoothing.task import Task
from rnnspike.trials.data import FloatArray, IntArray

Float32Array = npt.NDArray[np.float32]

#: Standard deviations of the Gaussian kernels, s, for bins up to ``FOR_BIN_S``; wider bins have wider kernels. The
#: narrowest is for spikes in the same bin, and tells nothing of bins ahead.
SIGMAS_S, FOR_BIN_S = (0.005, 0.03, 0.1), 0.01
#: Share of a kernel that must have been observed for its mean to count: below, the unit's mean rate takes over.
LEAST_SHARE = 1e-3
#: Decay of the effect of the past on the bins ahead, as a share of their number; the other column does not decay.
FADES = 1 / 3


def default_sigmas(bin_s: float, ahead: bool = False) -> tuple[float, ...]:
    """Return the standard deviations of the kernels (s) for a bin width, or for the bins ahead."""
    return tuple(sigma * max(1.0, bin_s / FOR_BIN_S) for sigma in SIGMAS_S[ahead:])


def smoothed(task: Task, rows: IntArray, units: IntArray, sigmas_s: Sequence[float]) -> Float32Array:
    """Return counts smoothed in both directions, (row, bin, kernel * unit); unobserved bins do not count."""
    counts, seen = _counts(task, rows, units), task.observed[rows].astype(np.float64)
    out = np.empty((len(rows), task.trials.n_bins, len(units) * len(sigmas_s)), np.float32)
    for s, sigma_s in enumerate(sigmas_s):
        smooth = kernel(task.trials.n_bins, sigma_s / task.trials.bin_s)
        exposure = smooth(seen)
        for u in range(len(units)):
            mean = counts[u].sum() / max(seen.sum(), 1.0)
            ratio = (smooth(counts[u]) + LEAST_SHARE * mean) / (exposure + LEAST_SHARE)
            out[:, :, s * len(units) + u] = ratio
    return out


def before(task: Task, rows: IntArray, units: IntArray, sigmas_s: Sequence[float]) -> Float32Array:
    """Return counts before the bins ahead, smoothed by half a Gaussian, for each of these bins.

    Shape (row, bin ahead, kernel * 2 * unit): what does not fade with the lag, and what does.
    """
    n_seen, ahead = task.n_seen, np.arange(task.n_forward)
    fade = np.exp(-ahead / max(FADES * task.n_forward, 1.0))
    profiles = np.stack([np.ones_like(fade), fade], axis=1)  # (bin ahead, profile)
    lag = np.arange(n_seen)[::-1]
    weight = np.stack([np.exp(-0.5 * (lag * task.trials.bin_s / sigma_s) ** 2) for sigma_s in sigmas_s], axis=1)
    counts, seen = _counts(task, rows, units)[:, :, :n_seen], task.observed[rows, :n_seen].astype(np.float64)
    least = LEAST_SHARE * weight.sum(axis=0)
    mean = counts.sum(axis=(1, 2)) / max(seen.sum(), 1.0)
    rate = (counts @ weight + least * mean[:, None, None]) / (seen @ weight + least)  # (unit, row, kernel)
    columns = np.einsum("urs,hp->rhspu", rate, profiles)
    return np.asarray(columns.reshape(len(rows), task.n_forward, -1), np.float32)


def _counts(task: Task, rows: IntArray, units: IntArray) -> FloatArray:
    """Return counts (unit, row, bin), 0 where not observed."""
    return np.stack([task.trials.counts[rows, :, u] for u in units]).astype(np.float64)
