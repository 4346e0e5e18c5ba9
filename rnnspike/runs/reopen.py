"""A finished run taken up again: its recording, its trials and its fitted models."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from rnnspike.config import FitSettings
from rnnspike.errors import RunError
from rnnspike.models.protocol import FittedModel
from rnnspike.models.registry import MODELS, load
from rnnspike.models.stack import Stack
from rnnspike.runs.directory import open_run
from rnnspike.runs.job import Job, Loaded, load_recording
from rnnspike.runs.store import read_json, safe_name
from rnnspike.runs.tasks import member_name
from rnnspike.runs.training import model_folder
from rnnspike.trials.data import Trials


@dataclass(frozen=True)
class Reopened:
    """A run directory with the recording that it was fitted to."""

    job: Job
    loaded: Loaded

    @cached_property
    def units(self) -> list[str]:
        """Units that were fitted."""
        return list(read_json(self.job.folder / "done.json")["units"])

    def trials(self, unit_id: str) -> Trials:
        """Bin one unit, as it was fitted."""
        return self.loaded.trials([unit_id])

    def members(self, model: str, unit_id: str) -> list[tuple[int, int]]:
        """Return (test fold, validation fold) of the fitted models of a rung that lie in the run."""
        folder = model_folder(self.job, model, None if MODELS[model].pooled else unit_id)
        found = (each.name.removeprefix("test").split("-stop") for each in folder.glob("test*-stop*"))
        return sorted((int(test), int(validation)) for test, validation in found)

    def load(self, model: str, unit_id: str, member: tuple[int, int]) -> FittedModel:
        """Load one fitted model of a rung."""
        folder = model_folder(self.job, model, None if MODELS[model].pooled else unit_id)
        return load(model, folder / member_name(*member))

    def held_out_model(self, model: str, unit_id: str, test: int) -> FittedModel:
        """Return a model of a rung that has not seen the test fold; RunError where there is none."""
        if model == "stack":
            weights = self._stack_weights(unit_id, test)
            members = [self.held_out_model(name, unit_id, test) for name in weights]
            return Stack(tuple(members), tuple(weights.values()))
        if model not in MODELS:
            raise RunError(f"{self.job.folder}: has no model {model!r}")
        mine = [member for member in self.members(model, unit_id) if member[0] == test]
        if not mine:
            raise RunError(f"{self.job.folder}: {model} was not fitted to unit {unit_id}")
        return self.load(model, unit_id, mine[0])

    def _stack_weights(self, unit_id: str, test: int) -> dict[str, float]:
        weights = read_json(self.job.folder / "units" / safe_name(unit_id) / "stack.json")
        if str(test) not in weights:
            raise RunError(f"{self.job.folder}: no stack was fitted to unit {unit_id}")
        return dict(weights[str(test)])


def reopen(folder: str | Path) -> Reopened:
    """Take up a run directory again.

    Raises
    ------
    RunError
        Where the folder is no finished run, or its recording is gone or has changed since.
    """
    folder = open_run(folder)
    provenance = read_json(folder / "run.json")
    stored = read_json(folder / "settings.json")["settings"]
    settings = FitSettings(**{name: entry["value"] for name, entry in stored.items()})
    path = Path(provenance["input"])
    if not path.exists():
        raise RunError(f"{folder}: its recording {path} is not there any more")
    loaded = load_recording(path, settings)
    if loaded.recording.sha256 != provenance["sha256"]:
        raise RunError(f"{folder}: its recording {path} has changed since it was fitted (fit it again)")
    return Reopened(Job(path, folder.name, folder, settings, read_json(folder / "done.json")["id"]), loaded)
