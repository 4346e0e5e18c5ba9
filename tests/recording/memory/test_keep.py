from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.recording.data import Recording
from rnnspike.recording.memory import keep as module
from rnnspike.recording.memory.keep import keep
from rnnspike.recording.read import read_recording

TRIALS = pd.DataFrame({"start_time": np.arange(5.0), "stop_time": np.arange(5) + 0.5, "side": list("ababa")})


def recording(**given: object) -> Recording:
    times = np.array([0.3, 0.1, np.nan, 1.2, 4.0], np.float32)
    named = {
        "name": "a mouse",
        "units": {"area": ["V1"]},
        "covariates": {"speed": (np.arange(50) / 10, np.arange(50))},
    }
    return Recording.from_arrays([times], TRIALS, **{**named, **given})  # type: ignore[arg-type]


def test_reading_finds_what_was_given(tmp_path: Path) -> None:
    made = recording()
    read = read_recording(keep(made, tmp_path))
    assert read.units[0].spike_times_s.tolist() == made.units[0].spike_times_s.tolist()
    assert dict(read.units[0].metadata) == {"area": "V1"} and read.units[0].observed_s is None
    assert read.intervals["trials"]["side"].tolist() == list("ababa")
    assert {each.id for each in read.findings} == {each.id for each in made.findings}
    assert {"float32-times", "spike-times-unsorted", "spike-times-nan"} <= {each.id for each in read.findings}
    assert read.covariates["speed"].load()[1][:, 0].tolist() == list(range(50))


def test_equal_contents_are_one_file(tmp_path: Path) -> None:
    path = keep(recording(), tmp_path)
    before = path.stat().st_mtime_ns
    assert keep(recording(), tmp_path) == path and path.stat().st_mtime_ns == before
    assert path.name == "a mouse.nwb" and len([*tmp_path.glob("*/*")]) == 1
    for other in ({"observed": (0, 9)}, {"units": {"area": ["V2"]}}, {"session": {"lab": "x"}}, {"name": "b"}):
        assert keep(recording(**other), tmp_path).parent != path.parent


def test_the_bytes_follow_from_the_contents(tmp_path: Path) -> None:
    one, other = (keep(recording(), tmp_path / name).read_bytes() for name in "ab")
    assert one == other


def test_findings_of_what_was_changed_are_kept(tmp_path: Path) -> None:
    changed = replace(recording(), invalid_s=np.array([[3.0, 3.5]]))
    assert changed.origin is None
    read = read_recording(keep(changed, tmp_path))
    assert {each.id for each in changed.findings} <= {each.id for each in read.findings}


def test_large_series_are_kept_where_they_are_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SERIES_BYTES", 100)
    assert not read_recording(keep(recording(), tmp_path)).covariates
    assert list(read_recording(keep(recording(), tmp_path, ["speed"])).covariates) == ["speed"]
