"""One recording to fit: what every worker needs to know, and what it reads from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rnnspike._version import __version__
from rnnspike.config import INCIDENTAL, FitSettings
from rnnspike.errors import RecordingError
from rnnspike.recording.data import Recording
from rnnspike.recording.read import read_recording
from rnnspike.runs.tasks import content_id
from rnnspike.trials.data import IntArray, Trials
from rnnspike.trials.plan import TrialPlan, plan_trials
from rnnspike.trials.split import assign_folds

#: With more different observed times than this, folds are not balanced by them.
MOST_KINDS = 64


@dataclass(frozen=True)
class Job:
    """A recording, its settings, and the run directory that it fills.

    ``id`` is the content id: file hash, settings that matter and version; equal ids give equal results.
    """

    path: Path
    name: str
    folder: Path
    settings: FitSettings
    id: str

    @property
    def work(self) -> Path:
        """Folder of finished tasks and checkpoints; gone when the run is complete."""
        return self.folder / "work"


@dataclass(frozen=True)
class Loaded:
    """A recording read and planned: everything but the counts, which are binned unit by unit."""

    recording: Recording
    plan: TrialPlan
    folds: IntArray
    n_folds: int

    def trials(self, unit_ids: list[str]) -> Trials:
        """Bin these units."""
        return self.plan.trials(unit_ids)

    def rows_of(self, *left_out: int) -> npt.NDArray[np.bool_]:
        """Return which trials train when these folds are left out."""
        return ~np.isin(self.folds, left_out)


def job_id(recording: Recording, settings: FitSettings) -> str:
    """Return the content id of a fit."""
    kept = {key: value for key, value in settings.model_dump(mode="json").items() if key not in INCIDENTAL}
    events = settings.events.read_text() if settings.events and settings.events.is_file() else None
    return content_id(recording.sha256, kept, events, __version__)


def load_recording(path: Path, settings: FitSettings) -> Loaded:
    """Read and plan a recording; RecordingError where it cannot be used."""
    recording = read_recording(path, settings.read_options())
    plan = plan_trials(recording, settings.trial_options())
    if not plan.unit_ids:
        reasons = sorted(set((plan.left_out or {}).values()))
        raise RecordingError(path, f"no unit is left to fit: {'; '.join(reasons)}", "--units or --min-spikes 10")
    n_folds = min(settings.folds, len(np.unique(plan.group)))
    if n_folds < 3:
        raise _too_few(path, plan)
    folds = assign_folds(strata(plan), plan.group, n_folds, settings.fold_scheme)
    return Loaded(recording, plan, folds, n_folds)


def _too_few(path: Path, plan: TrialPlan) -> RecordingError:
    """Return the refusal of trials that cannot be held out, with the option that mends it."""
    n_apart = len(np.unique(plan.group))
    if plan.n_trials < 3 or n_apart == plan.n_trials:
        segment_s = plan.options.segment_s
        cure = "--segment 2s" if segment_s is None else f"--segment {segment_s / 4:.2g}s"
        return RecordingError(path, f"{plan.n_trials} trials are too few to hold any out (3 at the least)", cure)
    low, high = plan.window_s
    message = (
        f"the windows of {plan.n_trials} trials overlap: {n_apart} {'group' if n_apart == 1 else 'groups'} of them "
        "can be held out apart from the others (3 at the least)"
    )
    # The same window shrunk about time zero until nine in ten neighbours stand apart.
    steps_s = np.diff(plan.start_s)
    share = float(np.quantile(steps_s, 0.1)) / (high - low)
    low, high = (np.trunc(end * share * 100 + np.sign(end) * 1e-6) / 100 + 0.0 for end in (low, high))
    fits = high - low >= plan.bin_s
    return RecordingError(path, message, f"--window {low:g} {high:g}" if fits else "a shorter --window")


def strata(plan: TrialPlan) -> IntArray:
    """Return what folds are balanced by (trial,): the condition, and which units were held in the trial.

    Where each unit is held in trials of its own, as in slice recordings, folds that ignore this leave a unit without
    validation or test trials.
    """
    units = [plan.recording.unit(unit_id) for unit_id in plan.unit_ids]
    kinds = {b"" if unit.observed_s is None else unit.observed_s.tobytes(): unit for unit in units}
    if len(kinds) == 1 or len(kinds) > MOST_KINDS:
        return plan.condition
    held = np.stack([plan.observed(unit)[:, plan.grid.n_before :].any(axis=1) for unit in kinds.values()], axis=1)
    _, pattern = np.unique(held, axis=0, return_inverse=True)
    return plan.condition * (int(pattern.max()) + 1) + pattern.reshape(-1)


@lru_cache(maxsize=2)
def load_job(job: Job) -> Loaded:
    """Read and plan a job's recording once per process."""
    return load_recording(job.path, job.settings)


@lru_cache(maxsize=4)
def unit_trials(job: Job, unit_ids: tuple[str, ...]) -> Trials:
    """Bin units of a job, keeping the last few in memory (the tasks of a unit follow one another)."""
    return load_job(job).trials(list(unit_ids))
