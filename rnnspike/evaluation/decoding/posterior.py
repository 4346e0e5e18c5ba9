r"""What the spikes of single trials tell, by the likelihood of models that have not seen them.

.. math:: p(c \mid y) \propto p(c) \prod_u p(y_u \mid c, \mathrm{past})^\beta

over units u, which are independent in a bin given the past of all, with a temperature from other folds
(science.md#decoding).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import logsumexp, stdtrit

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

#: Draws of the bootstrap over trials.
N_DRAWS = 2000
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

    Where conditions come as often as the prior says, the expected mean over trials is at most the mutual information
    of condition and spikes; it is below 0 where the model is sure and wrong.

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
