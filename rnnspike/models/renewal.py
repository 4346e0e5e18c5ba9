r"""Renewal models on the rescaled clock and the multiplicative interval model; the best on validation (science b.6).

On the clock of the drive, :math:`x = \Lambda(t) - \Lambda(t_\text{last})`, intervals have a law; bin k has

.. math:: \mu_k = H(x_{k+1}) - H(x_k), \qquad H(x) = -\log S(x)

Six families are fitted by maximum likelihood with censored ends, each also with a refractory shift. Where the last
spike lies before the recorded past, the age is that of a stationary process seen at a random time:
:math:`S_e(x) = \int_x^\infty S / E[x]`. The multiplicative (inhomogeneous Markov interval) model of Kass and Ventura
(2001), drive times a function of the time since the last spike, is fitted jointly by the GLM's solver.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from scipy.optimize import minimize

from rnnspike.models.glm import FittedGlm, LastSpikeGlm
from rnnspike.models.history import Past
from rnnspike.models.protocol import MU_CEILING, MU_FLOOR, FittedModel, Stepper
from rnnspike.models.psth import flat_or_psth
from rnnspike.models.table import IntensityTable
from rnnspike.trials.data import BoolArray, FloatArray, Trials

#: A bin keeps this share of the drive's expectation whatever the law says: no recorded interval is impossible.
FLOOR_SHARE = 1e-4
#: Longest time on the clock that the tables cover, in mean intervals, and their points.
LONGEST, POINTS = 60.0, 6000
#: Fewest intervals that a law is fitted to.
FEWEST = 20


@dataclass(frozen=True)
class Family:
    """A law of intervals: scipy's distribution from log parameters, and a start from intervals."""

    name: str
    frozen: Callable[[FloatArray], Any]
    start: Callable[[FloatArray], list[float]]


def _spread(x: FloatArray) -> float:
    return float(np.clip(np.std(x) / max(float(np.mean(x)), 1e-9), 0.1, 3.0))


FAMILIES = {
    family.name: family
    for family in (
        Family("exponential", lambda p: stats.expon(scale=np.exp(p[0])), lambda x: [np.log(x.mean())]),
        Family(
            "gamma",
            lambda p: stats.gamma(np.exp(p[1]), scale=np.exp(p[0] - p[1])),
            lambda x: [np.log(x.mean()), -2 * np.log(_spread(x))],
        ),
        Family(
            "inverse-gaussian",
            lambda p: stats.invgauss(np.exp(p[0] - p[1]), scale=np.exp(p[1])),
            lambda x: [np.log(x.mean()), np.log(x.mean()) - 2 * np.log(_spread(x))],
        ),
        Family(
            "lognormal",
            lambda p: stats.lognorm(np.exp(p[1]), scale=np.exp(p[0])),
            lambda x: [float(np.log(x).mean()), float(np.log(max(np.log(x).std(), 0.05)))],
        ),
        Family(
            "weibull",
            lambda p: stats.weibull_min(np.exp(p[1]), scale=np.exp(p[0])),
            lambda x: [np.log(x.mean()), -np.log(_spread(x))],
        ),
        Family(
            "log-logistic",
            lambda p: stats.fisk(np.exp(p[1]), scale=np.exp(p[0])),
            lambda x: [np.log(np.median(x)), np.log(1.8 / max(float(np.log(x).std()), 0.1))],
        ),
    )
}


@dataclass(frozen=True)
class Intervals:
    """Intervals on the clock: complete ones (interval,) and the ages at which observation ended (censored,)."""

    complete: FloatArray
    censored: FloatArray


def fit_family(name: str, intervals: Intervals, shift: float = 0.0) -> FloatArray:
    """Return the log parameters of a family by maximum likelihood with right-censored intervals.

    Intervals and ages are taken from ``shift`` on (an absolute refractory time on the clock).
    """
    start = np.array(FAMILIES[name].start(np.maximum(intervals.complete - shift, 1e-9)), float)

    def cost(p: FloatArray) -> float:
        total = interval_log_likelihood(name, p, intervals, shift)
        return -total / len(intervals.complete) if np.isfinite(total) else 1e6

    found = minimize(cost, start, method="Nelder-Mead", options={"xatol": 2e-3, "fatol": 1e-6, "maxfev": 120})
    return np.asarray(np.clip(found.x, -12, 12))


