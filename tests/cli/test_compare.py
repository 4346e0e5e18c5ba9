from __future__ import annotations

import csv
import io
import json
from pathlib import Path

from click.testing import CliRunner, Result

from rnnspike.cli.results.compare import command
from rnnspike.runs.rows import SCHEMA
from tests.runs.stored.test_tables import write_run


def run(*arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_rows_are_jsonl_in_a_pipe(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    result = run(tmp_path, "--draws", 200)
    assert result.exit_code == 0, result.output
    row = json.loads(result.output)
    assert row["schema"] == SCHEMA
    assert row["gain_low"] < row["gain"] < row["gain_high"]


def test_csv_has_one_header(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_run(tmp_path / name)
    result = run(tmp_path, "--by", "recording", "--format", "csv", "--draws", 200)
    rows = list(csv.DictReader(io.StringIO(result.output)))
    assert [row["recording"] for row in rows] == ["a", "b"]


def test_the_table_says_how_p_was_corrected(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    result = run(tmp_path, "--format", "table", "--draws", 200)
    assert "Holm" in result.output
    assert "lstm" in result.output


def test_pairs_are_chosen(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    row = json.loads(run(tmp_path, "--pair", "glm", "lstm", "--draws", 200).output)
    assert (row["model_a"], row["model_b"]) == ("glm", "lstm")
