from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.errors import RecordingError
from rnnspike.recording.formats.text.spike_times import _units_of
from rnnspike.recording.read import examine_recording, read_recording


def read(tmp_path: Path, content: str, name: str = "spikes.txt") -> dict[str, list[float]]:
    (tmp_path / name).write_text(content)
    return {unit.id: unit.spike_times_s.tolist() for unit in read_recording(tmp_path / name).units}


@pytest.mark.parametrize(
    "content", ["0.1\n0.25\n0.9\n", "# s\n0.1\n0.25\n\n0.9", "0.1\r\n0.25\r\n0.9\r\n", "0.1,\n0.25,\n0.9,"]
)
def test_one_time_a_line(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content) == {"0": [0.1, 0.25, 0.9]}


def test_one_unit_a_line(tmp_path: Path) -> None:
    assert read(tmp_path, "0.1\t0.2\t0.3\n0.15\t0.5\n") == {"0": [0.1, 0.2, 0.3], "1": [0.15, 0.5]}


def test_one_unit_a_column_padded(tmp_path: Path) -> None:
    content = "left right\n0.1 0.2\n0.3 0.4\n0.5 nan\n"
    assert read(tmp_path, content) == {"left": [0.1, 0.3, 0.5], "right": [0.2, 0.4]}


@pytest.mark.parametrize("content", ["1 0.1\n2 0.15\n1 0.3\n2 0.35\n", "0.1 1\n0.15 2\n0.3 1\n0.35 2\n"])
def test_pairs_of_unit_and_time(tmp_path: Path, content: str) -> None:
    assert read(tmp_path, content) == {"1": [0.1, 0.3], "2": [0.15, 0.35]}


def test_a_word_among_the_times_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="row 2 holds 'oops'"):
        read(tmp_path, "0.1\noops\n0.3\n")


@pytest.mark.parametrize("content", ["", "\n\n", "# nothing\n"])
def test_an_empty_file_says_so(tmp_path: Path, content: str) -> None:
    with pytest.raises(RecordingError, match="no spike times"):
        read(tmp_path, content)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "spikes.txt").write_bytes(b"\xff\xfe\x00\x01" * 20)
    with pytest.raises(RecordingError, match="not a text file"):
        read_recording(tmp_path / "spikes.txt")


def test_a_folder_of_one_file_a_unit(tmp_path: Path) -> None:
    folder = tmp_path / "cells"
    folder.mkdir()
    (folder / "b2.txt").write_text("0.2\n0.4\n")
    (folder / "a1.txt").write_text("0.1\n")
    recording = read_recording(folder)
    assert [unit.id for unit in recording.units] == ["a1", "b2"] and len(recording.sha256) == 64


@given(st.lists(st.lists(st.integers(0, 10**6), min_size=1, max_size=8, unique=True), min_size=2, max_size=5))
def test_ragged_lines_come_back_as_units(rows: list[list[int]]) -> None:
    widths = {len(row) for row in rows}
    trains = [sorted(value / 1000 + 0.0005 for value in row) for row in rows]
    units = _units_of(None, [[repr(value) for value in train] for train in trains])
    if len(widths) > 1:
        assert [unit.times.tolist() for unit in units] == trains


def test_csv_of_units_and_times(tmp_path: Path) -> None:
    content = "unit_id,time_s,shank\n10,0.2,1\n2,0.1,0\n10,0.5,1\n"
    (tmp_path / "spikes.csv").write_text(content)
    units = read_recording(tmp_path / "spikes.csv").units
    assert [(unit.id, unit.spike_times_s.tolist()) for unit in units] == [("2", [0.1]), ("10", [0.2, 0.5])]
    assert units[1].metadata == {"shank": 1}


@pytest.mark.parametrize("header", ["neuron,spike_time_ms", "cell;time (ms)", "cluster\tt_ms"])
def test_csv_names_and_milliseconds(tmp_path: Path, header: str) -> None:
    mark = next(mark for mark in ",;\t" if mark in header)
    content = f"{header}\na{mark}100\na{mark}250.5\nb{mark}300\n"
    assert read(tmp_path, content, "spikes.csv") == {"a": [0.1, pytest.approx(0.2505)], "b": [pytest.approx(0.3)]}


