from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording.data import ReadOptions, Recording
from rnnspike.recording.formats.text.events import read_events
from rnnspike.recording.read import read_recording

Build = Callable[..., Path]


def read(nwb: Build, tmp_path: Path, content: str, **given: object) -> Recording:
    (tmp_path / "events.csv").write_text(content)
    return read_recording(nwb(**given), ReadOptions(events_file=tmp_path / "events.csv"))


@pytest.mark.parametrize("content", [
    "start_time,stop_time,side\n0.5,1.5,L\n2.5,3.5,R\n",
    "onset;duration;side\n0.5;1.0;L\n2.5;1.0;R\n",
    "start\tend\tside\n0.5\t1.5\tL\n2.5\t3.5\tR\n",
    "start_ms,stop_ms,side\n500,1500,L\n2500,3500,R\n",
])  # fmt: skip
def test_intervals(nwb: Build, tmp_path: Path, content: str) -> None:
    table = read(nwb, tmp_path, content, trials=None).intervals["trials"]
    assert table["start_time"].tolist() == [0.5, 2.5] and table["stop_time"].tolist() == [1.5, 3.5]
    assert table["side"].tolist() == ["L", "R"]


def test_events_without_a_stop(nwb: Build, tmp_path: Path) -> None:
    recording = read(nwb, tmp_path, "time_s,odour\n0.5,a\n1.5,b\n", trials=None)
    assert recording.events["trials"].to_dict("list") == {"start_time": [0.5, 1.5], "odour": ["a", "b"]}
    assert any(item.id == "events-file" and item.count == 2 for item in recording.findings)


def test_the_file_goes_before_the_recordings_own_trials(nwb: Build, tmp_path: Path) -> None:
    recording = read(nwb, tmp_path, "start_time,stop_time\n0.5,1.5\n2.0,3.0\n")
    assert list(recording.intervals) == ["trials", "trials_in_recording"]
    assert recording.intervals["trials"]["start_time"].tolist() == [0.5, 2.0]


def test_the_file_counts_for_the_hash(nwb: Build, tmp_path: Path) -> None:
    first = read(nwb, tmp_path, "start_time\n0.5\n2.0\n").sha256
    assert read(nwb, tmp_path, "start_time\n0.5\n2.5\n").sha256 != first != read_recording(nwb()).sha256


@pytest.mark.parametrize(("content", "match"), [
    ("", "cannot be read"),
    ("odour,side\na,L\n", "no column of times among odour, side"),
    ("time,odour\nsoon,a\n", "holds no numbers"),
])  # fmt: skip
def test_files_that_say_nothing(nwb: Build, tmp_path: Path, content: str, match: str) -> None:
    with pytest.raises(RecordingError, match=match):
        read(nwb, tmp_path, content)


def test_a_missing_file(nwb: Build, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"gone.csv: the events file cannot be read \(No such file"):
        read_recording(nwb(), ReadOptions(events_file=tmp_path / "gone.csv"))


def test_decimal_commas_are_told_as_such(tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text("start_time;stop_time\n1,5;2\n3,5;4\n")
    with pytest.raises(RecordingError, match=r"decimal commas \(1,5\)"):
        read_events(file)
