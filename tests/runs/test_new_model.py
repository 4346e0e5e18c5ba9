"""A new model is one file and one entry in the registry: it is then in the rows, on the page and in the help."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from rnnspike.cli import fit as fit_command
from rnnspike.cli.main import cli
from rnnspike.models.baselines.constant import Constant
from rnnspike.models.registry import MODELS, ModelSpec
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb


class Doubled(Constant):
    """The constant rate, twice."""

    name = "doubled"

    def fit(self, train, validation, rng, fitted=None):  # type: ignore[no-untyped-def]
        (model, *_) = super().fit(train, validation, rng)
        model.mu_table[:] *= 2
        return (model,) * len(validation)


@pytest.fixture
def doubled(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = ModuleType("rnnspike.models.doubled")
    module.Doubled = Doubled  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    spec = ModelSpec("doubled", "doubled:Doubled", "twice the mean rate", ("#123456", "#abcdef"), closed_form=True)
    monkeypatch.setitem(MODELS, "doubled", spec)
    importlib.reload(fit_command)
    yield
    monkeypatch.undo()
    importlib.reload(fit_command)


def test_a_model_of_one_file_and_one_entry_is_everywhere(doubled: None, tmp_path: Path) -> None:
    times, starts = np.sort(np.random.default_rng(0).uniform(0, 42, 840)), np.arange(20) * 2.0 + 1.0
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 0.5})
    path = tmp_path / "session.nwb"
    unit = Unit("7", times, np.array([[0.0, 42.0]]))
    write_nwb(path, Recording(path, "", 0, "nwb", (unit,), intervals={"trials": trials}))
    words = [
        "fit",
        str(path),
        "--out",
        str(tmp_path / "out"),
        "-m",
        "doubled",
        "--replicates",
        "0",
        "--format",
        "csv",
    ]
    result = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert [line.split(",")[3] for line in result.stdout.splitlines()[1:]] == ["constant", "psth-gain", "doubled"]
    page = (tmp_path / "out" / "session" / "report.html").read_text()
    assert '"doubled":["#123456","#abcdef"]' in page.replace(" ", "")
    assert "doubled" in CliRunner().invoke(cli, ["fit", "--help"]).stdout
