"""The brief reading of a unit's networks: part of the fit, the same for any engine, replaced by a deep analysis."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnspike.config import FitSettings, resolve_settings
from rnnspike.dynamics.summary import summarise
from rnnspike.models.networks.bin_clock.fitted import FittedRecurrent
from rnnspike.models.networks.bin_clock.model import EFFORTS
from rnnspike.models.networks.bin_clock.settings import RecurrentSettings
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.report.load import load_run
from rnnspike.report.network import (
    behind_glm,
    brief_note,
    has_dynamics,
    network_payload,
    network_rows,
    why_no_network,
)
from rnnspike.runs.batch import fit_recording
from rnnspike.runs.dynamics import DynamicsOptions, analyse_run
from rnnspike.runs.fitting.reading import network_to_read, read_network, reading_file, write_readings
from rnnspike.runs.job import Job
from rnnspike.runs.plan import make_job, tasks_of
from rnnspike.runs.tasks import Task

TINY = RecurrentSettings(n_hidden=4, n_updates=10, n_rows=4, chunk_s=0.1, n_validations=2)
FIT = {"models": ["lstm"], "effort": "fast", "replicates": 0, "report": False}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, path = np.random.default_rng(8), tmp_path_factory.mktemp("reading") / "s.nwb"
    units = tuple(Unit(name, np.sort(rng.uniform(0, 30, 600)), np.array([[0.0, 30.0]])) for name in ("a", "b/1"))
    starts = np.arange(24) * 1.0 + 3.0
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 0.3})
    write_nwb(path, Recording(path, "", 0, "nwb", units, intervals={"trials": trials}))
    return path


def fit(recording: Path, out: Path, **settings: Any) -> Job:
    """Fit tiny networks and return the job."""
    job, loaded = make_job(recording, resolve_settings({"out": out, **FIT, **settings}, environment={})[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(EFFORTS, "fast", TINY)
        fit_recording(job, loaded)
    return job


@pytest.fixture(scope="module")
def fitted(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    return fit(recording, tmp_path_factory.mktemp("fitted"))


def rows_of(folder: Path, name: str = "rows") -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "dynamics" / f"{name}.jsonl").read_text().splitlines()]


def bytes_of(folder: Path) -> dict[str, bytes]:
    own = {"run.json", "settings.json"}
    files = [file for file in folder.rglob("*") if file.is_file() and file.name not in own]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def test_a_fit_reads_the_networks_of_each_unit(fitted: Job) -> None:
    rows, summary = rows_of(fitted.folder), rows_of(fitted.folder, "summary")
    assert [row["unit"] for row in rows] == ["a"] * 2 + ["b/1"] * 2  # one of each of two trainings
    assert {row["seed"] for row in rows if row["unit"] == "a"} == {"test0-stop1", "test2-stop3"}
    assert all(row["brief"] and row["status"] == "ok" and row["input"] == "silent" for row in rows)
    assert all(row["n_starts"] >= 16 and 0 < row["longest_lag_ms"] <= 200 for row in rows)
    assert [row["n_seeds"] for row in summary] == [2, 2]
    assert "in each of 2 networks, from 16 starts" in summary[0]["message"]
    assert "2 networks only: a range needs at least three" in summary[0]["message"]
    folder = fitted.folder / "dynamics" / "b%2F1" / "lstm" / "test0-stop1"
    assert {file.name for file in folder.iterdir()} == {"silent.npz", "memory.npz"}


def test_without_readings_all_else_is_the_same(recording: Path, fitted: Job, tmp_path: Path) -> None:
    other = fit(recording, tmp_path, dynamics=False)
    assert not (other.folder / "dynamics").exists() and other.id == fitted.id
    kept = {name: data for name, data in bytes_of(fitted.folder).items() if not name.startswith("dynamics/")}
    assert bytes_of(other.folder) == kept
    settings = json.loads((other.folder / "settings.json").read_text())["settings"]
    assert settings["dynamics"]["value"] is False
    assert "rnnspike dynamics RUN looks into lstm" in why_no_network(load_run(other.folder))


def test_the_same_bytes_in_another_order(fitted: Job, tmp_path: Path, monkeypatch) -> None:
    shutil.copytree(fitted.folder, tmp_path / "s")
    job = Job(fitted.path, fitted.name, tmp_path / "s", fitted.settings, fitted.id, fitted.source)
    monkeypatch.setattr("rnnspike.runs.fitting.reading.has_models", lambda *_: True)
    shutil.rmtree(job.folder / "dynamics")
    for unit in ("b/1", "a"):
        read_network(job, unit)
    write_readings(job, {})
    shutil.rmtree(job.work)
    assert bytes_of(job.folder) == bytes_of(fitted.folder)


def test_a_reading_is_a_task_of_its_unit(fitted: Job) -> None:
    from rnnspike.runs.job import load_job

    tasks = tasks_of(load_job(fitted), fitted.settings)
    assert {need.unit for need in tasks[Task("read", "a")]} == {"a"}
    assert all(need.kind == "fit" for need in tasks[Task("read", "a")])


@pytest.mark.parametrize(
    ("models", "chosen"),
    [(["gru", "lstm", "rnn"], "lstm"), (["rnn", "gru"], "gru"), (["lru", "glm"], "lru"), (["lstm-glm"], None)],
)
def test_the_lstm_is_preferred(models: list[str], chosen: str | None) -> None:
    assert network_to_read(FitSettings(models=models)) == chosen
    assert network_to_read(FitSettings(models=models, dynamics=False)) is None


def test_a_reading_that_fails_is_a_row(fitted: Job, tmp_path: Path, monkeypatch) -> None:
    job = Job(fitted.path, fitted.name, tmp_path, fitted.settings, fitted.id, fitted.source)
    shutil.copytree(fitted.folder / "units", tmp_path / "units")
    monkeypatch.setattr("rnnspike.runs.fitting.reading.has_models", lambda *_: True)
    states = FittedRecurrent.states

    def fail(self: FittedRecurrent, trials: Any) -> Any:
        if trials.unit_ids == ("a",):
            raise ArithmeticError("no state")
        return states(self, trials)

    monkeypatch.setattr(FittedRecurrent, "states", fail)
    read_network(job, "a")
    assert reading_file(job, "a").is_file()
    write_readings(job, {Task("read", "b/1"): "a worker died"})
    assert [(row["unit"], row["status"]) for row in rows_of(tmp_path)] == [("a", "failed")] * 2 + [("b/1", "failed")]
    first, last = rows_of(tmp_path, "summary")
    assert first["message"] == "2 networks: ArithmeticError: no state" and last["message"] == "a worker died"


def test_a_network_that_was_not_fitted_is_skipped_with_its_reason(fitted: Job, tmp_path: Path) -> None:
    job = Job(fitted.path, fitted.name, tmp_path, fitted.settings, fitted.id, fitted.source)
    read_network(job, "a")
    (row,) = json.loads(reading_file(job, "a").read_text())["rows"]
    assert (row["status"], row["message"]) == ("skipped", "was not trained")


def test_the_page_says_what_is_less(fitted: Job) -> None:
    run = load_run(fitted.folder)
    payload, rows = network_payload(run), network_rows(run)
    assert payload is not None and rows is not None and not has_dynamics(run)
    assert "2 networks per unit, one input (silent), 16 starts per search" in str(brief_note(rows))
    assert len(payload["networks"]) == 4 and payload["brief"] == brief_note(rows)
    assert "Medians (ranges) over 2: gates" in payload["said"][0]


def test_a_network_behind_the_glm_carries_a_warning(fitted: Job) -> None:
    run = load_run(fitted.folder)
    run.gains["a", "lstm", "glm"] = (-0.1, -0.15, -0.05)
    run.gains["b/1", "lstm", "glm"] = (-0.02, -0.06, 0.03)
    first, second = behind_glm(run, network_rows(run) or [])
    assert "read it with care" in first and first.endswith("by 0.100 bits/spike (95 % interval 0.050 to 0.150).")
    assert "is not shown to be worse or better than glm" in second
    assert "by 0.020 bits/spike (95 % interval -0.030 to 0.060)" in second


def test_a_deep_analysis_replaces_the_readings_of_its_units(fitted: Job, tmp_path: Path) -> None:
    folder = tmp_path / "s"
    shutil.copytree(fitted.folder, folder)
    options = DynamicsOptions(units=("a",), n_members=1, n_starts=8, pictures=False)
    came = analyse_run(folder, options)
    assert {row["unit"] for row in came} == {"a"} and not any(row["brief"] for row in came)
    stored = rows_of(folder)
    assert {(row["unit"], row["brief"]) for row in stored} == {("a", False), ("b/1", True)}
    left = sorted(member.name for member in (folder / "dynamics" / "a" / "lstm").iterdir())
    assert left == ["test0-stop1"]
    assert len(list((folder / "dynamics" / "b%2F1").rglob("memory.npz"))) == 2
    assert has_dynamics(load_run(folder))


def test_a_deep_analysis_keeps_those_of_other_units(fitted: Job, tmp_path: Path) -> None:
    once, twice = tmp_path / "once", tmp_path / "twice"
    quick = DynamicsOptions(n_members=1, n_starts=8, pictures=False)
    for folder, calls in ((once, [("a", "b/1")]), (twice, [("b/1",), ("a",)])):
        shutil.copytree(fitted.folder, folder)
        for units in calls:
            came = analyse_run(folder, replace(quick, units=units))
            assert {row["unit"] for row in came} == set(units)
    assert {(row["unit"], row["brief"]) for row in rows_of(twice)} == {("a", False), ("b/1", False)}
    assert bytes_of(twice) == bytes_of(once)
    analyse_run(once, replace(quick, units=("a",), n_members=2))
    for member in (once / "dynamics" / "a" / "lstm").iterdir():
        (member / "state_space.png").touch()
    analyse_run(once, replace(quick, units=("a",)))
    assert bytes_of(once) == bytes_of(twice)  # nothing is left of what was not looked at again


def test_points_that_a_brief_search_did_not_find_may_exist(fitted: Job) -> None:
    rows = rows_of(fitted.folder)[:2]
    none = [{**row, "n_fixed": 0, "n_stable": 0, "n_saddle": 0, "n_unstable": 0} for row in rows]
    (some,) = summarise([*none[:1], *({**row, "n_fixed": 1} for row in rows[1:])])
    assert "at least 0 to 1 fixed points" in some["message"]
    assert "in 1 of 2 networks no fixed point was found from 16 starts" in some["message"]
    (found,) = summarise(none)
    assert "at least 0" not in found["message"] and "in each of" not in found["message"]
    assert "in 2 of 2 networks no fixed point was found from 16 starts" in found["message"]