def interval_log_likelihood(name: str, parameters: FloatArray, intervals: Intervals, shift: float) -> float:
    """Return the log-likelihood in nats of complete and censored intervals under a family."""
    law = FAMILIES[name].frozen(np.clip(parameters, -12, 12))
    x = np.maximum(intervals.complete - shift, 1e-9)
    beyond = intervals.censored[intervals.censored > shift] - shift
    with np.errstate(all="ignore"):
        return float(law.logpdf(x).sum() + law.logsf(beyond).sum())


@dataclass(frozen=True)
class Law:
    """A fitted law of intervals on the clock: family, log parameters, shift."""

    family: str
    parameters: tuple[float, ...]
    shift: float

    @cached_property
    def _tables(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return a grid of the clock and the cumulative hazards after a spike and after an unknown time."""
        law = FAMILIES[self.family].frozen(np.array(self.parameters))
        longest = LONGEST * max(1.0, float(law.mean()) if np.isfinite(law.mean()) else 1.0)
        grid = np.concatenate([[0.0], np.geomspace(1e-4, longest, POINTS)])
        with np.errstate(all="ignore"):
            hazard = -law.logsf(np.maximum(grid - self.shift, 0.0))
        hazard = np.minimum(hazard, 500.0)
        survivor = np.exp(-hazard)
        pieces = 0.5 * (survivor[1:] + survivor[:-1]) * np.diff(grid)
        rest = np.concatenate([np.cumsum(pieces[::-1])[::-1], [0.0]]) + 1e-12
        return grid, np.maximum.accumulate(hazard), -np.log(rest / rest[0])

    def cumulative(self, x: FloatArray, known: BoolArray) -> FloatArray:
        """Return H at clock ages x; ``known`` False takes the equilibrium law of an unknown last spike."""
        grid, after_spike, unknown = self._tables
        beyond = np.maximum(x - grid[-1], 0.0)
        return np.asarray(np.where(known, np.interp(x, grid, after_spike), np.interp(x, grid, unknown)) + beyond)


@dataclass(frozen=True)
class FittedRenewal:
    """A drive and a law of intervals on its clock; ``ranking`` lists every candidate's validation score."""

    base: IntensityTable
    law: Law
    ranking: dict[str, float]
    name: str = "renewal"

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, 1) given the recorded past."""
        base, before = clock(self.base, trials)
        past = Past.of(trials)
        age, known = clock_ages(past, np.concatenate([before, base], axis=1))
        return self.mu(age, base, known)[:, :, None]

    def mu(self, age: FloatArray, step: FloatArray, known: BoolArray) -> FloatArray:
        """Return mu of bins that the clock takes from ``age`` to ``age + step``, all of one shape."""
        return _bounded(self.law.cumulative(age + step, known) - self.law.cumulative(age, known), step)

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper over these trials."""
        from rnnspike.models.renewal_stepper import RenewalStepper

        return RenewalStepper.of(self, trials.unit(unit))

    def save(self, folder: Path) -> None:
        """Write the drive and the law."""
        self.base.save(folder / "base")
        law = {"family": self.law.family, "parameters": list(self.law.parameters), "shift": self.law.shift}
        config = {"name": self.name, "kind": "renewal", "law": law, "ranking": self.ranking}
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


@dataclass(frozen=True)
class FittedInterval:
    """The multiplicative interval model as the rung ``renewal``."""

    glm: FittedGlm
    ranking: dict[str, float]
    name: str = "renewal"

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, 1) given the recorded past."""
        return self.glm.intensity(trials)

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper over these trials."""
        return self.glm.stepper(trials, unit)

    def save(self, folder: Path) -> None:
        """Write the log-linear model."""
        self.glm.save(folder / "imi")
        config = {"name": self.name, "kind": "imi", "ranking": self.ranking}
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")


