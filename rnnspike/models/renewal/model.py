r"""Renewal models on the rescaled clock and the multiplicative interval model; the best on validation.

See science.md#renewal.

On the clock of the drive, :math:`x = \Lambda(t) - \Lambda(t_\text{last})`, intervals have a law; bin k has

.. math:: \mu_k = H(x_{k+1}) - H(x_k), \qquad H(x) = -\log S(x)

Six families are fitted by maximum likelihood with censored ends, each also with a refractory shift. Where the last
spike lies before the recorded past, the age is that of a stationary process seen at a random time:
:math:`S_e(x) = \int_x^\infty S / E[x]`. The multiplicative (inhomogeneous Markov interval) model of Kass and Ventura
(2001), drive times a function of the time since the last spike, is fitted jointly by the GLM's solver.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnspike.models.baselines.psth import flat_or_psth
from rnnspike.models.baselines.table import IntensityTable
from rnnspike.models.glm.model import FittedGlm, LastSpikeGlm
from rnnspike.models.past import Past
from rnnspike.models.protocol import FittedModel, Stepper, bounded
from rnnspike.models.renewal.clock import clock, clock_ages, clock_intervals
from rnnspike.models.renewal.interval_laws import Law, candidate_laws
from rnnspike.models.renewal.stepper import RenewalStepper
from rnnspike.models.weights import load_config, save_config
from rnnspike.observation import log_spike_probability
from rnnspike.trials.data import BoolArray, FloatArray, Trials

#: Least share of the drive's mu in every bin, so that no recorded interval is impossible.
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
        """Return mu of bins over which rescaled time goes from ``age`` to ``age + step``, all of one shape."""
        return _bounded(self.law.cumulative(age + step, known) - self.law.cumulative(age, known), step)

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper over these trials."""
        return RenewalStepper.of(self, trials.unit(unit))

    def save(self, folder: Path) -> None:
        """Write the drive and the law."""
        self.base.save(folder / "base")
        law = {"family": self.law.family, "parameters": list(self.law.parameters), "shift": self.law.shift}
        config = {"name": self.name, "kind": "renewal", "law": law, "ranking": self.ranking}
        save_config(folder, config)


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
        save_config(folder, config)


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
        config = load_config(folder)
        if config["kind"] == "imi":
            return FittedInterval(FittedGlm.load(folder / "imi"), config["ranking"])
        law = config["law"]
        fitted = Law(law["family"], tuple(law["parameters"]), law["shift"])
        return FittedRenewal(IntensityTable.load(folder / "base"), fitted, config["ranking"])


@dataclass(frozen=True)
class _HeldOut:
    """Held-out trials in rescaled time, reduced to what a law's likelihood needs.

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
        return float(log_spike_probability(mu).sum() + hazard.sum() - expected)


def _score(model: FittedModel, trials: Trials) -> float:
    """Return the log-likelihood of held-out trials in nats (constants left out)."""
    mu = model.intensity(trials)[trials.observed]
    spikes = trials.spikes[trials.observed]
    at = spikes > 0
    if trials.observation == "poisson":
        return float((spikes[at] * np.log(mu[at])).sum() - mu.sum())
    return float(log_spike_probability(mu[at]).sum() - mu[~at].sum())


def _bounded(mu: FloatArray, base: FloatArray) -> FloatArray:
    return bounded(np.maximum(mu, FLOOR_SHARE * base))
