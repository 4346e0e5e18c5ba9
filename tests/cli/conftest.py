"""A small recording for commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb


@pytest.fixture(scope="session")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One unit, 20 trials of .5 s."""
    path = tmp_path_factory.mktemp("data") / "session.nwb"
    times = np.cumsum(0.003 + np.random.default_rng(1).exponential(0.04, 500))
    starts = np.arange(20) + 0.5
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 0.5})
    units = (Unit("0", times, np.array([[0.0, 30.0]])),)
    write_nwb(path, Recording(path, "", 0, "nwb", units, intervals={"trials": trials}))
    return path
