"""One recording of a batch while its tasks are being done: what can be done next, and when it is over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from rnnspike.errors import RunError, TaskLost
from rnnspike.runs.engines.shards import Shard
from rnnspike.runs.events import Event, Failed, Fitted, PartDone
from rnnspike.runs.fitting.finish import is_task_done
from rnnspike.runs.fitting.task import OnComplete
from rnnspike.runs.job import Job
from rnnspike.runs.layout import fields_of
from rnnspike.runs.plan import Plan
from rnnspike.runs.schedule import Schedule
from rnnspike.runs.stored.claim import recording_in, take
from rnnspike.runs.stored.lock import RunLock
from rnnspike.runs.stored.request import keep_request
from rnnspike.runs.tasks import WRITE, Task

#: Run directory -> the recording of the batch that it is of.
RunFolders = dict[str, Path]


@dataclass(frozen=True)
class FitOptions:
    """How recordings are fitted, beside the settings.

    Attributes
    ----------
    overwrite
        Replace other fits that lie in the run directories.
    wait
        Wait for other processes that fit into the same run directories.
    shard
        Do this part only.
    provenance
        What to write about the fit beside versions and times.
    on_complete
        Called with each run directory when it is complete.
    """

    overwrite: bool = False
    wait: bool = False
    shard: Shard | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    on_complete: OnComplete | None = None

    def provenance_of(self, plan: Plan) -> dict[str, Any]:
        """Return what to write about the fit of one recording."""
        return {**self.provenance, **({"sources": plan.sources} if plan.sources else {})}

    def turns(self, n: int) -> range:
        """Return which of n recordings are worked on here (index from 0)."""
        return range(n) if self.shard is None else self.shard.recordings(n)


@dataclass
class ActiveRecording:
    """A recording whose tasks are being done; without a plan it is being read, or was ``read`` and has not begun."""

    index: int
    plan: Plan | None = None
    read: Plan | None = None
    schedule: Schedule = field(default_factory=lambda: Schedule({}))
    error: Exception | None = None
    is_written: bool = False
    lock: RunLock | None = None

    def begin(self, plan: Plan, options: FitOptions, shard: Shard | None, folders: RunFolders) -> None:
        """Take the run directory, unless it holds the finished fit; of a ``shard`` only its tasks are done."""
        refuse_shared_folder(plan, folders)
        _refuse_folder_of_another(plan)
        if shard and options.overwrite:
            raise RunError(f"{plan.job.folder}: --overwrite would remove what other shards did (remove it first)")
        if options.overwrite or not plan.is_complete:
            self.lock = take(plan.job, options.overwrite, shared=shard is not None, wait=options.wait)
        if options.overwrite:
            plan = replace(plan, done=frozenset())
        self.plan = plan
        if plan.is_complete:  # perhaps by whom was waited for
            return
        keep_request(plan.job, options.provenance_of(plan))
        self.plan = replace(plan, job=plan.job.with_rates_kept())
        if shard is None:
            self.schedule = Schedule(plan.tasks)
        else:
            mine = shard.tasks(plan.tasks, plan.units, partial(is_task_done, plan.job))
            self.schedule = Schedule(mine, write=False)

    def next_task(self) -> Task | None:
        """Return a task that can be done now."""
        return None if self.plan is None or self.error else self.schedule.next()

    def done(self, task: Task, lost: TaskLost | None) -> None:
        """Note that a task was done, or lost; without its last one, a recording cannot be."""
        if lost is not None and task == WRITE:
            raise lost
        self.is_written = self.is_written or task == WRITE
        self.schedule.done(task, f"{task.label}: {lost}" if lost else None)

    def end(self) -> Event | None:
        """Return how it ended once nothing is left to do; None before that."""
        if self.error is not None:
            return Failed(self.index, self.error)
        if self.plan is None or not self.schedule.is_over:
            return None
        if self.is_written:
            return Fitted(self.index, self.plan, self.schedule.lost)
        if not self.schedule.lost and self._may_write():
            self.schedule = Schedule({})
            return None
        return PartDone(self.index, self.plan, self.schedule.lost)

    def _may_write(self) -> bool:
        """Say whether all tasks of the recording are done, and no other shard is at work on it any more."""
        assert self.plan is not None
        all_done = all(is_task_done(self.plan.job, task) for task in self.plan.tasks)
        return all_done and self.lock is not None and self.lock.is_alone()

    def let_go(self) -> None:
        """Let others fit into the run directory."""
        if self.lock is not None:
            self.lock.release()


def refuse_shared_folder(plan: Plan, folders: RunFolders) -> None:
    """Raise RunError where another recording of the batch has the same run directory."""
    other = folders.setdefault(str(plan.job.folder.absolute()).casefold(), plan.job.path)
    if other != plan.job.path:
        raise _shared(plan.job, other)


def _refuse_folder_of_another(plan: Plan) -> None:
    """Raise RunError where a layout gives a recording the run directory of another one, also if it is overwritten.

    So it is where each shard has one of them.
    """
    job = plan.job
    if plan.is_complete or not fields_of(job.settings.out):
        return
    other = recording_in(job.folder)
    if other is not None and other.exists() and not other.samefile(job.path):
        raise _shared(job, other)


def _shared(job: Job, other: Path) -> RunError:
    both = f"{job.path} and {other} would share this run directory"
    return RunError(f"{job.folder}: {both} (add {{name}} to --out)")
