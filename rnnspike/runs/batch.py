"""Fits recordings: their tasks are spread over an engine, and each gets its run directory.

This process only hands tasks over, reading and writing included: what crashes or hangs is that task's, and memory
does not grow with the number of recordings. Several recordings are active where one does not fill the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from rnnspike.config import Configuration, FitSettings
from rnnspike.errors import EngineLost, TaskLost
from rnnspike.runs.active import ActiveRecording, FitOptions, RunFolders
from rnnspike.runs.engines.engine import Engine
from rnnspike.runs.engines.in_process import InProcess
from rnnspike.runs.engines.shards import Shard
from rnnspike.runs.events import Begun, Event, Failed, TaskDone
from rnnspike.runs.fitting.task import OnComplete, run_task
from rnnspike.runs.job import Job, PlannedRecording
from rnnspike.runs.layout import fields_of
from rnnspike.runs.plan import Plan, plan_of, plan_recording
from rnnspike.runs.stored.directory import read_rows_with_seconds
from rnnspike.runs.stored.store import run_name
from rnnspike.runs.tasks import WRITE, Progress, Task

#: (index, function that reads a recording and returns its plan, its arguments)
Call = tuple[int, Callable[..., Plan], tuple[Any, ...]]


def fit_recordings(
    paths: Sequence[Path], settings: FitSettings | Configuration, engine: Engine, options: FitOptions
) -> Iterator[Event]:
    """Fit recordings and yield what happens; one that fails does not stop the others.

    Recordings are begun in order, each with the settings, or with those that the configuration has for it. For each
    of them (or of the shard's) there is one ``Begun`` unless it cannot be read, and at the end one ``Fitted``,
    ``PartDone`` or ``Failed``.
    """

    def call(i: int) -> Call:
        own, sources = settings.resolve(paths[i]) if isinstance(settings, Configuration) else (settings, {})
        return i, plan_recording, (paths[i], own, names_before(paths, i), sources)

    shard = options.shard
    calls = map(call, options.turns(len(paths)))
    return fit_planned(calls, engine, options, shard if shard and shard.divides_recordings(len(paths)) else None)


def names_before(paths: Sequence[Path], i: int) -> list[str]:
    """Return the names of earlier recordings that the i-th one could be mistaken for."""
    start = run_name(paths[i]).casefold()
    return [name for name in map(run_name, paths[:i]) if name.casefold().startswith(start)]


def fit_recording(
    job: Job,
    loaded: PlannedRecording,
    engine: Engine | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
    provenance: Mapping[str, Any] | None = None,
    on_complete: OnComplete | None = None,
) -> list[dict[str, Any]]:
    """Fit the ladder to a recording and return its rows; finished work is not done again.

    Parameters
    ----------
    job
        The recording, its settings and its run directory.
    loaded
        What was read of it.
    engine
        Where the work is done; in this process where None.
    progress
        Called with (tasks done, tasks in all, what was done last).
    overwrite
        Replace another fit that lies in the run directory.
    provenance
        What to write about this fit beside versions and times.
    on_complete
        Called with the run directory when it is complete.

    Returns
    -------
    list of dict
        The rows, one per unit and model (docs/rows.md).

    Raises
    ------
    RunError
        Where the run directory cannot be taken for this fit (``claim``).
    """
    fit_plan(plan_of(job, loaded), engine, progress, overwrite, provenance, on_complete)
    return read_rows_with_seconds(job.folder)


def fit_plan(
    plan: Plan,
    engine: Engine | None = None,
    progress: Progress | None = None,
    overwrite: bool = False,
    provenance: Mapping[str, Any] | None = None,
    on_complete: OnComplete | None = None,
) -> None:
    """Do the tasks of one recording; arguments and errors as of ``fit_recording``.

    Parameters
    ----------
    plan
        Job and tasks.
    engine, progress, overwrite, provenance, on_complete
        As of ``fit_recording``.

    Raises
    ------
    RunError
        As ``fit_recording``.
    """
    options = FitOptions(overwrite, provenance=provenance or {}, on_complete=on_complete)
    for event in fit_planned([(0, _same, (plan,))], engine or InProcess(), options, planner=InProcess()):
        if isinstance(event, Failed):
            raise event.error
        if isinstance(event, TaskDone) and progress:
            progress(event.n_done, event.n_tasks, event.task.label)


def _same(plan: Plan) -> Plan:
    return plan


def fit_planned(
    plans: Iterable[Call],
    engine: Engine,
    options: FitOptions,
    shard: Shard | None = None,
    planner: Engine | None = None,
) -> Iterator[Event]:
    """Do the tasks of recordings, or of each a ``shard``, and yield what happens; the first ones go first.

    Recordings are read and planned by the ``planner``; by the engine where None.
    """
    return _Batch(iter(plans), engine, options, shard, planner or engine).run()


class _Batch:
    """The active recordings, and which of their tasks the engine has; ``None`` is the reading of a recording."""

    def __init__(
        self, waiting: Iterator[Call], engine: Engine, options: FitOptions, shard: Shard | None, planner: Engine
    ) -> None:
        self.waiting, self.engine, self.options, self.shard = waiting, engine, options, shard
        self.planner = planner
        self.active: dict[int, ActiveRecording] = {}
        self.running: dict[Future[Any], tuple[ActiveRecording, Task | None]] = {}
        self.finished: SimpleQueue[Future[Any]] = SimpleQueue()
        self.folders: RunFolders = {}

    def run(self) -> Iterator[Event]:
        """Do everything, as much at a time as the engine takes."""
        try:
            while True:
                while len(self.running) < self.engine.capacity and self._hand_over():
                    pass
                if not self.running:
                    return
                try:
                    future = self.finished.get(timeout=self.engine.look_again_s)
                except Empty:
                    continue
                if future in self.running:  # and not of a recording that failed meanwhile
                    each, task = self.running.pop(future)
                    yield from self._note(each, task, future)
                    yield from self._let_go(each)
        except (Exception, KeyboardInterrupt, SystemExit):
            self.engine.end()  # before another process may take the run directories
            raise
        finally:
            for future in self.running:
                future.cancel()
            for each in self.active.values():
                each.let_go()

    def _hand_over(self) -> bool:
        """Give the engine one more call; return whether there was one."""
        for each in self.active.values():
            if (task := each.next_task()) is not None and each.plan is not None:
                provenance = self.options.provenance_of(each.plan) if task == WRITE else {}
                given = each.plan.job, task, each.schedule.lost_needs(task), provenance, self.options.on_complete
                self._note_running(each, task, self.engine.submit(run_task, *given))
                return True
        # who waits for a lock holds no other: two processes could wait for each other
        most = 1 if self.options.wait else self.engine.capacity
        following = next(self.waiting, None) if len(self.active) < most else None
        if following is None:
            return False
        index, function, arguments = following
        self.active[index] = ActiveRecording(index)
        self._note_running(self.active[index], None, self.planner.submit(function, *arguments))
        return True

    def _note_running(self, each: ActiveRecording, task: Task | None, future: Future[Any]) -> None:
        self.running[future] = each, task
        future.add_done_callback(self.finished.put)

    def _note(self, each: ActiveRecording, task: Task | None, future: Future[Any]) -> Iterator[Event]:
        """Take the outcome of a call."""
        with _failing(each):
            if task is None:
                each.read = future.result()
            else:
                each.done(task, _loss(future))
        if task is None:
            yield from self._begin(each)
        elif task != WRITE and each.error is None and each.plan is not None:
            schedule = each.schedule
            yield TaskDone(each.index, each.plan, schedule.n_done, schedule.n_tasks, task, schedule.lost)

    def _begin(self, last: ActiveRecording) -> Iterator[Event]:
        """Begin what was read; what is over with that is let go, but for the ``last`` one that was read.

        Where a layout names run directories, recordings begin in order: the first of two has their place.
        """
        is_waited_for = False
        for each in list(self.active.values()):
            plan = each.read
            if plan is None:
                is_waited_for = is_waited_for or (each.plan is None and each.error is None)
            elif not (is_waited_for and fields_of(plan.job.settings.out)):
                each.read = None
                with _failing(each):
                    each.begin(plan, self.options, self.shard, self.folders)
                if each.plan is not None and each.error is None:
                    yield Begun(each.index, each.plan, each.schedule.tasks)
                if each is not last:
                    yield from self._let_go(each)

    def _let_go(self, each: ActiveRecording) -> Iterator[Event]:
        """Let go of a recording that is over, or has failed and none of its tasks is running any more."""
        ended = each.end()
        if ended is None:
            return
        for future in [future for future, (owner, _) in self.running.items() if owner is each and future.cancel()]:
            del self.running[future]
        if not any(owner is each for owner, _ in self.running.values()):
            del self.active[each.index]
            each.let_go()
            yield ended


@contextmanager
def _failing(each: ActiveRecording) -> Iterator[None]:
    """Let a recording fail by what is raised; the loss of the engine is everybody's."""
    try:
        yield
    except EngineLost:
        raise
    except Exception as error:
        each.error = each.error or error


def _loss(future: Future[Any]) -> TaskLost | None:
    """Return why a task was lost, None where it was done; raise what it raised."""
    try:
        future.result()
    except TaskLost as lost:
        return lost
    return None
