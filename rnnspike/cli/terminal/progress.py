"""Progress: what is being done, how much of it is done, and about how long the rest takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rnnspike.cli.terminal.output import Log, message_console
from rnnspike.names import visible

#: Work with more than this left, s, is told where there is no bar.
LONG_S = 30.0
#: What is done before there is anything to count.
FIRST = "reading"
#: From this share of the work on, the time that it has taken tells how long the rest takes.
KNOWN_SHARE = 0.05
#: Characters of a bar.
BAR_WIDTH = 12


class Step(Protocol):
    """Takes a step of progress (``runs.tasks.Progress``); ``share`` of the work is done, by its estimated time."""

    def __call__(self, done: int, total: int, label: str, share: float | None = None) -> None:
        """Note that so many of all are done, and what was done last."""
        ...


class _Left:
    """The time left: at first what was expected of the whole, if anything, then what the work has taken so far.

    ``first`` is the share that was done when the clock began.
    """

    def __init__(self, expected_s: float | None, first: float = 0.0) -> None:
        self.begun, self.expected_s, self.first = time.monotonic(), expected_s, first

    def left_s(self, done: int, total: int, share: float | None) -> tuple[float, float | None]:
        """Return the seconds so far, and those left, None where they are not known."""
        taken_s = time.monotonic() - self.begun
        share = done / max(total, 1) if share is None else share
        gained = share - self.first
        if done == 0 or gained < KNOWN_SHARE:
            expected_s = None if self.expected_s is None else self.expected_s * (1 - self.first)
            return taken_s, None if expected_s is None else max(0.0, expected_s - taken_s)
        return taken_s, taken_s * (1 - share) / gained


class _Countdown:
    """The time left as text, which goes on between two steps."""

    def __init__(self, left_s: float | None) -> None:
        self.end_s = None if left_s is None else time.monotonic() + left_s

    def __str__(self) -> str:
        left_s = 0.0 if self.end_s is None else self.end_s - time.monotonic()
        return f"about {duration(left_s)} left" if left_s > 0.5 else ""


class _Lines:
    """Progress where there is no terminal: one line of the time left, and with -v one per task."""

    def __init__(self, title: str, log: Log, left: _Left, label: str) -> None:
        self.title, self.log, self.time, self.told = title, log, left, False
        if label:
            log.detail(f"{title}: {label}")

    def __call__(self, done: int, total: int, label: str, share: float | None = None) -> None:
        """Take a step."""
        self.log.detail(f"{self.title}: {done}/{total} {label}")
        taken_s, left_s = self.time.left_s(done, total, share)
        if done and left_s is not None and left_s > LONG_S and not self.told:
            self.told = True
            self.log.info(
                f"{self.title}: {done} of {total} done in {duration(taken_s)}, about {duration(left_s)} left"
            )


def duration(seconds: float) -> str:
    """Return a rough length of time: 40 s, 3 min, 2.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def progress_bar(
    title: str, log: Log, expected_s: float | None = None, done: float = 0.0, label: str = FIRST
) -> Iterator[Step]:
    """Show a progress bar on a terminal; elsewhere, the time left of long work, and with -v a line per task.

    ``expected_s`` is what the whole is expected to take, s, ``done`` the share of it that was done before, ``label``
    what goes on before there is anything to count.
    """
    left = _Left(expected_s, done)
    console = message_console()
    if not console.is_terminal or console.is_dumb_terminal or log.verbosity < 0:
        yield _Lines(title, log, left, label)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.table import Column

    rest = Column(ratio=1, no_wrap=True, overflow="ellipsis")
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=BAR_WIDTH),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
        TextColumn("{task.fields[label]}", style="dim", markup=False, table_column=rest),
    )
    # Results on stdout stay there.
    with Progress(*columns, console=console, transient=True, expand=True, redirect_stdout=False) as bar:
        task = bar.add_task(visible(title), total=None, label=label, left="")

        def step(done: int, total: int, label: str, share: float | None = None) -> None:
            _, left_s = left.left_s(done, total, share)
            bar.update(task, completed=done, total=total, label=visible(label), left=_Countdown(left_s))

        yield step
