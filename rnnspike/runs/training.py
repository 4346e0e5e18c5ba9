"""The trainings of a run: one unit's rungs, or the pooled rungs, with one pair of folds left out.

Each is a pure function of the job's files and settings; what it leaves in the work folder is complete once its
``done.json`` is there, and is not done again.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.errors import ModelError
from rnnspike.models.protocol import FittedModel
from rnnspike.models.registry import MODELS, build, load
from rnnspike.runs.job import Job, load_job, unit_trials
from rnnspike.runs.store import read_json, safe_name, write_arrays, write_json
from rnnspike.runs.tasks import CLOSED_FORM, Pair, ladder, member_name, pairs_of, rng_for
from rnnspike.trials.data import Trials

Fitted = dict[str, Sequence[FittedModel]]

#: Spikes a unit from which on a training takes some of its trials: to estimate 200 parameters from so many costs a
#: thousandth of a bit a spike, and memory and time stay bounded. All trials are scored.
MOST_TRAINING_SPIKES = 100_000
#: Bins times units that are predicted at a time.
PREDICTED_BINS = 1_000_000


def resolve_device(device: str) -> str:
    """Return cpu or cuda for auto."""
    if device != "auto":
        return device
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def pair_folder(job: Job, unit_id: str | None, pair: Pair) -> Path:
    """Return the work folder of a training; ``unit_id`` None is the pooled rungs'."""
    owner = "pooled" if unit_id is None else f"unit_{safe_name(unit_id)}"
    return job.work / owner / f"pair{pair.a}{pair.b}"


def rungs_of_pair(job: Job, pair: Pair, pooled: bool) -> list[str]:
    """Return the rungs trained with this pair left out (the closed-form ones as bases and for the stack)."""
    loaded, effort = load_job(job), job.settings.effort
    return [
        name
        for name in ladder(job.settings.models)
        if MODELS[name].pooled == pooled and pair in pairs_of(name, loaded.n_folds, effort)
    ]


def fit_unit(job: Job, unit_id: str, pair: Pair) -> None:
    """Train a unit's own rungs without the pair's folds, and predict these."""
    folder = pair_folder(job, unit_id, pair)
    if (folder / "done.json").is_file():
        return
    trials = unit_trials(job, (unit_id,))
    split = Split(job, trials, pair, folder, (unit_id,))
    fitted: Fitted = {}
    for name in rungs_of_pair(job, pair, pooled=False):
        split.fit(name, fitted)
    split.close()


def fit_pooled(job: Job, pair: Pair) -> None:
    """Train the pooled rungs without the pair's folds, on all units whose own rungs were fitted."""
    folder = pair_folder(job, None, pair)
    rungs = rungs_of_pair(job, pair, pooled=True)
    if (folder / "done.json").is_file() or not rungs:
        return
    needs = sorted({need for name in rungs for need in MODELS[name].needs})
    units = [unit for unit in load_job(job).plan.unit_ids if has_models(job, unit, pair, needs)]
    split = Split(job, unit_trials(job, tuple(units)), pair, folder, tuple(units))
    fitted: Fitted = {need: [_side_by_side(job, need, units, member) for member in pair.members] for need in needs}
    for name in rungs:
        split.fit(name, fitted)
    split.close()


def _side_by_side(job: Job, name: str, units: Sequence[str], member: tuple[int, int]) -> FittedModel:
    from rnnspike.models.bag import PerUnit

    models = tuple(load(name, model_folder(job, name, unit) / member_name(*member)) for unit in units)
    return PerUnit(tuple(units), models, name)


