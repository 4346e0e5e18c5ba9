"""Joint runs of a fit: a linked pair has its correlations, what is left out and why, and the file's form."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnspike.config import FitSettings
from rnnspike.errors import ModelError, RunError
from rnnspike.neurons.registry import cell_spec
from rnnspike.neurons.session import SessionOptions, simulate_session
from rnnspike.recording.write import write_nwb
from rnnspike.runs.batch import fit_recording
from rnnspike.runs.fitting import joint
from rnnspike.runs.fitting.joint import population, trials_to_run_together, within_conditions
from rnnspike.runs.job import Job, PlannedRecording
from rnnspike.runs.plan import make_job
from rnnspike.runs.stored.directory import read_rows
from rnnspike.runs.stored.population import POPULATION_FILE, read_population

Planned = tuple[Job, PlannedRecording]


def settings(out: Path, **more: Any) -> FitSettings:
    return FitSettings(**{"out": out, "models": ("coupling",), "replicates": 8, "effort": "fast", **more})


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    cells = [cell_spec("coupled-pair"), cell_spec("refractory")]
    recording = simulate_session(cells, SessionOptions(100, duration_s=0.8, inter_trial_s=0.5, seed=5)).recording
    path = tmp_path_factory.mktemp("joint") / "three.nwb"
    write_nwb(path, recording)
    return make_job(path, settings(tmp_path_factory.mktemp("out")))


@pytest.fixture(scope="module")
def found(planned: Planned) -> dict[str, Any]:
    list(fit_recording(*planned))
    stored = read_population(planned[0].folder)
    assert stored is not None
    return stored


def test_the_joint_run_of_a_linked_pair_has_its_correlations(found: dict[str, Any]) -> None:
    assert found["status"] == "ok" and found["message"] is None and found["units"] == ["0", "1", "2"]
    assert found["shared"]["p"] < 0.05
    apart, coupled = found["models"]
    assert (apart["model"], coupled["model"]) == ("glm", "coupling")
    assert coupled["verdict"] in ("captured", "consistent", "partly") and coupled["capture"] > 0.5
    assert apart["verdict"] is None and apart["deviance"] > 2 * coupled["deviance"]
    pair = found["pairs"].index(["0", "1"])
    recorded = found["recorded"]["pairs"][0][pair]
    assert recorded > 0.05
    assert abs(coupled["pairs"][0][pair] - recorded) < abs(apart["pairs"][0][pair] - recorded)
    low, high = (np.array(coupled["noise_correlation"][end]) for end in ("low", "high"))
    assert low[0] < found["recorded"]["noise_correlation"][0] < high[0]
    assert apart["noise_correlation"]["p"][0] < 0.05


def test_the_correlogram_has_the_link_in_the_joint_run_alone(found: dict[str, Any]) -> None:
    apart, coupled = (max(model["correlogram"]["mean"][1:6]) for model in found["models"])
    assert coupled > 1.1 > apart and max(found["recorded"]["correlogram"][1:6]) > 1.1


def test_the_network_is_stable_and_the_marks_tell_the_link(found: dict[str, Any]) -> None:
    apart, coupled = found["models"]
    for model in found["models"]:
        assert model["stability"] == "stable" and model["unstable_units"] == []
        assert model["rate_ratio_low"] < model["rate_ratio"] < model["rate_ratio_high"]
    assert apart["marks"]["p"] < 1e-4 < coupled["marks"]["p"]


def test_units_have_verdicts_by_the_others_activity(found: dict[str, Any], planned: Planned) -> None:
    rows = {(row["unit"], row["model"]): row for row in read_rows(planned[0].folder)}
    driven, alone = rows["1", "coupling"], rows["2", "coupling"]
    assert driven["shared_kind"] == "rising" and driven["shared_reference_p"] < 0.01
    assert driven["shared_verdict"] in ("captured", "consistent", "partly") and driven["shared_capture"] > 0.5
    assert rows["1", "glm"]["shared_verdict"] == "missed" and rows["1", "glm"]["shared_capture"] == 0.0
    assert alone["shared_verdict"] == "nothing to capture" and alone["shared_capture"] is None


def test_a_damaged_file_is_told(found: dict[str, Any], tmp_path: Path) -> None:
    first, *others = found["models"]
    without = {name: value for name, value in first.items() if name != "stability"}
    (tmp_path / POPULATION_FILE).write_text(json.dumps({**found, "models": [without, *others]}))
    with pytest.raises(RunError, match=POPULATION_FILE):
        read_population(tmp_path)
    assert read_population(tmp_path / "elsewhere") is None


def test_without_free_runs_or_fitted_units_there_is_none(planned: Planned, tmp_path: Path) -> None:
    job, loaded = planned
    with pytest.raises(ModelError, match="--replicates 0"):
        population(replace(job, settings=settings(tmp_path, replicates=0)), loaded)
    with pytest.raises(ModelError, match=r"fewer than two units can be run together: glm was not fitted \(3\)"):
        population(replace(job, folder=tmp_path), loaded)


def test_fewer_trials_are_taken_rather_than_fewer_runs(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    job, loaded = planned
    trials, n_runs = trials_to_run_together(job, loaded, ["0", "1", "2"])
    assert len(trials) == 100 and n_runs == 8
    monkeypatch.setitem(joint.JOINT_BINS, "fast", 4 * 60 * 800 * 3)
    trials, n_runs = trials_to_run_together(job, loaded, ["0", "1", "2"])
    assert n_runs == 4 and set(loaded.folds[trials]) == {0, 1} and len(trials) == 50
    monkeypatch.setitem(joint.JOINT_BINS, "fast", 4 * 10 * 800 * 3)
    trials, n_runs = trials_to_run_together(job, loaded, ["0", "1", "2"])
    assert n_runs == 4 and len(trials) == 10


def test_trials_are_thinned_within_conditions() -> None:
    condition = np.array([0, 1, 2, 0, 1, 3, 0, 1, 0, 1])
    taken = within_conditions(np.arange(10), condition, 10)
    np.testing.assert_array_equal(taken, [0, 1, 3, 4, 6, 7, 8, 9])  # 2 and 3 have one trial each
    for most in (6, 4, 3, 2):
        some = within_conditions(np.arange(10), condition, most)
        assert 2 <= len(some) <= most and np.bincount(condition[some])[np.unique(condition[some])].min() > 1
    assert len(within_conditions(np.arange(10), np.arange(10), 10)) == 0


def test_where_each_trial_has_its_own_condition_there_is_none(planned: Planned) -> None:
    job, loaded = planned
    alone = replace(loaded, plan=replace(loaded.plan, condition=np.arange(loaded.plan.n_trials)))
    with pytest.raises(ModelError, match="share their condition with another"):
        trials_to_run_together(job, alone, ["0", "1"])
