"""Runs a fit: plans the tasks of a recording, spreads them over processes, and writes the run directory."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnspike.config import FitSettings
from rnnspike.memory import give_back
from rnnspike.models.registry import MODELS
from rnnspike.runs.claim import claim
from rnnspike.runs.directory import is_complete, read_rows, write_run
from rnnspike.runs.finish import finish_unit
from rnnspike.runs.job import Job, Loaded, job_id, load_recording
from rnnspike.runs.store import distinct_name, run_name
from rnnspike.runs.tasks import Pair, ladder, pairs_of
from rnnspike.runs.training import fit_pooled, fit_together, fit_unit, is_together
from rnnspike.threads import one_thread

#: Called with (tasks done, tasks in all, what was done last).
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Task:
    """One call of a worker.

    ``fit`` a unit's rungs, or a ``pooled`` one, without a pair of folds; a rung's networks of all units and folds
    ``together``; ``finish`` a unit.
    """

    kind: str
    unit: str | None = None
    pair: Pair | None = None
    rung: str | None = None

    @property
    def label(self) -> str:
        """Return the task in words."""
        what = {
            "fit": f"unit {self.unit}",
            "pooled": f"{self.rung} of all units",
            "together": f"{self.rung} of all units and folds",
            "finish": f"unit {self.unit} evaluated",
        }[self.kind]
        return what if self.pair is None else f"{what}, folds {self.pair.a} and {self.pair.b} left out"


def make_job(path: Path, settings: FitSettings, taken: Sequence[str] = ()) -> tuple[Job, Loaded]:
    """Read and plan a recording and name its run directory (with its hash where the plain name is taken)."""
    loaded = load_recording(path, settings)
    name = distinct_name(run_name(path), loaded.recording.sha256, taken)
    return Job(path, name, settings.out / name, settings, job_id(loaded.recording, settings)), loaded


def tasks_of(loaded: Loaded, settings: FitSettings) -> dict[Task, list[Task]]:
    """Return the tasks of a recording and what each needs done before, in an order in which they can be done."""
    rungs, units = ladder(settings.models), loaded.plan.unit_ids
    together = [name for name in rungs if is_together(name, settings)]

    def pairs(names: Sequence[str]) -> list[Pair]:
        found = {pair for name in names for pair in pairs_of(name, loaded.n_folds, settings.effort)}
        return sorted(found, key=lambda pair: (pair.a, pair.b))

    own_rungs = [name for name in rungs if not MODELS[name].pooled and name not in together]
    own = {(unit, pair): Task("fit", unit, pair) for pair in pairs(own_rungs) for unit in units}
    fleets = [Task("together", rung=name) for name in together]
    tasks: dict[Task, list[Task]] = {task: [] for task in own.values()}
    tasks |= {task: list(own.values()) for task in fleets}
    pooled = [Task("pooled", pair=pair, rung=name) for name in rungs if MODELS[name].pooled for pair in pairs([name])]
    tasks |= {task: [each for each in own.values() if each.pair == task.pair] for task in pooled}
    for unit in units:
        mine = [task for (other, _), task in own.items() if other == unit]
        tasks[Task("finish", unit)] = [*mine, *fleets, *pooled]
    return tasks


def run_task(job: Job, task: Task) -> dict[str, Any] | None:
    """Do one task (in a worker or here)."""
    try:
        with one_thread():
            return _do(job, task)
    finally:
        give_back()


def _do(job: Job, task: Task) -> dict[str, Any] | None:
    if task.kind == "finish":
        assert task.unit is not None
        return finish_unit(job, task.unit)
    if task.kind == "together":
        assert task.rung is not None
        fit_together(job, task.rung)
        return None
    assert task.pair is not None
    if task.kind == "pooled":
        assert task.rung is not None
        fit_pooled(job, task.pair, task.rung)
    else:
        assert task.unit is not None
        fit_unit(job, task.unit, task.pair)
    return None


def fit_recording(
    job: Job,
    loaded: Loaded,
    executor: Executor | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
    provenance: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Fit the ladder to a recording and return its rows; finished work is not done again.

    Raises
    ------
    RunError
        Where the run directory cannot be taken for this fit (``claim``).
    """
    if not overwrite and is_complete(job.folder, job.id):
        return read_rows(job.folder)
    claim(job, overwrite)
    tasks = tasks_of(loaded, job.settings)
    finished: list[dict[str, Any]] = []
    for done, (task, result) in enumerate(completed(job, tasks, executor), start=1):
        if progress:
            progress(done, len(tasks), task.label)
        if result is not None:
            finished.append(result)
    order = {unit: i for i, unit in enumerate(loaded.plan.unit_ids)}
    finished.sort(key=lambda each: order[each["unit"]])
    return write_run(job, loaded, finished, provenance or {})


def completed(
    job: Job, tasks: Mapping[Task, Sequence[Task]], executor: Executor | None
) -> Iterator[tuple[Task, dict[str, Any] | None]]:
    """Do tasks, here or by an executor, each when what it needs is done, and yield each as it is done."""
    if executor is None:
        for task in tasks:
            yield task, run_task(job, task)
        return
    left = {task: len(needs) for task, needs in tasks.items()}
    needed_by: defaultdict[Task, list[Task]] = defaultdict(list)
    for task, needs in tasks.items():
        for need in needs:
            needed_by[need].append(task)
    short, long = deque[Task](), deque[Task]()

    def make_ready(some: Iterable[Task]) -> None:
        for task in some:
            if left[task] == 0:
                (short if task.kind == "fit" else long).append(task)

    make_ready(tasks)
    running: dict[Future[dict[str, Any] | None], Task] = {}
    while short or long or running:
        # one more than there are workers: none waits for its next task, and a long one that is ready goes first
        while (short or long) and len(running) <= job.settings.workers:
            task = (long or short).popleft()
            running[executor.submit(run_task, job, task)] = task
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in finished:
            task = running.pop(future)
            yield task, future.result()
            for other in needed_by[task]:
                left[other] -= 1
            make_ready(needed_by[task])


def dry_run(path: Path, settings: FitSettings) -> Iterator[dict[str, Any]]:
    """Yield the tasks of a recording as plain rows, and whether each is done."""
    job, loaded = make_job(path, settings)
    complete = is_complete(job.folder, job.id)
    for task in tasks_of(loaded, settings):
        pair = None if task.pair is None else [task.pair.a, task.pair.b]
        yield {
            "recording": job.name,
            "task": task.kind,
            "unit": task.unit,
            "rung": task.rung,
            "folds_left_out": pair,
            "content_id": job.id,
            "done": complete,
        }
