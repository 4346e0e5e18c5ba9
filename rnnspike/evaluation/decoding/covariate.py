"""Where was the animal? A covariate over time from the spikes: its grid, errors, and chance (science.md#decoding)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnnspike.trials.data import BoolArray, FloatArray, IntArray

#: Cells of the grid of one channel and of each of two, between these quantiles of what was visited.
CELLS, QUANTILES = {1: 50, 2: 12}, (0.005, 0.995)
#: A cell holds this share of the time at the least.
LEAST_VISITED = 0.001
#: Shifts in time for chance, as shares of the session, and blocks of neighbouring trials that are resampled together.
N_SHIFTS, LEAST_SHIFT, N_BLOCKS, N_DRAWS = 199, 0.1, 40, 1000
#: The least p that so many shifts can give.
LEAST_P = 1 / (1 + N_SHIFTS)


@dataclass(frozen=True)
class Grid:
    """Values that a covariate may have: ``points`` (point, channel), means of cells, and ``prior``, shares of time.

    Examples
    --------
    >>> grid = Grid.of(np.repeat([[0.0], [1.0]], 50, axis=0))
    >>> grid.points.ravel().tolist(), grid.prior.tolist()
    ([0.0, 1.0], [0.5, 0.5])
    """

    points: FloatArray
    prior: FloatArray

    @staticmethod
    def of(values: FloatArray) -> Grid:
        """Return the cells of equal width that values (time, channel) of one or two channels visit."""
        n_channels = values.shape[1]
        lows, highs = np.quantile(values, QUANTILES, axis=0)
        edges = [np.linspace(lows[c], highs[c], CELLS[n_channels] + 1)[1:-1] for c in range(n_channels)]
        places = [np.searchsorted(edge, values[:, c], side="right") for c, edge in enumerate(edges)]
        cell = np.ravel_multi_index(places, [CELLS[n_channels]] * n_channels)
        found, place, count = np.unique(cell, return_inverse=True, return_counts=True)
        sums = np.stack([np.bincount(place, values[:, c], len(found)) for c in range(n_channels)], axis=1)
        kept = count >= LEAST_VISITED * len(values)
        return Grid((sums / count[:, None])[kept], count[kept] / count[kept].sum())

    def nearest(self, values: FloatArray) -> IntArray:
        """Return the point (...,) that is nearest to each of some values (..., channel)."""
        return np.asarray(((values[..., None, :] - self.points) ** 2).sum(axis=-1).argmin(axis=-1))

    def mean(self, log2_posterior: FloatArray) -> FloatArray:
        """Return the posterior mean (..., channel) of log2 probabilities (..., point)."""
        return np.asarray(np.exp2(log2_posterior) @ self.points)


def distances(decoded: FloatArray, recorded: FloatArray) -> FloatArray:
    """Return Euclidean distances (...,) of values (..., channel)."""
    return np.asarray(np.sqrt(((decoded - recorded) ** 2).sum(axis=-1)))


def rms(errors: FloatArray) -> float:
    """Return the root of the mean square of errors, which the posterior mean makes smallest."""
    return float(np.sqrt(np.mean(errors**2)))


def median(errors: FloatArray) -> float:
    """Return the median of errors."""
    return float(np.median(errors))


def error_interval(
    errors: FloatArray, known: BoolArray, statistic: Callable[[FloatArray], float], rng: np.random.Generator
) -> tuple[float, float]:
    """Return the 95 % interval of a statistic of errors, by drawing blocks of neighbouring trials.

    Parameters
    ----------
    errors, known
        (trial, window), in order of time; ``known`` windows count.
    statistic
        ``rms`` or ``median``.
    rng
        Of the draws.
    """
    parts = np.array_split(np.arange(len(errors)), min(N_BLOCKS, len(errors)))
    blocks = [errors[part][known[part]] for part in parts if known[part].any()]
    draws = [rng.integers(len(blocks), size=len(blocks)) for _ in range(N_DRAWS)]
    found = [statistic(np.concatenate([blocks[k] for k in drawn])) for drawn in draws]
    low, high = np.quantile(found, [0.025, 0.975])
    return float(low), float(high)


def chance_error(decoded: FloatArray, recorded: FloatArray, rng: np.random.Generator) -> tuple[float, float]:
    """Return the rms error of the decoded series shifted in time (median of shifts), and p of the one that was found.

    Both series keep their own slow changes, which permuted windows would not. Two series that both drift over the
    whole session may still agree by chance more often than p says.

    Parameters
    ----------
    decoded, recorded
        (window, channel), in order of time.
    rng
        Of the shifts, each at least a tenth of the session.
    """
    n = len(decoded)
    least = max(1, round(LEAST_SHIFT * n))
    shifts = rng.integers(least, max(n - least, least) + 1, size=N_SHIFTS)
    shifted = np.array([rms(distances(np.roll(decoded, shift, axis=0), recorded)) for shift in shifts])
    found = rms(distances(decoded, recorded))
    return float(np.median(shifted)), float((1 + (shifted <= found).sum()) / (1 + N_SHIFTS))
