"""``rnnspike psth``: PSTHs with bands, as table, jsonl, csv or picture."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnspike.cli.options import (
    Duration,
    check_picture,
    config_option,
    configuration_from,
    format_option,
    log_from,
    log_options,
    read_options,
    recordings_argument,
    recordings_from,
    trial_options,
)
from rnnspike.cli.terminal.output import Failures, Log, RowWriter, log_findings, resolve_format, shown_names
from rnnspike.cli.terminal.progress import progress_bar
from rnnspike.cli.terminal.tables import Column, Table, cell
from rnnspike.errors import ExitCode, output_errors
from rnnspike.wording import number

if TYPE_CHECKING:
    from rnnspike.config import Configuration, FitSettings
    from rnnspike.models.baselines.psth_bands import PsthResult
    from rnnspike.report.psth.units import PsthOptions
    from rnnspike.runs.engines.engine import Engine
    from rnnspike.runs.tasks import Progress
    from rnnspike.trials.plan import TrialPlan

#: Figures of the table: heading, how soon it goes where the width is not enough, column of the rows, form.
FIGURES = (
    ("trials", 6, "n_trials", ""),
    ("spikes", 5, "n_spikes", ""),
    ("mean Hz", 0, "rate_hz", ".1f"),
    ("peak Hz", 1, "peak_hz", ".1f"),
    ("at s", 2, "peak_s", ".3f"),
    ("modulated", 3, "modulated", ""),
    ("bits/spike", 4, "bits_per_spike", ".3f"),
    ("bandwidth ms", 7, "bandwidth_ms", ".4g"),
)


class BandwidthType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A duration, or the name of a rule to choose it."""

    name = "duration|leave-one-out|shimazaki"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return seconds, or the name of the rule."""
        if value in ("leave-one-out", "shimazaki"):
            return value
        return Duration("bandwidth").convert(value, param, ctx)


@click.command("psth")
@recordings_argument
@trial_options
@read_options
@click.option(
    "--bandwidth",
    type=BandwidthType(),
    default="leave-one-out",
    show_default=True,
    help="SD of the Gaussian kernel, or how to choose it: leave-one-out, shimazaki.",
)
@click.option(
    "--level",
    type=click.FloatRange(0.5, 0.9999),
    default=0.95,
    show_default=True,
    help="Coverage probability of the bands.",
)
@click.option("--draws", type=click.IntRange(100), default=1000, show_default=True, help="Resamplings of the trials.")
@click.option(
    "--step", "step_s", type=Duration("step"), help="Distance between points of a curve.  [default: by the bandwidth]"
)
@click.option(
    "--picture",
    type=click.Path(path_type=Path),
    help="Draw all units into this file (.png, .svg, .pdf). More than 24: pages of a PDF, else NAME_1, NAME_2, ...",
)
@click.option(
    "--pictures", type=click.Path(path_type=Path, file_okay=False), help="Draw each unit into this folder as PNG."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the resampling.")
@click.option("--workers", "-j", type=click.IntRange(min=1), default=1, show_default=True, help="Processes.")
@click.option("--strict", is_flag=True, help="Exit with 4 if a recording has nothing usable.")
@config_option
@format_option
@log_options
@click.pass_context
def command(ctx: click.Context, /, recordings: tuple[str, ...], **values: Any) -> None:
    """Show the trial average of each unit: smoothed, with pointwise and simultaneous bands, by condition.

    The bandwidth is chosen so that each trial is best predicted by the others; bits_per_spike is the gain of this
    prediction over a constant rate; `modulated` is true if no constant rate fits into the simultaneous band. Spikes
    that share a bin all count. csv has one line per point; json and jsonl have the curves in each row.

    \b
    Examples:
      rnnspike psth session.nwb
      rnnspike psth session.nwb --align stim_on_time --window -0.5 1.5 --condition direction --picture psth.png
      rnnspike psth *.nwb --pictures figures -j 4
      rnnspike psth session.nwb --units 'rate_hz > 5' --format csv > psth.csv
    """  # fmt: skip
    from rnnspike.runs.engines import processes

    if values["workers"] > 1:
        processes.begin()
    log = log_from(values)
    paths = recordings_from(recordings, values)
    configuration = configuration_from(ctx, values, paths, log)
    several = "--picture is for one recording; --pictures DIR draws the units of several"
    check_picture(values["picture"], paths, several)
    if values["pictures"]:
        with output_errors(values["pictures"], "--pictures"):
            values["pictures"].mkdir(parents=True, exist_ok=True)
    ctx.exit(run(paths, configuration, values, log))


def run(paths: list[Path], configuration: Configuration, values: dict[str, Any], log: Log) -> int:
    """Process the recordings; one that fails does not stop the others."""
    from rnnspike.config import block_errors
    from rnnspike.report.psth.rows import COLUMNS, POINT_COLUMNS
    from rnnspike.runs.engines.engine import engine_for

    output = resolve_format(values["output_format"])
    writer = RowWriter(output, POINT_COLUMNS if output == "csv" else COLUMNS, render)
    failures, unusable = Failures(log), 0
    taken: set[str] = set()
    shown = shown_names(paths)
    n_workers = values["workers"]
    with engine_for(n_workers) if n_workers > 1 else nullcontext() as engine:
        show = partial(show_recording, values=values, writer=writer, log=log, taken=taken, engine=engine)
        for path in paths:
            with failures.alone(path):
                settings, sources = configuration.resolve(path)
                with block_errors(path, sources):
                    unusable += not show(path, settings, shown=shown[path])
    writer.close()
    return ExitCode.NOTHING_USABLE if unusable and values["strict"] else failures.exit_code


def show_recording(
    path: Path,
    settings: FitSettings,
    *,
    values: dict[str, Any],
    writer: RowWriter,
    log: Log,
    taken: set[str],
    shown: str,
    engine: Engine | None,
) -> bool:
    """Write the rows of one recording and draw its pictures; return whether any unit was usable.

    Recordings have the same names as in ``fit``; ``taken`` are those of earlier recordings; ``shown`` is the name of
    this one in messages.
    """
    from rnnspike.recording.read import read_recording
    from rnnspike.report.psth.rows import planned, points, rows
    from rnnspike.runs.stored.store import distinct_name, run_name
    from rnnspike.trials.units import of_requested_units

    with progress_bar(shown, log) as tell:
        recording = read_recording(path, settings.read_options())
        name = distinct_name(run_name(path), recording.sha256, taken)
        taken.add(name)
        plan = planned(recording, settings.trial_options())
        findings = of_requested_units((*recording.findings, *plan.findings), plan.left_out)
        log_findings(log, shown, findings, plan.left_out)
        tell(0, len(plan.unit_ids), "PSTHs")
        for result in drawn(plan, name, values, log, engine, tell):
            for row in points(name, result) if writer.format == "csv" else rows(name, result):
                writer.write(row)
    return bool(plan.unit_ids)


def drawn(
    plan: TrialPlan, name: str, values: dict[str, Any], log: Log, engine: Engine | None, tell: Progress
) -> Iterator[PsthResult]:
    """Yield the PSTH of each unit as it is finished, and draw what is asked for."""
    from rnnspike.report.psth.units import psths

    folder, picture = values["pictures"], values["picture"]
    picture_of = partial(_picture_path, folder, name) if folder else None
    with output_errors(folder, "--pictures") if folder else nullcontext():
        results = psths(plan, psth_options(values), picture_of, name, engine, tell)
        if picture:
            results = on_pages(results, plan, name, picture, log)
        for result in results:
            if picture_of:
                log.info(f"picture {picture_of(result.unit)}")
            yield result
    if picture and plan.unit_ids:
        from rnnspike.report.psth.raster import page_paths

        for path in page_paths(picture, len(plan.unit_ids)):
            log.info(f"picture {path}")


def on_pages(results: Iterator[PsthResult], plan: TrialPlan, name: str, path: Path, log: Log) -> Iterator[PsthResult]:
    """Yield the results, and draw them all into one file, or into several where they are too many for one picture."""
    from rnnspike.report.psth.raster import MOST_UNITS, Pages, page_paths

    n_units = len(plan.unit_ids)
    pages, n_files = Pages(path, name, n_units), len(page_paths(path, n_units))
    if n_files > 1:
        log.info(
            f"{n_units} units take {n_files} pictures of up to {MOST_UNITS} units each; one .pdf would have pages"
        )
    for result in results:
        with output_errors(path, "--picture"):
            pages.add(plan.trials([result.unit]), result)
        yield result
    with output_errors(path, "--picture"):
        pages.close()


def psth_options(values: dict[str, Any]) -> PsthOptions:
    """Return the options of the command that concern PSTHs."""
    from rnnspike.report.psth.units import PsthOptions

    names = ("bandwidth", "level", "step_s", "seed")
    return PsthOptions(n_boot=values["draws"], **{name: values[name] for name in names})


def render(table_rows: list[dict[str, Any]]) -> Any:
    """Return the rows as a table, with each recording and unit named once."""
    from rnnspike.report.words import without_names

    several = len({row["recording"] for row in table_rows}) > 1
    heading, conditions = without_names([row["condition"] for row in table_rows])
    by_condition = set(conditions) != {"all"}
    head = [*(["recording"] if several else []), "unit", *([heading] if by_condition else [])]
    columns = [Column(name, "name") for name in head]
    columns += [Column(name, "number", rank) for name, rank, _, _ in FIGURES]
    table = Table(columns, more="--format json has all")
    last: tuple[Any, ...] = ()
    for row, condition in zip(table_rows, conditions, strict=True):
        here = (*([row["recording"]] if several else []), row["unit"])
        named = ["" if here == last else str(name) for name in here]
        last = here
        figures = (_figure(row[key], form) for _, _, key, form in FIGURES)
        table.add(*named, *([condition] if by_condition else []), *figures)
    return table


def _figure(value: Any, form: str) -> str:
    return number(value, form) if isinstance(value, float) and form else cell(value)


def _picture_path(folder: Path, recording: str, unit: str) -> Path:
    from rnnspike.runs.stored.store import safe_name

    return folder / f"{recording}_{safe_name(unit)}.png"
