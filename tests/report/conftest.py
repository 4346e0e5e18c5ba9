"""A small run directory, fitted once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.config import resolve_settings
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.runs.engine import fit_recording, make_job


def small_run(folder: Path, n_units: int = 2) -> Path:
    """Fit three rungs to units with a refractory period, 30 trials of .5 s."""
    rng = np.random.default_rng(5)
    path = folder / "small.nwb"
    starts = np.arange(30) * 1.0 + 1.0
    units = tuple(
        Unit(str(u), np.cumsum(0.004 + rng.exponential(0.03, 900)), np.array([[0.0, 34.0]])) for u in range(n_units)
    )
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 0.5})
    write_nwb(path, Recording(path, "", 0, "nwb", units, intervals={"trials": trials}))
    flags = {"models": ["constant", "psth", "psth-gain"], "out": folder / "runs", "replicates": 0, "bin": "1ms"}
    settings, sources = resolve_settings(flags, environment={})
    job, loaded = make_job(path, settings)
    fit_recording(job, loaded, provenance={"sources": sources})
    return job.folder


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("report"))
