"""A small run, and spikes in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.report.conftest import small_run


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run of two units and three rungs."""
    return small_run(tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="session")
def spikes() -> list[np.ndarray]:
    rng = np.random.default_rng(2)
    return [np.cumsum(0.004 + rng.exponential(0.03, 700)) for _ in range(2)]


@pytest.fixture(scope="session")
def trials() -> pd.DataFrame:
    start = np.arange(18) + 1.0
    return pd.DataFrame({"start_time": start, "stop_time": start + 0.5, "side": ["left", "right"] * 9})


@pytest.fixture
def quick(tmp_path: Path) -> dict[str, Any]:
    """Settings of a fit that takes no time."""
    return {"models": "constant", "replicates": 0, "effort": "fast", "report": False, "out": tmp_path / "runs"}
