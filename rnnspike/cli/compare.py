"""``rnnspike compare``: pairs of models over units and recordings."""

from __future__ import annotations

from typing import Any

import click

from rnnspike.cli.options import expand_paths, format_option
from rnnspike.cli.terminal.output import Failures, Log, RowWriter, cell, plain_table, runs_in
from rnnspike.errors import RunError, failure_on_one_line

SHOWN = {"recording": "recording", "unit": "unit", "model_a": "a", "model_b": "b", "gain": "gain", "interval": "95 %",
         "p": "p", "p_adjusted": "p adj.", "gain_median": "median", "gain_worst": "worst", "n_above": "above 0",
         "n_below": "below 0", "n_units": "units", "level": "over", "protocol": "protocol"}  # fmt: skip


@click.command("compare")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--pair", "pairs", type=(str, str), multiple=True, metavar="A B", help="Gain of A over B (repeatable).")
@click.option("--against", help="Every model against this one.")
@click.option(
    "--by",
    type=click.Choice(["all", "recording", "unit"]),
    default="all",
    show_default=True,
    help="One comparison over everything, or one per recording or unit.",
)
@click.option(
    "--correction",
    type=click.Choice(["holm", "bh", "none"]),
    default="holm",
    show_default=True,
    help="Correction of p over the pairs shown: Holm, Benjamini-Hochberg, none.",
)
@click.option("--folds", is_flag=True, help="Compare over folds, with Nadeau and Bengio's variance.")
@click.option("--draws", type=click.IntRange(min=100), default=2000, show_default=True, help="Bootstrap draws.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the bootstrap.")
@format_option
@click.pass_context
def command(ctx: click.Context, /, runs: tuple[str, ...], output_format: str | None, by: str, **values: Any) -> None:
    """Compare models over units and recordings: gain in bits/spike, interval, then p.

    Recordings are the units of inference (units, where there is one recording), so that units recorded together do
    not count as independent. A RUN is a run directory, or a folder of them; - reads a list from stdin.

    \b
    Examples:
      rnnspike compare rnnspike_runs
      rnnspike compare rnnspike_runs/* --against glm
      rnnspike compare rnnspike_runs --pair lstm glm --by recording --format csv
    """  # fmt: skip
    from rnnspike.evaluation.scores.across import COLUMNS
    from rnnspike.runs.stored.tables import ScoredRun, by_protocol, compare_stored, not_pooled, read_scored

    writer = RowWriter(output_format, ("schema", "recording", "unit", *COLUMNS, "protocol"), render)
    failures, scored = Failures(Log(), RunError), list[ScoredRun]()
    for run in runs_in(expand_paths(runs), failures):
        with failures.alone(run):
            scored.append(read_scored(run))
    if apart := not_pooled(by_protocol(scored)):
        Log().warning(apart)
    if scored:
        with failure_on_one_line(", ".join(str(run.folder) for run in scored), RunError):
            for row in compare_stored(scored, by=by, **values):
                writer.write(row)
    writer.close()
    ctx.exit(failures.exit_code)


def render(rows: list[dict[str, Any]]) -> Any:
    """Return the table: effect first, then p."""
    shown = {key: name for key, name in SHOWN.items() if key not in ("recording", "unit") or rows[0][key] is not None}
    if len({row["protocol"] for row in rows}) == 1:
        del shown["protocol"]
    lines = [{**row, "interval": f"[{cell(row['gain_low'])}, {cell(row['gain_high'])}]"} for row in rows]
    correction = {"holm": "Holm", "bh": "Benjamini-Hochberg", "none": "none"}[rows[0]["correction"]]
    title = f"Gain of a over b in bits/spike, mean over units; correction of p over pairs: {correction}"
    named = [{name: line[key] for key, name in shown.items()} for line in lines]
    return plain_table(named, list(shown.values()), title)
