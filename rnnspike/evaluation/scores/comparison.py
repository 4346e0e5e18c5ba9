"""Models of one unit compared on its held-out trials: bits/spike and gains with intervals.

See science.md#bits-per-spike, #uncertainty.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit

from rnnspike.evaluation.scores.resampling import (
    MIN_TRIALS,
    N_FLIPS,
    Interval,
    bootstrap_weights,
    long_run_share,
    ratio_interval,
    sign_flip_p,
)
from rnnspike.trials.data import FloatArray, IntArray


@dataclass(frozen=True)
class PairRow:
    """Gain of model a over model b in bits/spike, paired over trials; NaN where undefined.

    ``p`` is by sign flips of the per-trial differences.
    """

    model_a: str
    model_b: str
    gain: float
    gain_low: float
    gain_high: float
    p: float


@dataclass(frozen=True)
class AtSpikes:
    """What a spike adds to the log-likelihood of each model, in bits: moments over the scored spikes.

    ``mean`` (model,) and ``product`` (model, model), in the order of ``names``.
    """

    names: tuple[str, ...]
    mean: FloatArray
    product: FloatArray

    @classmethod
    def of(cls, terms: Mapping[str, FloatArray]) -> AtSpikes:
        """Return the moments of terms in nats, each (spike,): all spikes, or enough of them."""
        bits = np.stack(list(terms.values())) / math.log(2)
        return cls(tuple(terms), bits.mean(axis=1), bits @ bits.T / bits.shape[1])

    def variance(self, pairs: Iterable[tuple[str, str]], gains: FloatArray, n_spikes: float) -> FloatArray:
        """Return the variance (pair,) of sums of differences less ``gains`` times the spikes, given the past of bins.

        What spikes add beyond their expectation is uncorrelated over bins, whatever the spikes depend on (a
        martingale): its variance is the sum of squares over spikes.
        """
        a, b = np.array([[self.names.index(name) for name in pair] for pair in pairs]).reshape(-1, 2).T
        square = self.product[a, a] + self.product[b, b] - 2 * self.product[a, b]
        return np.asarray(n_spikes * (square - 2 * gains * (self.mean[a] - self.mean[b]) + gains**2))


class TrialBootstrap:
    """Bootstrap draws of the trials of one unit, shared by all its statistics so that they are paired."""

    def __init__(self, n_trials: int, rng: np.random.Generator, n_draws: int = 2000, n_flips: int = N_FLIPS) -> None:
        self.n_trials, self.n_draws, self.n_flips = n_trials, n_draws, n_flips
        single, self._flips = rng.spawn(2)
        self.weights = bootstrap_weights(n_trials, n_draws, single)

    def gains(self, differences: FloatArray, n_spikes: FloatArray, variance: FloatArray | float = 0.0) -> Interval:
        """Return gains in bits/spike with 95 % intervals, (pair,).

        Parameters
        ----------
        differences
            (trial, pair) in bits, the richer model minus the poorer.
        n_spikes
            (trial,).
        variance
            (pair,) of their sums given the past of each bin (``AtSpikes.variance``), where known.
        """
        n = self.n_trials
        if n < MIN_TRIALS or not differences.shape[1]:
            empty = np.full(differences.shape[1], np.nan)
            return Interval(differences.sum(axis=0) / n_spikes.sum(), empty, empty.copy())
        few = float(stdtrit(n - 1, 0.975) / ndtri(0.975)) * math.sqrt(n / (n - 1))
        found = ratio_interval(differences, n_spikes, self.weights)
        return found.stretched(few * stretch(differences, n_spikes, variance))

    def p(self, differences: FloatArray, n_spikes: FloatArray, variance: FloatArray | float = 0.0) -> FloatArray:
        """Return the sign-flip p of each gain (pair,), of arguments as of ``gains``."""
        if self.n_trials < MIN_TRIALS:
            return np.full(differences.shape[1], np.nan)
        wider = stretch(differences, n_spikes, variance)
        return sign_flip_p(differences, self.n_flips, self._flips.spawn(1)[0], wider)


def stretch(differences: FloatArray, n_spikes: FloatArray, variance: FloatArray | float = 0.0) -> FloatArray:
    """Return how many times the standard error of independent trials that of a gain is, (pair,), 1 at the least.

    Arguments as of ``TrialBootstrap.gains``; see science.md#uncertainty. Neighbouring trials may share a state,
    spikes of a regular cell vary less over trials than given the past (the larger of both counts), and folds
    share training data: what a model has learned from noise of trial i it meets in trial j, and the other way
    round, so the sum over both has twice the variance that trials show. The share of that follows from the
    likelihood's expansion: a gain that is real is half its variance (nats), one that is noise minus half of it.
    """
    gain = differences.sum(axis=0) / n_spikes.sum()
    influence = differences - gain * n_spikes[:, None]
    spread = np.maximum((influence**2).sum(axis=0), 1e-300)
    centred = ((differences - differences.mean(axis=0)) ** 2).sum(axis=0)
    learned = 0.5 - differences.sum(axis=0) / np.maximum(math.log(2) * centred, 1e-300)
    shared = np.maximum(long_run_share(influence), variance / spread)
    return np.sqrt(np.where(spread > 1e-20, shared + np.clip(learned, 0.0, 1.0), 1.0))


def score_models(
    log_likelihoods: Mapping[str, FloatArray],
    null: str,
    n_spikes: IntArray,
    bootstrap: TrialBootstrap,
    at_spikes: AtSpikes | None = None,
) -> dict[str, tuple[float, float, float]]:
    """Return bits/spike of each model over the null, with 95 % interval, from per-trial log-likelihoods (trial,)."""
    pairs = [(name, null) for name in log_likelihoods]
    return dict(zip(log_likelihoods, gains_of(pairs, log_likelihoods, n_spikes, bootstrap, at_spikes), strict=True))


def gains_of(
    pairs: Sequence[tuple[str, str]],
    log_likelihoods: Mapping[str, FloatArray],
    n_spikes: IntArray,
    bootstrap: TrialBootstrap,
    at_spikes: AtSpikes | None = None,
) -> list[tuple[float, float, float]]:
    """Return the gain of the first of each pair over the second in bits/spike, with 95 % interval."""
    found = bootstrap.gains(*_differences(pairs, log_likelihoods, n_spikes, at_spikes))
    return [(float(v), float(lo), float(hi)) for v, lo, hi in zip(found.value, found.low, found.high, strict=True)]


def compare_models(
    log_likelihoods: Mapping[str, FloatArray],
    n_spikes: IntArray,
    bootstrap: TrialBootstrap,
    at_spikes: AtSpikes | None = None,
) -> list[PairRow]:
    """Return every pair of models, the later rung minus the earlier one, paired over trials."""
    pairs = [(later, earlier) for earlier, later in combinations(log_likelihoods, 2)]
    if not pairs:
        return []
    differences = _differences(pairs, log_likelihoods, n_spikes, at_spikes)
    found, p = bootstrap.gains(*differences), bootstrap.p(*differences)
    columns = zip(found.value, found.low, found.high, p, strict=True)
    return [PairRow(*pair, *map(float, values)) for pair, values in zip(pairs, columns, strict=True)]


def _differences(
    pairs: Sequence[tuple[str, str]],
    log_likelihoods: Mapping[str, FloatArray],
    n_spikes: IntArray,
    at_spikes: AtSpikes | None,
) -> tuple[FloatArray, FloatArray, FloatArray | float]:
    """Return what ``TrialBootstrap.gains`` takes, of these pairs."""
    bits = np.stack([(log_likelihoods[a] - log_likelihoods[b]) / math.log(2) for a, b in pairs], axis=1)
    spikes = n_spikes.astype(np.float64)
    total = float(spikes.sum())
    variance = at_spikes.variance(pairs, bits.sum(axis=0) / total, total) if at_spikes else 0.0
    return bits, spikes, variance


def attained_share(
    log_likelihoods: Mapping[str, FloatArray], reference: str, oracle: str, weights: FloatArray
) -> dict[str, tuple[float, float, float]]:
    """Return each model's share of the oracle's gain over the reference with percentile interval.

    See science.md#oracle-share.

    The reference has share 0, the true intensity share 1; NaN where the oracle's own gain does not exceed 0 in
    97.5 % of the draws (there is nothing to share).
    """
    base = log_likelihoods[reference]
    attainable = log_likelihoods[oracle] - base
    drawn = weights @ attainable
    if attainable.sum() <= 0 or np.quantile(drawn, 0.025) <= 0:
        return dict.fromkeys(log_likelihoods, (math.nan, math.nan, math.nan))
    shares = {}
    for name, ll in log_likelihoods.items():
        draws = (weights @ (ll - base))[drawn > 0] / drawn[drawn > 0]
        low, high = np.quantile(draws, [0.025, 0.975])
        shares[name] = (float((ll - base).sum() / attainable.sum()), float(low), float(high))
    return shares


def nadeau_bengio(differences: Sequence[float], n_test: float, n_train: float) -> tuple[float, float, float, float]:
    """Return mean, 95 % interval and p of differences that are one figure a fold (Nadeau & Bengio 2003).

    Folds share training data, so the variance of their mean is ``(1/k + n_test/n_train) s^2``, not ``s^2/k``.
    Use this only where folds, not trials, are the unit.

    Raises
    ------
    ValueError
        With fewer than two folds.
    """
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2:
        raise ValueError("a comparison over folds needs at least two")
    mean, error = float(values.mean()), math.sqrt((1 / len(values) + n_test / n_train) * float(values.var(ddof=1)))
    if error == 0:
        return mean, mean, mean, 1.0 if mean == 0 else 0.0
    reach = float(stdtrit(len(values) - 1, 0.975)) * error
    return mean, mean - reach, mean + reach, float(2 * stdtr(len(values) - 1, -abs(mean) / error))
