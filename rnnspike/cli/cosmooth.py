"""``rnnspike cosmooth``: each unit from the others, or the end of a trial from its beginning."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rnnspike.cli.options import (
    Duration,
    check_picture,
    command_line_only_from,
    config_option,
    configuration_from,
    format_option,
    log_from,
    log_options,
    read_options,
    recordings_argument,
    recordings_from,
    which_trials,
)
from rnnspike.cli.terminal.output import Failures, Log, RowWriter, log_findings, shown_names
from rnnspike.cli.terminal.progress import progress_bar
from rnnspike.cli.terminal.tables import Column, Table, below
from rnnspike.errors import output_errors
from rnnspike.wording import with_interval

if TYPE_CHECKING:
    from rnnspike.config import Configuration
    from rnnspike.runs.cosmooth import CosmoothOptions


@click.command("cosmooth")
@recordings_argument
@which_trials
@click.option(
    "--bin",
    "bin_s",
    type=Duration("bin"),
    default=0.01,
    show_default="10ms",
    help="Bin width; for a run directory that of the run, if wider.",
)
@read_options
@click.option("--folds", type=click.IntRange(3, 20), default=5, show_default=True, help="Folds over trials.")
@click.option(
    "--fold-scheme",
    type=click.Choice(["interleaved", "blocked"]),
    default="interleaved",
    show_default=True,
    help="How trials are assigned to folds; blocked for strong drift.",
)
@click.option(
    "--method",
    "methods",
    multiple=True,
    type=click.Choice(["psth", "ridge", "gpfa"]),
    help="Method (repeatable).  [default: all]",
)
@click.option(
    "--forward",
    "forward_s",
    type=Duration("forward"),
    help="Predict the last part of each trial, of this length, from the earlier spikes of all units instead.",
)
@click.option(
    "--sigma",
    "sigmas_s",
    type=Duration("sigma"),
    multiple=True,
    help="SD of a Gaussian kernel of ridge (repeatable).  [default: 5ms, 30ms and 100ms, with --forward the last two;"
    " wider for bins above 10 ms]",
)
@click.option(
    "--latents",
    "n_latents",
    type=click.IntRange(1, 32),
    help="Latents of gpfa.  [default: chosen on validation trials]",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the bootstrap.")
@click.option(
    "--picture", type=click.Path(path_type=Path), help="Draw the scores by unit into this file (.png, .svg, .pdf)."
)
@config_option
@format_option
@log_options
@click.pass_context
def command(ctx: click.Context, /, recordings: tuple[str, ...], **values: Any) -> None:
    """Predict each unit from the other units over the whole trial, past and future, in trials held out.

    A RECORDING may be a run directory: its trials and folds are then used. Up to 12 units are left out one by one,
    more in five groups. co_bps is in bits/spike over the mean of the evaluated bins, as in nlb_tools. psth is the
    trial average by condition; ridge and gpfa do not know the condition.

    \b
    Examples:
      rnnspike cosmooth session.nwb
      rnnspike cosmooth session.nwb --window 0.1 1.0 --condition stimulus --picture cosmooth.png
      rnnspike cosmooth rest.nwb --segment 5s --bin 20ms --sigma 60ms --sigma 300ms --method ridge
      rnnspike cosmooth session.nwb --forward 200ms
      rnnspike cosmooth runs/session --format jsonl
    """  # fmt: skip
    from rnnspike.runs.cosmooth import METHODS, CosmoothOptions

    log = log_from(values)
    paths = recordings_from(recordings, values)
    check_picture(values["picture"], paths, "--picture is for one recording")
    methods = tuple(dict.fromkeys(values["methods"])) or METHODS
    options = CosmoothOptions(
        methods, values["forward_s"] or 0.0, values["sigmas_s"], values["n_latents"], values["seed"]
    )
    ctx.exit(run(paths, options, configuration_from(ctx, values, paths, log), values, log))


def settings_given(configuration: Configuration, path: Path) -> dict[str, Any]:
    """Return the settings that were given for a recording, or for a run directory, which has its own, as options.

    Of a configuration, those of reading, trials, units and folds count; bin and seed are this command's own options.
    """
    from rnnspike.runs.cosmooth import APPLIES, INHERITED, is_run

    settings, sources = configuration.resolve(path)
    inherited = frozenset() if is_run(path) else INHERITED
    return {
        name: getattr(settings, name)
        for name, source in sources.items()
        if name in (APPLIES if source == "flag" else inherited) and source != "default"
    }


def run(
    paths: list[Path], options: CosmoothOptions, configuration: Configuration, values: dict[str, Any], log: Log
) -> int:
    """Process the recordings; one that fails does not stop the others."""
    writer, failures = (
        RowWriter(values["output_format"], options.columns, partial(render, score=options.score)),
        Failures(log),
    )
    shown = shown_names(paths)
    for path in paths:
        with failures.alone(path):
            show_recording(path, options, settings_given(configuration, path), writer, log, shown[path], values)
    writer.close()
    return failures.exit_code


def show_recording(
    path: Path,
    options: CosmoothOptions,
    given: dict[str, Any],
    writer: RowWriter,
    log: Log,
    shown: str,
    values: dict[str, Any],
) -> None:
    """Write the rows of one recording or run directory, and draw its picture."""
    from rnnspike.runs.cosmooth import cosmooth_rows, load_population

    rows = []
    with progress_bar(shown, log) as progress:
        population = load_population(path, given, **command_line_only_from(values))
        log_findings(log, shown, population.findings, population.left_out)
        progress(0, len(options.methods), options.methods[0])
        for row in cosmooth_rows(population, options, progress):
            writer.write(row)
            rows.append(row)
            if row["status"] == "skipped":
                log.warning(f"{shown}: {row['method']} skipped: {row['message']}")
    if values["picture"] is not None:
        from rnnspike.report.figures.cosmooth import draw

        with output_errors(values["picture"], "--picture"):
            draw(rows, options.score, values["picture"])
        log.info(f"picture {values['picture']}")


def render(rows: list[dict[str, Any]], score: str) -> Any:
    """Return the rows as a table: one line per unit, one column per method, all units pooled last."""
    from rich.console import Group

    methods = list(dict.fromkeys(row["method"] for row in rows))
    several = len({row["recording"] for row in rows}) > 1
    name = score.replace("_", "-")
    columns = [*([Column("recording", "name")] if several else []), Column("unit", "name")]
    columns += [Column("trials", "number", len(methods) + 1), Column("spikes", "number", len(methods))]
    columns += [Column(f"{method} {name} (95 %)", "number", k) for k, method in enumerate(methods)]
    table = Table(columns)
    lines: dict[tuple[str, str | None], dict[str, dict[str, Any]]] = {}
    for row in rows:
        lines.setdefault((row["recording"], row["unit"]), {})[row["method"]] = row
    for recording in dict.fromkeys(row["recording"] for row in rows):
        mine = [unit for name, unit in lines if name == recording and unit is not None]
        for unit in (*mine, None):
            by_method = lines[recording, unit]
            known = next((row for row in by_method.values() if row["status"] == "ok"), {})
            names = [*([recording] if several else []), "all units" if unit is None else unit]
            counts = [str(known.get("n_trials") or "–"), str(known.get("n_spikes") or "–")]
            cells = [_cell(by_method.get(method), score) for method in methods]
            table.add(*names, *counts, *cells, style="bold" if unit is None else "")
        table.section()
    said = dict.fromkeys(f"{_head(row)}: {row['message']}" for row in rows if row["message"])
    return Group(table, *below(said))


def _head(row: dict[str, Any]) -> str:
    return str(row["method"]) if row["unit"] is None else f"unit {row['unit']} ({row['method']})"


def _cell(row: dict[str, Any] | None, score: str) -> str:
    return "–" if row is None else with_interval(row[score], row[f"{score}_low"], row[f"{score}_high"])
