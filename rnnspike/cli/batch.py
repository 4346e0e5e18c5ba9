"""Several recordings in one call: they are fitted side by side, and shown in the order in which they were given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rnnspike.cli.terminal.output import Failures, Log, log_findings, shown_names
from rnnspike.cli.terminal.progress import FIRST, duration, progress_bar
from rnnspike.errors import RnnspikeError
from rnnspike.runs.events import Begun, Event, Failed, Fitted, PartDone, TaskDone
from rnnspike.runs.fitting.estimate import Estimate
from rnnspike.runs.job import Job
from rnnspike.runs.plan import Plan
from rnnspike.runs.stored.directory import read_rows_with_seconds
from rnnspike.runs.tasks import Task
from rnnspike.wording import counted

#: What a bar says until the first task is done.
FITTING = "first tasks"


def show_fits(
    paths: Sequence[Path],
    turns: Sequence[int],
    events: Iterator[Event],
    failures: Failures,
    log: Log,
    show: Callable[[str, Job, list[dict[str, Any]]], None],
    show_failed: Callable[[Path, RnnspikeError], None] = lambda *_: None,
    show_task: Callable[[TaskDone], None] = lambda _: None,
) -> None:
    """Log the findings of each recording and ``show`` (name, job, rows) it when it is its turn.

    ``show_failed`` gets a recording that was not fitted, and why.
    ``show_task`` is called at once, whatever recording a task is of.
    """
    shown = shown_names(paths)

    def show_done(event: TaskDone) -> None:
        with failures.looking_at(paths[event.index]):  # not of the recording whose turn it is
            show_task(event)

    queue = _EventQueue(events, show_done)
    for index, path in [(index, paths[index]) for index in turns]:
        title = f"{shown[path]} ({index + 1} of {len(paths)})"
        ended: Fitted | PartDone | Failed | None = None
        with failures.alone(path):
            begun = queue.begun(index, title, log)
            if begun is not None:
                log_findings(log, shown[path], begun.plan.findings, begun.plan.left_out)
                log.info(f"{shown[path]}: {expected(begun.plan, begun.tasks)}")
            ended = queue.ended(index, title, log, begun)
            if isinstance(ended, Failed):
                raise ended.error
            job = ended.plan.job
            if isinstance(ended, Fitted):
                show(shown[path], job, read_rows_with_seconds(job.folder))
            else:
                again = f"rnnspike collect {job.folder}"
                log.info(f"{shown[path]}: this shard is done; when all shards are, run: {again}")
            if ended.lost:
                raise RnnspikeError(f"{path}: {lost_in_words(list(ended.lost.values()))}")
        if isinstance(ended, Failed):
            show_failed(path, failures.errors[-1])


def expected(plan: Plan, tasks: Collection[Task]) -> str:
    """Say which tasks of a recording are done here, and about how long what is left takes and how much memory."""
    left = plan.left(tasks)
    is_whole = plan.done.issuperset(plan.tasks)
    here = "" if is_whole or len(tasks) == len(plan.tasks) else f"{len(tasks)} of "
    what = f"{counted(len(plan.units), 'unit{s}')}, {here}{counted(len(plan.tasks), 'task{s}')}"
    if not tasks and not is_whole:
        return f"{what}: nothing for this shard to do now"
    if not left.by_task:
        return f"{what}: done before"
    n, settings = plan.job.settings.workers, plan.job.settings
    if settings.scheduler or settings.scheduler_file:
        return f"{what}: about {duration(left.seconds)} of one core"
    return f"{what}: about {duration(left.wall_s(n))} with -j {n}, {left.memory_bytes(n) / 1e9:.1f} GB"


def lost_in_words(reasons: Sequence[str]) -> str:
    """Say how many tasks were lost, and why one was."""
    return (
        f"{counted(len(reasons), 'task{s}')} failed ({reasons[0]}); run the same command again to repeat only these"
    )


@dataclass
class _EventQueue:
    """Keeps what happens to recordings whose turn has not come."""

    events: Iterator[Event]
    show_task: Callable[[TaskDone], None]
    _begun: dict[int, Begun] = field(default_factory=dict)
    _ended: dict[int, Fitted | PartDone | Failed] = field(default_factory=dict)
    _left: dict[int, Estimate] = field(default_factory=dict)
    _n_done: dict[int, int] = field(default_factory=dict)
    _done_s: dict[int, float] = field(default_factory=dict)

    def begun(self, index: int, title: str, log: Log) -> Begun | None:
        """Wait until a recording was read; None where it was not."""
        self._wait(index, lambda: index in self._begun or index in self._ended, title, log)
        return self._begun.pop(index, None)

    def ended(self, index: int, title: str, log: Log, begun: Begun | None) -> Fitted | PartDone | Failed:
        """Wait until a recording or this shard's part of it is fitted, or has failed."""
        self._wait(index, lambda: index in self._ended, title, log, begun)
        return self._ended.pop(index)

    def _wait(self, index: int, until: Callable[[], bool], title: str, log: Log, begun: Begun | None = None) -> None:
        if until():
            return
        share = self._share(index) or 0.0
        expected_s = self._left[index].wall_s(begun.plan.job.settings.workers) if begun else None
        with progress_bar(title, log, expected_s, share, "" if begun else FIRST) as progress:
            if begun and begun.tasks:
                progress(self._n_done.get(index, 0), len(begun.tasks), FITTING, share)
            for event in self.events:
                if isinstance(event, TaskDone):
                    self._note(event)
                    if event.index == index:
                        progress(event.n_done, event.n_tasks, event.task.label, self._share(index))
                    self.show_task(event)
                elif isinstance(event, Begun):
                    self._begun[event.index] = event
                    self._left[event.index] = event.plan.left(event.tasks)
                else:
                    self._ended[event.index] = event
                if until():
                    return

    def _note(self, event: TaskDone) -> None:
        expected_s = event.plan.left([event.task]).seconds
        self._n_done[event.index] = event.n_done
        self._done_s[event.index] = self._done_s.get(event.index, 0.0) + expected_s

    def _share(self, index: int) -> float | None:
        """Return the share of a recording's work that is done, by its estimated time; None where it is not known."""
        whole_s = self._left[index].seconds if index in self._left else 0.0
        return self._done_s.get(index, 0.0) / whole_s if whole_s else None
