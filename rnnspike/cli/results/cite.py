"""``rnnspike cite``: the methods of a run as text to paste, or how to cite rnnspike."""

from __future__ import annotations

from pathlib import Path

import click

from rnnspike.cli.terminal.output import emit


@click.command("cite")
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "markdown", "bibtex"]),
    default="text",
    show_default=True,
    help="Text or Markdown with a list of references, or the references alone in BibTeX.",
)
def command(run: Path | None, output_format: str) -> None:
    """Print a methods section for a run, made from its settings; without a run, how to cite rnnspike.

    \b
    Examples:
      rnnspike cite
      rnnspike cite rnnspike_runs/session
      rnnspike cite rnnspike_runs/session --format bibtex > rnnspike.bib
    """
    if run is None:
        from rnnspike.report.methods import itself

        emit((itself.BIBTEX if output_format == "bibtex" else itself.as_text()) + "\n")
        return
    from rnnspike.report.load import load_run
    from rnnspike.report.methods.text import methods

    found = methods(load_run(run))
    as_asked = {"text": found.as_text, "markdown": found.as_markdown, "bibtex": found.as_bibtex}
    emit(as_asked[output_format]())
