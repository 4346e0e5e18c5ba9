"""``rnnspike fit``: the main job."""

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
    recordings_argument,
    recordings_from,
    report_option,
    scheduler_options,
    scoring_options,
    trial_options,
    workers_option,
)
from rnnspike.cli.terminal.output import Failures, Log, RowWriter, shown_names
from rnnspike.cli.terminal.tables import Column, Table, below, label
from rnnspike.errors import ExitCode, RnnspikeError
from rnnspike.memory import importing
from rnnspike.models.registry import default_models, is_population, to_choose
from rnnspike.wording import counted

if TYPE_CHECKING:
    from rnnspike.config import Configuration
    from rnnspike.runs.events import TaskDone
    from rnnspike.runs.job import Job
    from rnnspike.runs.plan import Plan

#: How soon the columns under ``HEADINGS`` go where the width is not enough.
RANKS = (0, 0, 3, 1, 2, 4)
#: Colours of good and bad results on a terminal.
STYLES = {"good": "green", "fair": "yellow", "bad": "red", "none": ""}


def shard(ctx: click.Context, param: click.Parameter, value: str | None) -> Any:
    """Return the shard that an option names."""
    from rnnspike.runs.engines.shards import parse_shard

    return None if value is None else parse_shard(value)


@click.command("fit")
@recordings_argument
@trial_options
@read_options
@click.option(
    "--models",
    "-m",
    multiple=True,
    help=f"Model to fit (repeatable): {', '.join(to_choose())}; or all.  [default, at any effort: "
    f"{', '.join(name for name in default_models() if not is_population(name))}; "
    f"{', '.join(filter(is_population, default_models()))} too where units were recorded together]",
)
@click.option(
    "--population/--no-population",
    default=True,
    help="Fit models that read the other units, where units were recorded together.",
)
@scoring_options
@click.option(
    "--dynamics/--no-dynamics",
    default=True,
    help="Read each unit's network briefly as a dynamical system; rnnspike dynamics goes deeper.",
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), help="Device on which networks are trained.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of run directories, or a template such as runs/{subject}/{session}.  [default: rnnspike_runs]",
)
@workers_option
@scheduler_options
@report_option
@config_option
@click.option(
    "--shard",
    metavar="K/N",
    callback=shard,
    help="Do the K-th of N parts; slurm takes both from a job array. rnnspike collect gathers them.",
)
@click.option(
    "--stream",
    type=click.Choice(["recordings", "units"]),
    default="recordings",
    show_default=True,
    help="When rows are written. As units are done, their verdicts are not corrected over units.",
)
@click.option("--wait", is_flag=True, help="Wait for a process that fits into the same run directory.")
@overwrite_option
@dry_run_option
@click.option("--strict", is_flag=True, help="Exit with 4 if a recording has nothing usable.")
@format_option
@log_options
@click.pass_context
def command(ctx: click.Context, /, recordings: tuple[str, ...], **values: Any) -> None:
    """Fit the ladder of models to each recording and score every rung on held-out trials.

    Each recording gets a run directory OUT/NAME; finished work is not repeated. Rows go to stdout, one per unit
    and model; progress and findings to stderr.

    \b
    Examples:
      rnnspike fit session.nwb
      rnnspike fit session.nwb --align stimulus_on --window -0.2 1.0 --condition direction -j 4
      rnnspike fit rest.nwb --segment 2s
      rnnspike fit sound.nwb --segment 1s --covariate envelope
      ls *.nwb | rnnspike fit - -j 8 --format jsonl > rows.jsonl
      find . -name '*.nwb' -print0 | rnnspike fit --files-from - -0 --stream units | jq -c .unit
    """
    begin_workers(values)
    from rnnspike.device import check_device
    from rnnspike.runs.layout import fields_of

    log = log_from(values)
    paths = recordings_from(recordings, values)
    configuration = configuration_from(ctx, values, paths, log)
    for device in {configuration.resolve(path)[0].device for path in paths}:
        check_device(device)
    fields_of(configuration.resolve()[0].out)
    if values["dry_run"]:
        if values["shard"]:
            raise click.UsageError("--dry-run lists the tasks of all shards: leave out --shard")
        ctx.exit(show_tasks(paths, partial(planned, paths, configuration), log))
    provenance = {
        "argv": sys.argv,
        "start": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    ctx.exit(fit_all(paths, configuration, log, values, provenance))


def planned(paths: list[Path], configuration: Configuration, i: int) -> Plan:
    """Return the tasks of the i-th recording."""
    from rnnspike.runs.batch import names_before
    from rnnspike.runs.plan import plan_recording

    return plan_recording(paths[i], configuration.resolve(paths[i])[0], names_before(paths, i))


def show_tasks(paths: list[Path], plan_of: Callable[[int], Plan], log: Log) -> int:
    """List the tasks of all recordings; ``plan_of`` plans one, by its index."""
    from rnnspike.cli.batch import expected
    from rnnspike.runs.active import RunFolders, refuse_shared_folder
    from rnnspike.runs.plan import task_rows

    writer, failures, shown = RowWriter("jsonl", []), Failures(log), shown_names(paths)
    folders: RunFolders = {}
    for i, path in enumerate(paths):
        with failures.alone(path):
            plan = plan_of(i)
            refuse_shared_folder(plan, folders)
            writer.write_all(task_rows(plan))
            log.info(f"{shown[path]}: {expected(plan, plan.tasks)}")
    return failures.exit_code


def fit_all(
    paths: list[Path], configuration: Configuration, log: Log, values: dict[str, Any], provenance: dict[str, Any]
) -> int:
    """Fit every recording; one that fails does not stop the others."""
    from rnnspike.runs.engines.engine import engine_of
    from rnnspike.runs.engines.in_process import InProcess

    failures = Failures(log)
    with engine_of(configuration.resolve()[0], paths) as engine:
        with importing():
            from rnnspike.cli.batch import show_fits
            from rnnspike.report.build import write_report
            from rnnspike.report.population.shared import shared_sentences
            from rnnspike.runs.active import FitOptions
            from rnnspike.runs.batch import fit_recordings
            from rnnspike.runs.rows import ROW_COLUMNS, failed_recording
            from rnnspike.runs.stored.population import read_population
            from rnnspike.runs.stored.store import run_name
            from rnnspike.runs.streaming import rows_of_unit

            if isinstance(engine, InProcess):
                import rnnspike.runs.engines.preload  # noqa: F401

        writer = RowWriter(values["output_format"], ROW_COLUMNS, render)

        streamed: set[tuple[str, str]] = set()  # (recording, unit) whose rows are written

        def show_unit(done: TaskDone) -> None:
            unit = done.task.unit
            if done.task.kind == "finish" and unit is not None:
                streamed.add((done.plan.job.name, unit))
                for row in rows_of_unit(done.plan.job, unit, done.lost):
                    writer.write(row)

        def show(name: str, job: Job, rows: list[dict[str, Any]]) -> None:
            for row in rows:
                if (row["recording"], row["unit"]) not in streamed:
                    writer.write(row)
            where = f"report {job.folder / 'report.html'}" if job.settings.report else f"run {job.folder}"
            log.info(f"{name}: {summary(rows)}; {where}")
            for sentence in shared_sentences(read_population(job.folder), rows):
                log.info(f"{name}: {sentence}")

        def show_failed(path: Path, error: RnnspikeError) -> None:
            if writer.format != "table":  # which has no room for it beside the line on stderr
                alike = sum(run_name(each) == run_name(path) for each in paths) > 1
                name = str(path) if alike else run_name(path)
                writer.write(failed_recording(name, error.reason.removeprefix(f"{path}: ")))

        options = FitOptions(
            overwrite=values["overwrite"],
            wait=values["wait"],
            shard=values["shard"],
            provenance=provenance,
            on_complete=write_report,
        )
        events = fit_recordings(paths, configuration, engine, options)
        each_unit = (show_unit,) if values["stream"] == "units" else ()
        show_fits(paths, options.turns(len(paths)), events, failures, log, show, show_failed, *each_unit)
    writer.close()
    if values["strict"] and any("no unit is left" in str(error) for error in failures.errors):
        return ExitCode.NOTHING_USABLE
    return failures.exit_code


def summary(rows: list[dict[str, Any]], done: str = "fitted") -> str:
    """Return a summary of the results in one line; ``done`` is what was done with the units."""
    units = {row["unit"] for row in rows if row["status"] == "ok"}
    failed = [f"{row['unit']}/{row['model']}" for row in rows if row["status"] == "failed"]
    text = counted(len(units), f"unit{{s}} {done}")
    return text + (f", {counted(len(failed), 'row{s} failed')} ({', '.join(failed[:5])})" if failed else "")


def render(rows: list[dict[str, Any]]) -> Any:
    """Return the table of a fit, one line per unit and model, and the remarks below it."""
    from rich.console import Group

    from rnnspike.report.cells import HEADINGS, N_NUMBERS, cells

    several = len({row["recording"] for row in rows}) > 1
    named = [Column("unit", "name"), Column("model")]
    figures = [
        Column(heading, "number" if i < N_NUMBERS else "text", rank)
        for i, (heading, rank) in enumerate(zip(HEADINGS, RANKS, strict=True))
    ]
    table = Table([*named, *figures])
    last = None, ""
    for row in rows:
        here = row["recording"], str(row["unit"])
        if here != last and (several or table.rows):
            table.section(here[0] if several and here[0] != last[0] else "")
        heads = "" if here == last else here[1], row["model"]
        last = here
        if row["status"] == "ok":
            table.add(*heads, *(label(each.text, STYLES[each.tone]) for each in cells(row)))
        else:
            table.add(*heads, label(row["status"], "yellow"), *[""] * (len(HEADINGS) - 1))
    return Group(table, *below(remarks(rows)))


def remarks(rows: list[dict[str, Any]]) -> list[str]:
    """Return the distinct messages of the rows, each with its units and models."""
    several = len({row["recording"] for row in rows}) > 1
    units_by_text: dict[str, dict[str, list[str]]] = {}
    n_models: dict[str, int] = {}
    for row in rows:
        unit = f"{row['recording']} {row['unit']}" if several else str(row["unit"])
        n_models[unit] = n_models.get(unit, 0) + 1
        texts = (
            (row["message"] or "").split("; ") if row["status"] == "ok" else [f"{row['status']}: {row['message']}"]
        )
        for text in filter(None, texts):
            units_by_text.setdefault(text, {}).setdefault(unit, []).append(row["model"])
    lines = []
    for text, models_of in units_by_text.items():
        units_by_models: dict[str, list[str]] = {}
        for unit, models in models_of.items():
            names = "all models" if len(models) == n_models[unit] else ", ".join(models)
            units_by_models.setdefault(names, []).append(unit)
        lines += [
            f"unit{'s' * (len(units) > 1)} {', '.join(units)} ({names}): {text}"
            for names, units in units_by_models.items()
        ]
    return lines
