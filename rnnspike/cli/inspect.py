"""``rnnspike inspect``: what a recording holds, what is odd in it, and the fit line to use."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnspike.cli.options import (
    expand_paths,
    format_option,
    log_from,
    log_options,
    read_options,
    read_options_from,
    recordings_argument,
)
from rnnspike.cli.output import Log, RowWriter, cell, resolve_format, results_console, to_json
from rnnspike.errors import ExitCode, RnnspikeError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from rnnspike.recording.data import ReadOptions, Recording
    from rnnspike.recording.summary import ColumnSummary

#: Columns of the rows (json, jsonl, csv): one row a unit, table, covariate, finding and suggested line.
COLUMNS = (
    "schema",
    "recording",
    "row",
    "name",
    "kind",
    "n_spikes",
    "rate_hz",
    "observed_s",
    "short_isi_share",
    "contamination",
    "n_rows",
    "n_samples",
    "n_channels",
    "unit",
    "columns",
    "level",
    "count",
    "message",
    "option",
    "metadata",
)
SCHEMA = 1
#: Units shown in a table before -v.
SHOWN_UNITS = 40
_LEVEL_STYLE = {"error": "bold red", "warning": "yellow", "info": "dim"}


def escape(text: str) -> str:
    """Return text that rich prints as it is."""
    return text.replace("[", r"\[")


@click.command("inspect")
@recordings_argument
@read_options
@format_option
@log_options
@click.pass_context
def command(ctx: click.Context, /, recordings: tuple[str, ...], **values: Any) -> None:
    """Show units, trial tables, covariates and findings of each recording, and the fit line to use.

    A finding of level error keeps the recording from being fitted; the option beside it mends it. Exits with 1 where
    some recording has one or cannot be read, with 3 where all have.

    \b
    Examples:
      rnnspike inspect session.nwb
      rnnspike inspect session.res.1 --sampling-rate 30000 --events trials.csv
      rnnspike inspect *.nwb --format jsonl | jq 'select(.row == "finding")'
    """
    options, log = read_options_from(values), log_from(values)
    output_format = resolve_format(values["output_format"])
    writer = RowWriter(output_format, COLUMNS)
    paths = expand_paths(recordings)
    failed = sum(not _inspect(path, options, output_format, writer, log) for path in paths)
    writer.close()
    ctx.exit(ExitCode.OK if not failed else ExitCode.BAD_INPUT if failed == len(paths) else ExitCode.SOME_FAILED)


def _inspect(path: Path, options: ReadOptions, output_format: str, writer: RowWriter, log: Log) -> bool:
    """Show one recording; return whether it can be fitted."""
    from rnnspike.recording.read import error_of, examine_recording
    from rnnspike.recording.series import with_series_findings

    try:
        recording = with_series_findings(examine_recording(path, options))
    except RnnspikeError as error:
        log.error(str(error))
        if output_format != "table":
            writer.write(_error_row(path, error))
        return False
    if output_format == "table":
        show(recording, options, results_console(), everything=log.verbosity > 0)
    else:
        for row in rows(recording, options):
            writer.write(_flat(row) if output_format == "csv" else row)
    errors = [finding for finding in recording.findings if finding.level == "error"]
    if errors:
        log.error(str(error_of(recording, errors[0])))
    return not errors


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row for csv: mappings as json."""
    return {key: to_json(value) if isinstance(value, dict) else value for key, value in row.items()}


def _error_row(path: Path, error: RnnspikeError) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "recording": str(path),
        "row": "finding",
        "name": getattr(error, "finding_id", None) or "unreadable",
        "level": "error",
        "message": getattr(error, "finding", str(error)),
        "option": getattr(error, "option", None),
    }


def rows(recording: Recording, options: ReadOptions) -> Iterator[dict[str, Any]]:
    """Yield the rows of a recording, all with ``schema``, ``recording`` and ``row`` (what the row is about)."""
    head = {"schema": SCHEMA, "recording": str(recording.path)}
    for row in _rows(recording, options):
        yield {**head, **row}


def _rows(recording: Recording, options: ReadOptions) -> Iterator[dict[str, Any]]:
    from rnnspike.recording.summary import covariate_rows, suggested_fit, table_rows, unit_rows

    n_spikes = sum(len(unit.spike_times_s) for unit in recording.units)
    yield {"row": "recording", "name": recording.path.name, "kind": recording.format, "n_spikes": n_spikes,
           "metadata": dict(recording.session)}  # fmt: skip
    for unit in unit_rows(recording):
        yield {"row": "unit", "name": unit.pop("unit"), **unit}
    for table in table_rows(recording):
        columns = {column.name: f"{column.role} ({column.n_levels})" for column in table["columns"]}
        yield {"row": "table", "name": table["table"], "kind": table["kind"], "n_rows": table["n_rows"],
               "columns": columns}  # fmt: skip
    for covariate in covariate_rows(recording):
        covariate.pop("span_s")
        yield {"row": "covariate", "name": covariate.pop("covariate"), **covariate}
    for finding in recording.findings:
        yield {"row": "finding", "name": finding.id, "unit": finding.unit, "level": finding.level,
               "count": finding.count, "message": finding.message, "option": finding.option}  # fmt: skip
    line = suggested_fit(recording, options)
    if line:
        yield {"row": "suggestion", "name": "fit", "message": line}


