"""``rnnspike report``: write the report of stored runs again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from rnnspike.cli.terminal.output import Failures, Log, echo_path, emit, runs_in
from rnnspike.errors import RunError, output_errors

if TYPE_CHECKING:
    from rnnspike.report.load import Run


@click.command("report")
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--format", "output_format", type=click.Choice(["html", "md"]), default="html", show_default=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Output file [default: in the run; for several comparison.html; for md stdout].",
)
@click.option(
    "--figures",
    type=click.Path(path_type=Path),
    help="Folder for every figure as SVG, PNG and CSV, in place of the report.",
)
@click.pass_context
def command(
    ctx: click.Context, /, runs: tuple[Path, ...], output_format: str, out: Path | None, figures: Path | None
) -> None:
    """Write the report of stored runs again, without fitting; several runs give one comparison.

    \b
    Examples:
      rnnspike report rnnspike_runs/session
      rnnspike report rnnspike_runs/* --out comparison.html
      rnnspike report rnnspike_runs/session --figures figures
      rnnspike report rnnspike_runs/session --format md
    """
    failures = Failures(Log(), RunError)
    folders = runs_in(runs, failures)
    if figures is not None:
        _write_figures(folders, figures, failures)
    elif output_format == "md":
        _write_markdown(folders, out, failures)
    elif len(runs) == 1 and len(folders) == 1:
        _write_page(folders[0], out, failures)
    else:
        _write_comparison(folders, out or Path("comparison.html"), failures)
    ctx.exit(failures.exit_code)


def _write_page(folder: Path, out: Path | None, failures: Failures) -> None:
    from rnnspike.report.build import build_report

    with failures.alone(folder), output_errors(out or folder, "--out"):
        echo_path(build_report(folder, out))


def _write_comparison(folders: Sequence[Path], out: Path, failures: Failures) -> None:
    from rnnspike.report.comparison import build_comparison, to_compare

    runs: list[Run] = []
    for folder in folders:
        with failures.alone(folder):
            runs.append(to_compare(folder))
    if runs:
        with output_errors(out, "--out"):
            echo_path(build_comparison(runs, out))


def _write_markdown(folders: Sequence[Path], out: Path | None, failures: Failures) -> None:
    from rnnspike.files import write_file
    from rnnspike.report.load import load_run
    from rnnspike.report.markdown import to_markdown

    texts: list[str] = []
    for folder in folders:
        with failures.alone(folder):
            texts.append(to_markdown(load_run(folder)))
    text = "\n".join(texts)
    if out is None:
        emit(text)
    elif texts:
        with output_errors(out, "--out"):
            write_file(out, text.encode())


def _write_figures(folders: Sequence[Path], to: Path, failures: Failures) -> None:
    from rnnspike.report.figures.export import write_comparison_figures, write_figures
    from rnnspike.report.load import distinct_names, load_run

    runs: list[Run] = []
    for folder in folders:
        with failures.looking_at(folder):
            runs.append(load_run(folder))
    names = distinct_names((run.folder.absolute().name, run) for run in runs)
    drawn: list[Run] = []
    for run, name in zip(runs, names, strict=True):
        with failures.alone(run.folder), output_errors(to, "--figures"):
            for path in write_figures(run, to if len(folders) == 1 else to / name):
                echo_path(path)
            _ = run.scored  # read here, where it fails alone
            drawn.append(run)
    if len(drawn) > 1:
        with output_errors(to, "--figures"):
            for path in write_comparison_figures(drawn, to):
                echo_path(path)
