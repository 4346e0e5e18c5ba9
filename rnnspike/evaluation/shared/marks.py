"""Marked time rescaling: the spikes of all units as one process, the unit as mark (science.md#marked-rescaling)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import chdtrc

from rnnspike.evaluation.goodness_of_fit.rescaling import draw_uniform, interval_index, ks_test, rescale
from rnnspike.evaluation.scores.likelihood import MIN_SPIKES
from rnnspike.models.protocol import MU_CEILING
from rnnspike.observation import Observation
from rnnspike.trials.data import BoolArray, CountArray, FloatArray

#: Strata of rescaled intervals at the most, and the spikes that the rarest unit has in each on average.
MOST_STRATA, LEAST_PER_STRATUM = 10, 20


class Readable(Protocol):
    """An array, or one kept elsewhere that is read when it is asked for."""

    def __array__(self) -> npt.NDArray[Any]:
        """Return all of it."""

    def __getitem__(self, where: Any, /) -> Any:
        """Return what numpy indexing of it gives."""


@dataclass(frozen=True)
class MarkedRescaling:
    """Tests of the pooled spikes of all units on the clock of their summed intensity.

    ``ks_d``, ``ks_p`` and ``n`` are of the rescaled intervals of the pooled process; ``chi2`` with ``df`` degrees of
    freedom and ``p`` of the units given these intervals. ``used`` is the share of pooled events that one spike alone
    makes: which unit fired is tested on these.
    """

    ks_d: float
    ks_p: float
    n: int
    chi2: float
    df: int
    p: float
    used: float


def marked_rescaling(
    mu: Sequence[Readable],
    counts: Sequence[CountArray],
    observed: BoolArray,
    observation: Observation,
    rng: np.random.Generator,
) -> MarkedRescaling | None:
    """Return the tests of several units under models that were given the recorded past; None with few spikes.

    Parameters
    ----------
    mu
        One array (trial, bin) per unit, read one at a time and twice.
    counts
        Spikes as scored, of the same shapes.
    observed
        (trial, bin), the same for all units.
    observation
        How bins are scored.
    rng
        Source of the randomisation within bins.
    """
    total, spikes = np.zeros(observed.shape), np.zeros(observed.shape, np.int64)
    for each, own in zip(mu, counts, strict=True):
        total += np.asarray(each)
        spikes += own
    spikes[~observed] = 0
    pooled = (spikes > 0).astype(np.uint8) if observation == "bernoulli" else spikes
    if int(pooled.sum()) < MIN_SPIKES:
        return None
    train = rescale(total, pooled, observed, observation)
    z = train.uniform(draw_uniform(train.n, rng))
    test = ks_test(z)
    trial, at = interval_index(pooled, observed)
    alone = spikes[trial, at] == 1
    trial, at, place = trial[alone], at[alone], z[test.draw, alone]
    fired = np.stack([own[trial, at] for own in counts], axis=1).astype(np.float64)  # (event, unit)
    odds = np.stack([_odds(np.asarray(each[trial, at], np.float64), observation) for each in mu], axis=1)
    chi2, df = _chi2_of_marks(fired, odds / odds.sum(axis=1, keepdims=True), place)
    p = float(chdtrc(df, chi2)) if df else math.nan
    return MarkedRescaling(test.d, test.p, test.n, chi2, df, p, float(alone.mean()))


def _odds(mu: FloatArray, observation: Observation) -> FloatArray:
    """Return what the chance that a unit makes the only spike of a bin is proportional to."""
    return np.expm1(np.minimum(mu, MU_CEILING)) if observation == "bernoulli" else mu


def _chi2_of_marks(fired: FloatArray, probability: FloatArray, place: FloatArray) -> tuple[float, int]:
    """Return chi-squared of which unit fired (event, unit), within strata of the rescaled interval (event,)."""
    rarest = float(min(probability.sum(axis=0).min(initial=np.inf), fired.sum(axis=0).min(initial=np.inf)))
    n_strata = int(np.clip(rarest // LEAST_PER_STRATUM, 1, MOST_STRATA))
    stratum = np.minimum((place * n_strata).astype(np.int64), n_strata - 1)
    chi2 = df = 0.0
    for k in range(n_strata):
        here = stratum == k
        p = probability[here, :-1]  # the last unit follows from the others
        apart = (fired[here, :-1] - p).sum(axis=0)
        covariance = np.diag(p.sum(axis=0)) - p.T @ p
        chi2 += float(apart @ np.linalg.pinv(covariance, hermitian=True) @ apart)
        df += int(np.linalg.matrix_rank(covariance, hermitian=True))
    return chi2, int(df)
