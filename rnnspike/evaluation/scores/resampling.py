"""Resampling of trials: bootstrap weights, intervals of ratios, sign flips (science.md#uncertainty).

The unit of resampling is the trial. A statistic that is a ratio of sums over trials is bootstrapped as one
matrix product: weights (draw, trial) times per-trial numerators (trial, column).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc, ndtr, ndtri

from rnnspike.trials.data import FloatArray, IntArray

#: With fewer trials than this no interval is given.
MIN_TRIALS = 5
#: Sign flips, and the least p that so many can give.
N_FLIPS = 4999
LEAST_P = 1 / (1 + N_FLIPS)


def bootstrap_weights(n_trials: int, n_draws: int, rng: np.random.Generator) -> FloatArray:
    """Return how often each trial is drawn, float64 (draw, trial), rows summing to ``n_trials``."""
    drawn = rng.integers(n_trials, size=(n_draws, n_trials))
    cells = (drawn + np.arange(n_draws)[:, None] * n_trials).ravel()
    return np.bincount(cells, minlength=n_draws * n_trials).reshape(n_draws, n_trials).astype(np.float64)


@dataclass(frozen=True)
class Interval:
    """Estimates with the ends of their 95 % intervals, each (column,); NaN where undefined."""

    value: FloatArray
    low: FloatArray
    high: FloatArray

    def stretched(self, factor: FloatArray | float) -> Interval:
        """Return intervals whose ends are so many times as far from the estimate, (column,)."""
        low, high = self.value - self.low, self.high - self.value
        return Interval(self.value, self.value - factor * low, self.value + factor * high)


def ratio_interval(
    numerators: FloatArray, denominator: FloatArray, weights: FloatArray, level: float = 0.95
) -> Interval:
    """Return ``sum numerators / sum denominator`` and its bias-corrected, accelerated bootstrap interval.

    Parameters
    ----------
    numerators
        (trial, column), e.g. differences in log-likelihood.
    denominator
        (trial,) or (trial, column), e.g. spikes.
    weights
        (draw, trial) from ``bootstrap_weights``.

    Notes
    -----
    Efron (1987): the acceleration comes from the jackknife over trials. Draws without a spike are left out.
    """
    denominator = denominator if denominator.ndim == 2 else denominator[:, None]
    total, size = numerators.sum(axis=0), denominator.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = total / size
        draws = (weights @ numerators) / (weights @ denominator)
        left_out = (total - numerators) / (size - denominator)
    low, high = bca_interval(value, draws, left_out, level)
    return Interval(np.asarray(value), low, high)


def bca_interval(
    value: FloatArray, draws: FloatArray, left_out: FloatArray, level: float = 0.95
) -> tuple[FloatArray, FloatArray]:
    """Return the ends of each column's BCa interval from draws (draw, column) and the jackknife (trial, column)."""
    draws = np.where(np.isfinite(draws), draws, value)
    tie = np.abs(draws - value) <= 1e-12 * np.maximum(np.abs(value), 1e-300)
    below = ((draws < value) & ~tie).mean(axis=0) + 0.5 * tie.mean(axis=0)
    edge = 0.5 / len(draws)
    bias = ndtri(np.clip(below, edge, 1 - edge))
    deviation = np.where(np.isfinite(left_out), left_out, value).mean(axis=0) - left_out
    deviation = np.where(np.isfinite(deviation), deviation, 0.0)
    spread = (deviation**2).sum(axis=0) ** 1.5
    acceleration = np.where(spread > 0, (deviation**3).sum(axis=0) / np.maximum(6 * spread, 1e-300), 0.0)
    ends = []
    for tail in (-(1 - level) / 2, (1 - level) / 2):
        z = bias + ndtri(-tail if tail < 0 else 1 - tail)
        ends.append(column_quantiles(draws, ndtr(bias + z / (1 - acceleration * z))))
    return ends[0], ends[1]


def column_quantiles(draws: FloatArray, levels: FloatArray) -> FloatArray:
    """Return each column's quantile at its own level, linear between order statistics."""
    ordered = np.sort(draws, axis=0)
    position = np.clip(levels, 0, 1) * (len(draws) - 1)
    lower = np.floor(position).astype(np.int64)
    upper = np.minimum(lower + 1, len(draws) - 1)
    columns = np.arange(draws.shape[1])
    share = position - lower
    return np.asarray(ordered[lower, columns] * (1 - share) + ordered[upper, columns] * share)


