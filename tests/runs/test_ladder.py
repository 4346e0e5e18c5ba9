"""The whole ladder on a small refractory cell with known intensity: rungs with memory win, and say so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnspike.config import resolve_settings
from rnnspike.neurons.session import SessionOptions, simulate_cell
from rnnspike.runs.batch import fit_recording
from rnnspike.runs.plan import make_job
from rnnspike.runs.stored.reopen import reopen
from rnnspike.runs.stored.store import read_stack


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict]]:
    folder = tmp_path_factory.mktemp("ladder")
    path = folder / "cell.nwb"
    simulate_cell("refractory", 1, SessionOptions(n_trials=60, duration_s=1.0, seed=3)).write(path)
    flags = {"out": folder / "runs", "effort": "fast", "replicates": 20, "report": False}
    job, loaded = make_job(path, resolve_settings(flags, environment={})[0])
    return job.folder, list(fit_recording(job, loaded))


@pytest.fixture(scope="module")
def rows(run: tuple[Path, list[dict]]) -> dict[str, dict]:
    return {row["model"]: row for row in run[1]}


def test_every_rung_has_a_score(rows: dict[str, dict]) -> None:
    assert [row["status"] for row in rows.values()] == ["ok"] * 11
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


def test_the_stack_s_level_is_kept_with_the_run(run: tuple[Path, list[dict]]) -> None:
    stored = read_stack(run[0] / "units" / "0" / "stack.json")
    pools = [reopen(run[0]).held_out_model("stack", "0", test).pool for test in range(len(stored))]
    assert [(list(weights.values()), scale) for weights, scale in stored.values()] == [
        (list(pool.weights), pool.scale) for pool in pools
    ]
    assert all(scale != 1.0 and abs(scale - 1.0) < 0.1 for _, scale in stored.values())


def test_free_runs_are_stable(rows: dict[str, dict]) -> None:
    for model in ("glm", "lstm", "stack"):
        assert rows[model]["free_run_stability"] == "stable"
        assert rows[model]["free_run_rate_ratio"] == pytest.approx(1.0, abs=0.15)
    assert np.isfinite(rows["glm"]["quasi_renewal_stable_hz"] or np.nan)
