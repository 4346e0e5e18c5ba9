"""The trainings of a run: one unit's rungs, or the pooled rungs, with one pair of folds left out.

Each is a pure function of the job's files and settings; what it leaves in the work folder is complete once its
``done.json`` is there, and is not done again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rnnspike.config import FitSettings
from rnnspike.device import resolve_device
from rnnspike.errors import ModelError, TaskLost
from rnnspike.models.protocol import FittedModel
from rnnspike.models.registry import MODELS, build, load
from rnnspike.runs.job import Job, load_job, unit_trials
from rnnspike.runs.stored.store import read_json, safe_name, write_arrays, write_json
from rnnspike.runs.tasks import Pair, ladder, member_name, pairs_of, rng_for
from rnnspike.trials.data import Trials

if TYPE_CHECKING:
    from rnnspike.models.networks.bin_clock.task import RecurrentTask
    from rnnspike.models.networks.training import TrainingResult

Fitted = dict[str, Sequence[FittedModel]]

#: Spikes a unit from which on a training takes some of its trials: to estimate 200 parameters from so many costs a
#: thousandth of a bit a spike, and memory and time stay bounded. All trials are scored.
MOST_TRAINING_SPIKES = 100_000
#: Part of that which is enough of a validation set, to choose strengths and epochs.
ENOUGH_TO_CHOOSE = 1 / 3
#: Bins times units that are predicted at a time.
PREDICTED_BINS = 1_000_000


def is_together(name: str, settings: FitSettings) -> bool:
    """Say whether a rung's networks of all units and folds are trained in one batch: on a CPU they are not."""
    return MODELS[name].together and resolve_device(settings.device) != "cpu"


def pair_folder(job: Job, unit_id: str, pair: Pair) -> Path:
    """Return the work folder of a training of a unit's own rungs."""
    return job.work / f"unit_{safe_name(unit_id)}" / f"pair{pair.a}{pair.b}"


def pooled_folder(job: Job, name: str, pair: Pair, group: int | None) -> Path:
    """Return the work folder of a training of a pooled rung."""
    return of_group(job.work / "pooled" / name, group) / f"pair{pair.a}{pair.b}"


def of_group(folder: Path, group: int | None) -> Path:
    """Return the folder of a group of units in that of a pooled rung, which is that itself where there is one."""
    return folder if group is None else folder / f"group{group}"


def rungs_of_pair(job: Job, pair: Pair) -> list[str]:
    """Return a unit's own rungs trained with this pair left out (closed-form ones as bases and for the stack)."""
    loaded, effort = load_job(job), job.settings.effort
    return [
        name
        for name in ladder(job.settings.models)
        if not MODELS[name].pooled
        and not is_together(name, job.settings)
        and pair in pairs_of(name, loaded.n_folds, effort)
    ]


def fit_unit(job: Job, unit_id: str, pair: Pair) -> None:
    """Train a unit's own rungs without the pair's folds, and predict these."""
    if is_done(pair_folder(job, unit_id, pair)):
        return
    split = unit_split(job, unit_id, pair)
    fitted: Fitted = {}
    for name in rungs_of_pair(job, pair):
        split.fit(name, fitted)
    split.close()


def fit_pooled(job: Job, pair: Pair, name: str, group: int | None = None) -> None:
    """Train a pooled rung without the pair's folds, on all units (of a group) whose own rungs were fitted."""
    folder, needs = pooled_folder(job, name, pair, group), MODELS[name].needs
    if is_done(folder):
        return
    units = [unit for unit in load_job(job).pooled_units(name)[group] if has_models(job, unit, pair, needs)]
    if not units:  # each unit's row says so (``predictions.py``)
        write_json(folder / "done.json", {})
        return
    split = Split(job, unit_trials(job, tuple(units)), pair, folder, tuple(units))
    fitted: Fitted = {need: [_side_by_side(job, need, units, member) for member in pair.members] for need in needs}
    split.fit(name, fitted)
    split.close()


def fit_together(job: Job, name: str) -> None:
    """Train a rung's networks of all units and pairs of folds in one batch, on the bases fitted before."""
    from rnnspike.models.networks.bin_clock.torch_batch import train_together

    folder = together_folder(job, name)
    if is_done(folder):
        return
    loaded, started = load_job(job), time.perf_counter()
    pairs = pairs_of(name, loaded.n_folds, job.settings.effort)
    tasks: dict[tuple[str, Pair], RecurrentTask] = {}
    for unit_id, pair in product(loaded.plan.unit_ids, pairs):
        split = unit_split(job, unit_id, pair)
        status, message = capture_failure(partial(split.add_task, name, tasks))
        split.write_outcome(name, status, message, 0.0)
    results: list[TrainingResult] = []
    trained = capture_failure(lambda: results.extend(train_together(list(tasks.values()), folder)))
    seconds = (time.perf_counter() - started) / max(len(tasks), 1)
    for (unit_id, pair), task, result in zip_longest(tasks, tasks.values(), results):
        split = unit_split(job, unit_id, pair)
        status, message = (
            trained if result is None else capture_failure(partial(split.keep_trained, name, task, result))
        )
        split.write_outcome(name, status, message, seconds)
    write_json(folder / "done.json", {})


