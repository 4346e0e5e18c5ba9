"""Likelihoods of binned spikes and bits per spike (science.md#bits-per-spike).

Every model of a run is scored by one observation model, on the same bins: Bernoulli with ``p = 1 - exp(-mu)``
(complementary log-log) where a bin holds at most one spike, or Poisson with mean ``mu``.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from rnnspike.models.protocol import MU_FLOOR
from rnnspike.observation import Observation, mu_of_probability, spike_term
from rnnspike.trials.data import BoolArray, FloatArray, Trials

#: With fewer held-out spikes a unit is listed, without scores (science.md#bits-per-spike).
MIN_SPIKES = 10


def log_likelihood(
    mu: FloatArray,
    spikes: Trials | npt.NDArray[np.integer],
    observed: BoolArray | None = None,
    observation: Observation = "bernoulli",
) -> FloatArray:
    """Return the log-likelihood of each trial in nats, float64 (trial, unit), or (trial,) without a unit axis.

    Bernoulli: sum over observed bins of ``y log(1 - exp(-mu)) - (1 - y) mu``; Poisson:
    ``y log mu - mu - log y!``. A spike where ``mu`` is 0 gives ``-inf``; ``count_infinite`` counts them.

    Parameters
    ----------
    mu
        Expected count of each bin, (trial, bin[, unit]).
    spikes
        Counts as scored, of that shape, or ``Trials`` (which bring mask and observation model along).
    observed
        Bins that are scored; all where None.

    Raises
    ------
    ValueError
        Where the shapes differ, or a Bernoulli bin holds more than one spike (re-bin, or score
        ``Trials.spikes``, which counts what it merges).

    Examples
    --------
    >>> log_likelihood(np.array([[0.1, 0.1]]), np.array([[0, 1]])).round(4)
    array([-2.4522])
    """
    if isinstance(spikes, Trials):
        return log_likelihood(mu, spikes.spikes, spikes.observed, spikes.observation)
    mu = np.asarray(mu, dtype=np.float64)
    if mu.shape != spikes.shape:
        raise ValueError(f"mu has shape {mu.shape}, the spikes {spikes.shape}")
    scored = spikes > 0 if observed is None else (spikes > 0) & observed
    where = np.nonzero(scored)
    total: FloatArray = -np.sum(mu, axis=1, where=True if observed is None else observed)
    cell = np.ravel_multi_index((where[0], *where[2:]), total.shape)
    total += np.bincount(cell, spike_term(mu[where], spikes[where], observation), total.size).reshape(total.shape)
    return total


def bits_per_spike(log_likelihood: FloatArray, null: FloatArray, n_spikes: npt.NDArray[np.integer]) -> float:
    """Return ``(sum log_likelihood - sum null) / (sum n_spikes ln 2)``: a ratio of sums, NaN without spikes.

    The null must be scored by the same observation model on the same bins.
    """
    total = float(np.sum(n_spikes))
    if total == 0:
        return math.nan
    return float(np.sum(log_likelihood) - np.sum(null)) / (total * math.log(2))


def evaluated_mean_null(
    spikes: npt.NDArray[np.integer], observed: BoolArray | None = None, observation: Observation = "bernoulli"
) -> FloatArray:
    """Return the optimistic null of the latents benchmark: the rate of the very data that are scored, as mu.

    Not deployable (it has seen the test data); offered for parity with ``nlb_tools`` and nemos. Shape as spikes.
    """
    seen = np.ones(spikes.shape, bool) if observed is None else observed
    exposure = seen.sum(axis=(0, 1))
    mean = np.where(seen, spikes, 0).sum(axis=(0, 1)) / np.maximum(exposure, 1)
    mu = mu_of_probability(mean) if observation == "bernoulli" else mean
    return np.broadcast_to(np.asarray(mu, np.float64), spikes.shape)


def count_infinite(mu: FloatArray, spikes: npt.NDArray[np.integer], observed: BoolArray | None = None) -> int:
    """Return the spikes in bins where the model claims there can be none (mu at or under the floor).

    The floor of ``mu`` turns each such infinite loss into some 20 nats, which must not pass unseen; predictions are
    kept in single precision.
    """
    impossible = (spikes > 0) & (mu <= MU_FLOOR * (1 + 1e-5))
    return int(np.count_nonzero(impossible if observed is None else impossible & observed))
