"""Capture scores: what share of a departure from the reference a model explains (science.md#capture).

A set of strata of bins has observed counts O and, under a model, expected counts E. The deviance
``D = 2 sum [O log(O/E) - (O - E)]`` is about its number of strata S when the model is right, so
``capture = 1 - max(0, D(model) - S) / (D(reference) - S)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import pdtr, pdtrik, xlogy

from rnnspike.evaluation.scores.resampling import benjamini_hochberg, chi_square_tail
from rnnspike.trials.data import FloatArray

Verdict = Literal["captured", "consistent", "partly", "missed", "nothing to capture", "cannot be judged"]

#: Below this many expected spikes a stratum's deviance has its exact distribution, above it chi-square.
EXACT_BELOW = 5.0
ALPHA = 0.05
#: Lower end of the interval above which a departure counts as captured.
CAPTURED_ABOVE = 0.8


@dataclass(frozen=True)
class Capture:
    """One model's capture of one departure.

    ``score`` is None where there is nothing to capture, ``low`` and ``high`` where no interval can be given.
    ``deviance_p`` is the tail probability of the model's deviance, ``reference_p`` that of the reference.
    """

    score: float | None
    low: float | None
    high: float | None
    deviance: float
    deviance_p: float
    reference_deviance: float
    reference_p: float
    n_strata: int
    verdict: Verdict


def deviance(observed: FloatArray, expected: FloatArray) -> FloatArray:
    """Return the Poisson deviance summed over the last axis; infinite where a spike fell where none was expected."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.where(observed > 0, np.log(observed / expected), 0.0)
    return np.asarray(2 * (xlogy(observed, 1.0) + observed * log_ratio - observed + expected).sum(axis=-1))


def deviance_tail(value: float, expected: FloatArray) -> float:
    """Return ``P(D >= value)`` for independent Poisson strata with these means.

    Strata with fewer than 5 expected spikes enter with their exact distribution (convolved on a grid of .05),
    the others as chi-square with one degree of freedom each.
    """
    expected = expected[expected > 0]
    large = int((expected >= EXACT_BELOW).sum())
    small = expected[expected < EXACT_BELOW]
    if not np.isfinite(value):
        return 0.0
    if not len(small):
        return float(chi_square_tail(value, large)) if large else 1.0
    step = 0.05
    pmf = _small_deviance_pmf(small, step, int(value / step) + 2)
    rest: FloatArray = value - step * np.arange(float(len(pmf)))
    # half a step of slack per stratum: rounding on the grid must not move an atom over the line
    tail = chi_square_tail(rest, large) if large else (rest <= step * math.sqrt(len(small))).astype(float)
    beyond = max(0.0, 1.0 - float(pmf.sum()))
    return min(1.0, float((pmf * tail).sum()) + beyond)


def _small_deviance_pmf(means: FloatArray, step: float, size: int) -> FloatArray:
    """Return the distribution of the summed deviance of small strata on a grid; mass beyond it is dropped."""
    pmf = np.zeros(size)
    pmf[0] = 1.0
    for mean in means:
        counts = np.arange(int(np.ceil(pdtrik(1 - 1e-12, mean))) + 2)
        mass = np.diff(np.concatenate([[0.0], pdtr(counts, mean)]))
        cells = np.rint(deviance(counts[:, None].astype(float), np.full((1, 1), mean)) / step).astype(int)
        mixed = np.zeros(size)
        for cell, weight in zip(cells, mass, strict=True):
            if cell < size:
                mixed[cell:] += weight * pmf[: size - cell]
        pmf = mixed
    return pmf


def correlated_tail(value: float, correlation: FloatArray) -> float:
    """Return ``P(z'z >= value)`` for normal z with this correlation matrix (strata that share bins).

    Scaled chi-square with the first two moments (Satterthwaite 1946); exact where strata are disjoint.
    """
    if not np.isfinite(value):
        return 0.0
    mean, half_variance = float(np.trace(correlation)), float((correlation**2).sum())
    if mean <= 0:
        return 1.0
    return float(chi_square_tail(value * mean / half_variance, mean**2 / half_variance))


def capture_score(model: float, reference: float, n_strata: int) -> float:
    """Return ``1 - max(0, D(model) - S) / (D(reference) - S)``."""
    return 1.0 - max(0.0, model - n_strata) / (reference - n_strata)


Levelled = Callable[[FloatArray, FloatArray], FloatArray]


@dataclass(frozen=True)
class Draws:
    """Bootstrap draws of a departure, which all models share.

    ``weights`` (draw, trial), ``observed`` (draw, stratum); ``to_explain`` (draw,) is what the reference leaves
    beyond chance. ``levelled`` brings the expected counts of draws (draw, stratum) to the observed ones.
    """

    weights: FloatArray
    observed: FloatArray
    to_explain: FloatArray
    n_strata: int
    levelled: Levelled

    @classmethod
    def of(
        cls,
        observed: FloatArray,
        reference: FloatArray,
        weights: FloatArray,
        n_strata: int,
        levelled: Levelled = lambda expected, observed: expected,
    ) -> Draws:
        """Return the draws of sums per trial (trial, stratum)."""
        drawn = weights @ observed
        to_explain = deviance(drawn, levelled(weights @ reference, drawn)) - 2 * n_strata
        return cls(weights, drawn, to_explain, n_strata, levelled)

    def interval(self, model: FloatArray) -> tuple[float | None, float | None]:
        """Return the 95 % bootstrap interval of the capture score of a model that expects these sums per trial.

        Resampling trials adds the sampling variance of O - E a second time, about S to each deviance, so a draw's
        score is taken with 2 S. A draw in which the reference leaves nothing to explain counts as minus infinity; an
        end that is infinite is None.
        """
        expected = self.levelled(self.weights @ model, self.observed)
        left = np.maximum(deviance(self.observed, expected) - 2 * self.n_strata, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.where(self.to_explain > 0, 1.0 - left / self.to_explain, -np.inf)
        scores = np.where(np.isnan(scores), -np.inf, scores)
        low, high = np.quantile(scores, [0.025, 0.975], method="lower")
        return _finite(low), _finite(high)


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def verdict(capture: Capture, significant: bool, memoryless: bool = False) -> Verdict:
    """Return the verdict, ``significant`` saying whether the model's deviance is so after correction over units.

    ``captured`` needs an interval whose lower end is above .8; a model that is not refuted and whose interval does
    not reach so far is ``consistent``, which is no claim. A model that knows no spike history captures nothing,
    though it may be off by less than the reference.
    """
    if capture.score is None:
        return "nothing to capture"
    if memoryless:
        return "missed"
    low = -math.inf if capture.low is None else capture.low
    if low > CAPTURED_ABOVE:
        return "captured"
    if not significant:
        return "consistent"
    return "partly" if low > 0 else "missed"


def significant_over_units(p: FloatArray) -> np.ndarray:
    """Return which p are significant at .05 after Benjamini and Hochberg over the units of a recording."""
    return np.asarray(benjamini_hochberg(p) <= ALPHA)
