"""A small recording for commands."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.config import FitSettings
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.runs.batch import fit_recording
from rnnspike.runs.plan import make_job


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


@pytest.fixture(scope="session")
def fitted(session: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of its fit: two rungs, no report."""
    out = tmp_path_factory.mktemp("runs")
    job, loaded = make_job(session, FitSettings(out=out, models=("psth", "stack"), replicates=0, folds=3))
    fit_recording(job, loaded)
    return job.folder
