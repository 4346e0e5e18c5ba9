"""Which condition was it: how often that is right, against chance, and by number of units (science.md#decoding)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from rnnspike.evaluation.decoding.posterior import information, tempered
from rnnspike.trials.data import FloatArray, IntArray

#: Permutations of labels.
N_PERMUTATIONS = 4999
#: The least p that so many permutations can give.
LEAST_P = 1 / (1 + N_PERMUTATIONS)
#: Trials of a block within which labels are permuted, and how often each condition may come in it, at the least.
BLOCK_TRIALS, PER_CONDITION = 20, 2
#: Subsets of units of one size.
N_SUBSETS = 20


def accuracy_interval(n_right: int, n: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a share (Clopper and Pearson 1934)."""
    found = binomtest(n_right, n).proportion_ci(method="exact")
    return float(found.low), float(found.high)


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
