from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording.data import ReadOptions
from rnnspike.recording.read import examine_recording, read_recording

SAMPLES = np.array([3000, 6000, 9000, 12000, 15000])


@pytest.fixture
def phy(tmp_path: Path) -> Path:
    folder = tmp_path / "sorted"
    folder.mkdir()
    np.save(folder / "spike_times.npy", SAMPLES[:, None].astype(np.uint64))
    np.save(folder / "spike_clusters.npy", np.array([4, 2, 4, 9, 2], np.int32))
    (folder / "params.py").write_text("dat_path = 'x.dat'\nsample_rate = 30000.0\nimport nothing_that_exists\n")
    (folder / "cluster_group.tsv").write_text("cluster_id\tgroup\n2\tgood\n4\tmua\n9\tnoise\n7\tgood\n")
    return folder


def test_clusters_are_units_in_seconds(phy: Path) -> None:
    units = read_recording(phy).units
    assert [(unit.id, unit.spike_times_s.tolist()) for unit in units] == [
        ("2", [0.2, 0.5]),
        ("4", [0.1, 0.3]),
        ("7", []),
    ]
    assert units[1].metadata == {"group": "mua"}


def test_noise_is_left_out_and_said(phy: Path) -> None:
    finding = next(item for item in read_recording(phy).findings if item.id == "noise-clusters")
    assert finding.count == 1 and "9" in finding.message


def test_a_curated_group_goes_before_the_sorters_label(phy: Path) -> None:
    (phy / "cluster_KSLabel.tsv").write_text("cluster_id\tKSLabel\n2\tmua\n")
    (phy / "cluster_info.tsv").write_text("cluster_id\tdepth\tgroup\n2\t120.5\tgood\n")
    metadata = read_recording(phy).units[0].metadata
    assert metadata == {"depth": 120.5, "group": "good", "KSLabel": "mua"}


def test_without_a_rate_it_is_asked_for(phy: Path) -> None:
    (phy / "params.py").unlink()
    with pytest.raises(RecordingError, match="--sampling-rate") as caught:
        read_recording(phy)
    assert caught.value.finding_id == "sampling-rate-missing"
    assert read_recording(phy, ReadOptions(sampling_rate_hz=10000)).units[1].spike_times_s.tolist() == [0.3, 0.9]
    assert read_recording(phy, ReadOptions(time_scale=1e-4)).units[1].spike_times_s == pytest.approx([0.3, 0.9])


def test_a_rate_other_than_the_folders_is_said(phy: Path) -> None:
    findings = read_recording(phy, ReadOptions(sampling_rate_hz=10000)).findings
    (finding,) = [item for item in findings if item.id == "sampling-rate-doubtful"]
    assert finding.message == "--sampling-rate 10000 is taken, though params.py says 30000"
    same = read_recording(phy, ReadOptions(sampling_rate_hz=30000)).findings
    assert "sampling-rate-doubtful" not in {item.id for item in same}


def test_a_rate_that_makes_a_recording_of_less_than_a_second_is_said(phy: Path) -> None:
    np.save(phy / "spike_times.npy", np.arange(0, 300_000, 10_000))
    np.save(phy / "spike_clusters.npy", np.zeros(30, np.int32))
    (phy / "params.py").unlink()
    said = {rate: read_recording(phy, ReadOptions(sampling_rate_hz=rate)).findings for rate in (30e3, 30e5)}
    doubts = {rate: [item.message for item in found if "rate" in item.id] for rate, found in said.items()}
    assert doubts == {30e3: [], 30e5: ["with --sampling-rate 3e+06, all spikes lie within 0.0967 s"]}


def test_examining_still_counts_spikes_without_a_rate(phy: Path) -> None:
    (phy / "params.py").unlink()
    recording = examine_recording(phy)
    assert [len(unit.spike_times_s) for unit in recording.units] == [2, 2, 0]
    assert [item.id for item in recording.findings if item.level == "error"] == ["sampling-rate-missing"]


def test_templates_serve_where_there_are_no_clusters(phy: Path) -> None:
    (phy / "spike_clusters.npy").rename(phy / "spike_templates.npy")
    assert len(read_recording(phy).units) == 3


@pytest.mark.parametrize(("name", "match"), [("spike_times.npy", "damaged"), ("spike_clusters.npy", "damaged")])
def test_damaged_arrays(phy: Path, name: str, match: str) -> None:
    (phy / name).write_bytes((phy / name).read_bytes()[:90])
    with pytest.raises(RecordingError, match=match):
        read_recording(phy)


def test_arrays_of_different_length(phy: Path) -> None:
    np.save(phy / "spike_clusters.npy", np.zeros(3, np.int32))
    with pytest.raises(RecordingError, match="5 spike times but 3 clusters"):
        read_recording(phy)


def test_a_pickled_array_is_never_loaded(phy: Path) -> None:
    np.save(phy / "spike_clusters.npy", np.array([{"a": 1}] * 5, dtype=object), allow_pickle=True)
    with pytest.raises(RecordingError, match="damaged"):
        read_recording(phy)
