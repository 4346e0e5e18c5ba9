"""What a notebook imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import rnnspike


def test_every_public_name_is_there() -> None:
    for name in rnnspike.__all__:
        assert getattr(rnnspike, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = rnnspike.nothing


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import sys, rnnspike; print([m for m in ('numpy', 'torch', 'pandas', 'plotly') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_fit_in_one_call(tmp_path: Path) -> None:
    options = rnnspike.SessionOptions(n_trials=12, duration_s=0.5, seed=3)
    path = tmp_path / "cell.nwb"
    rnnspike.simulate_cell("refractory", 1, options).write(path)
    seen: list[int] = []
    folder = rnnspike.fit(
        path,
        models=("psth", "glm"),
        effort="fast",
        out=tmp_path / "runs",
        replicates=0,
        progress=lambda done, total, label: seen.append(total - done),
    )
    assert {row["model"] for row in rnnspike.read_rows(folder)} >= {"constant", "psth", "psth-gain", "glm", "oracle"}
    assert (folder / "report.html").is_file()
    assert seen[-1] == 0
