"""Recordings with many units: pooled networks of groups of bounded size, and work that goes once it was read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnspike.config import FitSettings
from rnnspike.models.packed import packed_folders
from rnnspike.models.population import links
from rnnspike.neurons.registry import cell_spec
from rnnspike.neurons.session import SessionOptions, simulate_session
from rnnspike.recording.write import write_nwb
from rnnspike.report.load import load_run
from rnnspike.runs import job as jobs
from rnnspike.runs.batch import fit_recording
from rnnspike.runs.fitting.task import run_task
from rnnspike.runs.plan import make_job, tasks_of
from rnnspike.runs.stored.claim import take
from rnnspike.runs.stored.reopen import reopen


@pytest.fixture
def settings(tmp_path: Path) -> FitSettings:
    return FitSettings(out=tmp_path / "out", models=("spike-lstm", "coupling"), effort="fast", replicates=0, folds=4)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    path = tmp_path / "three.nwb"
    cells = [cell_spec("refractory")] * 3
    write_nwb(path, simulate_session(cells, SessionOptions(24, inter_trial_s=0.5, seed=3)).recording)
    return path


@pytest.fixture
def two_units_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MOST_POOLED_BINS", 2 * 24 * 3000)  # 24 trials of 1 s with 2 s before them


def test_pooled_networks_take_groups_of_units(session: Path, settings: FitSettings, two_units_at_most: None) -> None:
    job, loaded = make_job(session, settings)
    assert loaded.groups == [("0", "1"), ("2",)]
    tasks = tasks_of(loaded, settings)
    evaluation = next(task for task in tasks if task.kind == "finish" and task.unit == "2")
    assert {need.group for need in tasks[evaluation] if need.kind == "pooled"} == {1}
    order = [task.unit for task in tasks if task.kind == "fit"]
    assert order.index("2") > max(k for k, unit in enumerate(order) if unit != "2")
    rows = {(row["unit"], row["model"]): row for row in fit_recording(job, loaded)}
    assert all(rows[unit, "spike-lstm"]["status"] == "ok" for unit in "012")
    again, run = reopen(job.folder), load_run(job.folder)
    for unit in "012":
        model = again.held_out_model("spike-lstm", unit, 0)
        assert np.isfinite(model.intensity(again.trials(unit).take([0, 1]))).all()
        assert {name for name, _, _ in run.trainings(unit)} == {"spike-lstm"}
    n_trainings = [len(list(run.trainings(unit))) for unit in "012"]
    folder = job.folder / "models" / "spike-lstm"
    n_members = [len(packed_folders(folder / group)) for group in packed_folders(folder)]
    assert len(set(n_trainings)) == 1 and n_members == 2 * [n_trainings[0]]


def test_few_units_are_trained_as_one(session: Path, settings: FitSettings) -> None:
    _, loaded = make_job(session, settings)
    assert loaded.pooled_units("spike-lstm") == {None: ("0", "1", "2")}
    assert loaded.group_of("spike-lstm", "1") is None


def test_a_network_of_the_population_takes_all(session: Path, settings: FitSettings, two_units_at_most: None) -> None:
    _, loaded = make_job(session, settings)
    assert loaded.pooled_units("population-gru") == {None: ("0", "1", "2")}


def test_predictions_go_once_the_units_that_need_them_are_evaluated(
    session: Path, settings: FitSettings, two_units_at_most: None
) -> None:
    job, loaded = make_job(session, settings)
    take(job, False)

    def stored(pattern: str) -> int:
        return len(list(job.work.glob(pattern)))

    tasks = list(tasks_of(loaded, settings))
    for task in [task for task in tasks if task.kind != "finish"]:
        run_task(job, task, {}, {}, None)
    before = stored("unit_1/*/predictions-*"), stored("pooled/spike-lstm/group0/*/predictions-*")
    assert min(before) > 0
    evaluations = {task.unit: task for task in tasks if task.kind == "finish"}
    run_task(job, evaluations["0"], {}, {}, None)
    assert stored("unit_0/*/predictions-*") == 0
    assert (stored("unit_1/*/predictions-*"), stored("pooled/spike-lstm/group0/*/predictions-*")) == before
    run_task(job, evaluations["1"], {}, {}, None)
    assert stored("pooled/spike-lstm/group0/*/predictions-*") == 0
    assert stored("pooled/spike-lstm/group1/*/predictions-*") > 0
    kept = {file.name for file in (job.work / "held_out").iterdir()}  # what tests of all units together read
    assert kept == {f"{unit}-{model}.npy" for unit in "01" for model in ("glm", "coupling")}


def test_pairs_that_a_first_look_passes_over_have_no_row(
    session: Path, settings: FitSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MOST_TESTED", 1)
    job, loaded = make_job(session, settings.model_copy(update={"models": ("coupling",)}))
    fit_recording(job, loaded)
    found = load_run(job.folder).links
    assert found is not None
    assert found.groupby("target").size().to_dict() == {"0": 1, "1": 1, "2": 1}
    assert found["p"].notna().all() and found["synchrony_z"].notna().all()
