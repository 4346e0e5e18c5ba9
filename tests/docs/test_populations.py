"""The walk through a population: its commands run, and give the figures of the page."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from rnnspike.cli.main import cli
from rnnspike.runs.stored.directory import read_rows

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "populations.md").read_text()


@pytest.mark.slow
def test_the_walk_gives_the_figures_of_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    commands = [shlex.split(line)[1:] for line in re.findall(r"^    (rnnspike .*)$", PAGE, re.M)]
    fit, cosmooth = (next(each for each in commands if each[0] == name) for name in ("fit", "cosmooth"))
    assert CliRunner().invoke(cli, [*fit, "-q"]).exit_code == 0
    rows = {(row["unit"], row["model"]): row for row in read_rows(tmp_path / "runs" / "simulated_population")}
    for unit, gain, difference, low, high in re.findall(
        r"^\| (\d) \| \+(\S+) \| \.0000 \| (\S+) \((\S+) to (\S+)\) \|$", PAGE, re.M
    ):
        row = rows[unit, "coupling"]
        assert row["population_gain"] == pytest.approx(float(gain), abs=0.002)
        found = row["population_difference"], row["population_difference_low"], row["population_difference_high"]
        assert found == pytest.approx([float(difference), float(low), float(high)], abs=0.003)
    pairs = pd.read_csv(tmp_path / "runs" / "simulated_population" / "coupling.csv")
    assert set(pairs[pairs["verdict"] != "none"]["verdict"]) == {"shared or reciprocal"}
    result = CliRunner().invoke(cli, [*cosmooth, "-q", "--format", "jsonl"])
    pooled = {row["method"]: row for row in map(json.loads, result.stdout.splitlines()) if row["unit"] is None}
    score = r"(\.\d+)(?: bits/spike)? \((\.\d+) to (\.\d+)\)"
    said = re.search(rf"`ridge` scores {score},\s+the trial average alone {score}", PAGE)
    assert said is not None
    names = ("co_bps", "co_bps_low", "co_bps_high")
    found = [pooled[method][name] for method in ("ridge", "psth") for name in names]
    assert found == pytest.approx([float(each) for each in said.groups()], abs=0.001)
