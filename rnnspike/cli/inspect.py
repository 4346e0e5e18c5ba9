"""``rnnspike inspect``: contents of a recording, its problems, and the fit command to use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnspike.cli.options import (
    config_option,
    configuration_from,
    format_option,
    log_from,
    log_options,
    read_options,
    recordings_argument,
    recordings_from,
)
from rnnspike.cli.terminal.output import Log, RowWriter, resolve_format, results_console, to_json
from rnnspike.cli.terminal.tables import Column, Table, cell, label
from rnnspike.errors import ExitCode, RnnspikeError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from rnnspike.recording.data import ReadOptions, Recording
    from rnnspike.recording.overview.summary import ColumnSummary

#: Columns of the rows (json, jsonl, csv): one row per unit, table, covariate, finding and suggested command;
#: ``modulation`` is the SD of firing rates around the event of a command, over their mean.
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
    "modulation",
    "metadata",
)
SCHEMA = 1
#: Units shown in a table without -v.
SHOWN_UNITS = 40
_LEVEL_STYLE = {"error": "bold red", "warning": "yellow", "info": "dim"}


@click.command("inspect")
@recordings_argument
@read_options
@config_option
@format_option
@log_options
@click.pass_context
def command(ctx: click.Context, /, recordings: tuple[str, ...], **values: Any) -> None:
    """Show units, trial tables, covariates and findings of each recording, and the fit command to use.

    A finding of level error prevents a fit; the option shown with it corrects it. The exit code is 1 if some
    recordings have one or cannot be read, 3 if all have.

    \b
    Examples:
      rnnspike inspect session.nwb
      rnnspike inspect session.res.1 --sampling-rate 30000 --events trials.csv
      rnnspike inspect *.nwb --format jsonl | jq 'select(.row == "finding")'
    """
    log = log_from(values)
    output_format = resolve_format(values["output_format"])
    writer = RowWriter(output_format, COLUMNS)
    paths = recordings_from(recordings, values)
    configuration = configuration_from(ctx, values, paths, log)
    options = [configuration.resolve(path)[0].read_options() for path in paths]
    failed = sum(not _inspect(*each, output_format, writer, log) for each in zip(paths, options, strict=True))
    writer.close()
    ctx.exit(ExitCode.OK if not failed else ExitCode.BAD_INPUT if failed == len(paths) else ExitCode.SOME_FAILED)


def _inspect(path: Path, options: ReadOptions, output_format: str, writer: RowWriter, log: Log) -> bool:
    """Show one recording; return whether it can be fitted."""
    from rnnspike.recording.checks.time_series import with_series_findings
    from rnnspike.recording.child_process import errors_on_one_line
    from rnnspike.recording.read import error_of, examine_recording

    try:
        with errors_on_one_line(path):
            recording = with_series_findings(examine_recording(path, options))
    except RnnspikeError as error:
        log.failure(error)
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
    """Return a row for csv, with mappings as json."""
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
    """Yield the rows of a recording, all with ``schema``, ``recording`` and ``row`` (the kind of row)."""
    head = {"schema": SCHEMA, "recording": str(recording.path)}
    for row in _rows(recording, options):
        yield {**head, **row}


def _rows(recording: Recording, options: ReadOptions) -> Iterator[dict[str, Any]]:
    from rnnspike.recording.overview.suggest import suggested_fit
    from rnnspike.recording.overview.summary import covariate_rows, table_rows, unit_rows

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
    if suggestion := suggested_fit(recording, options):
        yield {"row": "suggestion", "name": "fit", "message": suggestion.line, "modulation": suggestion.depth}
        for event, line in suggestion.alternatives:
            yield {"row": "alternative", "name": event.name, "message": line,
                   "modulation": event.depth}  # fmt: skip
        if suggestion.rhythm_line:
            yield {"row": "alternative", "name": f"rhythm of {suggestion.rhythm_s:.3g} s",
                   "message": suggestion.rhythm_line}  # fmt: skip


def show(recording: Recording, options: ReadOptions, console: Console, everything: bool = False) -> None:
    """Print a recording as tables."""
    from rnnspike.recording.overview.suggest import suggested_fit

    n_spikes = sum(len(unit.spike_times_s) for unit in recording.units)
    parts = [recording.format, _many(len(recording.units), "unit"), _many(n_spikes, "spike")]
    console.print(label(recording.path.name, "bold"), label(f" {', '.join(parts)}"))
    about = recording.session.get("session_description", "")
    if about:
        console.print(label(about, "dim"))
    console.print()
    _show_units(recording, console, everything)
    for table in (_tables(recording), _covariates(recording), _findings(recording)):
        _print(console, table)
    if suggestion := suggested_fit(recording, options):
        console.print(label(f"{suggestion.line}", "green"), soft_wrap=True)
        if suggestion.alternatives:
            others = ", ".join(f"{event.name} ({event.depth:.0%})" for event, _ in suggestion.alternatives)
            about = f"rates vary by {suggestion.depth:.0%} of their mean around this event; around others: {others}"
            console.print(label(about, "dim"))
        if suggestion.rhythm_line:
            about = f"most units have a rhythm of {suggestion.rhythm_s:.3g} s; to let networks read that far back:"
            console.print(label(about, "dim"))
            console.print(label(f"{suggestion.rhythm_line}", "green"), soft_wrap=True)
    console.print()


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _show_units(recording: Recording, console: Console, everything: bool) -> None:
    from rnnspike.recording.overview.summary import metadata_text, shared_metadata, unit_rows

    table = Table(
        [
            Column("unit", "name"),
            Column("spikes", "number"),
            Column("rate Hz", "number"),
            Column("observed s", "number", 3),
            Column("ISI<1ms %", "number", 2),
            Column("foreign %", "number", 1),
            Column("metadata", "note", 4),
        ]
    )
    shared = shared_metadata(recording)
    shown = len(recording.units) if everything else SHOWN_UNITS
    for row in islice(unit_rows(recording), shown):
        shares = [None if row[key] is None else 100 * row[key] for key in ("short_isi_share", "contamination")]
        own = {key: value for key, value in row["metadata"].items() if key not in shared}
        values = (row["n_spikes"], row["rate_hz"], row["observed_s"], *shares)
        table.add(row["unit"], *map(_number, values), metadata_text(own))
    _print(console, table)
    if len(recording.units) > shown:
        console.print(f"... and {len(recording.units) - shown} more units (-v shows all)\n", style="dim")
    if shared:
        console.print(label(f"all units: {metadata_text(shared)}", "dim"), end="\n\n")


def _print(console: Console, table: Table) -> None:
    """Print a table that has rows, and an empty line."""
    if table.rows:
        console.print(table, crop=False)
        console.print()


def _number(value: float | int | None) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"
    return cell(value)


def _tables(recording: Recording) -> Table:
    from rnnspike.recording.overview.summary import table_rows

    heads = Column("table", "name"), Column("kind", rank=1), Column("rows", "number")
    legend = " (times cyan, conditions magenta)" if sys.stdout.isatty() else ""
    found = Table([*heads, Column(f"columns{legend}", "prose")])
    for table in table_rows(recording):
        columns = label(", ").join(_column(column) for column in table["columns"])
        found.add(label(table["table"], "bold"), table["kind"], str(table["n_rows"]), columns)
    return found


def _column(column: ColumnSummary) -> Text:
    style = {"time": "cyan", "condition": "magenta"}.get(column.role, "dim")
    levels = f" ({column.n_levels} levels)" if column.role == "condition" else ""
    return label(f"{column.name}{levels}", style)


def _covariates(recording: Recording) -> Table:
    from rnnspike.recording.overview.summary import covariate_rows

    found = Table(
        [
            Column("covariate", "name"),
            Column("kind", rank=2),
            Column("unit", "name", 1),
            Column("rate Hz", "number"),
            Column("samples", "number"),
            Column("channels", "number"),
        ]
    )
    for row in covariate_rows(recording):
        rate = "uneven" if row["rate_hz"] is None else f"{row['rate_hz']:.6g}"
        names = label(row["covariate"], "bold"), row["kind"], row["unit"]
        found.add(*names, rate, str(row["n_samples"]), str(row["n_channels"]))
    return found


def _findings(recording: Recording) -> Table:
    from rnnspike.recording.findings import group_findings

    found = Table([Column("level"), Column("finding", rank=1), Column("what", "prose"), Column("option", "prose")])
    for finding in group_findings(recording.findings):
        level = label(finding.level, _LEVEL_STYLE[finding.level])
        found.add(level, finding.id, finding.message, finding.option or "")
    return found
