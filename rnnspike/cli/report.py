"""``rnnspike report``: the report again from stored runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnnspike.cli.output import say_unfinished
from rnnspike.errors import told_if_unwritable

if TYPE_CHECKING:
    from rnnspike.report.load import Run


@click.command("report")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--format", "output_format", type=click.Choice(["html", "md"]), default="html", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Where to write (default: into the run; md to stdout).")
@click.option("--figures", type=click.Path(path_type=Path), help="Write every figure as SVG, PNG and CSV here.")
def command(runs: tuple[Path, ...], output_format: str, out: Path | None, figures: Path | None) -> None:
    """Write the report of stored runs again, without fitting; several runs give one comparison.

    \b
    Examples:
      rnnspike report rnnspike_runs/session
      rnnspike report rnnspike_runs/* --out comparison.html
      rnnspike report rnnspike_runs/session --figures figures
      rnnspike report rnnspike_runs/session --format md
    """
    from rnnspike.report.build import build_report
    from rnnspike.report.comparison import build_comparison
    from rnnspike.report.load import load_run
    from rnnspike.runs.store import write_bytes
    from rnnspike.runs.tables import find_runs

    say_unfinished(runs)
    runs = tuple(find_runs(runs))
    with told_if_unwritable(figures or out or runs[0], "--figures" if figures else "--out"):
        if figures is not None:
            _write_figures([load_run(run) for run in runs], figures)
        elif output_format == "md":
            from rnnspike.report.markdown import to_markdown

            text = "\n".join(to_markdown(load_run(run)) for run in runs)
            click.echo(text, nl=False) if out is None else write_bytes(out, text.encode())
        elif len(runs) == 1:
            click.echo(build_report(runs[0], out))
        else:
            click.echo(build_comparison(runs, out or Path("comparison.html")))


def _write_figures(runs: Sequence[Run], folder: Path) -> None:
    from rnnspike.report.figures import write_comparison_figures, write_figures
    from rnnspike.report.load import distinct_names

    names = distinct_names((run.folder.absolute().name, run) for run in runs)
    for run, name in zip(runs, names, strict=True):
        for path in write_figures(run, folder if len(runs) == 1 else folder / name):
            click.echo(path)
    for path in write_comparison_figures(runs, folder) if len(runs) > 1 else []:
        click.echo(path)
