"""The page: self-contained, the same for the same run, and true to the rows."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnnspike.cli.main import cli
from rnnspike.errors import RunError
from rnnspike.report.build import build_comparison, build_report
from rnnspike.report.load import load_run
from rnnspike.report.payload import rounded, to_script
from rnnspike.report.words import gains_over, headline_model, repeat_command, summary


def test_equal_runs_give_equal_bytes(run_folder: Path) -> None:
    first = build_report(run_folder).read_bytes()
    assert build_report(run_folder).read_bytes() == first


def test_nothing_is_asked_from_a_network(run_folder: Path) -> None:
    page = build_report(run_folder).read_text("utf-8")
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    assert '<link rel="icon" href="data:,">' in own
    assert not re.search(r"(src|href)=\"https?:", own)


def test_page_holds_the_rows(run_folder: Path) -> None:
    page = build_report(run_folder).read_text("utf-8")
    overview = json.loads(re.search(r'id="overview">(.*?)</script>', page, re.S)[1])
    stored = [row for row in load_run(run_folder).rows if row["status"] == "ok"]
    assert overview["rows"] == stored
    assert len(re.findall(r'class="unit-data"', page)) == 2


def test_no_host_path_or_time(run_folder: Path) -> None:
    page = build_report(run_folder).read_text("utf-8")
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.S)
    provenance = json.loads((run_folder / "run.json").read_text())
    assert str(run_folder.parent) not in own
    assert provenance["end"] not in own


def test_words_follow_the_numbers(run_folder: Path) -> None:
    run = load_run(run_folder)
    assert headline_model(run) == "psth-gain"
    text = " ".join(summary(run))
    assert "Refractoriness, by psth-gain" in text
    gains = gains_over(run, "psth", "constant")
    assert [unit for unit, *_ in gains] == run.units
    assert all(low <= gain <= high for _, gain, low, high in gains)
    assert repeat_command(run).startswith("rnnspike fit small.nwb --bin 0.001 --models constant --models psth")


def test_script_cannot_be_left_early() -> None:
    assert "</script>" not in to_script({"x": "</script><b>"})
    assert json.loads(to_script({"x": "</script>"})) == {"x": "</script>"}


def test_four_figures() -> None:
    assert rounded([1.23456, float("nan"), 123456.0]) == [1.235, None, 123500.0]


def test_comparison_and_formats(run_folder: Path, tmp_path: Path) -> None:
    page = build_comparison([run_folder, run_folder], tmp_path / "c.html").read_text("utf-8")
    assert "2 recordings compared" in page
    result = CliRunner().invoke(cli, ["report", str(run_folder), "--format", "md"])
    assert result.exit_code == 0
    assert "| unit | model |" in result.stdout
    with pytest.raises(RunError, match=r"done\.json is missing"):
        load_run(tmp_path)


def test_figures_come_with_their_numbers(run_folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["report", str(run_folder), "--figures", str(tmp_path)])
    assert result.exit_code == 0
    made = sorted(each.name for each in (tmp_path / "unit_0").iterdir())
    assert {"hazard.svg", "hazard.png", "hazard.csv", "ks.svg"} <= set(made)
    assert "<text" in (tmp_path / "ladder.svg").read_text()
    assert len((tmp_path / "ladder.csv").read_text().splitlines()) == 7