class Split:
    """One training split: fits rungs in turn, saves them and their predictions of the two folds left out.

    The i-th validation set is fold (a, b)[i]; the model chosen on a predicts b and the other way round.
    """

    def __init__(self, job: Job, trials: Trials, pair: Pair, folder: Path, unit_ids: tuple[str, ...]) -> None:
        loaded = load_job(job)
        self.job, self.pair, self.folder, self.unit_ids = job, pair, folder, unit_ids
        every = trials.take(loaded.rows_of(pair.a, pair.b))
        self.train = enough(every)
        self.share = self.train.n_trials / every.n_trials
        self.left_out = [trials.take(np.flatnonzero(loaded.folds == fold)) for fold in (pair.a, pair.b)]
        self.validation = [enough(each) for each in self.left_out]
        self.outcome: dict[str, dict[str, Any]] = {}

    def fit(self, name: str, fitted: Fitted) -> None:
        """Fit a rung and add it to ``fitted``; a rung that cannot be fitted is noted and left out."""
        started = time.perf_counter()
        status, message = attempt(lambda: self._fit(name, fitted))
        seconds = time.perf_counter() - started
        self.outcome[name] = {"status": status, "message": message, "seconds": seconds}

    def _fit(self, name: str, fitted: Fitted) -> None:
        missing = [need for need in MODELS[name].needs if need not in fitted]
        if missing:
            raise ModelError(f"needs {', '.join(missing)}, which could not be fitted")
        settings, pair = self.job.settings, self.pair
        rng = rng_for(self.job.id, self.unit_ids, pair.a, pair.b, name)
        model = build(name, settings.effort, resolve_device(settings.device), self.folder / f"checkpoint-{name}")
        models = model.fit(self.train, self.validation, rng, fitted)
        predictions: dict[str, npt.NDArray[np.float32]] = {}
        for fitted_model, (test, validation) in zip(models, pair.members, strict=True):
            predictions |= self._predict(name, fitted_model, test, validation)
            if name not in CLOSED_FORM:
                fitted_model.save(self.model_folder(name) / member_name(test, validation))
        write_arrays(self.folder / predictions_file(name), predictions, compressed=False)
        fitted[name] = models

    def model_folder(self, name: str) -> Path:
        """Return where the members of a rung lie."""
        return model_folder(self.job, name, None if MODELS[name].pooled else self.unit_ids[0])

    def _predict(
        self, name: str, model: FittedModel, test: int, validation: int
    ) -> dict[str, npt.NDArray[np.float32]]:
        """Return log mu (trial, bin) of the folds left out, for each unit, by the names of ``prediction_key``."""
        found = {}
        for fold, trials in zip((self.pair.a, self.pair.b), self.left_out, strict=True):
            log_mu = np.empty(trials.counts.shape, np.float32)
            for rows in blocks(trials):
                mu = model.intensity(trials.take(rows))
                if not np.isfinite(mu).all():
                    raise ModelError("the model predicts an intensity that is not finite")
                log_mu[rows] = np.log(mu)
            for index, unit_id in enumerate(self.unit_ids):
                found[prediction_key(name, test, validation, fold, safe_name(unit_id))] = log_mu[:, :, index]
        return found

    def close(self) -> None:
        """Write the outcome; the training is done."""
        write_json(self.folder / "done.json", {"outcome": self.outcome, "units": self.unit_ids, "share": self.share})
        for checkpoint in self.folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)


def blocks(trials: Trials) -> Iterator[npt.NDArray[np.int64]]:
    """Yield the trials some at a time, so that what a model makes of them stays small."""
    step = max(1, PREDICTED_BINS // max(trials.n_bins * trials.n_units, 1))
    for start in range(0, trials.n_trials, step):
        yield np.arange(start, min(start + step, trials.n_trials))


def enough(train: Trials) -> Trials:
    """Return training trials, or trials evenly out of them that hold ``MOST_TRAINING_SPIKES`` a unit on average."""
    n_spikes = int(train.counts.sum(dtype=np.int64)) / train.n_units
    if n_spikes <= MOST_TRAINING_SPIKES:
        return train
    n = max(1, int(train.n_trials * MOST_TRAINING_SPIKES / n_spikes))
    return train.take(np.linspace(0, train.n_trials - 1, n).round().astype(np.int64))


def attempt(action: Callable[[], None]) -> tuple[str, str | None]:
    """Run an action; return status and message. What a model is known to refuse is skipped, a surprise failed."""
    try:
        action()
    except ModelError as error:
        return "skipped", str(error)
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


def predictions_file(name: str) -> str:
    """Return the file of a rung's predictions in the folder of a training."""
    return f"predictions-{name}.npz"


def prediction_key(name: str, test: int, validation: int, fold: int, unit: str) -> str:
    """Name a prediction: by the model for ``test`` chosen on ``validation``, of the trials of ``fold``."""
    return f"{name}|{test}|{validation}|{fold}|{unit}"


def model_folder(job: Job, name: str, unit_id: str | None) -> Path:
    """Return where a rung's fitted models lie in the run directory; ``unit_id`` None for a pooled rung."""
    owner = job.folder if unit_id is None else job.folder / "units" / safe_name(unit_id)
    return owner / "models" / name


def has_models(job: Job, unit_id: str, pair: Pair, names: Sequence[str]) -> bool:
    """Say whether a unit's own rungs of these names were fitted on this split."""
    outcome = read_json(pair_folder(job, unit_id, pair) / "done.json")["outcome"]
    return all(outcome.get(name, {}).get("status") == "ok" for name in names)
