r"""Laws of intervals on the rescaled clock, by maximum likelihood with censored ends (science.md#renewal).

Six families: exponential, gamma, inverse Gaussian, lognormal, Weibull, log-logistic; each may have a refractory
shift. Parameters are logarithms: the first sets the scale (the mean, of the log the mean, or scipy's ``scale``), the
second the shape (see ``FAMILIES``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import minimize
from scipy.special import gammaincc, gammaln, log_ndtr

from rnnspike.trials.data import BoolArray, FloatArray

#: Longest rescaled time of the tables, in units of the law's scale, and their number of points.
LONGEST, POINTS = 60.0, 6000
#: Largest absolute log parameter.
WIDEST = 12.0
_HALF_LOG_2PI = 0.5 * float(np.log(2 * np.pi))


@dataclass(frozen=True)
class Family:
    """A law of intervals: log density and log survivor at (x, log x) from log parameters, and a start."""

    name: str
    log_density: Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
    log_survivor: Callable[[FloatArray, FloatArray, FloatArray], FloatArray]
    start: Callable[[FloatArray, FloatArray], list[float]]


def _gamma_density(p: FloatArray, x: FloatArray, log_x: FloatArray) -> FloatArray:
    shape, log_scale = np.exp(p[1]), p[0] - p[1]
    return np.asarray((shape - 1) * log_x - x / np.exp(log_scale) - shape * log_scale - gammaln(shape))


def _gamma_survivor(p: FloatArray, x: FloatArray, log_x: FloatArray) -> FloatArray:
    shape, y = np.exp(p[1]), x * np.exp(p[1] - p[0])
    survivor = gammaincc(shape, y)
    far = (shape - 1) * np.log(np.maximum(y, 1e-300)) - y - gammaln(shape)  # where the survivor underflows
    return np.asarray(np.where(survivor > 1e-280, np.log(np.maximum(survivor, 1e-300)), far))


def _gauss_density(p: FloatArray, x: FloatArray, log_x: FloatArray) -> FloatArray:
    distance = np.exp(p[1]) * (x * np.exp(-p[0]) - 1) ** 2 / x
    return np.asarray(0.5 * (p[1] - 3 * log_x - distance) - _HALF_LOG_2PI)


def _gauss_survivor(p: FloatArray, x: FloatArray, log_x: FloatArray) -> FloatArray:
    root, scaled = np.exp(0.5 * (p[1] - log_x)), x * np.exp(-p[0])
    first = log_ndtr(-root * (scaled - 1))
    second = 2 * np.exp(p[1] - p[0]) + log_ndtr(-root * (scaled + 1))
    return np.asarray(first + np.log(-np.expm1(np.minimum(second - first, -1e-15))))


def _normal_density(p: FloatArray, x: FloatArray, log_x: FloatArray) -> FloatArray:
    return np.asarray(-log_x - p[1] - _HALF_LOG_2PI - 0.5 * ((log_x - p[0]) * np.exp(-p[1])) ** 2)


def _scaled(p: FloatArray, log_x: FloatArray) -> FloatArray:
    return np.asarray(np.exp(p[1]) * (log_x - p[0]))


def _weibull_density(p: FloatArray, x: FloatArray, log_x: FloatArray) -> FloatArray:
    z = _scaled(p, log_x)
    return np.asarray(p[1] - log_x + z - np.exp(z))


def _logistic_density(p: FloatArray, x: FloatArray, log_x: FloatArray) -> FloatArray:
    z = _scaled(p, log_x)
    return np.asarray(p[1] - log_x + z - 2 * np.logaddexp(0.0, z))


def _spread(x: FloatArray) -> float:
    return float(np.log(np.clip(np.std(x) / max(float(np.mean(x)), 1e-9), 0.1, 3.0)))


def _mean(x: FloatArray) -> float:
    return float(np.log(x.mean()))


#: exponential: log mean. gamma: log mean, log shape. inverse Gaussian: log mean, log lambda. lognormal: mean of the
#: log, log of its deviation. Weibull and log-logistic: log scale, log shape.
FAMILIES = {
    family.name: family
    for family in (
        Family(
            "exponential",
            lambda p, x, log_x: -p[0] - x * np.exp(-p[0]),
            lambda p, x, log_x: -x * np.exp(-p[0]),
            lambda x, log_x: [_mean(x)],
        ),
        Family("gamma", _gamma_density, _gamma_survivor, lambda x, log_x: [_mean(x), -2 * _spread(x)]),
        Family(
            "inverse-gaussian",
            _gauss_density,
            _gauss_survivor,
            lambda x, log_x: [_mean(x), -float(np.log(max(np.mean(1 / x) - 1 / x.mean(), 1e-4)))],
        ),
        Family(
            "lognormal",
            _normal_density,
            lambda p, x, log_x: log_ndtr((p[0] - log_x) * np.exp(-p[1])),
            lambda x, log_x: [float(log_x.mean()), float(np.log(max(log_x.std(), 0.05)))],
        ),
        Family(
            "weibull",
            _weibull_density,
            lambda p, x, log_x: -np.exp(_scaled(p, log_x)),
            lambda x, log_x: [_mean(x), -_spread(x)],
        ),
        Family(
            "log-logistic",
            _logistic_density,
            lambda p, x, log_x: -np.logaddexp(0.0, _scaled(p, log_x)),
            lambda x, log_x: [float(np.median(log_x)), float(np.log(1.8 / max(float(log_x.std()), 0.1)))],
        ),
    )
}


@dataclass(frozen=True)
class Intervals:
    """Intervals on the clock: complete ones (interval,) and the ages at which observation ended (censored,)."""

    complete: FloatArray
    censored: FloatArray

    def beyond(self, shift: float) -> Intervals:
        """Return the intervals minus a refractory time."""
        return Intervals(np.maximum(self.complete - shift, 1e-9), self.censored[self.censored > shift] - shift)

    @cached_property
    def logs(self) -> tuple[FloatArray, FloatArray]:
        """Logs of complete intervals and of censored ages."""
        return np.log(self.complete), np.log(np.maximum(self.censored, 1e-300))


def fit_family(name: str, intervals: Intervals, shift: float = 0.0) -> FloatArray:
    """Return the log parameters of a family by maximum likelihood with right-censored intervals.

    Intervals and ages are taken from ``shift`` on (an absolute refractory time on the clock).

    Examples
    --------
    >>> x = np.array([1.0, 2.0, 3.0])
    >>> fit_family("exponential", Intervals(x, np.array([4.0]))).round(4).tolist()  # (6 + 4) / 3 = 3.333
    [1.204]
    """
    left = intervals.beyond(shift)
    start = np.clip(FAMILIES[name].start(left.complete, left.logs[0]), -WIDEST, WIDEST)

    def cost(p: FloatArray) -> float:
        total = interval_log_likelihood(name, p, left)
        return -total / len(left.complete) if np.isfinite(total) else 1e6

    found = minimize(cost, start, method="L-BFGS-B", bounds=[(-WIDEST, WIDEST)] * len(start), options={"ftol": 1e-11})
    return np.asarray(found.x)


def interval_log_likelihood(name: str, parameters: FloatArray, intervals: Intervals, shift: float = 0.0) -> float:
    """Return the log-likelihood in nats of complete and censored intervals under a family."""
    family, left = FAMILIES[name], intervals.beyond(shift) if shift else intervals
    (log_x, log_c), p = left.logs, np.asarray(parameters)
    with np.errstate(all="ignore"):
        seen = family.log_density(p, left.complete, log_x).sum()
        return float(seen + family.log_survivor(p, left.censored, log_c).sum())


@dataclass(frozen=True)
class Law:
    """A fitted law of intervals on the clock: family, log parameters, shift."""

    family: str
    parameters: tuple[float, ...]
    shift: float

    @property
    def label(self) -> str:
        """Name in rankings."""
        return self.family + (" shifted" if self.shift else "")

    @cached_property
    def _tables(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return a grid of rescaled time and the cumulative hazards after a spike and after an unknown time."""
        longest = LONGEST * max(1.0, float(np.exp(min(self.parameters[0], 6.0))))
        grid = np.concatenate([[0.0], np.geomspace(1e-4, longest, POINTS)])
        age = np.maximum(grid - self.shift, 1e-300)
        with np.errstate(all="ignore"):
            hazard = -FAMILIES[self.family].log_survivor(np.array(self.parameters), age, np.log(age))
        hazard = np.clip(np.nan_to_num(hazard, nan=500.0, posinf=500.0), 0.0, 500.0)
        survivor = np.exp(-hazard)
        pieces = 0.5 * (survivor[1:] + survivor[:-1]) * np.diff(grid)
        rest = np.concatenate([np.cumsum(pieces[::-1])[::-1], [0.0]]) + 1e-12
        return grid, np.maximum.accumulate(hazard), -np.log(rest / rest[0])

    def cumulative(self, x: FloatArray, known: BoolArray) -> FloatArray:
        """Return H at clock ages x; ``known`` False takes the equilibrium law of an unknown last spike."""
        grid, after_spike, unknown = self._tables
        total = np.interp(x, grid, after_spike)
        if not known.all():
            total[~known] = np.interp(x[~known], grid, unknown)
        return np.asarray(total + np.maximum(x - grid[-1], 0.0))


def candidate_laws(intervals: Intervals) -> list[Law]:
    """Return every family, and the two best again with a refractory shift.

    The shift is .9 of the 0.5 % quantile: with the shortest interval itself, a shorter one in held-out trials would
    be impossible.
    """
    laws = [Law(name, tuple(fit_family(name, intervals).tolist()), 0.0) for name in FAMILIES]
    shift = 0.9 * float(np.quantile(intervals.complete, 0.005))
    if shift <= 1e-3:
        return laws
    best = sorted(laws, key=lambda law: -interval_log_likelihood(law.family, np.array(law.parameters), intervals))
    names = [law.family for law in best[:2]]
    return laws + [Law(name, tuple(fit_family(name, intervals, shift).tolist()), shift) for name in names]
