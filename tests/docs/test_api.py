"""The code of the page on Python runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import rnnspike

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def test_the_code_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rnnspike.simulate(neuron="refractory", trials=30, duration="300ms", units=2, out="session.nwb")
    names: dict[str, Any] = {}
    for block in re.findall(r"^```python\n(.*?)^```$", PAGE, re.M | re.S):
        exec(block, names)
    assert names["run"].models == ["constant", "psth", "psth-gain", "glm", "oracle"]
    assert names["mine"].units == ["a", "b"] and names["counts"].shape == (30, 300, 1)
    assert (tmp_path / "session_rnnspike.nwb").is_file()
