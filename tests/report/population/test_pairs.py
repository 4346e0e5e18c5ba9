"""Matrices across units: models that were judged, and noise correlations of all pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnspike.report.load import load_run
from rnnspike.report.population.pairs import captured_models, correlations_payload
from rnnspike.report.population.single_trials import single_trials, trials_payload


def test_models_that_know_spike_history_are_judged_where_a_departure_is_shown(whole_folder: Path) -> None:
    run = load_run(whole_folder)
    run.rows[:] = [{**row, "adaptation_verdict": "nothing to capture"} for row in run.rows]
    assert captured_models(run) == {
        "refractory": ["renewal", "glm", "lstm", "stack"],
        "adaptation": [],
        "shared": [],
    }


def test_pairs_are_places_among_the_units() -> None:
    values = [[0.1, None, 0.3], [0.2, 0.1, 0.0]]
    found: dict[str, Any] = {
        "status": "ok",
        "units": ["a", "b", "c"],
        "n_trials": 40,
        "window_ms": [10.0, 60.0],
        "pairs": [["a", "b"], ["a", "c"], ["b", "c"]],
        "recorded": {"pairs": values},
        "models": [{"model": "glm", "joint": False, "pairs": values}],
    }
    payload = correlations_payload(found)
    assert payload is not None
    assert payload["index"] == [[0, 1], [0, 2], [1, 2]] and payload["told"] == 1
    assert payload["recorded"] == values and payload["models"][0]["pairs"] == values


@pytest.mark.parametrize("found", [None, {"status": "skipped", "message": "why"}])
def test_without_joint_runs_there_are_no_pairs(found: dict[str, Any] | None) -> None:
    assert correlations_payload(found) is None


def test_recorded_spikes_of_all_units_without_a_model_that_reads_the_others(run_folder: Path) -> None:
    run = load_run(run_folder)
    found = single_trials(run)
    assert found is not None and found["unit"].tolist() == ["0", "1"]
    for k, unit in enumerate(run.units):
        table = run.per_trial(unit).set_index("trial").n_spikes
        here = found["spike.trial"][found["spike.unit"] == k]
        np.testing.assert_array_equal(np.bincount(here, minlength=len(found["trial"])), table[found["trial"]])
    payload = trials_payload(found)
    assert payload is not None and "gain" not in payload and payload["trial"] == found["trial"].tolist()


def test_units_of_other_trials_were_not_recorded_together(run_folder: Path) -> None:
    run = load_run(run_folder)
    run._per_trial["1"] = run.per_trial("1").iloc[1:]
    assert single_trials(run) is None
