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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnspike.models.compiled import lags
from rnnspike.models.glm import FittedGlm, LastSpikeGlm
from rnnspike.models.history import Past
from rnnspike.models.interval_laws import Intervals, Law, candidate_laws
from rnnspike.models.protocol import MU_CEILING, MU_FLOOR, FittedModel, Stepper
from rnnspike.models.psth import flat_or_psth
from rnnspike.models.table import IntensityTable
from rnnspike.trials.data import BoolArray, FloatArray, Trials

#: A bin keeps this share of the drive's expectation whatever the law says: no recorded interval is impossible.
FLOOR_SHARE = 1e-4
#: Fewest intervals that a law is fitted to.
FEWEST = 20


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
        age, known = clock_ages(past, base, before)
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
        base = flat_or_psth(train, fitted)
        assert isinstance(base, IntensityTable)
        intervals = clock_intervals(base, train)
        laws = candidate_laws(intervals) if len(intervals.complete) >= FEWEST else []
        multiplicative = LastSpikeGlm().fit(train, validation, rng, {"psth": (base,)})
        return tuple(
            self._choose(base, laws, glm, held_out) for glm, held_out in zip(multiplicative, validation, strict=True)
        )

    def _choose(self, base: IntensityTable, laws: list[Law], glm: FittedModel, held_out: Trials) -> FittedModel:
        on_clock = _HeldOut.of(base, held_out)
        ranking = {"imi": _score(glm, held_out)} | {law.label: on_clock.score(law) for law in laws}
        best = max(ranking, key=lambda label: ranking[label])
        for law in laws:
            if law.label == best:
                return FittedRenewal(base, law, ranking)
        assert isinstance(glm, FittedGlm)
        return FittedInterval(glm, ranking)

    @classmethod
    def load(cls, folder: Path) -> FittedModel:
        """Return a fitted model from its folder."""
        config = json.loads((folder / "config.json").read_text())
        if config["kind"] == "imi":
            return FittedInterval(FittedGlm.load(folder / "imi"), config["ranking"])
        law = config["law"]
        fitted = Law(law["family"], tuple(law["parameters"]), law["shift"])
        return FittedRenewal(IntensityTable.load(folder / "base"), fitted, config["ranking"])


def clock(base: IntensityTable, trials: Trials) -> tuple[FloatArray, FloatArray]:
    """Return the drive's mu (trial, bin), and that of each bin of the burn-in (trial,): its mean."""
    window = base.intensity(trials)[:, :, 0]
    return window, window.mean(axis=1)


def clock_ages(past: Past, mu: FloatArray, before: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return the clock's age at the start of each bin of the window, and whether its last spike is known.

    Where it is not, the age is the clock since observation began.
    """
    age, known = np.empty(mu.shape), np.empty(mu.shape, dtype=bool)
    lags.clock_ages(past.spikes, past.observed, before, np.ascontiguousarray(mu), age, known)
    return age, known


def clock_intervals(base: IntensityTable, trials: Trials) -> Intervals:
    """Return the intervals on the clock that end in the window, and the ages at which trials or stretches end."""
    window, before = clock(base, trials)
    past = Past.of(trials)
    age, known = clock_ages(past, window, before)
    observed = past.observed[:, past.n_burn_in :]
    ended = (past.spikes[:, past.n_burn_in :] > 0) & observed & known
    complete = (age + 0.5 * window)[ended]
    last = observed & known
    last[:, :-1] &= ~observed[:, 1:]
    return Intervals(np.maximum(complete, 1e-6), (age + window)[last & ~ended])


@dataclass(frozen=True)
class _HeldOut:
    """Held-out trials on the clock: what a law's likelihood needs of them, without a pass over the silent bins.

    Between two spikes mu sums to the cumulative hazard over the stretch; ``start``, ``stop`` and ``known`` are
    (stretch,); ``age``, ``step``, ``spike_known`` and ``counts`` are those of the bins with spikes.
    """

    start: FloatArray
    stop: FloatArray
    known: BoolArray
    age: FloatArray
    step: FloatArray
    spike_known: BoolArray
    counts: FloatArray
    poisson: bool

    @staticmethod
    def of(base: IntensityTable, trials: Trials) -> _HeldOut:
        """Cut trials into stretches without spikes."""
        step, before = clock(base, trials)
        past = Past.of(trials)
        age, known = clock_ages(past, step, before)
        observed = past.observed[:, past.n_burn_in :]
        spikes = past.spikes[:, past.n_burn_in :] * observed
        first = observed.copy()
        first[:, 1:] &= (spikes[:, :-1] > 0) | ~observed[:, :-1]
        last = observed.copy()
        last[:, :-1] &= (spikes[:, :-1] > 0) | ~observed[:, 1:]
        at = spikes > 0
        return _HeldOut(
            age[first],
            (age + step)[last],
            known[first],
            age[at],
            step[at],
            known[at],
            spikes[at].astype(np.float64),
            trials.observation == "poisson",
        )

    def score(self, law: Law) -> float:
        """Return the log-likelihood in nats (constants, and what the floor of silent bins adds, left out)."""
        expected = (law.cumulative(self.stop, self.known) - law.cumulative(self.start, self.known)).sum()
        hazard = law.cumulative(self.age + self.step, self.spike_known) - law.cumulative(self.age, self.spike_known)
        mu = _bounded(hazard, self.step)
        if self.poisson:
            return float((self.counts * np.log(mu)).sum() - expected)
        return float(np.log(-np.expm1(-mu)).sum() + hazard.sum() - expected)


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
