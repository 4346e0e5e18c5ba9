"""The loss of a bin for compiled training loops: ``observation.loss_by_log_mu`` of one bin at a time.

See science.md#observation-model.
"""

from __future__ import annotations

import numpy as np

from rnnspike.models.numerics.compilation import compiled


@compiled
def bin_loss(log_mu: float, count: float, bernoulli: bool) -> tuple[float, float]:
    """Return minus the log-likelihood of a bin in nats and its derivative by log mu.

    Without a spike the loss is mu. With ``count`` spikes it is ``-log(1 - exp(-mu))`` (Bernoulli, one spike at most)
    or ``mu - count log mu`` (Poisson, without the term that no model changes).
    """
    mu = np.exp(log_mu)
    if count == 0.0:
        return mu, mu
    if bernoulli:
        p = -np.expm1(-mu)
        return -np.log(p), -mu * (1.0 - p) / p
    return mu - count * log_mu, mu - count


@compiled
def bounded_log_mu(log_mu: float, lowest: float, highest: float) -> tuple[float, bool]:
    """Return log mu within its bounds, and whether it was inside; NaN counts as inside, so that it shows."""
    inside = not (log_mu < lowest or log_mu > highest)
    return (lowest if log_mu < lowest else (highest if log_mu > highest else log_mu)), inside
