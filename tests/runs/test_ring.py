"""A simulated ring attractor, from the recording to the patterns of the trained network (run with -m slow)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnspike.config import resolve_settings
from rnnspike.neurons.session import SessionOptions, simulate_network
from rnnspike.recording.write import write_nwb
from rnnspike.runs.batch import fit_recording
from rnnspike.runs.dynamics import ALL_UNITS, DynamicsOptions, analyse_run
from rnnspike.runs.plan import make_job
from rnnspike.runs.stored.store import read_arrays

SEED, N_UNITS = 2, 24


@pytest.mark.slow
def test_the_patterns_of_a_network_trained_on_a_ring_are_bumps(tmp_path: Path) -> None:
    options = SessionOptions(n_trials=60, duration_s=6.0, inter_trial_s=1.0, seed=SEED)
    write_nwb(tmp_path / "ring.nwb", simulate_network("ring", N_UNITS, options).recording)
    flags = {"models": ["psth-gain", "population-lstm-drive"], "out": tmp_path / "runs", "effort": "fast"}
    settings, _ = resolve_settings(flags | {"replicates": 0, "report": False}, environment={})
    job, loaded = make_job(tmp_path / "ring.nwb", settings)
    fit_recording(job, loaded)
    rows = analyse_run(job.folder, DynamicsOptions(units=(ALL_UNITS,), n_members=3, pictures=False))
    held = [row for row in rows if row["seed"] and row["input"] == "base"]
    loops = [row for row in rows if row["seed"] and row["input"] == "closed-loop"]
    assert len(held) == len(loops) == 2 and all(row["n_stable"] == 1 for row in held)
    assert sum(row["n_stable"] for row in loops) >= 4
    # where each unit sits on the ring, and the patterns of its stable states: bumps that differ in place
    angle = 2 * np.pi * np.random.default_rng(np.random.SeedSequence(SEED).spawn(4)[0]).permutation(N_UNITS) / N_UNITS
    places = []
    for row in loops:
        arrays = read_arrays(job.folder / "dynamics" / "all" / "population-lstm-drive" / row["seed"] / "memory.npz")
        assert len(arrays["pattern_hz"]) == row["n_patterns"]
        bumps = arrays["pattern_hz"] @ np.exp(1j * angle) / arrays["pattern_hz"].sum(axis=1)
        assert (np.abs(bumps) > 0.6).all()
        places += list(np.angle(bumps))
    assert np.ptp(places) > np.pi / 2
    for row in loops:
        silenced = next(
            each for each in row["pattern_completion"] if (each["kind"], each["size"]) == ("silenced", 0.5)
        )
        assert 0 < silenced["low"] < silenced["completed"] < silenced["high"] <= 1
