"""The tasks of one recording, and what each needs done before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnnspike.config import FitSettings, block_errors
from rnnspike.errors import RecordingError
from rnnspike.models.registry import MODELS, default_models, to_choose
from rnnspike.recording.data import Finding
from rnnspike.recording.provenance import Source, stamp
from rnnspike.runs.fitting.estimate import Estimate, Size, estimate, slowness
from rnnspike.runs.fitting.finish import is_task_done
from rnnspike.runs.fitting.reading import network_to_read
from rnnspike.runs.fitting.training import is_together
from rnnspike.runs.job import Job, PlannedRecording, job_id, keep_loaded, load_recording
from rnnspike.runs.layout import folder_of
from rnnspike.runs.stored.claim import is_complete
from rnnspike.runs.stored.store import distinct_name, run_name
from rnnspike.runs.tasks import Pair, Task, ladder, pairs_of
from rnnspike.trials.units import of_requested_units


@dataclass(frozen=True)
class Plan:
    """What a recording asks for: its job and tasks, each with those that it needs; what there is to say about it.

    ``sources`` are those of its settings, where they are known; ``estimate`` is what all tasks cost; ``done`` are
    those that the run directory holds.
    """

    job: Job
    tasks: Mapping[Task, Sequence[Task]]
    findings: tuple[Finding, ...]
    left_out: Mapping[str, str]
    sources: Mapping[str, str]
    estimate: Estimate
    done: frozenset[Task]

    def left(self, tasks: Iterable[Task]) -> Estimate:
        """Return what those of the tasks cost that are not done yet."""
        return self.estimate.of(task for task in tasks if task not in self.done)

    @property
    def units(self) -> list[str]:
        """Units to be fitted."""
        return [task.unit for task in self.tasks if task.kind == "finish" and task.unit is not None]

    @property
    def is_complete(self) -> bool:
        """Whether the run directory holds this fit already."""
        return is_complete(self.job.folder, self.job.id)


def make_job(path: Path, settings: FitSettings, taken: Sequence[str] = ()) -> tuple[Job, PlannedRecording]:
    """Read and plan a recording and name its run directory (with its hash where the plain name is taken)."""
    before = stamp(path)
    loaded = load_recording(path, settings)
    source = Source.of(loaded.recording)
    if stamp(path) != before:
        raise RecordingError(path, "changed while it was being read", "again")
    if not settings.population or (
        settings.models in (default_models(), tuple(to_choose())) and not loaded.has_population
    ):
        settings = settings.without_population()
    name = distinct_name(run_name(path), loaded.recording.sha256, taken)
    folder = folder_of(settings.out, loaded.recording, name)
    job = Job(path, name, folder, settings, job_id(source, settings), source)
    keep_loaded(job, loaded)
    return job, loaded


def plan_recording(
    path: Path, settings: FitSettings, taken: Sequence[str] = (), sources: Mapping[str, str] | None = None
) -> Plan:
    """Read a recording and return its tasks; RecordingError where it cannot be fitted."""
    with block_errors(path, sources or {}):
        return plan_of(*make_job(path, settings, taken), sources)


def plan_of(job: Job, loaded: PlannedRecording, sources: Mapping[str, str] | None = None) -> Plan:
    """Return the tasks of a recording that was read."""
    left_out = loaded.plan.left_out or {}
    findings = of_requested_units((*loaded.recording.findings, *loaded.plan.findings), left_out)
    tasks = tasks_of(loaded, job.settings)
    is_whole = is_complete(job.folder, job.id)
    done = frozenset(task for task in tasks if is_whole or is_task_done(job, task))
    sizes, slow = sizes_of(loaded), slowness()
    expected = estimate(tasks, job.settings, sizes, loaded.n_folds, loaded.groups, slow, job.rates)
    return Plan(job, tasks, findings, left_out, sources or {}, expected, done)


def sizes_of(loaded: PlannedRecording) -> dict[str, Size]:
    """Return the bins and spikes of each unit, its burn-in included, and its trials."""
    grid = loaded.plan.grid
    n_bins = loaded.plan.n_trials * (grid.n_before + grid.n_bins)
    starts = grid.start_s - grid.n_before * grid.bin_s
    ends = grid.start_s + grid.n_bins * grid.bin_s

    def n_spikes(unit_id: str) -> int:
        times = loaded.recording.unit(unit_id).spike_times_s
        return int((np.searchsorted(times, ends) - np.searchsorted(times, starts)).sum())

    return {unit_id: Size(n_bins, n_spikes(unit_id), loaded.plan.n_trials) for unit_id in loaded.plan.unit_ids}


def tasks_of(loaded: PlannedRecording, settings: FitSettings) -> dict[Task, list[Task]]:
    """Return the tasks of a recording and what each needs done before, in an order in which they can be done."""
    rungs, units = ladder(settings.models), loaded.plan.unit_ids
    together = [name for name in rungs if is_together(name, settings)]

    def pairs(names: Sequence[str]) -> list[Pair]:
        found = {pair for name in names for pair in pairs_of(name, loaded.n_folds, settings.effort)}
        return sorted(found, key=lambda pair: (pair.a, pair.b))

    own_rungs = [name for name in rungs if not MODELS[name].pooled and name not in together]
    own = {
        (unit, pair): Task("fit", unit, pair)
        for group in loaded.groups  # one after another, so that the first units are evaluated soon
        for pair in pairs(own_rungs)
        for unit in group
    }
    batched = [Task("together", rung=name) for name in together]
    tasks: dict[Task, list[Task]] = {task: [] for task in own.values()}
    tasks |= {task: list(own.values()) for task in batched}
    pooled: dict[str, list[Task]] = {unit: [] for unit in units}
    for name in [name for name in rungs if MODELS[name].pooled]:
        for group, members in loaded.pooled_units(name).items():
            for pair in pairs([name]):
                task = Task("pooled", pair=pair, rung=name, group=group)
                tasks[task] = [own[unit, pair] for unit in members if (unit, pair) in own]
                for unit in members:
                    pooled[unit].append(task)
    for unit in units:
        mine = [own[unit, pair] for pair in pairs(own_rungs)]
        tasks[Task("finish", unit)] = [*mine, *batched, *pooled[unit]]
        if network_to_read(settings) is not None:
            tasks[Task("read", unit)] = [*mine, *batched]
    return tasks


def task_rows(plan: Plan) -> Iterator[dict[str, Any]]:
    """Yield the tasks of a recording as plain rows, and whether each is done."""
    complete = plan.is_complete
    for task in plan.tasks:
        pair = None if task.pair is None else [task.pair.a, task.pair.b]
        yield {
            "recording": plan.job.name,
            "task": task.kind,
            "unit": task.unit,
            "rung": task.rung,
            "folds_left_out": pair,
            "content_id": plan.job.id,
            "done": complete or is_task_done(plan.job, task),
        }
