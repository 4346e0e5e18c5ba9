"""How results and messages leave a command: rows to stdout, everything else to stderr."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from rnnspike.errors import told_if_unwritable

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from rnnspike.recording.data import Finding

#: Columns of a table that goes to a file or pipe.
FILE_WIDTH = 140
FORMATS = ("table", "json", "jsonl", "csv")
Row = Mapping[str, Any]


def resolve_format(chosen: str | None) -> str:
    """Return the format asked for, or a table on a terminal and jsonl in a pipe."""
    return chosen or ("table" if sys.stdout.isatty() else "jsonl")


def clean(value: Any) -> Any:
    """Return a value as JSON holds it: numpy scalars plain, NaN and infinity null."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {str(key): clean(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        return [clean(inner) for inner in value]
    return value


def to_json(row: Row) -> str:
    """Return one row as a line of JSON."""
    return json.dumps(clean(row), ensure_ascii=False, allow_nan=False, default=str)


class RowWriter:
    """Write rows to stdout as they come (jsonl, csv) or together at the end (table, json).

    ``columns`` fixes the columns of csv and, with ``render`` (rows -> a rich renderable), the table.
    """

    def __init__(
        self,
        output_format: str | None,
        columns: Sequence[str],
        render: Callable[[list[dict[str, Any]]], Any] | None = None,
    ) -> None:
        self.format = resolve_format(output_format)
        self.columns = list(columns)
        self.render = render
        self.rows: list[dict[str, Any]] = []
        self._header_written = False

    def write(self, row: Row) -> None:
        """Take one row; jsonl and csv are flushed at once, so that a pipe sees it live."""
        if self.format == "jsonl":
            click.echo(to_json(row))
            sys.stdout.flush()
        elif self.format == "csv":
            click.echo(self._csv_line(row), nl=False)
            sys.stdout.flush()
        else:
            self.rows.append({key: clean(value) for key, value in row.items()})

    def close(self) -> None:
        """Write what had to wait for the end."""
        if self.format == "json":
            click.echo(json.dumps(self.rows, ensure_ascii=False, indent=2, allow_nan=False, default=str))
        elif self.format == "table" and self.rows:
            console = results_console()
            console.print(self.render(self.rows) if self.render else plain_table(self.rows, self.columns))

    def _csv_line(self, row: Row) -> str:
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, self.columns, extrasaction="ignore", lineterminator="\n")
        if not self._header_written:
            writer.writeheader()
            self._header_written = True
        writer.writerow({key: "" if clean(row.get(key)) is None else clean(row.get(key)) for key in self.columns})
        return buffer.getvalue()


def plain_table(rows: Iterable[Row], columns: Sequence[str], title: str | None = None) -> Any:
    """Return a rich table of these columns; numbers to four figures, null as a dash."""
    from rich import box
    from rich.table import Table

    rows = list(rows)
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", header_style="bold")
    for column in columns:
        numeric = any(isinstance(row.get(column), (int, float)) for row in rows)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell(row.get(column)) for column in columns))
    return table


def cell(value: Any) -> str:
    """Return a value as a table shows it."""
    value = clean(value)
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def results_console() -> Console:
    """Return the console of stdout: as wide as the terminal, or in a file COLUMNS wide, by default enough."""
    from rich.console import Console

    return Console(
        soft_wrap=False, width=None if sys.stdout.isatty() else int(os.environ.get("COLUMNS") or FILE_WIDTH)
    )


def message_console() -> Console:
    """Return the console of stderr, for progress and summaries."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


class Log:
    """Messages to stderr by verbosity (-q errors only, -v more), and all of them to a log file if asked."""

    def __init__(self, verbosity: int = 0, log_file: str | None = None) -> None:
        self.verbosity = verbosity
        with told_if_unwritable(log_file, "--log-file"):
            self._file = open(log_file, "a", encoding="utf-8") if log_file else None  # noqa: SIM115

    def error(self, text: str) -> None:
        """Say what failed; always shown."""
        self._say(f"error: {text}", minimum=-2)

    def warning(self, text: str) -> None:
        """Say what is odd; hidden by -q."""
        self._say(f"warning: {text}", minimum=0)

    def info(self, text: str) -> None:
        """Say what is done; hidden by -q."""
        self._say(text, minimum=0)

    def detail(self, text: str) -> None:
        """Say more; shown by -v."""
        self._say(text, minimum=1)

    def _say(self, text: str, minimum: int) -> None:
        if self.verbosity >= minimum:
            click.echo(f"rnnspike: {text}", err=True)
        if self._file:
            self._file.write(text + "\n")
            self._file.flush()


def shown_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return how messages name each recording: by its file, or as it was given where others have that name too."""
    names = [path.name for path in paths]
    return {path: path.name if names.count(path.name) == 1 else str(path) for path in paths}


def say_unfinished(folders: Sequence[str | Path]) -> None:
    """Tell which run directories in these folders are left out."""
    from rnnspike.runs.tables import unfinished_runs

    for run in unfinished_runs(folders):
        Log().warning(f"{run}: left out, it is not finished (run the same fit again)")


def say_findings(log: Log, name: str, findings: Sequence[Finding], left_out: Mapping[str, str]) -> None:
    """Tell warnings always and remarks on -v, and which units were left out."""
    from rnnspike.trials.units import NOT_ASKED_FOR

    for finding in findings:
        text = f"{name}: {finding.id}: {finding.message}" + (f" ({finding.option})" if finding.option else "")
        (log.detail if finding.level == "info" else log.warning)(text)
    for unit, why in left_out.items():
        (log.detail if why == NOT_ASKED_FOR else log.info)(f"{name}: unit {unit} left out: {why}")
