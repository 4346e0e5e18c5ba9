"""Models of one unit compared on its held-out trials: bits/spike and gains with intervals (science.md b.2, b.13)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.special import stdtr, stdtrit

from rnnspike.evaluation.resampling import (
    MIN_TRIALS,
    Interval,
    block_length,
    bootstrap_weights,
    ljung_box_p,
    ratio_interval,
    sign_flip_p,
)
from rnnspike.trials.data import FloatArray, IntArray


@dataclass(frozen=True)
class PairRow:
    """Gain of model a over model b in bits/spike, paired over trials; NaN where undefined.

    ``p`` is by sign flips of the per-trial differences; ``block`` is how many neighbouring trials were
    resampled together (1 where the differences show no autocorrelation).
    """

    model_a: str
    model_b: str
    gain: float
    gain_low: float
    gain_high: float
    p: float
    block: int


class TrialBootstrap:
    """Bootstrap draws of the trials of one unit, shared by all its statistics so that they are paired.

    Draws of single trials, and of blocks where a statistic's per-trial contributions are autocorrelated.
    """

    def __init__(self, n_trials: int, rng: np.random.Generator, n_draws: int = 2000, n_flips: int = 4999) -> None:
        self.n_trials, self.n_draws, self.n_flips = n_trials, n_draws, n_flips
        single, blocks, self._flips = rng.spawn(3)
        self.block = block_length(n_trials)
        self.weights = bootstrap_weights(n_trials, n_draws, single)
        self._block_weights: FloatArray | None = None
        self._block_rng = blocks

    @property
    def block_weights(self) -> FloatArray:
        """Weights (draw, trial) of the block bootstrap, made when first asked for."""
        if self._block_weights is None:
            self._block_weights = bootstrap_weights(self.n_trials, self.n_draws, self._block_rng, self.block)
        return self._block_weights

    def autocorrelated(self, numerators: FloatArray, denominator: FloatArray) -> np.ndarray:
        """Return which ratios have contributions that depend on the trial before (Ljung-Box, p < .05)."""
        if self.block < 2:
            return np.zeros(numerators.shape[1], bool)
        ratio = numerators.sum(axis=0) / denominator.sum()
        influence = numerators - ratio * denominator[:, None]
        return np.asarray(ljung_box_p(influence, min(10, self.n_trials // 5)) < 0.05)

    def ratio(self, numerators: FloatArray, denominator: FloatArray) -> Interval:
        """Return ratios of sums with 95 % intervals, by blocks for the columns that need them."""
        if self.n_trials < MIN_TRIALS or not numerators.shape[1]:
            empty = np.full(numerators.shape[1], np.nan)
            return Interval(numerators.sum(axis=0) / denominator.sum(), empty, empty.copy())
        by_block = self.autocorrelated(numerators, denominator)
        result = ratio_interval(numerators, denominator, self.weights)
        if by_block.any():
            blocked = ratio_interval(numerators[:, by_block], denominator, self.block_weights)
            result.low[by_block], result.high[by_block] = blocked.low, blocked.high
        return result

    def sign_flips(self, differences: FloatArray, by_block: np.ndarray) -> FloatArray:
        """Return the sign-flip p of each column (trial, column); the same flips whatever was asked before."""
        p = np.full(differences.shape[1], np.nan)
        if self.n_trials < MIN_TRIALS:
            return p
        for chosen, block in ((~by_block, 1), (by_block, self.block)):
            if chosen.any():
                p[chosen] = sign_flip_p(differences[:, chosen], self.n_flips, self._flips.spawn(1)[0], block)
        return p


def score_models(
    log_likelihoods: Mapping[str, FloatArray], null: str, n_spikes: IntArray, bootstrap: TrialBootstrap
) -> dict[str, tuple[float, float, float]]:
    """Return bits/spike of each model over the null, with 95 % interval, from per-trial log-likelihoods (trial,)."""
    base = log_likelihoods[null]
    gains = np.stack([(ll - base) / math.log(2) for ll in log_likelihoods.values()], axis=1)
    result = bootstrap.ratio(gains, n_spikes.astype(np.float64))
    ends = zip(result.value, result.low, result.high, strict=True)
    return {name: (float(v), float(lo), float(hi)) for name, (v, lo, hi) in zip(log_likelihoods, ends, strict=True)}


def compare_models(
    log_likelihoods: Mapping[str, FloatArray], n_spikes: IntArray, bootstrap: TrialBootstrap
) -> list[PairRow]:
    """Return every pair of models, the later rung minus the earlier one, paired over trials."""
    names = list(log_likelihoods)
    pairs = [(later, earlier) for earlier, later in combinations(names, 2)]
    if not pairs:
        return []
    differences = np.stack([(log_likelihoods[a] - log_likelihoods[b]) / math.log(2) for a, b in pairs], axis=1)
    spikes = n_spikes.astype(np.float64)
    gains = bootstrap.ratio(differences, spikes)
    by_block = bootstrap.autocorrelated(differences, spikes)
    p = bootstrap.sign_flips(differences, by_block)
    return [
        PairRow(a, b, float(gains.value[i]), float(gains.low[i]), float(gains.high[i]), float(p[i]),
                bootstrap.block if by_block[i] else 1)
        for i, (a, b) in enumerate(pairs)
    ]  # fmt: skip


def attained_share(
    log_likelihoods: Mapping[str, FloatArray], reference: str, oracle: str, weights: FloatArray
) -> dict[str, tuple[float, float, float]]:
    """Return each model's share of the oracle's gain over the reference with percentile interval (science.md c.12).

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
