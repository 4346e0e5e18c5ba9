"""How bins are observed: Bernoulli or Poisson, with the expected count ``mu`` of each (science.md#observation-model).

Every model of a run returns ``mu``, the integral of its intensity over a bin, and all are scored by one observation
model: Bernoulli with ``p = 1 - exp(-mu)`` (complementary log-log) where a bin holds at most one spike, else Poisson.
Compiled training loops take the loss and slope of a bin from ``models/numerics/observation_loops.py``, torch from
``models/networks/torch_training.py``.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv, gammaln

Observation = Literal["bernoulli", "poisson"]
FloatArray = npt.NDArray[np.float64]

#: Beyond this expected count a Bernoulli bin with a spike costs nothing, and neither do its derivatives.
_CERTAIN = 500.0


def spike_probability(mu: FloatArray) -> FloatArray:
    """Return ``1 - exp(-mu)``, the probability that a bin holds a spike, any shape."""
    return np.asarray(-np.expm1(-mu))


def mu_of_probability(p: FloatArray, most: float = 1.0) -> FloatArray:
    """Return ``-log(1 - p)``, any shape; p is taken to be at most ``most``."""
    return np.asarray(-np.log1p(-np.minimum(p, most)))


def log_spike_probability(mu: FloatArray) -> FloatArray:
    """Return ``log(1 - exp(-mu))``, any shape; -inf where mu is 0."""
    return np.asarray(np.log(-np.expm1(-mu)))


def expected_counts(mu: FloatArray, observation: Observation, out: FloatArray | None = None) -> FloatArray:
    """Return what a bin is expected to score: ``1 - exp(-mu)`` under Bernoulli, ``mu`` under Poisson.

    ``out`` takes it, and may be ``mu`` itself.
    """
    out = np.empty_like(mu) if out is None else out
    if observation == "bernoulli":
        return np.negative(np.expm1(np.negative(mu, out=out), out=out), out=out)
    np.copyto(out, mu)
    return out


def spike_term(mu: FloatArray, counts: npt.NDArray[np.integer], observation: Observation) -> FloatArray:
    """Return what the spikes of a bin add to ``-mu``: ``log p + mu`` (Bernoulli), ``y log mu - log y!`` (Poisson).

    Raises
    ------
    ValueError
        Where a Bernoulli bin holds more than one spike.
    """
    with np.errstate(divide="ignore"):
        if observation == "bernoulli":
            if counts.size and int(counts.max()) > 1:
                raise ValueError(
                    "a Bernoulli bin holds at most one spike; use narrower bins or --observation poisson"
                )
            return log_spike_probability(mu) + mu
        return np.asarray(counts * np.log(mu) - gammaln(counts + 1.0))


def loss_by_log_mu(
    log_mu: FloatArray, bins: FloatArray, spikes: FloatArray, observation: Observation
) -> tuple[float, FloatArray, FloatArray]:
    """Return the negative log-likelihood in nats and its first and second derivatives by log mu (row,).

    ``bins`` (row,) is how many bins of this intensity a row stands for; rows with spikes stand for one. Under
    Bernoulli such a bin costs ``-log(1 - exp(-mu))``; under Poisson ``mu - y log mu`` (constants left out).
    """
    slope = bins * np.exp(log_mu)
    if observation == "poisson":
        return float(slope.sum() - spikes @ log_mu), slope - spikes, slope
    at = np.flatnonzero(spikes > 0)
    curvature = slope.copy()
    mu = slope[at]
    total = slope.sum() - mu.sum() - log_spike_probability(np.maximum(mu, 1e-300)).sum()
    bounded = np.clip(mu, 1e-300, _CERTAIN)
    odds = np.expm1(bounded)
    slope[at] = -bounded / odds  # -> -1 as mu -> 0
    exact = bounded * (bounded * (odds + 1) - odds) / odds / odds
    curvature[at] = np.where(bounded < 1e-4, bounded / 2 * (1 - bounded / 3), exact)
    return float(total), slope, curvature


def draw(mu: FloatArray, observation: Observation, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Draw the spikes of bins from their expected counts, any shape; uint8."""
    if observation == "bernoulli":
        return (rng.random(mu.shape) < spike_probability(mu)).astype(np.uint8)
    return np.minimum(rng.poisson(mu), 255).astype(np.uint8)


def garwood(observed: FloatArray, level: float = 0.95) -> tuple[FloatArray, FloatArray]:
    """Return the exact interval of a Poisson mean from its count, both (count,) (Garwood 1936)."""
    tail = (1 - level) / 2
    low = np.where(observed > 0, gammaincinv(np.maximum(observed, 1e-300), tail), 0.0)
    return low, np.asarray(gammaincinv(observed + 1.0, 1 - tail))
