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


def counts(phy: Path) -> dict[str, int]:
    return {unit.id: len(unit.spike_times_s) for unit in read_recording(phy).units}


def messages(phy: Path, finding_id: str) -> list[str]:
    return [item.message for item in read_recording(phy).findings if item.id == finding_id]


def test_clusters_are_units_in_seconds(phy: Path) -> None:
    units = read_recording(phy).units
    assert [(unit.id, unit.spike_times_s.tolist()) for unit in units] == [
        ("2", [0.2, 0.5]),
        ("4", [0.1, 0.3]),
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


def test_a_rate_other_than_the_folders_is_said(phy: Path) -> None:
    findings = read_recording(phy, ReadOptions(sampling_rate_hz=10000)).findings
    (finding,) = [item for item in findings if item.id == "sampling-rate-doubtful"]
    assert finding.message == "--sampling-rate 10000 is used, although params.py states 30000"
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
    assert [len(unit.spike_times_s) for unit in recording.units] == [2, 2]
    assert [item.id for item in recording.findings if item.level == "error"] == ["sampling-rate-missing"]


def test_templates_serve_where_there_are_no_clusters(phy: Path) -> None:
    (phy / "spike_clusters.npy").rename(phy / "spike_templates.npy")
    recording = read_recording(phy)
    assert counts(phy) == {"2": 2, "4": 2}
    assert "clusters-from-templates" in {item.id for item in recording.findings}


@pytest.mark.parametrize(("name", "match"), [("spike_times.npy", "damaged"), ("spike_clusters.npy", "damaged")])
def test_damaged_arrays(phy: Path, name: str, match: str) -> None:
    (phy / name).write_bytes((phy / name).read_bytes()[:90])
    with pytest.raises(RecordingError, match=match):
        read_recording(phy)


@pytest.mark.parametrize("header", [b"{'descr': ", b"{'descr': '<i4', 'shape': 5", b"(" * 40, bytes(40)])
def test_a_damaged_header_of_an_array(phy: Path, header: bytes) -> None:
    content = bytearray((phy / "spike_clusters.npy").read_bytes())
    content[10:120] = header.ljust(110, b" ")
    (phy / "spike_clusters.npy").write_bytes(bytes(content))
    with pytest.raises(RecordingError, match=r"spike_clusters.npy is damaged"):
        read_recording(phy)


def test_arrays_of_different_length(phy: Path) -> None:
    np.save(phy / "spike_clusters.npy", np.zeros(3, np.int32))
    with pytest.raises(RecordingError, match="5 spike times but 3 clusters"):
        read_recording(phy)


def test_a_pickled_array_is_never_loaded(phy: Path) -> None:
    np.save(phy / "spike_clusters.npy", np.array([{"a": 1}] * 5, dtype=object), allow_pickle=True)
    with pytest.raises(RecordingError, match="damaged"):
        read_recording(phy)


def test_the_curated_group_beats_a_stale_table(phy: Path) -> None:
    (phy / "cluster_group.tsv").write_text("cluster_id\tgroup\n2\tgood\n4\tgood\n9\tnoise\n")
    (phy / "cluster_info.tsv").write_text(
        "cluster_id\tgroup\tdepth\n2\tgood\t1\n4\tnoise\t2\n9\tgood\t3\n99\tgood\t4\n"
    )
    assert counts(phy) == {"2": 2, "4": 2}
    assert read_recording(phy).unit("4").metadata == {"group": "good", "depth": 2}
    (said,) = messages(phy, "cluster-labels-differ")
    assert said == "2 clusters have another group in cluster_info.tsv than in cluster_group.tsv, which is used (4, 9)"
    assert messages(phy, "labels-without-spikes") == ["1 labelled clusters have no spikes: left out (99)"]


@pytest.mark.parametrize("mark", [",", "\t"])
def test_the_labels_of_older_versions(phy: Path, mark: str) -> None:
    (phy / "cluster_group.tsv").unlink()
    (phy / "cluster_groups.csv").write_text(f"cluster_id{mark}group\n2{mark}noise\n9{mark}good\n")
    assert counts(phy) == {"4": 2, "9": 1}


def test_the_sorters_noise_counts_where_nobody_curated(phy: Path) -> None:
    (phy / "cluster_group.tsv").write_text("cluster_id\tKSLabel\n2\tgood\n4\tnoise\n9\tmua\n")
    assert counts(phy) == {"2": 2, "9": 1}
    (phy / "cluster_info.tsv").write_text("cluster_id\tgroup\n4\tgood\n")
    assert counts(phy) == {"2": 2, "4": 2, "9": 1}


@pytest.mark.parametrize("bad", ["", "unit7", "-1", "nan", "2.5", "inf", "0x2"])
@pytest.mark.parametrize("dtype", [np.int32, np.uint32, np.int64, np.uint64, np.float64])
def test_rows_without_a_usable_id(phy: Path, bad: str, dtype: type) -> None:
    np.save(phy / "spike_clusters.npy", np.array([4, 2, 4, 9, 2], dtype)[:, None])
    (phy / "cluster_group.tsv").write_text(f"cluster_id\tgroup\n{bad}\tnoise\n9\tnoise\n4\tgood\n")
    assert counts(phy) == {"2": 2, "4": 2}
    (said,) = messages(phy, "cluster-labels-broken")
    assert said.startswith("cluster_group.tsv") and (bad or "blank") in said.replace("blank", bad or "blank")


def test_ids_as_pandas_writes_them_beside_a_blank(phy: Path) -> None:
    (phy / "cluster_group.tsv").write_bytes(b"\xef\xbb\xbfcluster_id\tgroup\r\n9.0\tnoise\r\n\tmua\r\n4.0\tgood\r\n")
    assert counts(phy) == {"2": 2, "4": 2}


@pytest.mark.parametrize("stored", [
    np.array([4, 2, 4, -1, 2], np.int32), np.array([4, 2, 4, -1, 2]).astype(np.uint32),
    np.array([4, 2, 4, np.nan, 2]), np.array([4, 2, 4, 1.5, 2]),
])  # fmt: skip
def test_spikes_without_a_cluster(phy: Path, stored: np.ndarray) -> None:
    np.save(phy / "spike_clusters.npy", stored)
    assert counts(phy) == {"2": 2, "4": 2}
    assert "1 spike has no cluster (-1 or not an integer): left out" in messages(phy, "noise-clusters")


@pytest.mark.parametrize("written", [
    "30_000", "30000.", "3e4", "3e+4  # Hz\r", "30000  # Hz", "'30000'", '"3e4"', "float(30000)", "30 * 1000",
    "np.float64(30000.0)", "30000;", "1\nsample_rate = 30000", "[30000.0]",
])  # fmt: skip
def test_a_rate_as_python_writes_it(phy: Path, written: str) -> None:
    (phy / "params.py").write_text(f"dat_path = 'a.bin'\nsample_rate = {written}\nhp_filtered = False\n")
    assert read_recording(phy).unit("2").spike_times_s.tolist() == [0.2, 0.5]


@pytest.mark.parametrize(
    "written", ["fs", "'thirty'", "-30000", "0", "1e999", "None", "", "__import__('os').getpid()"]
)
def test_a_rate_that_cannot_be_used(phy: Path, written: str) -> None:
    (phy / "params.py").write_text(f"sample_rate = {written}\n")
    with pytest.raises(RecordingError, match=r"sample_rate = .* in params.py is not a rate: .*--sampling-rate"):
        read_recording(phy)
    units = read_recording(phy, ReadOptions(sampling_rate_hz=30000)).units
    assert units[0].spike_times_s.tolist() == [0.2, 0.5]


def test_an_unlikely_rate_is_said(phy: Path) -> None:
    (phy / "params.py").write_text("sample_rate = 30\n")
    said = [item.message for item in examine_recording(phy).findings if item.id == "sampling-rate-doubtful"]
    assert said == ["sample_rate = 30 in params.py is not a plausible rate for spikes"]


@pytest.mark.parametrize("params", ["", "sample_rate = 30000"])
def test_a_time_scale_is_refused_for_samples(phy: Path, params: str) -> None:
    (phy / "params.py").write_text(params)
    with pytest.raises(RecordingError, match=r"--time-scale is not for .*--sampling-rate"):
        read_recording(phy, ReadOptions(time_scale=1e-3))


def test_times_stored_in_seconds_are_scaled(phy: Path) -> None:
    np.save(phy / "spike_times.npy", SAMPLES / 30000 + 1e-5)
    (phy / "params.py").unlink()
    scaled = read_recording(phy, ReadOptions(time_scale=2.0))
    assert scaled.unit("2").spike_times_s == pytest.approx([0.40002, 1.00002])


def test_a_file_that_was_not_fetched(phy: Path) -> None:
    (phy / "spike_clusters.npy").unlink()
    (phy / "spike_clusters.npy").symlink_to("../.git/annex/objects/k7/MD5E-s1--ab.npy")
    with pytest.raises(RecordingError, match=r"spike_clusters.npy: a git-annex link .*git annex get"):
        read_recording(phy)


@pytest.mark.parametrize("name", ["params.py", "spike_times.npy", "cluster_group.tsv"])
def test_one_of_its_files_names_the_folder(phy: Path, name: str) -> None:
    with pytest.raises(RecordingError, match=rf"one file of a Phy folder: give the folder \({phy}\)"):
        read_recording(phy / name)