def together_folder(job: Job, name: str) -> Path:
    """Return the work folder of a rung's networks of all units and folds."""
    return job.work / "together" / name


def is_done(folder: Path) -> bool:
    """Say whether all that a task trains in this work folder is trained."""
    return (folder / "done.json").is_file()


def unit_split(job: Job, unit_id: str, pair: Pair) -> Split:
    """Return the training split of a unit's own rungs."""
    return Split(job, unit_trials(job, (unit_id,)), pair, pair_folder(job, unit_id, pair), (unit_id,))


def _side_by_side(job: Job, name: str, units: Sequence[str], member: tuple[int, int]) -> FittedModel:
    from rnnspike.models.combine.bag import PerUnit

    models = tuple(load(name, model_folder(job, name, unit, None) / member_name(*member)) for unit in units)
    return PerUnit(tuple(units), models, name)


class Split:
    """One training split: fits rungs in turn, saves them and their predictions of the two folds left out.

    The i-th validation set is fold (a, b)[i]; the model chosen on a predicts b and the other way round.
    """

    def __init__(self, job: Job, trials: Trials, pair: Pair, folder: Path, unit_ids: tuple[str, ...]) -> None:
        loaded = load_job(job)
        self.job, self.pair, self.folder, self.unit_ids = job, pair, folder, unit_ids
        every = trials.take(loaded.rows_of(pair.a, pair.b))
        self.train = subsample_trials(every)
        self.share = self.train.n_trials / every.n_trials
        self.left_out = [trials.take(np.flatnonzero(loaded.folds == fold)) for fold in (pair.a, pair.b)]
        self.validation = [subsample_trials(each, ENOUGH_TO_CHOOSE) for each in self.left_out]

    def fit(self, name: str, fitted: Fitted) -> None:
        """Fit a rung and add it to ``fitted``; a rung that cannot be fitted is noted and left out."""
        started = time.perf_counter()
        status, message = capture_failure(lambda: self._fit(name, fitted))
        self.write_outcome(name, status, message, time.perf_counter() - started)

    def _fit(self, name: str, fitted: Fitted) -> None:
        missing = [need for need in MODELS[name].needs if need not in fitted]
        if missing:
            raise ModelError(needed(self.job, missing, self.unit_ids[0], self.pair))
        models = self.model(name).fit(self.train, self.validation, self.rng(name), fitted)
        self.keep(name, models)
        fitted[name] = models

    def model(self, name: str) -> Any:
        """Return a rung ready to be fitted."""
        settings = self.job.settings
        return build(name, settings.effort, resolve_device(settings.device), self.folder / f"checkpoint-{name}")

    def rng(self, name: str) -> np.random.Generator:
        """Return the source of all that is random in a rung's training."""
        return rng_for(self.job.id, self.unit_ids, self.pair.a, self.pair.b, name)

    def add_task(self, name: str, tasks: dict[tuple[str, Pair], RecurrentTask]) -> None:
        """Add the training of a rung on bases that were fitted and saved before, to be run beside others."""
        needs = MODELS[name].needs
        if not has_models(self.job, self.unit_ids[0], self.pair, needs):
            raise ModelError(needed(self.job, needs, self.unit_ids[0], self.pair))
        fitted = {
            need: [load(need, self.model_folder(need) / member_name(*member)) for member in self.pair.members]
            for need in needs
        }
        task = self.model(name).task(self.train, self.validation, self.rng(name), fitted)
        tasks[self.unit_ids[0], self.pair] = task

    def keep_trained(self, name: str, task: RecurrentTask, result: TrainingResult) -> None:
        """Keep what a training run beside others gave."""
        self.keep(name, task.fitted(result))

    def keep(self, name: str, models: Sequence[FittedModel]) -> None:
        """Save a rung's models and their predictions of the folds left out."""
        predictions: dict[str, npt.NDArray[np.float32]] = {}
        known: dict[tuple[int, int], npt.NDArray[np.float32]] = {}  # where both sets choose alike, there is one model
        for model, (test, validation) in zip(models, self.pair.members, strict=True):
            for fold, trials in zip((self.pair.a, self.pair.b), self.left_out, strict=True):
                if (id(model), fold) not in known:
                    known[id(model), fold] = self.predict(model, trials)
                for index, unit_id in enumerate(self.unit_ids):
                    key = prediction_key(name, test, validation, fold, safe_name(unit_id))
                    predictions[key] = known[id(model), fold][:, :, index]
            if not MODELS[name].closed_form:
                model.save(self.model_folder(name) / member_name(test, validation))
        write_arrays(self.folder / predictions_file(name), predictions, compressed=False)

    def write_outcome(self, name: str, status: str, message: str | None, seconds: float) -> None:
        """Write down what became of a rung."""
        outcome = {"status": status, "message": message, "seconds": seconds, "share": self.share}
        write_json(self.folder / outcome_file(name), outcome | {"units": self.unit_ids})

    def model_folder(self, name: str) -> Path:
        """Return where the members of a rung lie."""
        unit_id = self.unit_ids[0]
        return model_folder(self.job, name, unit_id, load_job(self.job).group_of(name, unit_id))

    def predict(self, model: FittedModel, trials: Trials) -> npt.NDArray[np.float32]:
        """Return log mu (trial, bin, unit)."""
        log_mu = np.empty(trials.counts.shape, np.float32)
        for rows in blocks(trials):
            mu = model.intensity(trials.take(rows))
            if not np.isfinite(mu).all():
                raise ModelError("the model predicts an intensity that is not finite")
            log_mu[rows] = np.log(mu)
        return log_mu

    def close(self) -> None:
        """Note that the split's rungs are trained."""
        write_json(self.folder / "done.json", {})
        for checkpoint in self.folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)


