"""Small run directories, each fitted once: quick rungs, and a ladder with free runs and a network's dynamics."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnspike.config import resolve_settings
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.runs.batch import fit_recording
from rnnspike.runs.dynamics import DynamicsOptions, analyse_run
from rnnspike.runs.plan import make_job

QUICK = ["constant", "psth", "psth-gain"]
WHOLE = ["constant", "psth", "psth-gain", "renewal", "glm", "lstm", "stack"]


def fitted(folder: Path, n_units: int = 2, name: str = "small", **flags: Any) -> Path:
    """Fit rungs to units with a refractory period, 30 trials of .5 s in two conditions."""
    rng = np.random.default_rng(5)
    path = folder / f"{name}.nwb"
    starts = np.arange(30) * 1.0 + 1.0
    units = tuple(
        Unit(str(u), np.cumsum(0.004 + rng.exponential(0.03, 900)), np.array([[0.0, 34.0]])) for u in range(n_units)
    )
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 0.5, "side": ["left", "right"] * 15})
    write_nwb(path, Recording(path, "", 0, "nwb", units, intervals={"trials": trials}))
    settings, sources = resolve_settings({"out": folder / "runs", "bin": "1ms", **flags}, environment={})
    job, loaded = make_job(path, settings)
    fit_recording(job, loaded, provenance={"sources": sources})
    return job.folder


def small_run(folder: Path, n_units: int = 2, name: str = "small") -> Path:
    """Three rungs in closed form, no free runs."""
    return fitted(folder, n_units, name, models=QUICK, replicates=0)


def whole_run(folder: Path) -> Path:
    """A ladder up to an LSTM, run free, with two conditions and the dynamics of one network."""
    run = fitted(folder, 2, "whole", models=WHOLE, replicates=20, effort="fast", folds=3, condition=["side"])
    list(analyse_run(run, DynamicsOptions(units=("0",), n_members=1, n_starts=8, pictures=False)))
    return run


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def whole_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole_run(tmp_path_factory.mktemp("whole"))
