"""``rnnspike compare``: pairs of models over units and recordings."""

from __future__ import annotations

from typing import Any

import click

from rnnspike.cli.options import expand_paths, format_option
from rnnspike.cli.terminal.output import Failures, Log, RowWriter, runs_in
from rnnspike.cli.terminal.tables import Column, Table
from rnnspike.errors import RunError, failure_on_one_line
from rnnspike.wording import interval, number, p_text

#: Columns after the names: heading, and how soon it goes where the width is not enough.
FIGURES = (
    ("gain", 0),
    ("95 % interval", 0),
    ("p", 1),
    ("p adj.", 2),
    ("median", 5),
    ("worst", 6),
    ("above 0", 4),
    ("below 0", 4),
    ("units", 3),
    ("over", 7),
)
CORRECTIONS = {"holm": "Holm", "bh": "Benjamini-Hochberg", "none": "none"}


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
    """Return the table, effect first, then p: what is the same in all rows in the title, else above its rows."""
    heads = ("recording", "unit", "model_b", "protocol")
    same = {key for key in heads if len({row[key] for row in rows}) == 1}
    places = {(row["recording"], row["unit"]) for row in rows}
    one_pair = "model_b" in same and len({row["model_a"] for row in rows}) == 1
    in_columns = [key for key in ("recording", "unit") if one_pair and len(places) > 1 and rows[0][key] is not None]
    above = [key for key in heads if key not in same and key not in in_columns]
    columns = [*(Column(key, "name") for key in in_columns), Column("model")]
    columns += [Column(name, "number" if name != "over" else "text", rank) for name, rank in FIGURES]
    of_what = "Gain in bits/spike over " + (str(rows[0]["model_b"]) if "model_b" in same else "the model named above")
    over = "" if rows[0]["n_units"] == 1 else ", mean over units"
    common = [_said(key, rows[0][key]) for key in ("recording", "unit") if key in same and rows[0][key] is not None]
    where = f"{', '.join(common)}: " if common else ""
    table = Table(
        columns, f"{where}{of_what}{over}; correction of p over pairs: {CORRECTIONS[rows[0]['correction']]}"
    )
    last: tuple[Any, ...] = ()
    for row in rows:
        here = tuple(row[key] for key in above)
        if here != last:
            table.section("; ".join(_said(key, row[key]) for key in above if row[key] is not None))
        last = here
        table.add(*(str(row[key]) for key in in_columns), row["model_a"], *_figures(row))
    return table


def _said(key: str, value: Any) -> str:
    return f"over {value}" if key == "model_b" else f"unit {value}" if key == "unit" else str(value)


def _figures(row: dict[str, Any]) -> list[str]:
    """Return the cells of a row under ``FIGURES``."""
    from rnnspike.evaluation.scores.resampling import LEAST_P

    least = LEAST_P if row["level"] == "trial" else 0.0  # elsewhere p is Student's
    at_least = row["p"] is not None and 0 < row["p"] <= least
    return [
        number(row["gain"]),
        interval(row["gain_low"], row["gain_high"]),
        p_text(row["p"], least),
        p_text(row["p_adjusted"], row["p_adjusted"] if at_least else 0.0),
        number(row["gain_median"]),
        number(row["gain_worst"]),
        *(str(row[key]) for key in ("n_above", "n_below", "n_units", "level")),
    ]