def test_csv_of_trials_on_their_own_clocks(tmp_path: Path) -> None:
    rows = ["trial,side,unit,time_s"]
    rows += [
        f"{trial},{'LR'[trial % 2]},{unit},{t}" for trial in range(3) for unit in (0, 1) for t in (-0.5, 0.25, 1.0)
    ]
    (tmp_path / "spikes.csv").write_text("\n".join(rows))
    recording = read_recording(tmp_path / "spikes.csv")
    trials = recording.intervals["trials"]
    assert trials["side"].tolist() == ["L", "R", "L"]
    for unit in recording.units:
        relative = unit.spike_times_s.reshape(3, 3) - trials["zero_time"].to_numpy()[:, None]
        assert relative == pytest.approx(np.tile([-0.5, 0.25, 1.0], (3, 1)))
    assert {"trial-extent-assumed", "segments-laid-out"} <= {finding.id for finding in recording.findings}


def test_csv_without_a_header_is_text(tmp_path: Path) -> None:
    assert read(tmp_path, "1,0.1\n2,0.2\n1,0.35\n", "spikes.csv") == {"1": [0.1, 0.35], "2": [0.2]}


def test_csv_of_columns_that_are_units(tmp_path: Path) -> None:
    assert read(tmp_path, "a1,a2\n0.1,0.2\n0.3,\n", "spikes.csv") == {"a1": [0.1, 0.3], "a2": [0.2]}


def test_csv_with_text_for_a_time(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="row 2, column time holds 'soon'"):
        read(tmp_path, "unit,time\n1,0.1\n1,soon\n", "spikes.csv")


def test_a_csv_of_events_is_no_recording(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="--events"):
        read(tmp_path, "time_s,condition\n1.0,a\n2.0,b\n", "events.csv")


def test_whole_numbers_are_not_taken_for_seconds(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"--time-scale 0.001") as caught:
        read(tmp_path, "\n".join(str(17 * i * i % 40 + 60 * i) for i in range(1, 60)))
    assert caught.value.finding_id == "spike-times-scale"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.txt", "0,02394\n0,15785\n0,26243\n"),
        ("x.txt", "0;1,5\n0;2,25\n1;1,75\n"),
        ("x.csv", "time\n0,5\n1,5\n"),
        ("x.csv", "unit;time_s\n1;0,5\n1;1,5\n"),
        ("x.csv", "unit,time_s\n1,0,5\n1,1,5\n"),
    ],
)
def test_decimal_commas_are_told_as_such(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(RecordingError, match="decimal commas"):
        read_recording(tmp_path / name)


def test_pairs_of_whole_numbers_have_no_decimal_commas(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("0,100\n0,250\n1,150\n1,300\n")
    assert len(examine_recording(tmp_path / "x.txt").units) >= 2


def test_a_file_a_unit_whose_names_repeat(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("0.5\n1.5\n")
    (tmp_path / "a.dat").write_text("0.7\n")
    recording = read_recording(tmp_path)
    assert {unit.id: len(unit.spike_times_s) for unit in recording.units} == {"a": 1, "a_2": 2}
    assert "unit-ids-repeated" in {item.id for item in recording.findings}


def test_columns_whose_names_repeat(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text("7,cell,cell\n0.5,0.6,0.7\n1.5,1.6,\n".replace("7,", "x,", 1))
    recording = read_recording(tmp_path / "wide.csv")
    assert {unit.id: len(unit.spike_times_s) for unit in recording.units} == {"x": 2, "cell": 2, "cell_2": 1}
    assert "unit-ids-repeated" in {item.id for item in recording.findings}


@pytest.mark.parametrize("name", ["long.csv", "pairs.txt"])
def test_long_numbers_of_units_stay_apart(tmp_path: Path, name: str) -> None:
    rows = [(10000001.0, 0.5), (10000002.0, 0.6), (10000001.0, 1.5), (10000002.0, 1.6)]
    head = "unit,time_s\n" if name.endswith("csv") else ""
    (tmp_path / name).write_text(head + "".join(f"{unit},{time}\n" for unit, time in rows))
    assert [unit.id for unit in read_recording(tmp_path / name).units] == ["10000001", "10000002"]
