"""``rnnspike decode``: which condition was it, from single trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from rnnspike.cli.options import (
    Duration,
    command_line_only_from,
    format_option,
    log_from,
    log_options,
    only_flags,
    refuse_unused,
)
from rnnspike.cli.terminal.output import Failures, RowWriter
from rnnspike.cli.terminal.progress import progress_bar
from rnnspike.cli.terminal.tables import Column, Table, below, label
from rnnspike.wording import counted, number, p_text, with_interval


@click.command("decode")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=click.Path(path_type=Path))
@click.option(
    "--models",
    "-m",
    multiple=True,
    help="Decode by this model (repeatable; default: psth, glm, population models and stack, as far as fitted).",
)
@click.option("--unit", "units", multiple=True, help="Only this unit (repeatable; default: all, together).")
@click.option(
    "--prior",
    type=click.Choice(["uniform", "empirical"]),
    default="uniform",
    show_default=True,
    help="Probability of each condition before the trial: all the same, or as often as it came.",
)
@click.option("--covariate", metavar="NAME", help="Decode this covariate over time instead, of a run fitted with it.")
@click.option(
    "--length",
    "window_s",
    type=Duration("length"),
    default=0.5,
    show_default="500ms",
    help="Windows in which the covariate is taken for constant.",
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of bootstrap and chance."
)
@click.option("--workers", "-j", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@only_flags
@format_option
@log_options
@click.pass_context
def command(ctx: click.Context, /, runs: tuple[Path, ...], **values: Any) -> None:
    """Decode the condition of each held-out trial by the likelihood of its spikes under each condition.

    All units are decoded together, by models that have not seen the trial. Chance: labels permuted within
    blocks of neighbouring trials. Rows and arrays go into the run directory (decode.jsonl, decode.npz).

    With --covariate: the value of a covariate of one or two channels in windows of held-out trials, on a grid of the
    values that it has (decode_covariate.jsonl, decode_covariate.npz). Chance: the decoded series shifted in time.

    \b
    Examples:
      rnnspike decode rnnspike_runs/session
      rnnspike decode rnnspike_runs/session --models psth --models glm --unit 3
      rnnspike decode rnnspike_runs/* --prior empirical -j 4 --format jsonl
      rnnspike decode rnnspike_runs/track --covariate position -j 4
    """
    from rnnspike.errors import RunError
    from rnnspike.runs.decoding.conditions import DecodeOptions, decode_run
    from rnnspike.runs.decoding.covariate import CovariateOptions, decode_covariate_run
    from rnnspike.runs.engines.engine import engine_for
    from rnnspike.runs.rows import DECODE_COLUMNS, DECODE_COVARIATE_COLUMNS

    if values["covariate"] is None:
        refuse_unused(ctx, ["window_s"], "without --covariate")
    else:
        refuse_unused(ctx, ["prior"], "with --covariate")
    log = log_from(values)
    models, units, seed, covariate = (values[name] for name in ("models", "units", "seed", "covariate"))
    granted = command_line_only_from(values)
    columns, drawn = (DECODE_COVARIATE_COLUMNS, render_covariate) if covariate else (DECODE_COLUMNS, render)
    writer, failures = RowWriter(values["output_format"], columns, drawn), Failures(log, RunError)
    with engine_for(values["workers"]) as engine:
        for run in runs:
            with failures.alone(run):
                with progress_bar(run.name, log) as progress:
                    if covariate:
                        options = CovariateOptions(covariate, values["window_s"], models, units, seed, granted)
                        rows = decode_covariate_run(run, options, engine, progress)
                    else:
                        rows = decode_run(
                            run, DecodeOptions(models, units, values["prior"], seed, granted), engine, progress
                        )
                writer.write_all(rows)
                log.info(f"{run}: results are in the run directory; rnnspike report {run} shows them")
    writer.close()
    ctx.exit(failures.exit_code)


def render(rows: list[dict[str, Any]]) -> Any:
    """Return the rows as a table, and notes."""
    from rnnspike.evaluation.decoding.conditions import LEAST_P

    columns = [
        Column("accuracy (95 %)", "number"),
        Column("chance", "number"),
        Column("p", "number", 1),
        Column("bits (95 %)", "number", 2),
        Column("gain (95 %)", rank=3),
    ]

    def cells(row: dict[str, Any]) -> list[str]:
        gain = f"{_cell(row, 'gain', '+.3f')} over {row['over']}" if row["over"] else "–"
        chance = number(row["chance_accuracy"]), p_text(row["accuracy_p"], LEAST_P)
        return [_cell(row, "accuracy"), *chance, _cell(row, "information"), gain]

    def head(row: dict[str, Any]) -> str:
        return (
            f"{row['n_conditions']} conditions, {counted(row['n_trials'], 'held-out trial{s}')}, "
            f"{_units(row)}; {math.log2(row['n_conditions']):.2f} bits would be all"
        )

    return _drawn(rows, columns, cells, head)


def render_covariate(rows: list[dict[str, Any]]) -> Any:
    """Return the rows of a decoded covariate as a table, and notes."""
    from rnnspike.evaluation.decoding.covariate import LEAST_P

    number_of = partial(Column, form="number")
    columns = [
        number_of("rms error (95 %)"),
        number_of("without spikes", rank=3),
        number_of("chance"),
        number_of("p", rank=1),
        number_of("median error (95 %)", rank=4),
        number_of("bits (95 %)", rank=2),
    ]

    def cells(row: dict[str, Any]) -> list[str]:
        alone, chance = (number(row[name], ".3g") for name in ("prior_rms_error", "chance_error"))
        beside = [alone, chance, p_text(row["error_p"], LEAST_P)]
        return [_cell(row, "rms_error", ".3g"), *beside, _cell(row, "median_error", ".3g"), _cell(row, "information")]

    def head(row: dict[str, Any]) -> str:
        windows = f"{counted(row['n_windows'], 'window{s}')} of {row['window_ms']:g} ms"
        return f"{row['covariate']} in {windows}, {_units(row)}"

    return _drawn(rows, columns, cells, head)


def _units(row: dict[str, Any]) -> str:
    return f"{counted(row['n_units'], 'unit{s}')} together"


def _drawn(
    rows: list[dict[str, Any]],
    columns: Sequence[Column],
    cells: Callable[[dict[str, Any]], list[str]],
    head: Callable[[dict[str, Any]], str],
) -> Any:
    from rich.console import Group

    several = len({row["recording"] for row in rows}) > 1
    table = Table([*([Column("recording", "name")] if several else []), Column("model"), *columns])
    for row in rows:
        table.add(*([row["recording"]] if several else []), row["model"], *cells(row))
    heads = dict.fromkeys(f"{row['recording']}: {head(row)}" for row in rows)
    said = dict.fromkeys(f"{row['recording']}: {row['message']}" for row in rows if row["message"])
    return Group(*map(label, heads), label(""), table, *below(said))


def _cell(row: dict[str, Any], name: str, form: str = ".3f") -> str:
    return with_interval(row[name], row[f"{name}_low"], row[f"{name}_high"], form)