def show(recording: Recording, options: ReadOptions, console: Console, everything: bool = False) -> None:
    """Print a recording as tables."""
    from rnnspike.recording.summary import suggested_fit

    n_spikes = sum(len(unit.spike_times_s) for unit in recording.units)
    parts = [recording.format, _many(len(recording.units), "unit"), _many(n_spikes, "spike")]
    console.print(f"[bold]{escape(recording.path.name)}[/bold]  {', '.join(parts)}", highlight=False)
    about = recording.session.get("session_description", "")
    if about:
        console.print(about, style="dim", highlight=False, markup=False)
    _show_units(recording, console, everything)
    for grid in (_tables_grid(recording), _covariates_grid(recording), _findings_grid(recording)):
        if grid.row_count:
            console.print(grid)
    line = suggested_fit(recording, options)
    if line and not any(finding.level == "error" for finding in recording.findings):
        console.print(f" [green]{escape(line)}[/green]", highlight=False, soft_wrap=True)
    console.print()


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _show_units(recording: Recording, console: Console, everything: bool) -> None:
    from rnnspike.recording.summary import metadata_text, shared_metadata, unit_rows

    numbers = ("spikes", "rate Hz", "observed s", "ISI<1ms %", "foreign %")
    table = _grid("unit", *numbers, "metadata")
    for column in table.columns[1:-1]:
        column.justify, column.min_width = "right", len(str(column.header))
    table.columns[0].min_width = min(12, max([4, *(len(unit.id) for unit in recording.units)]))
    table.columns[-1].no_wrap, table.columns[-1].overflow = True, "ellipsis"
    shared = shared_metadata(recording)
    shown = len(recording.units) if everything else SHOWN_UNITS
    for row in islice(unit_rows(recording), shown):
        shares = [None if row[key] is None else 100 * row[key] for key in ("short_isi_share", "contamination")]
        own = {key: value for key, value in row["metadata"].items() if key not in shared}
        values = (row["n_spikes"], row["rate_hz"], row["observed_s"], *shares)
        table.add_row(escape(row["unit"]), *map(_number, values), escape(metadata_text(own)))
    console.print(table)
    if len(recording.units) > shown:
        console.print(f" ... and {len(recording.units) - shown} more units (-v shows all)\n", style="dim")
    if shared:
        console.print(f" all units: {metadata_text(shared)}\n", style="dim", highlight=False, markup=False)


def _grid(*headers: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", pad_edge=True)
    for header in headers:
        table.add_column(header, vertical="top")
    return table


def _number(value: float | int | None) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
    return cell(value)


def _tables_grid(recording: Recording) -> Table:
    from rnnspike.recording.summary import table_rows

    grid = _grid("table", "kind", "rows", "columns: [cyan]times[/cyan], [magenta]conditions[/magenta], others")
    grid.columns[2].justify = "right"
    for table in table_rows(recording):
        columns = ", ".join(_column(column) for column in table["columns"])
        grid.add_row(f"[bold]{escape(table['table'])}[/bold]", table["kind"], str(table["n_rows"]), columns)
    return grid


def _column(column: ColumnSummary) -> str:
    style = {"time": "cyan", "condition": "magenta"}.get(column.role, "dim")
    levels = f" ({column.n_levels} levels)" if column.role == "condition" else ""
    return f"[{style}]{escape(column.name)}{levels}[/{style}]"


def _covariates_grid(recording: Recording) -> Table:
    from rnnspike.recording.summary import covariate_rows

    grid = _grid("covariate", "kind", "unit", "rate Hz", "samples", "channels")
    for column in grid.columns[3:]:
        column.justify = "right"
    for row in covariate_rows(recording):
        numbers = (
            "uneven" if row["rate_hz"] is None else f"{row['rate_hz']:.6g}",
            row["n_samples"],
            row["n_channels"],
        )
        grid.add_row(f"[bold]{escape(row['covariate'])}[/bold]", row["kind"], escape(row["unit"]), *map(str, numbers))
    return grid


def _findings_grid(recording: Recording) -> Table:
    from rnnspike.recording.checks import grouped

    grid = _grid("level", "finding", "what", "option")
    for finding in grouped(recording.findings):
        style = _LEVEL_STYLE[finding.level]
        option = escape(finding.option or "")
        grid.add_row(f"[{style}]{finding.level}[/{style}]", finding.id, escape(finding.message), option)
    return grid
