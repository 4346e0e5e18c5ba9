"""Held-out predictions of one unit, put together from its trainings: bags over validation folds, and the stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import numpy.typing as npt

from rnnspike.errors import ModelError
from rnnspike.models.protocol import FittedModel
from rnnspike.models.registry import MODELS, build, load
from rnnspike.runs.held_out import HeldOut
from rnnspike.runs.job import Job, load_job, unit_trials
from rnnspike.runs.store import read_arrays_named, safe_name
from rnnspike.runs.tasks import CLOSED_FORM, Pair, ladder, member_name, members_of, pairs_of, rng_for
from rnnspike.runs.training import (
    attempt,
    model_folder,
    needed,
    prediction_key,
    predictions_file,
    read_outcome,
    rung_folder,
)
from rnnspike.trials.data import Trials

Member = tuple[int, int]


@dataclass
class Rung:
    """One rung of one unit: held-out mu (trial, bin), or why there is none.

    ``free_runner`` returns the model of a test fold for free runs, read when it is asked for: most are not. ``share``
    is how much of the training trials its trainings took (``training.enough``).
    """

    name: str
    status: str = "ok"
    message: str | None = None
    seconds: float = 0.0
    share: float = 1.0
    mu: HeldOut | None = None
    free_runner: Callable[[int], FittedModel] | None = None
    weights: dict[int, dict[str, float]] = field(default_factory=dict)


class UnitPredictions:
    """Reads what the trainings of a unit left, and assembles each rung's prediction of every held-out trial."""

    def __init__(self, job: Job, unit_id: str) -> None:
        self.job, self.unit_id = job, unit_id
        self.loaded = load_job(job)
        self.trials: Trials = unit_trials(job, (unit_id,))
        self.effort, self.n_folds = job.settings.effort, self.loaded.n_folds
        self._fitted: dict[int, dict[str, Sequence[FittedModel]]] = {}  # test fold -> rungs in closed form

    def rungs(self) -> dict[str, Rung]:
        """Return every rung that was asked for, the null and the reference among them, in the ladder's order."""
        asked = {*self.job.settings.models, "constant", "psth-gain"}
        rungs = {name: self._rung(name) for name in ladder(self.job.settings.models) if name in asked}
        if "stack" in asked:
            rungs["stack"] = self._stack(rungs)
        return rungs

    def _rung(self, name: str) -> Rung:
        rung = Rung(name)
        body = self._closed_form if name in CLOSED_FORM else self._bag
        rung.status, rung.message = attempt(lambda: body(rung))
        if rung.status != "ok":
            rung.mu = None
        return rung

    def _held_out(self, name: str) -> HeldOut:
        file = self.job.work / "held_out" / f"{safe_name(self.unit_id)}-{name}.npy"
        return HeldOut(file, self.trials.counts.shape[:2])

    def _closed_form(self, rung: Rung) -> None:
        """Fit on all training folds at once: there is nothing to choose on validation trials."""
        rung.mu = self._held_out(rung.name)
        for test in range(self.n_folds):
            train = self.trials.take(self.loaded.rows_of(test))
            fitted = self._fitted.setdefault(test, {})
            rng = rng_for(self.job.id, self.unit_id, test, rung.name)
            fitted[rung.name] = build(rung.name, self.effort).fit(train, [train], rng, fitted)
            model = fitted[rung.name][0]
            model.save(model_folder(self.job, rung.name, self.unit_id) / member_name(test, test))
            here = np.flatnonzero(self.loaded.folds == test)
            rung.mu[here] = model.intensity(self.trials.take(here))[:, :, 0]
        rung.free_runner = lambda test: self._fitted[test][rung.name][0]

    def _bag(self, rung: Rung) -> None:
        """Average the log-rates of the members of each test fold (science.md d.4)."""
        pooled = MODELS[rung.name].pooled
        for pair in pairs_of(rung.name, self.n_folds, self.effort):
            self._check(rung, pair, pooled)
        rung.mu = self._held_out(rung.name)
        of_fold: dict[int, list[Member]] = {}
        for member in members_of(rung.name, self.n_folds, self.effort):
            of_fold.setdefault(member[0], []).append(member)
        for test, mine in of_fold.items():
            log_mu = sum(self._log_mu(rung.name, member, test) for member in mine) / len(mine)
            rung.mu[np.flatnonzero(self.loaded.folds == test)] = np.exp(log_mu)
        folder = model_folder(self.job, rung.name, None if pooled else self.unit_id)
        rung.free_runner = cache(lambda test: load(rung.name, folder / member_name(*of_fold[test][0])))

    def _check(self, rung: Rung, pair: Pair, pooled: bool) -> None:
        outcome = read_outcome(self.job, rung.name, None if pooled else self.unit_id, pair)
        rung.share = min(rung.share, outcome["share"])
        rung.seconds += outcome["seconds"] / max(len(outcome["units"]), 1)
        if pooled and self.unit_id not in outcome["units"]:
            raise ModelError(needed(self.job, MODELS[rung.name].needs, self.unit_id, pair))
        if outcome["status"] == "failed":
            raise RuntimeError(outcome["message"])
        if outcome["status"] != "ok":
            raise ModelError(outcome["message"])

    def _log_mu(self, name: str, member: Member, fold: int) -> npt.NDArray[np.float32]:
        """Return a member's prediction of a fold (trial, bin)."""
        test, validation = member
        pair = Pair(*sorted(member))
        file = rung_folder(self.job, name, self.unit_id, pair) / predictions_file(name)
        key = prediction_key(name, test, validation, fold, safe_name(self.unit_id))
        return read_arrays_named(file, [key])[key]

    def _stack(self, rungs: Mapping[str, Rung]) -> Rung:
        rung = Rung("stack")
        rung.status, rung.message = attempt(lambda: self._fit_stack(rung, rungs))
        if rung.status != "ok":
            rung.mu = None
        return rung

    def _fit_stack(self, rung: Rung, rungs: Mapping[str, Rung]) -> None:
        """Weigh the rungs on validation folds that each test fold's members never trained on (science.md d.5)."""
        from rnnspike.models.stack import NOT_NETWORKS, Stack, beyond_training, fallback_of, fit_weights

        members = {name: other.mu for name, other in rungs.items() if other.mu is not None and name != "constant"}
        names = list(members)
        if len(names) < 2:
            raise ModelError(f"a stack needs two rungs at the least, and has {', '.join(names) or 'none'}")
        plain = [name for name in names if name in NOT_NETWORKS]
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
            weights = fit_weights(list(log_mu.values()), *scored, fallback_of(names)).tolist()
            here = np.flatnonzero(self.loaded.folds == test)
            rung.mu.log_mean(here, list(members.values()), weights)
            beyond = here[beyond_training(self.trials, self.loaded.folds == test)[here]]
            if plain and len(beyond):
                without = fit_weights([log_mu[name] for name in plain], *scored, fallback_of(plain)).tolist()
                rung.mu.log_mean(beyond, [members[name] for name in plain], without)
            rung.weights[test] = dict(zip(names, weights, strict=True))
        runners = [each for name in names if (each := rungs[name].free_runner) is not None]
        rung.free_runner = lambda test: Stack([each(test) for each in runners], list(rung.weights[test].values()))
