"""Output of the commands: rows to stdout, everything else to stderr."""

from __future__ import annotations

import io
import logging
import os
import stat
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from rnnspike import names
from rnnspike.cli.terminal.tables import Column, Form, Table, cell
from rnnspike.errors import EngineLost, ExitCode, OutputError, RnnspikeError, failure_on_one_line, output_errors
from rnnspike.wording import counted

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from rnnspike.recording.data import Finding

#: Width of a table in a file or pipe, characters.
FILE_WIDTH = 140
FORMATS = ("table", "json", "jsonl", "csv")
#: Findings of one kind, and units left out, that are told one by one.
MOST_ALIKE = 5
Row = Mapping[str, Any]


def resolve_format(chosen: str | None) -> str:
    """Return the requested format; by default a table on a terminal and jsonl in a pipe."""
    return chosen or ("table" if sys.stdout.isatty() else "jsonl")


def to_json(row: Row) -> str:
    """Return one row as a line of JSON."""
    return names.to_json(names.plain(row), default=str)


def open_streams() -> None:
    """Reopen closed standard streams: messages are discarded, and lost results are an error.

    Otherwise their file descriptors would be reused by the next opened files.
    """
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, mode)
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, io.TextIOWrapper(io.FileIO(number, "w", closefd=False), write_through=True))


def silence(stream: Any) -> None:
    """Discard what is buffered in a stream and everything written to it from now on."""
    with suppress(OSError, ValueError):  # io.UnsupportedOperation: a stream in memory
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(text: str) -> None:
    """Write a message to stderr; if that fails, discard it."""
    try:
        click.echo(text, err=True)
    except OSError:
        silence(sys.stderr)


@contextmanager
def stdout_errors() -> Iterator[None]:
    """Turn an error of writing to stdout into one line, and discard further results."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        silence(sys.stdout)
        raise OutputError(
            f"standard output cannot be written ({error.strerror}): results on it are lost, those in files are kept"
        ) from error


def emit(text: str | bytes) -> None:
    """Write results to stdout and flush."""
    with stdout_errors():
        click.echo(text, nl=False)
        sys.stdout.flush()


def flush_results() -> None:
    """Flush stdout."""
    with stdout_errors():
        sys.stdout.flush()


class RowWriter:
    """Write rows to stdout one by one (jsonl, csv) or together at the end (table, json).

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
        """Add one row; jsonl and csv are written and flushed immediately."""
        if self.format == "jsonl":
            emit(to_json(row) + "\n")
        elif self.format == "csv":
            emit(self._csv_line(row))
        else:
            self.rows.append({key: names.plain(value) for key, value in row.items()})

    def write_all(self, rows: Iterable[Row]) -> None:
        """Add several rows."""
        for row in rows:
            self.write(row)

    def close(self) -> None:
        """Write the rows that are written together at the end."""
        if self.format == "json":
            emit(names.to_json(self.rows, indent=2, default=str) + "\n")
        elif self.format == "table" and self.rows:
            show(self.render(self.rows) if self.render else plain_table(self.rows, self.columns))

    def _csv_line(self, row: Row) -> str:
        from rnnspike.runs.stored.store import csv_line

        header = "" if self._header_written else csv_line(self.columns)
        self._header_written = True
        values = [names.plain(row.get(key)) for key in self.columns]
        if sys.stdout.isatty():
            values = [names.visible(value) if isinstance(value, str) else value for value in values]
        return header + csv_line(values)


def plain_table(rows: Iterable[Row], columns: Sequence[str], prose: Sequence[str] = ()) -> Table:
    """Return a table of these columns, the first ones the most important; numbers with four digits, null as a dash.

    ``prose`` are columns of sentences, which are always shown.
    """
    rows = list(rows)
    numeric = {name for name in columns if any(isinstance(row.get(name), (int, float)) for row in rows)}
    forms: list[Form] = ["prose" if name in prose else "number" if name in numeric else "name" for name in columns]
    ranks = [0 if name in prose else rank for rank, name in enumerate(columns)]
    table = Table([Column(*each) for each in zip(columns, forms, ranks, strict=True)])
    for row in rows:
        table.add(*(cell(row.get(column)) for column in columns))
    return table


def results_console() -> Console:
    """Return the console of stdout, as wide as ``COLUMNS`` or the terminal (also behind a pipe); wide in a file."""
    from rich.console import Console

    return Console(soft_wrap=False, width=_width())


def _width() -> int | None:
    """Return the width of tables, None for that of the terminal."""
    asked = os.environ.get("COLUMNS", "")
    if asked.isdigit() and int(asked):
        return int(asked)
    is_pipe = stat.S_ISFIFO(os.fstat(1).st_mode)
    return None if sys.stdout.isatty() or (is_pipe and sys.stderr.isatty()) else FILE_WIDTH


def show(renderable: Any) -> None:
    """Write a table or text to stdout; lines that cannot be as short as the console are not cropped."""
    console = results_console()
    with stdout_errors():
        console.print(renderable, crop=False)


