from __future__ import annotations

from pathlib import Path

import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording.data import ReadOptions
from rnnspike.recording.read import read_recording

RATE = ReadOptions(sampling_rate_hz=20000.0)


@pytest.fixture
def res(tmp_path: Path) -> Path:
    (tmp_path / "rat.res.1").write_text("2000\n4000\n6000\n8000\n")
    (tmp_path / "rat.clu.1").write_text("3\n2\n1\n2\n3\n")
    return tmp_path / "rat.res.1"


def test_by_either_file(res: Path) -> None:
    for path in (res, res.with_name("rat.clu.1")):
        units = read_recording(path, RATE).units
        assert [(unit.id, unit.spike_times_s.tolist()) for unit in units] == [
            ("1", [0.2]),
            ("2", [0.1, 0.3]),
            ("3", [0.4]),
        ]


def test_reserved_clusters_are_kept_and_said(res: Path) -> None:
    recording = read_recording(res, RATE)
    assert [unit.metadata["quality"] for unit in recording.units] == ["unsorted", "sorted", "sorted"]
    assert any(item.id == "unsorted-clusters" and item.count == 1 for item in recording.findings)


def test_without_a_rate_it_is_asked_for(res: Path) -> None:
    with pytest.raises(RecordingError, match="--sampling-rate 30000") as caught:
        read_recording(res)
    assert caught.value.finding_id == "sampling-rate-missing"


def test_the_rate_of_a_parameter_file(res: Path) -> None:
    res.with_name("rat.xml").write_text("<parameters><samplingRate>10000</samplingRate></parameters>")
    assert read_recording(res).units[1].spike_times_s.tolist() == [0.2, 0.6]


def test_all_groups_of_a_folder(res: Path) -> None:
    res.with_name("rat.res.2").write_text("1000\n")
    res.with_name("rat.clu.2").write_text("1\n5\n")
    assert [unit.id for unit in read_recording(res.parent, RATE).units] == ["1.1", "1.2", "1.3", "2.5"]


def test_groups_come_by_number_and_working_files_are_none(res: Path) -> None:
    for group in (10, 2):
        res.with_name(f"rat.res.{group}").write_text("1000\n")
        res.with_name(f"rat.clu.{group}").write_text("1\n5\n")
    for name in ("rat.temp.clu.1", "rat.clu.1.bak"):
        res.with_name(name).write_text("not finished")
    assert [unit.id for unit in read_recording(res.parent, RATE).units] == ["1.1", "1.2", "1.3", "2.5", "10.5"]


def test_two_sessions_in_a_folder_are_refused_by_name(res: Path) -> None:
    res.with_name("mouse.res.1").write_text("1000\n")
    res.with_name("mouse.clu.1").write_text("1\n5\n")
    with pytest.raises(RecordingError, match=r"2 KlustaKwik sessions \(mouse, rat\): give a file of one session"):
        read_recording(res.parent, RATE)
    assert [unit.id for unit in read_recording(res.with_name("mouse.res.1"), RATE).units] == ["5"]


def test_a_time_scale_is_refused_for_samples(res: Path) -> None:
    with pytest.raises(RecordingError, match=r"--time-scale is not for .*--sampling-rate 30000"):
        read_recording(res, ReadOptions(time_scale=1e-3))


@pytest.mark.parametrize("bad", ["nan", "1.5", "inf"])
def test_clusters_that_are_no_numbers(res: Path, bad: str) -> None:
    res.with_name("rat.clu.1").write_text(f"3\n2\n1\n{bad}\n3\n")
    with pytest.raises(RecordingError, match="other than cluster numbers"):
        read_recording(res, RATE)


def test_the_last_feature_is_the_time(res: Path) -> None:
    res.unlink()
    res.with_name("rat.fet.1").write_text("3\n1 9 2000\n2 9 4000\n3 9 6000\n4 9 8000\n")
    assert read_recording(res.with_name("rat.fet.1"), RATE).units[1].spike_times_s.tolist() == [0.1, 0.3]


def test_a_missing_partner(res: Path) -> None:
    res.with_name("rat.clu.1").unlink()
    with pytest.raises(RecordingError, match=r"rat.clu.1: is missing"):
        read_recording(res, RATE)


def test_files_that_do_not_fit(res: Path) -> None:
    res.write_text("2000\n")
    with pytest.raises(RecordingError, match=r"rat.res.1 has 1 spikes, rat.clu.1 4"):
        read_recording(res, RATE)
