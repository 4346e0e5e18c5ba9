r"""Which condition was it? Decoding of single trials by the likelihood of models that have not seen them.

.. math:: p(c \mid y) \propto p(c) \prod_u p(y_u \mid c, \mathrm{past})^\beta

over units u, which are independent in a bin given the past of all, with a temperature from other folds
(science.md#decoding).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, stdtrit
from scipy.stats import binomtest

from rnnspike.evaluation.scores.resampling import (
    MIN_TRIALS,
    Interval,
    bootstrap_weights,
    long_run_share,
    ratio_interval,
    sign_flip_p,
)
from rnnspike.trials.data import FloatArray, IntArray

#: Draws of the bootstrap over trials, sign flips, and permutations of labels.
N_DRAWS, N_FLIPS, N_PERMUTATIONS = 2000, 4999, 4999
#: Trials of a block within which labels are permuted, and how often each condition may come in it, at the least.
BLOCK_TRIALS, PER_CONDITION = 20, 2
#: Subsets of units of one size.
N_SUBSETS = 20
#: Powers that are tried; with 0 the spikes tell nothing.
TEMPERATURES = np.concatenate([[0.0], 2.0 ** np.linspace(-6, 1, 36)])
#: A condition is never less probable than this, log2: one impossible spike is not worth more than that.
LEAST_LOG2 = -1000.0


def log2_posterior(log_likelihood: FloatArray, prior: FloatArray) -> FloatArray:
    """Return log2 of the probability of each condition (..., condition) given the spikes.

    Parameters
    ----------
    log_likelihood
        Of the spikes under each condition (..., condition), nats. Where they are impossible under all, the prior
        stands.
    prior
        (condition,), of sum 1; 0 for a condition that cannot be.

    Examples
    --------
    >>> log2_posterior(np.log([[0.3, 0.1]]), np.array([0.5, 0.5])).round(3).tolist()
    [[-0.415, -2.0]]
    """
    with np.errstate(divide="ignore"):
        log_prior = np.log(prior)
    impossible = np.isneginf(log_likelihood).all(axis=-1, keepdims=True)
    joint = np.where(impossible, 0.0, log_likelihood) + log_prior
    found = (joint - logsumexp(joint, axis=-1, keepdims=True)) / math.log(2)
    return np.asarray(np.maximum(found, LEAST_LOG2))


def tempered(
    log_likelihood: FloatArray, label: IntArray, prior: FloatArray, fold: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return log2 posteriors of likelihoods to a power, and that power by fold (..., fold).

    A model that leaves out what units share, or drift, counts the same evidence several times over: it is too sure.
    The power of a fold is the one with most information on the trials of all others.

    Parameters
    ----------
    log_likelihood
        (..., trial, condition), nats.
    label, fold
        (trial,) the condition of each, and the fold in which it was held out.
    prior
        (condition,).
    """
    with np.errstate(invalid="ignore"):
        below = np.nan_to_num(log_likelihood - log_likelihood.max(axis=-1, keepdims=True), nan=0.0, neginf=-np.inf)
    below = np.maximum(below, LEAST_LOG2 * math.log(2))  # so that the power 0 takes it away
    bits = np.stack([information(log2_posterior(power * below, prior), label, prior) for power in TEMPERATURES])
    folds, place = np.unique(fold, return_inverse=True)
    best = [bits[..., place != k].mean(axis=-1).argmax(axis=0) for k in range(len(folds))]
    power = np.moveaxis(TEMPERATURES[np.array(best)], 0, -1)  # (..., fold)
    return log2_posterior(power[..., place][..., None] * below, prior), power


def information(log2_posterior: FloatArray, label: IntArray, prior: FloatArray) -> FloatArray:
    """Return what each trial tells of its condition (..., trial), bits: log2 of posterior over prior.

    The mean over trials is at most the mutual information of condition and spikes, and below 0 where the model is
    sure and wrong.

    Parameters
    ----------
    log2_posterior
        (..., trial, condition).
    label
        (trial,) the condition of each.
    prior
        (condition,).
    """
    own = np.take_along_axis(log2_posterior, np.broadcast_to(label, log2_posterior.shape[:-1])[..., None], axis=-1)
    return np.asarray(own[..., 0] - np.log2(prior[label]))


