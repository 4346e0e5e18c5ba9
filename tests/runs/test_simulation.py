"""A fitted model's own trials, written and read back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.config import resolve_settings
from rnnspike.errors import RunError
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.read import read_recording
from rnnspike.recording.write import write_nwb
from rnnspike.runs.batch import fit_recording
from rnnspike.runs.plan import make_job
from rnnspike.runs.simulation import simulate_run
from rnnspike.runs.stored.reopen import reopen


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(8)
    folder = tmp_path_factory.mktemp("simulation")
    starts = np.arange(60) * 0.7 + 1.0
    units = (Unit("a", np.sort(rng.uniform(0, 45, 45 * 25)), np.array([[0.0, 45.0]])),)
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 0.5})
    write_nwb(folder / "s.nwb", Recording(folder, "", 0, "nwb", units, intervals={"trials": trials}))
    flags = {"models": ["psth-gain"], "out": folder / "runs", "replicates": 0}
    job, loaded = make_job(folder / "s.nwb", resolve_settings(flags, environment={})[0])
    fit_recording(job, loaded)
    return job.folder


def test_simulated_trials_read_back_with_the_same_rate(run_folder: Path, tmp_path: Path) -> None:
    run = reopen(run_folder)
    simulated = simulate_run(run, "psth-gain", seed=1)
    write_nwb(tmp_path / "sim.nwb", simulated.recording)
    back = read_recording(tmp_path / "sim.nwb")
    np.testing.assert_allclose(back.units[0].spike_times_s, simulated.recording.units[0].spike_times_s)
    recorded = int(run.trials("a").counts.sum())
    assert len(back.units[0].spike_times_s) == pytest.approx(recorded, rel=0.15)
    assert len(back.intervals["trials"]) == 60


def test_simulation_is_seeded(run_folder: Path) -> None:
    run = reopen(run_folder)
    one, again, other = (simulate_run(run, "constant", seed).recording.units[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.spike_times_s, again.spike_times_s)
    assert len(one.spike_times_s) != len(other.spike_times_s)


def test_models_that_were_not_fitted_are_named(run_folder: Path) -> None:
    with pytest.raises(RunError, match="glm was not fitted to unit a"):
        simulate_run(reopen(run_folder), "glm")


def test_a_changed_recording_is_refused(run_folder: Path) -> None:
    recording = run_folder.parents[1] / "s.nwb"
    whole = recording.read_bytes()
    try:
        recording.write_bytes(whole + b"x")
        with pytest.raises(RunError, match="changed since it was fitted"):
            reopen(run_folder)
    finally:
        recording.write_bytes(whole)
