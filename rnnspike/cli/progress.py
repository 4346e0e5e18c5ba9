"""The bar of long work."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rnnspike.cli.output import Log, message_console

if TYPE_CHECKING:
    from rnnspike.runs.engine import Progress


@contextmanager
def progress_bar(title: str, log: Log) -> Iterator[Progress]:
    """Show a bar on stderr where that is a terminal; lines under -v elsewhere."""
    console = message_console()
    if not console.is_terminal or console.is_dumb_terminal or log.verbosity < 0:
        yield (lambda done, total, label: log.detail(f"{title}: {done}/{total} {label}"))
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("[dim]{task.fields[label]}"), console=console, transient=True) as bar:
        task = bar.add_task(title, total=None, label="")
        yield lambda done, total, label: bar.update(task, completed=done, total=total, label=label)
