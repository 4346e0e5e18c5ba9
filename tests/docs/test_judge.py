"""The worked examples of judging rates: their code runs, and gives the figures of the page."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from rnnspike.cli.main import cli
from rnnspike.report.load import load_run
from rnnspike.runs.stored.directory import read_rows

PAGE = (Path(__file__).parents[2] / "docs" / "judge.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S)
COMMANDS = [shlex.split(line)[1:] for line in re.findall(r"^    (rnnspike .*)$", PAGE, re.M)]


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the session of the page."""
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(cli, COMMANDS[0])
    assert done.exit_code == 0, done.output
    return tmp_path


@pytest.mark.slow
def test_the_examples_give_the_figures_of_the_page(session: Path) -> None:
    names: dict[str, Any] = {}
    for block in BLOCKS:
        if "import nemos" not in block:
            exec(block, names)
    said = re.findall(r"^\| `(\S+)` \| (\S+) \| (\S+) \| (\d) \| (\w+) \|$", PAGE, re.M)
    table: pd.DataFrame = names["table"]
    assert [row[0] for row in said] == list(table.index)
    for model, bits, ks_d, passed, refractory in said:
        found = table.loc[model]
        assert found["bits"] == pytest.approx(float(bits), abs=0.01), model
        assert found["ks_d"] == pytest.approx(float(ks_d), abs=0.01), model
        assert (found["passed"], found["refractory"]) == (int(passed), refractory), model
    gains = load_run(session / "rnnspike_scores" / "session").gains
    quoted = re.findall(r"(\+\S+?)(?: bits/spike over smooth)? \((\S+) to (\S+)\)", PAGE)
    for rates, figures in zip(("smooth", "statsmodels"), quoted, strict=True):
        assert gains["0", f"{rates}+history", rates] == pytest.approx([float(each) for each in figures], abs=0.01)


@pytest.mark.slow
def test_the_glm_of_nemos_gives_the_figure_of_the_page(session: Path) -> None:
    pytest.importorskip("nemos", reason="nemos is not installed (extra: benchmark)")
    definitions = BLOCKS[1].split("glm =")[0]
    script = "\n".join([BLOCKS[0], definitions, next(block for block in BLOCKS if "import nemos" in block)])
    subprocess.run([sys.executable, "-c", script], check=True)
    scored = next(command for command in COMMANDS if command[0] == "score")
    done = CliRunner().invoke(cli, [*scored, "--no-report", "-q"])
    assert done.exit_code == 0, done.output
    bits = [
        row["bits_per_spike"] for row in read_rows(session / "nemos_scores" / "session") if row["model"] == "my-nemos"
    ]
    said = re.search(r"It has a median of (\S+) bits/spike", PAGE)
    assert said is not None
    assert np.median(bits) == pytest.approx(float(said[1]), abs=0.01)
