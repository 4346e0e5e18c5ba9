"""``rnnspike score``: rates of other models through the held-out scores of a fit."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnspike.cli.options import (
    begin_workers,
    config_option,
    configuration_from,
    dry_run_option,
    format_option,
    log_from,
    log_options,
    overwrite_option,
    read_options,
    report_option,
    scheduler_options,
    scoring_options,
    trial_options,
    workers_option,
)
from rnnspike.cli.terminal.output import Failures, Log, RowWriter
from rnnspike.models.registry import to_choose

if TYPE_CHECKING:
    from rnnspike.config import Configuration, FitSettings
    from rnnspike.runs.job import Job
    from rnnspike.runs.plan import Plan


def named_files(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:
    """Return the files by the names that ``NAME=FILE`` gives them."""
    found: dict[str, str] = {}
    for each in value:
        name, equals, file = each.partition("=")
        if not (name and equals and file):
            raise click.BadParameter(f"{each!r} is not NAME=FILE", ctx, param)
        if name in found:
            raise click.BadParameter(f"{name} is given twice", ctx, param)
        found[name] = file
    return found


@click.command("score")
@click.argument("recording", type=click.Path(path_type=Path))
@click.option(
    "--intensity",
    "intensities",
    multiple=True,
    required=True,
    callback=named_files,
    metavar="NAME=FILE[:KEY]",
    help="Rates of a model, and what to call it (repeatable): npy, npz, HDF5, NWB or CSV.",
)
@click.option(
    "--rates",
    "quantity",
    type=click.Choice(["auto", "hz", "counts", "log-hz", "log-counts"]),
    default="auto",
    show_default=True,
    help="Spikes/s, expected counts per bin, or the log of either; auto infers which from the spikes.",
)
@click.option(
    "--history/--no-history",
    default=True,
    show_default=True,
    help="Whether the rates depend on the unit's recorded past; those that do not are also run free.",
)
@click.option(
    "--add-history",
    is_flag=True,
    help="Also fit spike history on top of each rate, scored as NAME+history: what does it gain over NAME?",
)
@trial_options
@read_options
@click.option(
    "--models",
    "-m",
    multiple=True,
    help=f"Model to fit beside (repeatable): {', '.join(to_choose())}; or all.  [default: constant, psth, psth-gain]",
)
@scoring_options
@click.option("--out", type=click.Path(path_type=Path), help="Folder of run directories.  [default: rnnspike_scores]")
@workers_option
@scheduler_options
@report_option
@config_option
@overwrite_option
@dry_run_option
@format_option
@log_options
@click.pass_context
def command(ctx: click.Context, /, recording: Path, **values: Any) -> None:
    """Score rates of other models on the trials of a recording, beside the trial average.

    The rates are on the trials and the window of the run, in bins whose width divides the run's or is a multiple of
    it. They get the rows, pairs, tests and report of a fit, in a run directory OUT/NAME. A model that has seen the
    trials that are scored gains too much: give rates that were predicted for held-out trials.

    \b
    Examples:
      rnnspike score session.nwb --intensity lfads=rates.npz --rates hz
      rnnspike score session.nwb --intensity mine=rates.npy --window 0 1 --units "n_spikes > 500"
      rnnspike score session.nwb --intensity a=a.npz:rates --intensity b=b.csv --no-history -m glm
      rnnspike score session.nwb --intensity smooth=smooth.npy --no-history --add-history -j 4
    """
    begin_workers(values)
    log = log_from(values)
    ctx.exit(run(recording, configuration_from(ctx, values, [recording], log), values, log))


def run(path: Path, configuration: Configuration, values: dict[str, Any], log: Log) -> int:
    """Score the rates and write their rows, or list the tasks."""
    from rnnspike.cli.fit import show_tasks
    from rnnspike.runs.scoring import BASELINES, OUT, ScoreOptions, plan_scoring

    settings, sources = configuration.resolve(path)
    own = {name: value for name, value in (("models", BASELINES), ("out", OUT)) if sources[name] != "flag"}
    settings, sources = settings.model_copy(update=own), sources | dict.fromkeys(own, "default")
    known = ScoreOptions(values["quantity"], values["history"], values["add_history"])
    plan = partial(plan_scoring, path, settings, values["intensities"], known, sources)
    if values["dry_run"]:
        return show_tasks([path], lambda _: plan(), log)
    return score(path, plan, settings, values, log)


def score(path: Path, plan: Callable[[], Plan], settings: FitSettings, values: dict[str, Any], log: Log) -> int:
    """Do the tasks of the plan and write the rows."""
    from rnnspike.cli.batch import show_fits
    from rnnspike.cli.fit import render, summary
    from rnnspike.report.build import write_report
    from rnnspike.runs.active import FitOptions
    from rnnspike.runs.batch import fit_planned
    from rnnspike.runs.engines.engine import engine_of
    from rnnspike.runs.engines.in_process import InProcess
    from rnnspike.runs.rows import ROW_COLUMNS

    writer, failures = RowWriter(values["output_format"], ROW_COLUMNS, render), Failures(log)

    def show(name: str, job: Job, rows: list[dict[str, Any]]) -> None:
        writer.write_all(rows)
        where = f"report {job.folder / 'report.html'}" if job.settings.report else f"run {job.folder}"
        scored = [row for row in rows if row["model"] in values["intensities"]]
        log.info(f"{name}: {summary(scored, 'scored')}; {where}")

    start = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    options = FitOptions(
        overwrite=values["overwrite"], provenance={"argv": sys.argv, "start": start}, on_complete=write_report
    )
    with engine_of(settings, [path]) as engine:
        events = fit_planned([(0, plan, ())], engine, options, planner=InProcess())  # read here: rates are large
        show_fits([path], [0], events, failures, log, show)
    writer.close()
    return failures.exit_code
