"""One recording to fit: what every worker needs to know, and what it reads from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rnnspike._version import __version__
from rnnspike.config import INCIDENTAL, FitSettings
from rnnspike.errors import RecordingError, RnnspikeError
from rnnspike.models.registry import MODELS
from rnnspike.rates.given import GivenRates
from rnnspike.recording.checks.shared_spikes import shared_spikes
from rnnspike.recording.data import Recording
from rnnspike.recording.provenance import Source
from rnnspike.recording.read import read_recording
from rnnspike.runs.tasks import content_id, rng_for
from rnnspike.trials.data import IntArray, Trials
from rnnspike.trials.others import OtherUnits, UnitSpikes, stand_ins
from rnnspike.trials.plan import TrialPlan, plan_trials
from rnnspike.trials.split import assign_folds

#: With more different observed times than this, folds are not balanced by them.
MOST_KINDS = 64
#: Why the other units' past leaves one out: its clusters are split or doubled.
SHARED_SPIKES = "shared spikes"
#: Recordings that a process keeps in memory.
MOST_LOADED = 2
#: Bins times units that a pooled network is trained on: some 20 bytes each.
MOST_POOLED_BINS = 32_000_000


@dataclass(frozen=True)
class Job:
    """A recording, its settings, and the run directory that it fills.

    ``id`` is the content id: file hash, settings that matter and version; equal ids give equal results.
    ``source`` is what was planned: what is read again must be that. ``rates`` are those of models that were fitted
    elsewhere (``rnnspike score``), scored beside the ladder.
    """

    path: Path
    name: str
    folder: Path
    settings: FitSettings
    id: str
    source: Source | None = None
    rates: tuple[GivenRates, ...] = ()

    @property
    def work(self) -> Path:
        """Folder of finished tasks and checkpoints; gone when the run is complete."""
        return self.folder / "work"

    def with_rates_kept(self) -> Job:
        """Return the same job with its rates in the work folder: it is sent with each task."""
        kept = (each.kept(self.work / "rates" / str(k)) for k, each in enumerate(self.rates))
        return replace(self, rates=tuple(kept))


@dataclass(frozen=True)
class PlannedRecording:
    """A recording read and planned: everything but the counts, which are binned unit by unit."""

    recording: Recording
    plan: TrialPlan
    folds: IntArray
    n_folds: int

    def trials(self, unit_ids: list[str]) -> Trials:
        """Bin these units; the others that were recorded together with all of them are read when asked for."""
        return replace(self.plan.trials(unit_ids), others=self.others(unit_ids))

    def others(self, unit_ids: Sequence[str]) -> OtherUnits:
        """Return the units recorded together with all of these: in the same observed time, without shared spikes."""
        left_out: dict[str, str] = {}
        observed = {self.observed_time(unit_id) for unit_id in unit_ids}
        for other in self.plan.unit_ids:
            doubles = [unit_id for unit_id in unit_ids if frozenset((other, unit_id)) in self.doubled]
            if other in unit_ids:
                continue
            if {self.observed_time(other)} != observed:
                left_out[other] = "another observed time"
            elif doubles:
                left_out[other] = SHARED_SPIKES
        kept = tuple(each for each in self.plan.unit_ids if each not in unit_ids and each not in left_out)
        return OtherUnits(kept, self.spikes, left_out, self._stand_ins, self.plan.trials)

    @property
    def has_population(self) -> bool:
        """Whether any two units were recorded together."""
        times = [self.observed_time(unit_id) for unit_id in self.plan.unit_ids]
        return len(set(times)) < len(times)

    @cached_property
    def doubled(self) -> dict[frozenset[str], float]:
        """The pairs of units that share spike times, and the share of the rarer unit's spikes."""
        units = [self.recording.unit(unit_id) for unit_id in self.plan.unit_ids]
        return {frozenset(pair.units): pair.share for pair in shared_spikes(units)}

    def observed_time(self, unit_id: str) -> bytes:
        """Return a key of the time in which a unit was observed."""
        observed = self.recording.unit(unit_id).observed_s
        return b"" if observed is None else observed.tobytes() + b"observed"

    @cached_property
    def _known(self) -> dict[str, UnitSpikes]:
        return {}

    def spikes(self, unit_id: str) -> UnitSpikes:
        """Return the spikes of a unit in every trial, kept once read."""
        if unit_id not in self._known:
            time, unit = self.observed_time(unit_id), self.recording.unit(unit_id)
            if time not in self._observed:  # one array for all that share it
                self._observed[time] = np.ascontiguousarray(self.plan.observed(unit))
            observed = self._observed[time]
            trial, at, n = self.plan.spikes(unit, observed)
            first = np.concatenate([[0], np.cumsum(np.bincount(trial, n, len(observed)).astype(np.int64))])
            self._known[unit_id] = UnitSpikes(np.repeat(at, n).astype(np.int32), first, observed)
        return self._known[unit_id]

    @cached_property
    def _observed(self) -> dict[bytes, npt.NDArray[np.bool_]]:
        return {}

    @cached_property
    def _stand_ins(self) -> dict[str, IntArray]:
        """By unit, the trial whose spikes stand for each where trials are shuffled within condition and fold."""
        key = self.recording.sha256, self.folds.tolist(), "shuffled trials"
        return {
            unit_id: stand_ins(self.plan.condition, self.folds, rng_for(*key, unit_id))
            for unit_id in self.plan.unit_ids
        }

    @cached_property
    def groups(self) -> list[tuple[str, ...]]:
        """The units in groups of neighbours whose bins, burn-in included, are at most ``MOST_POOLED_BINS``."""
        bins = self.plan.n_trials * (self.plan.grid.n_before + self.plan.grid.n_bins)
        n_groups = -(-len(self.plan.unit_ids) // max(1, MOST_POOLED_BINS // bins))
        return [tuple(map(str, part)) for part in np.array_split(self.plan.unit_ids, n_groups)]

    @cached_property
    def _group_of(self) -> dict[str, int]:
        return {unit_id: k for k, group in enumerate(self.groups) for unit_id in group}

    def pooled_units(self, model: str) -> dict[int | None, tuple[str, ...]]:
        """Return the units of each network of a pooled model, by group; None where one network takes all units."""
        if MODELS[model].pooled == "groups" and len(self.groups) > 1:
            return dict(enumerate(self.groups))
        return {None: self.plan.unit_ids}

    def group_of(self, model: str, unit_id: str) -> int | None:
        """Return the group of units with which a unit's model is trained; None for all units, or it alone."""
        return self._group_of[unit_id] if None not in self.pooled_units(model) and MODELS[model].pooled else None

    def rows_of(self, *left_out: int) -> npt.NDArray[np.bool_]:
        """Return which trials train when these folds are left out."""
        return ~np.isin(self.folds, left_out)


_LOADED: dict[Job, PlannedRecording] = {}


def job_id(source: Source, settings: FitSettings) -> str:
    """Return the content id of a fit."""
    kept = {key: value for key, value in settings.model_dump(mode="json").items() if key not in INCIDENTAL}
    return content_id(source.sha256, kept | {"events": settings.events_name}, __version__)


def load_recording(path: Path, settings: FitSettings) -> PlannedRecording:
    """Read and plan a recording; RecordingError where it cannot be used."""
    return planned(read_recording(path, settings.read_options()), settings)


def planned(recording: Recording, settings: FitSettings) -> PlannedRecording:
    """Plan a recording; RecordingError where it cannot be used."""
    path, plan = recording.path, plan_trials(recording, settings.trial_options())
    if not plan.unit_ids:
        reasons = sorted(set((plan.left_out or {}).values()))
        raise RecordingError(path, f"no unit is left to fit: {'; '.join(reasons)}", "--units or --min-spikes 10")
    n_folds = min(settings.folds, len(np.unique(plan.group)))
    if n_folds < 3:
        raise _too_few(path, plan)
    folds = assign_folds(strata(plan), plan.group, n_folds, settings.fold_scheme)
    return PlannedRecording(recording, plan, folds, n_folds)


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


def load_job(job: Job) -> PlannedRecording:
    """Read and plan a job's recording once per process; RnnspikeError where it is not what was planned."""
    known = _LOADED.get(job)
    if known is not None:
        return known
    loaded = load_recording(job.path, job.settings)
    if job.source is not None and getattr(loaded.recording, "sources", ()) != job.source.files:
        raise _changed(job)
    refuse_change(job)
    keep_loaded(job, loaded)
    return loaded


def keep_loaded(job: Job, loaded: PlannedRecording) -> None:
    """Keep a recording in memory for the next tasks of its job, with that of one other job."""
    _LOADED[job] = loaded
    while len(_LOADED) > MOST_LOADED:
        _LOADED.pop(next(iter(_LOADED)), None)


def refuse_change(job: Job) -> None:
    """Raise RnnspikeError where a job's recording or events are not what was planned: their rows would be mixed."""
    if job.source is not None and not job.source.is_unchanged():
        raise _changed(job)


def _changed(job: Job) -> RnnspikeError:
    return RnnspikeError(f"{job.path}: changed while it was being fitted: run the fit again (with --overwrite)")


@lru_cache(maxsize=4)
def unit_trials(job: Job, unit_ids: tuple[str, ...]) -> Trials:
    """Bin units of a job, keeping the last few in memory (the tasks of a unit follow one another)."""
    trials = load_job(job).trials(list(unit_ids))
    refuse_change(job)  # series are read only now
    return trials