def blocks(trials: Trials) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the trials some at a time, so that what a model makes of them stays small."""
    step = max(1, PREDICTED_BINS // max(trials.n_bins * trials.n_units, 1))
    for start in range(0, trials.n_trials, step):
        yield np.arange(start, min(start + step, trials.n_trials))


def subsample_trials(train: Trials, share: float = 1.0) -> Trials:
    """Return trials, or some evenly out of them that hold ``MOST_TRAINING_SPIKES`` (a share of it) a unit."""
    most = share * MOST_TRAINING_SPIKES
    n_spikes = int(train.counts.sum(dtype=np.int64)) / train.n_units
    if n_spikes <= most:
        return train
    n = max(1, int(train.n_trials * most / n_spikes))
    return train.take(np.linspace(0, train.n_trials - 1, n).round().astype(np.int64))


def capture_failure(action: Callable[[], None]) -> tuple[str, str | None]:
    """Run an action; return status and message.

    What a model is known to refuse is skipped; what was lost with a worker, and a surprise, is failed.
    """
    try:
        action()
    except ModelError as error:
        return "skipped", str(error)
    except TaskLost as error:
        return "failed", str(error)
    except (
        ArithmeticError,
        ValueError,
        IndexError,
        KeyError,
        TypeError,
        RuntimeError,
        np.linalg.LinAlgError,
    ) as error:
        return "failed", f"{type(error).__name__}: {error}".splitlines()[0]
    return "ok", None


def rung_folder(job: Job, name: str, unit_id: str, pair: Pair) -> Path:
    """Return the work folder that holds a rung's outcome and predictions of a unit."""
    if MODELS[name].pooled:
        return pooled_folder(job, name, pair, load_job(job).group_of(name, unit_id))
    return pair_folder(job, unit_id, pair)


def predictions_file(name: str) -> str:
    """Return the file of a rung's predictions in the folder of a training."""
    return f"predictions-{name}.npz"


def outcome_file(name: str) -> str:
    """Return the file of what became of a rung in the folder of a training."""
    return f"outcome-{name}.json"


def read_outcome(job: Job, name: str, unit_id: str, pair: Pair) -> dict[str, Any]:
    """Return what became of a rung: its ``status``, ``message``, ``seconds``, ``share`` and ``units``."""
    file = rung_folder(job, name, unit_id, pair) / outcome_file(name)
    if not file.is_file():
        return {"status": "skipped", "message": "was not trained", "seconds": 0.0, "share": 1.0, "units": []}
    return read_json(file, {"status": str})


def prediction_key(name: str, test: int, validation: int, fold: int, unit: str) -> str:
    """Name a prediction: by the model for ``test`` chosen on ``validation``, of the trials of ``fold``."""
    return f"{name}|{test}|{validation}|{fold}|{unit}"


def model_folder(job: Job, name: str, unit_id: str, group: int | None) -> Path:
    """Return where a rung's fitted models of a unit lie in the run directory, which a pooled rung's share."""
    if MODELS[name].pooled:
        return of_group(job.folder / "models" / name, group)
    return job.folder / "units" / safe_name(unit_id) / "models" / name


def needed(job: Job, names: Sequence[str], unit_id: str, pair: Pair) -> str:
    """Say which of a rung's needs were not fitted to a unit on this split, and why."""
    outcomes = {name: read_outcome(job, name, unit_id, pair) for name in names}
    why = [
        f"{name}, which could not be fitted ({each['message']})" for name, each in outcomes.items() if each["message"]
    ]
    return f"needs {'; '.join(why)}"


def has_models(job: Job, unit_id: str, pair: Pair, names: Sequence[str]) -> bool:
    """Say whether a unit's own rungs of these names were fitted on this split."""
    return all(read_outcome(job, name, unit_id, pair)["status"] == "ok" for name in names)
