from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from rnnspike.errors import RecordingError
from rnnspike.recording.read import read_recording


def train(times_ms: list[float], name: str = "a") -> dict[str, object]:
    return {
        "times": np.array(times_ms), "times_units": "ms", "t_start": -500.0, "t_start_units": "ms",
        "t_stop": 1.0, "t_stop_units": "s", "name": name,
    }  # fmt: skip


def segment(*trains: dict[str, object], **also: object) -> dict[str, object]:
    return {"spiketrains": list(trains), "name": "s", **also}


def save(path: Path, *segments: dict[str, object]) -> Path:
    savemat(path, {"block": {"segments": list(segments), "name": "made"}})
    return path


def test_segments_of_one_spike_and_one_event(tmp_path: Path) -> None:
    """What Neo's own reader fails on: MATLAB drops the dimension of one."""
    event = {"times": 250.0, "times_units": "ms", "labels": "go", "name": "cue"}
    path = save(tmp_path / "x.mat", *(segment(train([100.0]), train([], "b"), events=[event]) for _ in range(2)))
    recording = read_recording(path)
    trials = recording.intervals["trials"]
    assert (trials["cue_time"] - trials["zero_time"]).tolist() == pytest.approx([0.25, 0.25])
    assert (recording.unit("a").spike_times_s - trials["zero_time"]).tolist() == pytest.approx([0.1, 0.1])
    assert len(recording.unit("b").spike_times_s) == 0 and recording.unit("b").observed_s is not None


def test_trains_of_one_name_are_told_apart(tmp_path: Path) -> None:
    path = save(tmp_path / "x.mat", *(segment(train([100.0]), train([200.0, 300.0])) for _ in range(2)))
    recording = read_recording(path)
    assert {unit.id: len(unit.spike_times_s) for unit in recording.units} == {"a": 2, "a_2": 4}
    assert [item.count for item in recording.findings if item.id == "unit-ids-repeated"] == [1]


def test_epochs_are_intervals(tmp_path: Path) -> None:
    epoch = {
        "times": [0.0, 2.0], "times_units": "s", "durations": [500.0, 300.0], "durations_units": "ms",
        "labels": ["on", "off"], "name": "light",
    }  # fmt: skip
    recording = read_recording(save(tmp_path / "x.mat", segment(train([100.0, 200.0]), epochs=[epoch])))
    assert recording.intervals["light"].to_dict("list") == {
        "start_time": [0.0, 2.0], "stop_time": [0.5, 2.3], "label": ["on", "off"],
    }  # fmt: skip


def test_neo_reads_the_same(shared_data: Path) -> None:
    from neo.io import NeoMatlabIO

    path = shared_data / "foreign" / "star_cockroach_e070528_continuous.mat"
    trains = NeoMatlabIO(str(path)).read_block().segments[0].spiketrains
    for unit, expected in zip(read_recording(path).units, trains, strict=True):
        assert np.array_equal(unit.spike_times_s, expected.rescale("s").magnitude)


def test_a_file_of_something_else_says_what_it_holds(tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"raster": np.zeros((3, 4))})
    with pytest.raises(RecordingError, match="it holds raster"):
        read_recording(tmp_path / "x.mat")


def test_names_that_are_none_are_not_repeated(tmp_path: Path) -> None:
    savemat(tmp_path / "x.mat", {"raster": 1.0})
    content = (tmp_path / "x.mat").read_bytes()
    (tmp_path / "x.mat").write_bytes(content.replace(b"raster", b"r\x00\x1bt r"))
    with pytest.raises(RecordingError, match="it holds nothing"):
        read_recording(tmp_path / "x.mat")


@pytest.mark.parametrize(
    "content", [b"", b"MATLAB 5.0 MAT-file", bytes(500), b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"]
)
def test_damaged_files_end_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.mat").write_bytes(content)
    with pytest.raises(RecordingError, match="MATLAB"):
        read_recording(tmp_path / "x.mat")
