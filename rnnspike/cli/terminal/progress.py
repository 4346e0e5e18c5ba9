"""Progress bars."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rnnspike.cli.terminal.output import Log, message_console
from rnnspike.names import visible

if TYPE_CHECKING:
    from rnnspike.runs.tasks import Progress

#: Work with more than this left, s, is told where there is no bar.
LONG_S = 30.0


class _Lines:
    """Progress where there is no terminal: one line of the time left, and with -v one per task."""

    def __init__(self, title: str, log: Log) -> None:
        self.title, self.log, self.begun, self.told = title, log, time.monotonic(), False

    def __call__(self, done: int, total: int, label: str) -> None:
        """Take a step (``runs.tasks.Progress``)."""
        self.log.detail(f"{self.title}: {done}/{total} {label}")
        taken_s = time.monotonic() - self.begun
        left_s = taken_s / max(done, 1) * (total - done)
        if done and left_s > LONG_S and not self.told:
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
def progress_bar(title: str, log: Log) -> Iterator[Progress]:
    """Show a progress bar on a terminal; elsewhere, the time left of long work, and with -v a line per task."""
    console = message_console()
    if not console.is_terminal or console.is_dumb_terminal or log.verbosity < 0:
        yield _Lines(title, log)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[label]}", style="dim", markup=False),
    )
    # Results on stdout stay there.
    with Progress(*columns, console=console, transient=True, redirect_stdout=False) as bar:
        task = bar.add_task(visible(title), total=None, label="")
        yield lambda done, total, label: bar.update(task, completed=done, total=total, label=visible(label))
