"""The whole ladder on a small refractory cell with known intensity: rungs with memory win, and say so."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.config import resolve_settings
from rnnspike.neurons.session import SessionOptions, simulate_cell
from rnnspike.runs.engine import fit_recording, make_job


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    folder = tmp_path_factory.mktemp("ladder")
    path = folder / "cell.nwb"
    simulate_cell("refractory", 1, SessionOptions(n_trials=60, duration_s=1.0, seed=3)).write(path)
    flags = {"out": folder / "runs", "effort": "fast", "replicates": 20, "report": False}
    job, loaded = make_job(path, resolve_settings(flags, environment={})[0])
    return {row["model"]: row for row in fit_recording(job, loaded)}


def test_every_rung_has_a_score(rows: dict[str, dict]) -> None:
    assert [row["status"] for row in rows.values()] == ["ok"] * 10
    assert list(rows)[-2:] == ["stack", "oracle"]


@pytest.mark.parametrize("model", ["renewal", "glm", "lstm", "spike-lstm-glm", "stack"])
def test_memory_is_found_and_captured(rows: dict[str, dict], model: str) -> None:
    assert rows[model]["bits_per_spike_low"] > rows["psth-gain"]["bits_per_spike_high"]
    assert rows[model]["refractory_verdict"] == "captured"
    assert rows["psth-gain"]["refractory_verdict"] == "missed"


def test_nothing_beats_the_truth_and_the_stack_comes_close(rows: dict[str, dict]) -> None:
    oracle, base = rows["oracle"]["log_likelihood"], rows["psth-gain"]["log_likelihood"]
    share = (rows["stack"]["log_likelihood"] - base) / (oracle - base)
    assert 0.9 < share < 1.05
    assert rows["oracle"]["ks_p"] > 0.01


def test_free_runs_are_stable(rows: dict[str, dict]) -> None:
    for model in ("glm", "lstm", "stack"):
        assert rows[model]["free_run_stability"] == "stable"
        assert rows[model]["free_run_rate_ratio"] == pytest.approx(1.0, abs=0.15)
    assert np.isfinite(rows["glm"]["quasi_renewal_stable_hz"] or np.nan)
