"""Folds of a job: balanced by condition and by which units were held."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.config import resolve_settings
from rnnspike.errors import RecordingError
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.runs.job import load_recording


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
