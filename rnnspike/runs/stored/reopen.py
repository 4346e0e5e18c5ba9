"""A finished run taken up again: its recording, its trials and its fitted models."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path

from rnnspike.config import ONLY_FLAGS, FitSettings
from rnnspike.errors import RunError, damage_errors
from rnnspike.models.combine.stack import Pool, Stack
from rnnspike.models.packed import packed_folders
from rnnspike.models.protocol import FittedModel
from rnnspike.models.registry import MODELS, load
from rnnspike.recording.provenance import Source
from rnnspike.runs.fitting.training import model_folder
from rnnspike.runs.job import Job, PlannedRecording, load_recording
from rnnspike.runs.stored.directory import (
    open_run,
    read_mark,
    read_provenance,
    read_rows,
    read_settings,
    recording_name,
)
from rnnspike.runs.stored.store import read_stack, safe_name
from rnnspike.runs.tasks import member_name
from rnnspike.trials.data import Trials


@dataclass(frozen=True)
class Reopened:
    """A run directory with the recording that it was fitted to."""

    job: Job
    loaded: PlannedRecording

    @cached_property
    def units(self) -> list[str]:
        """Units that were fitted."""
        return list(read_mark(self.job.folder)["units"])

    def trials(self, unit_id: str) -> Trials:
        """Bin one unit, as it was fitted."""
        return self.loaded.trials([unit_id])

    def members(self, model: str, unit_id: str) -> list[tuple[int, int]]:
        """Return (test fold, validation fold) of the fitted models of a rung that lie in the run."""
        folder = model_folder(self.job, model, unit_id, self.loaded.group_of(model, unit_id))
        names = [name for name in packed_folders(folder) if fnmatch(name, "test*-stop*")]
        found = (name.removeprefix("test").split("-stop") for name in names)
        return sorted((int(test), int(validation)) for test, validation in found)

    def load(self, model: str, unit_id: str, member: tuple[int, int]) -> FittedModel:
        """Load one fitted model of a rung."""
        folder = model_folder(self.job, model, unit_id, self.loaded.group_of(model, unit_id))
        return load(model, folder / member_name(*member))

    def held_out_model(self, model: str, unit_id: str, test: int) -> FittedModel:
        """Return a model of a rung that has not seen the test fold; RunError where there is none."""
        if model == "stack":
            weights, scale = self._stack_pool(unit_id, test)
            members = [self.held_out_model(name, unit_id, test) for name in weights]
            return Stack(tuple(members), Pool(tuple(weights.values()), scale))
        if model not in MODELS:
            raise RunError(f"{self.job.folder}: has no model {model!r}")
        mine = [member for member in self.members(model, unit_id) if member[0] == test]
        if not mine:
            rows = read_rows(self.job.folder)
            if any((row["unit"], row["model"], row["status"]) == (unit_id, model, "ok") for row in rows):
                raise RunError(
                    f"{self.job.folder}: {model} of unit {unit_id} is missing from the run"
                    " (fit the recording again with --overwrite)"
                )
            raise RunError(f"{self.job.folder}: {model} was not fitted to unit {unit_id}")
        return self.load(model, unit_id, mine[0])

    def _stack_pool(self, unit_id: str, test: int) -> tuple[dict[str, float], float]:
        pools = read_stack(self.job.folder / "units" / safe_name(unit_id) / "stack.json")
        if str(test) not in pools or "stack" in pools[str(test)][0]:
            raise RunError(f"{self.job.folder}: no stack was fitted to unit {unit_id}")
        return pools[str(test)]


def reopen(folder: str | os.PathLike[str], **granted: bool) -> Reopened:
    """Take up a run directory again.

    Parameters
    ----------
    folder
        The run directory.
    granted
        Settings of ``config.ONLY_FLAGS`` (``allow_pickle=True``), which are not taken from the run.

    Returns
    -------
    Reopened
        Its settings, recording, trials and fitted models.

    Raises
    ------
    RunError
        Where the folder is no finished run, or its recording is gone or has changed since.
    """
    folder = open_run(folder)
    provenance = read_provenance(folder)
    settings = stored_settings(folder, granted)
    path = Path(provenance["input"])
    if not path.exists():
        raise RunError(f"{folder}: its recording {path} is not there any more")
    loaded = load_recording(path, settings)
    source = Source.of(loaded.recording)
    if source.sha256 != provenance["sha256"]:
        events = f" or its events {settings.events}" if settings.events else ""
        raise RunError(f"{folder}: its recording {path}{events} changed since it was fitted (fit it again)")
    return Reopened(Job(path, recording_name(folder), folder, settings, read_mark(folder)["id"], source), loaded)


def stored_settings(folder: Path, granted: Mapping[str, bool]) -> FitSettings:
    """Return the settings of a run; of those that only the command line may give, the ones ``granted``."""
    with damage_errors(folder / "settings.json"):
        stored = read_settings(folder)["settings"].items()
        kept = {name: entry["value"] for name, entry in stored if name not in ONLY_FLAGS}
        kept["events"] = read_provenance(folder, events=str | None).get("events") or kept.get("events")
        return FitSettings(**{**kept, **granted})