def message_console() -> Console:
    """Return the console of stderr, for progress and summaries."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


class Log:
    """Messages to stderr by verbosity (-q errors only, -v more), and all of them to a log file if given."""

    def __init__(self, verbosity: int = 0, log_file: str | None = None) -> None:
        self.verbosity = verbosity
        self.log_file = log_file
        with output_errors(log_file, "--log-file"):
            # unbuffered: after an error of a full disk, nothing is left to be written at the end
            self._file = open(log_file, "ab", buffering=0) if log_file else None  # noqa: SIM115

    def close(self) -> None:
        """Close the log file."""
        if self._file:
            self._file.close()
            self._file = None

    def error(self, text: str) -> None:
        """Report an error; always shown."""
        self._write(f"error: {text}", minimum=-2)

    def failure(self, error: Exception) -> None:
        """Report an error, with ``--debug`` with its traceback."""
        self.error(str(error))
        context = click.get_current_context(silent=True)
        if context and (context.find_root().obj or {}).get("debug"):
            self._write("".join(traceback.format_exception(error)), minimum=-2)

    def warning(self, text: str) -> None:
        """Report a warning; hidden by -q."""
        self._write(f"warning: {text}", minimum=0)

    def info(self, text: str) -> None:
        """Report progress; hidden by -q."""
        self._write(text, minimum=0)

    def detail(self, text: str) -> None:
        """Report a detail; shown by -v."""
        self._write(text, minimum=1)

    def _write(self, text: str, minimum: int) -> None:
        text = names.in_message(text)
        if self.verbosity >= minimum:
            say(f"rnnspike: {text}")
        if self._file:
            try:
                self._file.write((text + "\n").encode("utf-8", "backslashreplace"))
            except OSError as error:
                self.close()
                self.error(f"--log-file {self.log_file}: can no longer be written: {error.strerror}")


class Failures:
    """The failures of several recordings or runs: each is reported, the others continue, and the exit code follows.

    An unexpected error becomes a ``kind``.
    """

    def __init__(self, log: Log, kind: type[RnnspikeError] = RnnspikeError) -> None:
        self.log, self.kind = log, kind
        self.errors: list[RnnspikeError] = []
        self.n_done = 0

    @contextmanager
    def alone(self, path: object) -> Iterator[None]:
        """Count this one as done, or as failed if anything is raised; lost results or workers end the command."""
        with self.looking_at(path):
            yield
            self.n_done += 1

    @contextmanager
    def looking_at(self, path: object) -> Iterator[None]:
        """Count this one as failed if anything is raised, and not as done otherwise."""
        try:
            with failure_on_one_line(path, self.kind):
                yield
        except (EngineLost, OutputError):
            raise
        except RnnspikeError as error:
            self.errors.append(error)
            self.log.failure(error)

    @property
    def exit_code(self) -> ExitCode:
        """The exit code: bad input only if nothing was done."""
        if not self.errors:
            return ExitCode.OK
        bad_input = all(error.exit_code == ExitCode.BAD_INPUT for error in self.errors)
        return ExitCode.BAD_INPUT if bad_input and not self.n_done else ExitCode.SOME_FAILED


def echo_path(path: Path) -> None:
    """Write a path to stdout: unchanged into a pipe, with control characters escaped on a terminal."""
    emit(names.visible(str(path)) + "\n" if sys.stdout.isatty() else os.fsencode(path) + b"\n")


class LibraryMessages(logging.Handler):
    """Pass messages of the library to a ``Log``."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self.log = log
        #: Workers send their messages to the same places.
        self.shown_from = logging.INFO if log.verbosity >= 0 else logging.ERROR
        self.log_file = os.path.abspath(log.log_file) if log.log_file else None

    def emit(self, record: logging.LogRecord) -> None:
        """Report the message as progress."""
        self.log.info(record.getMessage())


def shown_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Return the name of each recording in messages: its file name, or its path if several share that name."""
    all_names = [path.name for path in paths]
    return {path: path.name if all_names.count(path.name) == 1 else str(path) for path in paths}


def runs_in(folders: Sequence[Path], failures: Failures) -> list[Path]:
    """Return the run directories that are named or lie in these folders, and warn of those that are not finished."""
    from rnnspike.runs.stored.tables import distinct, find_runs, unfinished_runs

    for run in [run for run in unfinished_runs(folders) if run not in folders]:  # a named one is an error below
        failures.log.warning(f"{run}: left out because it is not finished (run the same fit again)")
    found: list[Path] = []
    for folder in folders:
        with failures.looking_at(folder):
            found += find_runs([folder])
    return distinct(found)


def log_findings(log: Log, name: str, findings: Sequence[Finding], left_out: Mapping[str, str]) -> None:
    """Report warnings, with -v also infos, and the units that were left out.

    Of more than ``MOST_ALIKE`` of a kind the first ones are told, and how many more there are.
    """
    from rnnspike.trials.units import NOT_REQUESTED

    told: Counter[str] = Counter()
    for finding in findings:
        told[finding.id] += finding.level != "info"
        is_detail = finding.level == "info" or told[finding.id] > MOST_ALIKE
        option = f" ({finding.option})" if finding.option else ""
        (log.detail if is_detail else log.warning)(f"{name}: {finding.id}: {finding.message}{option}")
    for kind, n in told.items():
        if n > MOST_ALIKE and log.verbosity < 1:
            log.warning(f"{name}: {kind}: {n - MOST_ALIKE} more like these (-v lists all)")
    unwanted = [unit for unit, why in left_out.items() if why != NOT_REQUESTED]
    for unit, why in left_out.items():
        is_told = unit in unwanted[:MOST_ALIKE]
        (log.info if is_told else log.detail)(f"{name}: unit {unit} left out: {why}")
    if len(unwanted) > MOST_ALIKE and log.verbosity < 1:
        log.info(f"{name}: {counted(len(unwanted) - MOST_ALIKE, 'more unit{s}')} left out (-v lists all)")