def sign_flip_p(
    differences: FloatArray, n_flips: int, rng: np.random.Generator, stretch: FloatArray | float = 1.0
) -> FloatArray:
    """Return the two-sided p of each column of per-trial differences (trial, column) by flipping signs of trials.

    The null is that a trial's difference is as likely to have either sign. ``stretch`` (column,) is how many times as
    far as that the sum may stray: ``p = (1 + #{stretch |flipped sum| >= |sum|}) / (1 + n_flips)``.
    """
    observed = np.abs(differences.sum(axis=0)) * (1 - 1e-12) / stretch
    reached = np.zeros(differences.shape[1])
    for first in range(0, n_flips, 1000):
        size = min(1000, n_flips - first)
        signs = rng.integers(0, 2, size=(size, len(differences)), dtype=np.int8) * 2.0 - 1.0
        reached += (np.abs(signs @ differences) >= observed).sum(axis=0)
    return np.asarray((1 + reached) / (1 + n_flips))


def chi_square_tail(value: FloatArray | float, freedom: float) -> FloatArray:
    """Return ``P(X >= value)`` for chi-square, any shape; ``scipy.stats`` takes a third of a second to import."""
    return np.asarray(chdtrc(freedom, np.maximum(value, 0.0)))


def autocorrelation(series: FloatArray, n_lags: int) -> FloatArray:
    """Return the autocorrelation of each column (time, column) at lags 1 to ``n_lags``, (lag, column)."""
    centred = series - series.mean(axis=0)
    power = np.maximum((centred**2).sum(axis=0), 1e-300)
    return np.stack([(centred[lag:] * centred[:-lag]).sum(axis=0) / power for lag in range(1, n_lags + 1)])


def long_run_share(series: FloatArray) -> FloatArray:
    """Return the variance of each column's sum over that of independent rows (row, column), 1 at the least.

    Bartlett's lag window of ``1.5 n^(1/3)`` lags (Newey and West 1987). No test decides whether rows are taken for
    independent: with few rows it would miss what they share.
    """
    n_lags = min(round(1.5 * len(series) ** (1 / 3)), len(series) - 1)
    if n_lags < 1:
        return np.ones(series.shape[1])
    weight = 1 - np.arange(1, n_lags + 1) / (n_lags + 1)
    return np.asarray(np.maximum(1.0, 1 + 2 * weight @ autocorrelation(series, n_lags)))


def ljung_box_p(series: FloatArray, n_lags: int) -> FloatArray:
    """Return the p of Ljung and Box (1978) for each column (time, column); 1 where there are too few rows."""
    n = len(series)
    if n_lags < 1 or n <= n_lags + 1:
        return np.ones(series.shape[1])
    r = autocorrelation(series, n_lags)
    statistic = n * (n + 2) * (r**2 / (n - np.arange(1, n_lags + 1))[:, None]).sum(axis=0)
    return chi_square_tail(statistic, n_lags)


def benjamini_hochberg(p: npt.ArrayLike) -> FloatArray:
    """Return adjusted p of Benjamini and Hochberg (1995); NaN entries are left out of the count and stay NaN."""
    return _adjust(p, lambda ordered, m: np.minimum.accumulate((ordered * m / np.arange(1, m + 1))[::-1])[::-1])


def holm(p: npt.ArrayLike) -> FloatArray:
    """Return adjusted p of Holm (1979); NaN entries are left out of the count and stay NaN."""
    return _adjust(p, lambda ordered, m: np.maximum.accumulate(ordered * np.arange(m, 0, -1)))


def _adjust(p: npt.ArrayLike, rule: object) -> FloatArray:
    values = np.asarray(p, dtype=np.float64)
    adjusted = np.full(values.shape, np.nan)
    known: IntArray = np.flatnonzero(np.isfinite(values))
    if len(known):
        order = known[np.argsort(values[known], kind="stable")]
        assert callable(rule)
        adjusted[order] = np.minimum(rule(values[order], len(order)), 1.0)
    return adjusted
