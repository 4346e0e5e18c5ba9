"""``rnnspike cite``: text to paste on stdout."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from rnnspike.cli.main import cli
from rnnspike.report.methods import itself


def test_without_a_run_it_says_how_to_cite_rnnspike() -> None:
    assert CliRunner().invoke(cli, ["cite"]).stdout == itself.as_text() + "\n"
    assert CliRunner().invoke(cli, ["cite", "--format", "bibtex"]).stdout == itself.BIBTEX + "\n"


def test_a_folder_that_is_no_run_is_refused_in_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["cite", str(tmp_path)])
    assert done.exit_code != 0 and "no finished run directory" in str(done.exception)
