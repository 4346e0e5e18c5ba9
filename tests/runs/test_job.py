"""Folds of a job: balanced by condition and by which units were held."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.config import FitSettings, resolve_settings
from rnnspike.errors import RecordingError, RnnspikeError, RunError
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.runs.batch import fit_recording
from rnnspike.runs.job import load_recording
from rnnspike.runs.plan import make_job
from rnnspike.runs.stored.reopen import reopen


def written(path: Path, n_trials: int) -> Path:
    """Two units, each held in every other block of trials of its own."""
    rng = np.random.default_rng(0)
    starts = np.arange(n_trials) * 2.0 + 1.0
    windows = np.stack([starts - 0.5, starts + 1.0], axis=1)
    held = {"a": windows[: n_trials // 2], "b": windows[n_trials // 2 :]}
    units = tuple(
        Unit(name, np.sort(np.concatenate([rng.uniform(low, high, 30) for low, high in rows])), rows)
        for name, rows in held.items()
    )
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 1.0})
    write_nwb(path, Recording(path, "", 0, "nwb", units, intervals={"trials": trials}))
    return path


def test_every_fold_has_trials_of_every_unit(tmp_path: Path) -> None:
    loaded = load_recording(written(tmp_path / "s.nwb", 20), resolve_settings({}, environment={})[0])
    for unit in loaded.plan.unit_ids:
        held = loaded.trials([unit]).observed.any(axis=(1, 2))
        assert np.bincount(loaded.folds[held], minlength=5).tolist() == [2] * 5


def test_too_few_trials_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="too few to hold any out"):
        load_recording(written(tmp_path / "s.nwb", 2), resolve_settings({"min_spikes": 1}, environment={})[0])


def overlapping(path: Path, every_s: float = 0.4) -> Path:
    """Trials of 1 s that start every .4 s."""
    starts = np.arange(20) * every_s
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 1.0})
    unit = Unit("a", np.arange(0.005, 20 * every_s + 1.0, 0.05), np.array([[0.0, 20 * every_s + 1.0]]))
    write_nwb(path, Recording(path, "", 0, "nwb", (unit,), intervals={"trials": trials}))
    return path


def test_windows_that_overlap_are_named_and_the_window_offered_does(tmp_path: Path) -> None:
    path = overlapping(tmp_path / "s.nwb")
    with pytest.raises(RecordingError, match="windows of 20 trials overlap: 1 group of them") as error:
        load_recording(path, resolve_settings({}, environment={})[0])
    assert error.value.option == "--window 0 0.4"
    loaded = load_recording(path, resolve_settings({"window": (0.0, 0.4)}, environment={})[0])
    assert loaded.n_folds == 5


def test_the_window_offered_lies_about_time_zero_as_the_one_asked_for(tmp_path: Path) -> None:
    path = overlapping(tmp_path / "s.nwb", every_s=2.0)
    with pytest.raises(RecordingError) as error:
        load_recording(path, resolve_settings({"window": (-1.5, 2.5)}, environment={})[0])
    assert error.value.option == "--window -0.75 1.25"


def test_long_segments_are_offered_shorter_ones(tmp_path: Path) -> None:
    path = overlapping(tmp_path / "s.nwb")
    with pytest.raises(RecordingError, match=r"2 trials are too few .* \(try --segment 1s\)"):
        load_recording(path, resolve_settings({"segment": "4s"}, environment={})[0])


def session(folder: Path, seed: int = 0) -> Path:
    """A folder of two text files, a unit each."""
    rng = np.random.default_rng(seed)
    folder.mkdir(exist_ok=True)
    for name in ("a", "b"):
        (folder / f"{name}.txt").write_text("\n".join(f"{t:.4f}" for t in np.sort(rng.uniform(0, 60, 900))))
    return folder


@pytest.mark.parametrize("change", ["content", "new file", "vanished"])
def test_a_recording_that_changes_after_planning_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    path = session(tmp_path / "s")
    job, loaded = make_job(path, FitSettings(out=tmp_path / "o", models=("constant",), replicates=0, segment=2.0))
    if change == "content":
        session(path, seed=1)
    elif change == "new file":
        (path / "c.txt").write_text((path / "a.txt").read_text())
    else:
        shutil.rmtree(path)
    monkeypatch.setattr("rnnspike.runs.job._LOADED", {})  # as in a worker, which reads it again
    with pytest.raises(RnnspikeError, match=r"s: (changed while it was being fitted|no such file)"):
        fit_recording(job, loaded)
    assert not (job.folder / "done.json").exists()


def test_a_recording_that_was_only_touched_is_fitted(tmp_path: Path) -> None:
    path = session(tmp_path / "s")
    job, loaded = make_job(path, FitSettings(out=tmp_path / "o", models=("constant",), replicates=0, segment=2.0))
    os.utime(path / "a.txt", ns=(1, 1))
    assert {row["status"] for row in fit_recording(job, loaded)} == {"ok"}


def test_events_are_part_of_the_fit_and_of_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, events = session(tmp_path / "s"), tmp_path / "events.csv"
    events.write_text("start_time,stop_time\n" + "\n".join(f"{t},{t + 1}" for t in range(1, 50, 2)))
    settings = FitSettings(out=tmp_path / "o", models=("constant",), replicates=0, report=False, events=events)
    monkeypatch.chdir(tmp_path)
    relative = settings.model_copy(update={"events": Path("events.csv")})
    job, loaded = make_job(path, relative)
    assert job.id == make_job(path, settings)[0].id
    fit_recording(job, loaded)
    assert "events.csv" in (job.folder / "settings.json").read_text()
    assert str(tmp_path) not in (job.folder / "settings.json").read_text()
    monkeypatch.chdir(path)
    assert reopen(job.folder).loaded.plan.n_trials == 25
    events.write_text(events.read_text().replace("1,2", "1,1.5"))
    assert make_job(path, settings)[0].id != job.id
    with pytest.raises(RunError, match="changed since it was fitted"):
        reopen(job.folder)


@pytest.mark.parametrize("bin_s", [0.001, 0.05])
def test_spikes_of_a_unit_are_those_of_its_trials(tmp_path: Path, bin_s: float) -> None:
    loaded = load_recording(written(tmp_path / "s.nwb", 20), resolve_settings({"bin": bin_s}, environment={})[0])
    for unit in loaded.plan.unit_ids:
        found = loaded.spikes(unit)
        spikes, observed = loaded.plan.trials([unit]).past_and_window()
        np.testing.assert_array_equal(found.counts(np.arange(20)), spikes[:, :, 0])
        np.testing.assert_array_equal(found.observed, observed[:, :, 0])
        assert len(found.bins) == found.first[-1] > 0
