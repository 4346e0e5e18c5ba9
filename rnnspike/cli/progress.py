"""Progress of long work on stderr: bars on a terminal, lines under -v elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rnnspike.cli.output import Log, message_console

#: Called with (done, of how many, what was done last).
Moved = Callable[[int, int, str], None]


@contextmanager
def progress_bars(log: Log) -> Iterator[Callable[[str], Moved]]:
    """Give a function that begins the bar of some work by its title; several may be under way at once."""
    console = message_console()
    if not console.is_terminal or console.is_dumb_terminal or log.verbosity < 0:
        yield lambda title: lambda done, total, label: log.detail(f"{title}: {done}/{total} {label}")
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    label_column = TextColumn("[dim]{task.fields[label]}")
    # rows go to stdout meanwhile, which may be a pipe: it is left alone
    with Progress(*columns, label_column, console=console, transient=True, redirect_stdout=False) as bars:

        def begin(title: str) -> Moved:
            task = bars.add_task(title, total=None, label="")

            def moved(done: int, total: int, label: str) -> None:
                bars.update(task, completed=done, total=total, label=label, visible=done < total)

            return moved

        yield begin
