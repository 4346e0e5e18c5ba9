r"""Bits per spike of co-smoothing and of forward prediction (science.md#co-smoothing).

.. math:: \frac{\ell(\mu) - \ell(\bar\mu)}{\ln 2 \sum y}

with Poisson bins and, as the null, each unit's mean count of the very bins that are scored: the co-bps and fp-bps of
the latents benchmark (Pei et al. 2021).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnspike.evaluation.scores.comparison import TrialBootstrap
from rnnspike.evaluation.scores.likelihood import MIN_SPIKES, bits_per_spike, evaluated_mean_null, log_likelihood
from rnnspike.trials.data import BoolArray, FloatArray, IntArray


def co_bps(mu: FloatArray, spikes: npt.NDArray[np.integer], observed: BoolArray | None = None) -> float:
    """Return the bits per spike of predictions over the mean count of each unit, all units pooled.

    Parameters
    ----------
    mu
        Expected counts (trial, bin, unit).
    spikes
        Counts of that shape.
    observed
        Which are scored, of that shape; all where None.

    Examples
    --------
    >>> spikes = np.array([[[0], [2]], [[0], [2]]])
    >>> round(co_bps(np.where(spikes > 0, 2.0, 1e-9), spikes), 6)
    1.0
    """
    null = evaluated_mean_null(spikes, observed, "poisson")
    total = spikes.sum() if observed is None else spikes[observed].sum()
    return bits_per_spike(
        log_likelihood(mu, spikes, observed, "poisson"),
        log_likelihood(null, spikes, observed, "poisson"),
        np.asarray(total),
    )


@dataclass(frozen=True)
class Score:
    """Bits per spike with the ends of their 95 % interval, and the trials and spikes that they come from."""

    value: float
    low: float
    high: float
    n_trials: int
    n_spikes: int


def scores(
    log_likelihoods: FloatArray, null: FloatArray, n_spikes: IntArray, held: BoolArray, rng: np.random.Generator
) -> tuple[Score, list[Score]]:
    """Return the score of all units pooled, and that of each unit.

    Parameters
    ----------
    log_likelihoods, null
        Of the model and of the mean counts, (trial, unit), nats.
    n_spikes
        (trial, unit).
    held
        (trial,) which trials have bins that are scored.
    rng
        Of the bootstrap over trials.
    """
    bootstrap = TrialBootstrap(int(held.sum()), rng)
    bits, spikes = ((log_likelihoods - null) / math.log(2))[held], n_spikes[held].astype(np.float64)
    enough = spikes.sum(axis=0) >= MIN_SPIKES  # the others are not in the pooled score either
    pooled = _score(bits[:, enough].sum(axis=1), spikes[:, enough].sum(axis=1), bootstrap)
    return pooled, [_score(bits[:, u], spikes[:, u], bootstrap) for u in range(bits.shape[1])]


def _score(bits: FloatArray, spikes: FloatArray, bootstrap: TrialBootstrap) -> Score:
    total = int(spikes.sum())
    if total < MIN_SPIKES:
        return Score(math.nan, math.nan, math.nan, len(bits), total)
    found = bootstrap.gains(bits[:, None], spikes)
    return Score(float(found.value[0]), float(found.low[0]), float(found.high[0]), len(bits), total)