class Renewal:
    """Drive times a function of the time since the last spike: the best of eleven laws and the interval model."""

    name = "renewal"

    @classmethod
    def configured(cls, effort: str = "standard", device: str = "cpu", checkpoint: Path | None = None) -> Renewal:
        """Return the model; it has nothing to configure."""
        return cls()

    def fit(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> tuple[FittedModel, ...]:
        """Fit every candidate on the training trials and choose on each validation set alone."""
        base = flat_or_psth(train)
        assert isinstance(base, IntensityTable)
        intervals = clock_intervals(base, train)
        laws = candidate_laws(intervals) if len(intervals.complete) >= FEWEST else []
        multiplicative = LastSpikeGlm().fit(train, validation, rng)
        return tuple(
            self._choose(base, laws, glm, held_out) for glm, held_out in zip(multiplicative, validation, strict=True)
        )

    def _choose(self, base: IntensityTable, laws: list[Law], glm: FittedModel, held_out: Trials) -> FittedModel:
        candidates: dict[str, FittedModel] = {"imi": glm}
        for law in laws:
            label = law.family + (" shifted" if law.shift else "")
            candidates[label] = FittedRenewal(base, law, {})
        ranking = {label: _score(model, held_out) for label, model in candidates.items()}
        best = max(ranking, key=lambda label: ranking[label])
        chosen = candidates[best]
        if isinstance(chosen, FittedRenewal):
            return FittedRenewal(base, chosen.law, ranking)
        assert isinstance(chosen, FittedGlm)
        return FittedInterval(chosen, ranking)

    @classmethod
    def load(cls, folder: Path) -> FittedModel:
        """Return a fitted model from its folder."""
        config = json.loads((folder / "config.json").read_text())
        if config["kind"] == "imi":
            return FittedInterval(FittedGlm.load(folder / "imi"), config["ranking"])
        law = config["law"]
        fitted = Law(law["family"], tuple(law["parameters"]), law["shift"])
        return FittedRenewal(IntensityTable.load(folder / "base"), fitted, config["ranking"])


def candidate_laws(intervals: Intervals) -> list[Law]:
    """Return every family, and the two best again with a refractory shift.

    The shift is an interior estimate, .9 of the 0.5 % point: the shortest interval itself would make a shorter one in
    held-out trials impossible.
    """
    laws = [Law(name, tuple(fit_family(name, intervals).tolist()), 0.0) for name in FAMILIES]
    shift = 0.9 * float(np.quantile(intervals.complete, 0.005))
    if shift <= 1e-3:
        return laws
    best = sorted(
        laws, key=lambda law: -interval_log_likelihood(law.family, np.array(law.parameters), intervals, 0.0)
    )
    names = [law.family for law in best[:2]]
    return laws + [Law(name, tuple(fit_family(name, intervals, shift).tolist()), shift) for name in names]


def clock(base: IntensityTable, trials: Trials) -> tuple[FloatArray, FloatArray]:
    """Return the drive's mu of window (trial, bin) and burn-in (trial, burn_bin); the latter at its mean."""
    window = base.intensity(trials)[:, :, 0]
    before = np.broadcast_to(window.mean(axis=1, keepdims=True), (trials.n_trials, trials.n_burn_in))
    return window, before


def clock_ages(past: Past, mu: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return the clock's age at the start of each bin of the window, and whether its last spike is known.

    Where it is not, the age is the clock since observation began.
    """
    total = np.concatenate([np.zeros((len(mu), 1)), np.cumsum(mu, axis=1)], axis=1)  # (trial, time + 1)
    first = past.n_burn_in
    last, gap = past.last_before(past.spikes > 0, first), past.last_before(~past.observed, first)
    known = last > gap
    since = np.maximum(last, gap) + 1
    return total[:, first:-1] - np.take_along_axis(total, since.astype(np.int64), axis=1), known


def clock_intervals(base: IntensityTable, trials: Trials) -> Intervals:
    """Return the intervals on the clock that end in the window, and the ages at which trials or stretches end."""
    window, before = clock(base, trials)
    past = Past.of(trials)
    age, known = clock_ages(past, np.concatenate([before, window], axis=1))
    observed = past.observed[:, past.n_burn_in :]
    ended = (past.spikes[:, past.n_burn_in :] > 0) & observed & known
    complete = (age + 0.5 * window)[ended]
    last = observed & known
    last[:, :-1] &= ~observed[:, 1:]
    return Intervals(np.maximum(complete, 1e-6), (age + window)[last & ~ended])


def _score(model: FittedModel, trials: Trials) -> float:
    """Return the log-likelihood of held-out trials in nats (constants left out)."""
    mu = model.intensity(trials)[trials.observed]
    spikes = trials.spikes[trials.observed]
    at = spikes > 0
    if trials.observation == "poisson":
        return float((spikes[at] * np.log(mu[at])).sum() - mu.sum())
    return float(np.log(-np.expm1(-mu[at])).sum() - mu[~at].sum())


def _bounded(mu: FloatArray, base: FloatArray) -> FloatArray:
    return np.clip(np.maximum(mu, FLOOR_SHARE * base), MU_FLOOR, MU_CEILING)
