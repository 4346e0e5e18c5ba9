"""Held-out predictions of one unit, put together from its trainings: bags over validation folds, and the stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rnnspike.config import FitSettings
from rnnspike.errors import ModelError, TaskLost
from rnnspike.evaluation.departures.verdicts import HISTORY_ADDED, WITH_HISTORY, WITHOUT_HISTORY
from rnnspike.models.glm.given_drive import GivenDrive, HistoryOnGiven
from rnnspike.models.protocol import FittedModel
from rnnspike.models.registry import MODELS, build, is_network, is_population, load
from rnnspike.rates.given import GivenModel, GivenRates
from rnnspike.runs.fitting.held_out import HeldOut
from rnnspike.runs.fitting.training import (
    capture_failure,
    is_together,
    model_folder,
    needed,
    prediction_key,
    predictions_file,
    read_outcome,
    rung_folder,
    unit_split,
)
from rnnspike.runs.job import Job, load_job, unit_trials
from rnnspike.runs.stored.claim import vanished
from rnnspike.runs.stored.store import read_arrays_named, safe_name
from rnnspike.runs.tasks import Lost, Pair, Task, ladder, member_name, members_of, pairs_of, rng_for
from rnnspike.trials.data import FloatArray, Trials

Member = tuple[int, int]


@dataclass
class ModelPrediction:
    """One rung of one unit: held-out mu (trial, bin), or why there is none.

    ``free_runner`` returns the model of a test fold for free runs, read when it is asked for: most are not. ``share``
    is how much of the training trials its trainings took (``training.enough``). Of a stack, ``weights`` are those of
    its rungs by test fold, ``scales`` what their mean in log rate is scaled by. ``given`` says of rates that were
    given whether they depend on history, or had it added (a row's ``given``).
    """

    name: str
    status: str = "ok"
    message: str | None = None
    seconds: float = 0.0
    share: float = 1.0
    mu: HeldOut | FloatArray | None = None
    free_runner: Callable[[int], FittedModel] | None = None
    weights: dict[int, dict[str, float]] = field(default_factory=dict)
    scales: dict[int, float] = field(default_factory=dict)
    given: str | None = None


def asked_rungs(settings: FitSettings) -> list[str]:
    """Return the rungs that have rows, in order: those asked for, null and reference, bases of population models."""
    asked = {*settings.models, "constant", "psth-gain"}
    asked |= {base for name in settings.models if is_population(name) and (base := MODELS[name].extends)}
    return [*(name for name in ladder(settings.models) if name in asked), *(["stack"] if "stack" in asked else [])]


def rung_names(job: Job) -> list[str]:
    """Return the rungs that have rows, in order: rates that were given come after the baselines."""
    asked = asked_rungs(job.settings)
    baselines = [name for name in asked if MODELS[name].closed_form]
    given = [name for rates in job.rates for name in rates.names]
    return list(dict.fromkeys([*baselines, *given, *asked]))


def held_out_file(job: Job, unit_id: str, name: str) -> Path:
    """Return where a rung's held-out mu of a unit lies while the run is fitted."""
    return job.work / "held_out" / f"{safe_name(unit_id)}-{name}.npy"


class UnitPredictions:
    """Reads what the trainings of a unit left, and assembles each rung's prediction of every held-out trial.

    What depends on a training that was ``lost`` fails with its reason.
    """

    def __init__(self, job: Job, unit_id: str, lost: Lost | None = None) -> None:
        self.job, self.unit_id, self.lost = job, unit_id, lost or {}
        self.loaded = load_job(job)
        self.trials: Trials = unit_trials(job, (unit_id,))
        self.effort, self.n_folds = job.settings.effort, self.loaded.n_folds
        self._fitted: dict[int, dict[str, Sequence[FittedModel]]] = {}  # test fold -> rungs in closed form

    def rungs(self) -> dict[str, ModelPrediction]:
        """Return every rung that has rows, in order (``rung_names``)."""
        asked = asked_rungs(self.job.settings)
        rungs = {name: self._rung(name) for name in asked if name != "stack"}
        if "stack" in asked:
            rungs["stack"] = self._stack(rungs)
        rungs |= {rung.name: rung for rates in self.job.rates for rung in self._given(rates)}
        return {name: rungs[name] for name in rung_names(self.job)}

    def null(self, name: str) -> ModelPrediction | None:
        """Return the same model on shuffled trials; None for a model that does not read the other units."""
        null = MODELS[name].null if name in MODELS else None
        return None if null is None else self._rung(null)

    def _given(self, rates: GivenRates) -> list[ModelPrediction]:
        """Return rates as they were given, and with spike history on top where that is asked for."""
        kinds = WITH_HISTORY if rates.history else WITHOUT_HISTORY, HISTORY_ADDED
        rungs = [ModelPrediction(name, given=kind) for name, kind in zip(rates.names, kinds, strict=False)]
        rung, *with_history = rungs
        if self.unit_id not in rates.unit_ids:
            for each in rungs:
                each.status, each.message = "skipped", f"{rates.source} has no rates of this unit"
            return rungs
        rung.mu = mu = rates.scored_mu(self.trials)
        if not rates.history:
            rung.free_runner = lambda test: GivenModel(rates.name, mu)
        for added in with_history:
            added.status, added.message = capture_failure(partial(self._add_history, added, rates))
            if added.status != "ok":
                added.mu = None
        return rungs

    def _add_history(self, rung: ModelPrediction, rates: GivenRates) -> None:
        """Fit spike history on top of given rates, on the splits of the GLM and averaged as its members are.

        It can be run free on rates without history alone: those with history are known for the recorded past only.
        """
        model = HistoryOnGiven(rung.name, GivenDrive(rates.mu(self.unit_id)))
        log_mu: dict[int, list[FloatArray]] = {}
        first: dict[int, FittedModel] = {}
        for pair in pairs_of("glm", self.n_folds, self.effort):
            split = unit_split(self.job, self.unit_id, pair)
            models = model.fit(split.train, split.validation, split.rng(rung.name))
            rung.share = min(rung.share, split.share)
            for (test, _), fitted, trials in zip(pair.members, models, reversed(split.left_out), strict=True):
                log_mu.setdefault(test, []).append(split.predict(fitted, trials)[:, :, 0].astype(np.float64))
                first.setdefault(test, fitted)
        rung.mu = self._held_out(rung.name)
        for test, members in log_mu.items():
            rung.mu[np.flatnonzero(self.loaded.folds == test)] = np.exp(np.mean(members, axis=0))
        if not rates.history:
            rung.free_runner = lambda test: first[test]

    def _rung(self, name: str) -> ModelPrediction:
        rung = ModelPrediction(name)
        body = self._closed_form if MODELS[name].closed_form else self._bag
        rung.status, rung.message = capture_failure(lambda: body(rung))
        if rung.status != "ok":
            rung.mu = None
        return rung

    def _held_out(self, name: str) -> HeldOut:
        return HeldOut(held_out_file(self.job, self.unit_id, name), self.trials.counts.shape[:2])

    def _closed_form(self, rung: ModelPrediction) -> None:
        """Fit on all training folds at once: there is nothing to choose on validation trials."""
        rung.mu = self._held_out(rung.name)
        for test in range(self.n_folds):
            train = self.trials.take(self.loaded.rows_of(test))
            fitted = self._fitted.setdefault(test, {})
            rng = rng_for(self.job.id, self.unit_id, test, rung.name)
            fitted[rung.name] = build(rung.name, self.effort).fit(train, [train], rng, fitted)
            model = fitted[rung.name][0]
            model.save(model_folder(self.job, rung.name, self.unit_id, None) / member_name(test, test))
            here = np.flatnonzero(self.loaded.folds == test)
            rung.mu[here] = model.intensity(self.trials.take(here))[:, :, 0]
        rung.free_runner = lambda test: self._fitted[test][rung.name][0]

    def _bag(self, rung: ModelPrediction) -> None:
        """Average the log-rates of the members of each test fold (science.md#folds)."""
        for pair in pairs_of(rung.name, self.n_folds, self.effort):
            self._check(rung, pair)
        rung.mu = self._held_out(rung.name)
        of_fold: dict[int, list[Member]] = {}
        for member in members_of(rung.name, self.n_folds, self.effort):
            of_fold.setdefault(member[0], []).append(member)
        for test, mine in of_fold.items():
            log_mu = sum(self._log_mu(rung.name, member, test) for member in mine) / len(mine)
            rung.mu[np.flatnonzero(self.loaded.folds == test)] = np.exp(log_mu)
        group = self.loaded.group_of(rung.name, self.unit_id)
        folder = model_folder(self.job, rung.name, self.unit_id, group)
        rung.free_runner = cache(lambda test: load(rung.name, folder / member_name(*of_fold[test][0])))

    def _check(self, rung: ModelPrediction, pair: Pair) -> None:
        self._refuse_lost(rung.name, pair)
        pooled, outcome = MODELS[rung.name].pooled, read_outcome(self.job, rung.name, self.unit_id, pair)
        if not pooled and not outcome["units"]:
            raise vanished(self.job)
        rung.share = min(rung.share, outcome["share"])
        rung.seconds += outcome["seconds"] / max(len(outcome["units"]), 1)
        if pooled and self.unit_id not in outcome["units"]:
            raise ModelError(needed(self.job, MODELS[rung.name].needs, self.unit_id, pair))
        if outcome["status"] == "failed":
            raise RuntimeError(outcome["message"])
        if outcome["status"] != "ok":
            raise ModelError(outcome["message"])

    def _refuse_lost(self, name: str, pair: Pair) -> None:
        if MODELS[name].pooled:
            training = Task("pooled", pair=pair, rung=name, group=self.loaded.group_of(name, self.unit_id))
        elif is_together(name, self.job.settings):
            training = Task("together", rung=name)
        else:
            training = Task("fit", self.unit_id, pair)
        if training in self.lost:
            raise TaskLost(self.lost[training])

    def _log_mu(self, name: str, member: Member, fold: int) -> npt.NDArray[np.float32]:
        """Return a member's prediction of a fold (trial, bin)."""
        test, validation = member
        pair = Pair(*sorted(member))
        file = rung_folder(self.job, name, self.unit_id, pair) / predictions_file(name)
        key = prediction_key(name, test, validation, fold, safe_name(self.unit_id))
        return read_arrays_named(file, [key])[key]

    def _stack(self, rungs: Mapping[str, ModelPrediction]) -> ModelPrediction:
        rung = ModelPrediction("stack")
        rung.status, rung.message = capture_failure(lambda: self._fit_stack(rung, rungs))
        if rung.status != "ok":
            rung.mu = None
        return rung

    def _fit_stack(self, rung: ModelPrediction, rungs: Mapping[str, ModelPrediction]) -> None:
        """Weigh the rungs on validation folds that each test fold's members never trained on (science.md#stack)."""
        from rnnspike.models.combine.stack import Pool, Stack, beyond_training, fallback_of, fit_pool

        for name in [name for name in rungs if MODELS[name].stacked]:  # a stack of fewer rungs is another model
            for pair in pairs_of(name, self.n_folds, self.effort):
                self._refuse_lost(name, pair)
        members = {name: other.mu for name, other in rungs.items() if other.mu is not None and MODELS[name].stacked}
        names = list(members)
        if len(names) < 2:
            raise ModelError(f"a stack needs two rungs at the least, and has {', '.join(names) or 'none'}")
        plain = [name for name in names if not is_network(name)]
        trained = [set(members_of(name, self.n_folds, self.effort)) for name in names]
        common = sorted(set.intersection(*trained))  # of fewer pairs than some: all are weighed on the same trials
        rung.mu, rung.share = self._held_out(rung.name), min(rungs[name].share for name in names)
        for test in range(self.n_folds):
            folds = [validation for t, validation in common if t == test]
            seen = self.trials.take(np.concatenate([np.flatnonzero(self.loaded.folds == fold) for fold in folds]))
            log_mu = {
                name: np.concatenate([self._log_mu(name, (test, fold), fold) for fold in folds]) for name in names
            }
            scored = seen.spikes[:, :, 0], seen.observed[:, :, 0], seen.observation
            pool = fit_pool(list(log_mu.values()), *scored, fallback_of(names))
            here = np.flatnonzero(self.loaded.folds == test)
            rung.mu.log_mean(here, list(members.values()), pool.weights, pool.scale)
            beyond = here[beyond_training(self.trials, self.loaded.folds == test)[here]]
            if plain and len(beyond):
                without = fit_pool([log_mu[name] for name in plain], *scored, fallback_of(plain))
                rung.mu.log_mean(beyond, [members[name] for name in plain], without.weights, without.scale)
            rung.weights[test], rung.scales[test] = dict(zip(names, pool.weights, strict=True)), pool.scale
        runners = [each for name in names if (each := rungs[name].free_runner) is not None]
        rung.free_runner = lambda test: Stack(
            [each(test) for each in runners], Pool(tuple(rung.weights[test].values()), rung.scales[test])
        )