def accuracy_interval(n_right: int, n: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share (Clopper and Pearson 1934)."""
    found = binomtest(n_right, n).proportion_ci(method="exact")
    return float(found.low), float(found.high)


class DecodingBootstrap:
    """Intervals and p of means over trials, paired between models; neighbouring trials may share a state."""

    def __init__(self, n_trials: int, rng: np.random.Generator) -> None:
        draws, self._flips = rng.spawn(2)
        self.n_trials = n_trials
        self.weights = bootstrap_weights(n_trials, N_DRAWS, draws)

    def means(self, values: FloatArray) -> Interval:
        """Return the means of values (trial, column) with 95 % intervals."""
        if self.n_trials < MIN_TRIALS:
            nothing = np.full(values.shape[1], np.nan)
            return Interval(values.mean(axis=0), nothing, nothing)
        n = self.n_trials
        few = float(stdtrit(n - 1, 0.975)) / 1.959964 * math.sqrt(n / (n - 1))
        return ratio_interval(values, np.ones(n), self.weights).stretched(few * self._wider(values))

    def p(self, values: FloatArray) -> FloatArray:
        """Return the two-sided p of means of 0 of values (trial, column), by sign flips."""
        if self.n_trials < MIN_TRIALS:
            return np.full(values.shape[1], np.nan)
        return sign_flip_p(values, N_FLIPS, self._flips.spawn(1)[0], self._wider(values))

    @staticmethod
    def _wider(values: FloatArray) -> FloatArray:
        return np.sqrt(long_run_share(values - values.mean(axis=0)))


@dataclass(frozen=True)
class Chance:
    """Accuracy and information of permuted labels: their means, and p of what was found.

    ``p_accuracy`` and ``p_information`` are the shares of permutations that do as well; 1 where conditions do not
    change within blocks, so that nothing can be told from drift.
    """

    accuracy: float
    p_accuracy: float
    p_information: float


def chance(
    log2_posterior: FloatArray, label: IntArray, prior: FloatArray, rng: np.random.Generator, n: int = N_PERMUTATIONS
) -> Chance:
    """Return what labels that are permuted within blocks of neighbouring trials come to.

    Parameters
    ----------
    log2_posterior
        (trial, condition), trials in order of time.
    label
        (trial,) condition of each.
    prior
        (condition,).
    rng
        Of the permutations.
    n
        How many.
    """
    decoded, block = log2_posterior.argmax(axis=1), blocks(len(label), len(prior))
    right, bits = np.empty(n), np.empty(n)
    for k in range(n):
        order = np.lexsort((rng.random(len(label)), block))  # a permutation within each block
        mixed = label[order]
        right[k] = (decoded == mixed).mean()
        bits[k] = information(log2_posterior, mixed, prior).mean()
    found = (decoded == label).mean(), information(log2_posterior, label, prior).mean()
    p = [
        float((1 + (each >= value - 1e-9).sum()) / (1 + n)) for each, value in zip((right, bits), found, strict=True)
    ]
    return Chance(float(right.mean()), *p)


def blocks(n_trials: int, n_conditions: int) -> IntArray:
    """Return the block (trial,) of each trial: equal runs of neighbouring trials."""
    length = max(BLOCK_TRIALS, PER_CONDITION * n_conditions)
    n_blocks = max(1, n_trials // length)
    return np.arange(n_trials) * n_blocks // max(n_trials, 1)


def subset_sizes(n_units: int) -> list[int]:
    """Return sizes of subsets of units: powers of 2 and all.

    Examples
    --------
    >>> subset_sizes(6)
    [1, 2, 4, 6]
    """
    return sorted({*(2**k for k in range(n_units.bit_length()) if 2**k < n_units), n_units})


def by_number_of_units(
    log_likelihood: FloatArray, label: IntArray, prior: FloatArray, fold: IntArray, rng: np.random.Generator
) -> Iterator[tuple[int, FloatArray, FloatArray]]:
    """Yield a number of units, and accuracy and information (subset,) by random subsets of so many.

    Parameters
    ----------
    log_likelihood
        Of each unit alone, (trial, condition, unit), nats.
    label, fold
        (trial,).
    prior
        (condition,).
    rng
        Of the subsets.
    """
    n_units = log_likelihood.shape[2]
    for size in subset_sizes(n_units):
        n = 1 if size == n_units else min(N_SUBSETS, math.comb(n_units, size))
        if size == 1 and n_units <= N_SUBSETS:
            chosen = [np.array([unit]) for unit in range(n_units)]
        else:
            chosen = [rng.permutation(n_units)[:size] for _ in range(n)]
        found = [tempered(log_likelihood[:, :, units].sum(axis=2), label, prior, fold)[0] for units in chosen]
        right = np.array([(each.argmax(axis=1) == label).mean() for each in found])
        yield size, right, np.array([information(each, label, prior).mean() for each in found])


def confusion(log2_posterior: FloatArray, label: IntArray) -> IntArray:
    """Return how many trials of each condition were taken for each, (condition, decoded)."""
    n = log2_posterior.shape[1]
    return np.bincount(label * n + log2_posterior.argmax(axis=1), minlength=n * n).reshape(n, n)
