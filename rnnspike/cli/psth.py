"""``rnnspike psth``: PSTHs with bands, as table, jsonl, csv or picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnspike.cli.options import (
    DURATION,
    WIDTH,
    expand_paths,
    format_option,
    log_from,
    log_options,
    read_options,
    read_options_from,
    recordings_argument,
    trial_options,
    trial_options_from,
)
from rnnspike.cli.output import Log, RowWriter, resolve_format, say_findings, shown_names
from rnnspike.errors import ExitCode, ModelError, RnnspikeError, told_if_unwritable

if TYPE_CHECKING:
    from rnnspike.models.psth_bands import PsthResult
    from rnnspike.recording.data import ReadOptions
    from rnnspike.trials.data import TrialOptions, Trials
    from rnnspike.trials.plan import TrialPlan

SCHEMA = 1
#: One row a unit and condition.
COLUMNS = (
    "schema",
    "recording",
    "unit",
    "condition",
    "n_trials",
    "n_spikes",
    "rate_hz",
    "peak_hz",
    "peak_s",
    "modulated",
    "bits_per_spike",
    "bandwidth_ms",
    "level",
)
#: Curves of a row (json, jsonl), or one line a point (csv).
CURVES = ("time_s", "psth_hz", "low_hz", "high_hz", "band_low_hz", "band_high_hz")
CSV_COLUMNS = ("schema", "recording", "unit", "condition", *CURVES, "level", "bandwidth_ms")


class BandwidthType(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A duration, or a way to choose one."""

    name = "duration|leave-one-out|shimazaki"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return seconds, or the name of the rule."""
        if value in ("leave-one-out", "shimazaki"):
            return value
        seconds = DURATION.convert(value, param, ctx)
        if not seconds > 0:
            self.fail("a bandwidth is positive, or leave-one-out, or shimazaki", param, ctx)
        return seconds


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
    help="Probability that a band holds.",
)
@click.option("--draws", type=click.IntRange(100), default=1000, show_default=True, help="Resamplings of the trials.")
@click.option("--step", "step_s", type=WIDTH, help="Distance of a curve's points.  [default: by the bandwidth]")
@click.option("--picture", type=click.Path(path_type=Path), help="Draw all units into this file (.png, .svg, .pdf).")
@click.option(
    "--pictures", type=click.Path(path_type=Path, file_okay=False), help="Draw each unit into this folder as PNG."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the resampling.")
@click.option("--strict", is_flag=True, help="Exit with 4 where a recording has nothing usable.")
@format_option
@log_options
@click.pass_context
def command(ctx: click.Context, /, recordings: tuple[str, ...], **values: Any) -> None:
    """Show the trial average of each unit: smoothed, with pointwise and simultaneous bands, by condition.

    The smoothing is chosen so that each trial is best predicted by the others; bits_per_spike is what they predict
    over a constant rate; `modulated` says whether no constant rate fits into the simultaneous band. All spikes count,
    those that share a bin too. csv has a line per point; json and jsonl carry the curves in each row.

    \b
    Examples:
      rnnspike psth session.nwb
      rnnspike psth session.nwb --align stim_on_time --window -0.5 1.5 --condition direction --picture psth.png
      rnnspike psth *.nwb --pictures figures
      rnnspike psth session.nwb --units 'rate_hz > 5' --format csv > psth.csv
    """  # fmt: skip
    log = log_from(values)
    options, reading = trial_options_from(values), read_options_from(values)
    paths = expand_paths(recordings)
    _check_picture(values["picture"], paths)
    for option in ("picture", "pictures"):
        if values[option]:
            with told_if_unwritable(values[option], f"--{option}"):
                (values[option] if option == "pictures" else values[option].parent).mkdir(parents=True, exist_ok=True)
    ctx.exit(run(paths, options, reading, values, log))


def _check_picture(path: Path | None, paths: list[Path]) -> None:
    if path is not None and path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise click.BadParameter(f"{path} is none of .png, .svg, .pdf", param_hint="--picture")
    if path is not None and len(paths) > 1:
        raise click.UsageError("--picture is for one recording; --pictures DIR draws the units of several")


def run(paths: list[Path], options: TrialOptions, reading: ReadOptions, values: dict[str, Any], log: Log) -> int:
    """Go through the recordings; one that fails does not stop the others."""
    output = resolve_format(values["output_format"])
    writer = RowWriter(output, CSV_COLUMNS if output == "csv" else COLUMNS, render)
    failed = unusable = 0
    taken: set[str] = set()
    shown = shown_names(paths)
    for path in paths:
        try:
            unusable += not show_recording(path, options, reading, values, writer, log, taken, shown[path])
        except RnnspikeError as error:
            failed += 1
            log.error(str(error))
    writer.close()
    if unusable and values["strict"]:
        return ExitCode.NOTHING_USABLE
    if failed == 0:
        return ExitCode.OK
    return ExitCode.BAD_INPUT if failed == len(paths) else ExitCode.SOME_FAILED


def show_recording(
    path: Path,
    options: TrialOptions,
    reading: ReadOptions,
    values: dict[str, Any],
    writer: RowWriter,
    log: Log,
    taken: set[str],
    shown: str,
) -> bool:
    """Write the rows of one recording, draw its pictures; return whether any unit was usable.

    Recordings have the names that ``fit`` gives them; ``taken`` are those of the recordings before;
    messages name this one as ``shown``.
    """
    from rnnspike.recording.read import read_recording
    from rnnspike.runs.store import distinct_name, run_name
    from rnnspike.trials.plan import plan_trials
    from rnnspike.trials.units import asked_for

    recording = read_recording(path, reading)
    name = distinct_name(run_name(path), recording.sha256, taken)
    taken.add(name)
    # All spikes count, and the past is not looked at.
    observation = "poisson" if options.observation == "auto" else options.observation
    plan = plan_trials(recording, replace(options, observation=observation, burn_in_s=0.0))
    say_findings(log, shown, asked_for((*recording.findings, *plan.findings), plan.left_out), plan.left_out)
    panels = []
    for trials, result in results(plan, values, log):
        for row in rows(name, result, writer.format):
            writer.write(row)
        if values["picture"]:
            panels.append((trials, result))
        if values["pictures"]:
            with told_if_unwritable(values["pictures"], "--pictures"):
                _draw([(trials, result)], name, _picture_path(values["pictures"], name, result.unit), log)
    if panels:
        with told_if_unwritable(values["picture"], "--picture"):
            _draw(panels, name, values["picture"], log)
    return bool(plan.unit_ids)


def results(plan: TrialPlan, values: dict[str, Any], log: Log) -> Iterator[tuple[Trials, PsthResult]]:
    """Yield the PSTH of each unit as it is done, units binned one by one; every unit has its own seed."""
    import numpy as np

    from rnnspike.models.psth_bands import psth

    for unit_id in plan.unit_ids:
        trials = plan.trials([unit_id])
        rng = np.random.default_rng([values["seed"], *unit_id.encode()])
        try:
            result = psth(
                trials,
                rng=rng,
                bandwidth=values["bandwidth"],
                level=values["level"],
                n_boot=values["draws"],
                step_s=values["step_s"],
            )
        except ModelError as error:
            raise ModelError(f"{plan.recording.path}: {error} (psth needs trials: leave out --segment)") from None
        yield trials, result


def rows(recording: str, result: PsthResult, output: str) -> Iterator[dict[str, Any]]:
    """Yield a row per condition, or per condition and point for csv."""
    for c, condition in enumerate(result.conditions):
        curves = (result.rate_hz, result.low_hz, result.high_hz, result.band_low_hz, result.band_high_hz)
        points = [result.time_s, *(curve[c] for curve in curves)]
        head = {"schema": SCHEMA, "recording": recording, "unit": result.unit, "condition": condition}
        tail = {"level": result.level, "bandwidth_ms": result.bandwidth_s * 1e3}
        if output == "csv":
            for point in zip(*points, strict=True):
                yield {**head, **dict(zip(CURVES, map(float, point), strict=True)), **tail}
            continue
        peak_hz, peak_s = result.peak(c)
        row: dict[str, Any] = {
            **head,
            "n_trials": int(result.n_trials[c]),
            "n_spikes": int(result.n_spikes[c]),
            "rate_hz": float(result.mean_hz[c]),
            "peak_hz": peak_hz,
            "peak_s": peak_s,
            "modulated": result.is_modulated(c),
            "bits_per_spike": result.bits_per_spike,
            **tail,
        }
        if output != "table":
            row.update({name: [float(x) for x in curve] for name, curve in zip(CURVES, points, strict=True)})
        yield row


def render(table_rows: list[dict[str, Any]]) -> Any:
    """Return the rows as a table, recordings and units named once."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold")
    several = len({row["recording"] for row in table_rows}) > 1
    conditions = any(row["condition"] != "all" for row in table_rows)
    for name in (*(["recording"] if several else []), "unit", *(["condition"] if conditions else [])):
        table.add_column(name)
    for name in ("trials", "spikes", "mean Hz", "peak Hz", "at s", "modulated", "bits/spike", "bandwidth ms"):
        table.add_column(name, justify="right")
    last: tuple[Any, Any] | None = None
    for row in table_rows:
        here = (row["recording"], row["unit"])
        names = ["", ""] if here == last else [str(name) for name in here]
        table.add_row(*(names if several else names[1:]), *([row["condition"]] if conditions else []), *_cells(row))
        last = here
    return table


def _cells(row: dict[str, Any]) -> list[str]:
    def number(name: str, form: str) -> str:
        return "–" if row[name] is None else format(row[name], form)

    return [
        str(row["n_trials"]),
        str(row["n_spikes"]),
        number("rate_hz", ".1f"),
        number("peak_hz", ".1f"),
        number("peak_s", ".3f"),
        "yes" if row["modulated"] else "no",
        number("bits_per_spike", ".3f"),
        number("bandwidth_ms", ".4g"),
    ]


def _picture_path(folder: Path, recording: str, unit: str) -> Path:
    from rnnspike.runs.store import safe_name

    return folder / f"{recording}_{safe_name(unit)}.png"


def _draw(panels: list[tuple[Trials, PsthResult]], recording: str, path: Path, log: Log) -> None:
    from rnnspike.report.raster import picture, save

    save(picture(panels, recording), path)
    log.info(f"picture {path}")
