"""``rnnspike collect``: finish what shards have left, and gather the tables of many runs in one."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from rnnspike.cli.options import (
    command_line_only_from,
    expand_paths,
    format_option,
    log_from,
    log_options,
    only_flags,
    scheduler_options,
)
from rnnspike.cli.terminal.output import Failures, Log, RowWriter, echo_path, plain_table, runs_in
from rnnspike.errors import RunError, failure_on_one_line, output_errors

TABLES = ("rows", "pairs", "trials")
#: The most important columns of the others on a terminal.
FIRST = {
    "pairs": ("recording", "unit", "model_a", "model_b", "gain", "gain_low", "gain_high", "p"),
    "trials": ("recording", "unit", "trial", "model", "log_likelihood", "n_spikes", "condition", "fold"),
}


@click.command("collect")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option(
    "--table",
    type=click.Choice(TABLES),
    default="rows",
    show_default=True,
    help="One line per unit and model, per pair of models, or per trial and model.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="File that ends in .csv, .jsonl or .parquet.  [default: stdout]"
)
@click.option("--finish/--no-finish", default=True, help="First finish incomplete fits, as those of shards.")
@click.option(
    "--workers", "-j", type=click.IntRange(1), default=1, show_default=True, help="Processes to finish them."
)
@scheduler_options
@click.option("--wait", is_flag=True, help="Wait for processes that still fit into the run directories.")
@only_flags
@format_option
@log_options
@click.pass_context
def command(ctx: click.Context, /, runs: tuple[str, ...], out: Path | None, table: str, **values: Any) -> None:
    """Finish runs that shards have begun, and gather the tables of all runs in one.

    Each line ends with where it comes from: run directory, recording, its hash, version. A RUN is a run directory, or
    a folder of them; - reads a list from stdin.

    \b
    Examples:
      rnnspike collect runs -j 8 --out rows.csv
      rnnspike collect runs --table trials --out trials.parquet
      rnnspike collect runs --format jsonl | jq 'select(.model == "stack")'
    """
    from rnnspike.runs.stored.gather import TABLES, gather
    from rnnspike.runs.stored.table_files import write_table, writer_of

    if out is not None:
        writer_of(out)
    log = log_from(values)
    failures, folders = Failures(log, RunError), expand_paths(runs)
    if values["finish"]:
        _finish(folders, values, failures, log)
    chosen, found = TABLES[table], runs_in(folders, failures)

    def lines() -> Iterator[dict[str, Any]]:
        for run in found:
            with failures.alone(run):
                yield from gather([run], chosen)

    if out is not None and found:  # else what is there stays
        with output_errors(out, "--out"), failure_on_one_line(out, RunError):
            write_table(out, chosen.all_columns, lines())
        echo_path(out)
    if out is not None:
        ctx.exit(failures.exit_code)
    names = [column.name for column in chosen.all_columns]
    writer = RowWriter(values["output_format"], names, partial(render, table, names))
    writer.write_all(lines())
    writer.close()
    ctx.exit(failures.exit_code)


def render(table: str, names: Sequence[str], rows: list[dict[str, Any]]) -> Any:
    """Return rows as ``fit`` shows them; of pairs and trials, as many columns as there is room for."""
    if table == "rows":
        from rnnspike.cli.fit import render as render_fit

        return render_fit(rows)
    first = FIRST[table]
    return plain_table(rows, [*first, *(name for name in names if name not in first)])


def _finish(folders: list[Path], values: dict[str, Any], failures: Failures, log: Log) -> None:
    """Finish the runs in these folders that are not; one that cannot be does not stop the others."""
    from rnnspike.runs.engines.engine import engine_for
    from rnnspike.runs.stored.tables import unfinished_runs

    left = unfinished_runs(folders)
    if not left:
        return
    scheduler = values["scheduler_file"] or values["scheduler"]
    with engine_for(values["workers"], values["task_timeout"], scheduler, left[0].parent) as engine:
        from rnnspike.cli.batch import show_fits
        from rnnspike.report.build import write_report
        from rnnspike.runs.active import FitOptions
        from rnnspike.runs.unfinished import finish_runs

        start = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        provenance = {"argv": sys.argv, "start": start}
        options = FitOptions(wait=values["wait"], provenance=provenance, on_complete=write_report)
        events = finish_runs(left, engine, options, command_line_only_from(values))
        show_fits(left, range(len(left)), events, failures, log, lambda name, *_: log.info(f"{name}: finished"))
