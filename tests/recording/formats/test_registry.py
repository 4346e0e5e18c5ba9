from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording.formats import registry
from rnnspike.recording.formats.registry import FORMATS, Format, format_of
from rnnspike.recording.read import read_recording


@pytest.mark.parametrize(("name", "expected"), [
    ("a.nwb", "NWB"), ("a.NIX", "NIX"), ("a.mat", "Neo MATLAB"), ("a.pkl", "Neo pickle"), ("a.nex", "NeuroExplorer"),
    ("a.nex5", "NeuroExplorer"), ("a.nev", "Blackrock"), ("a.plx", "Plexon"), ("a.ntt", "Neuralynx"),
    ("a.smr", "Spike2"),
    ("a.res.1", "KlustaKwik"), ("a.clu", "KlustaKwik"), ("a.csv", "CSV"), ("a.txt", "text"), ("rec.2020.nwb", "NWB"),
])  # fmt: skip
def test_by_name(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / name).write_bytes(b"\0\0")
    assert format_of(tmp_path / name).name == expected


@pytest.mark.parametrize(("files", "expected"), [
    (["spike_times.npy", "params.py"], "Phy"), (["CSC1.ncs", "TT1.ntt"], "Neuralynx"), (["b.tsq", "b.tev"], "TDT"),
    (["x.clu.1", "x.res.1"], "KlustaKwik"), (["a.txt", "b.txt"], "text"),
])  # fmt: skip
def test_folders_by_what_is_in_them(tmp_path: Path, files: list[str], expected: str) -> None:
    for file in files:
        (tmp_path / file).touch()
    assert format_of(tmp_path).name == expected


@pytest.mark.parametrize(("files", "match"), [
    ([], "holds no recording"), ([".zgroup", "units"], "Zarr"), (["a.nwb", "b.nwb"], "2 recordings .a.nwb"),
])  # fmt: skip
def test_folders_that_are_none(tmp_path: Path, files: list[str], match: str) -> None:
    for file in files:
        (tmp_path / file).touch()
    with pytest.raises(RecordingError, match=match):
        format_of(tmp_path)


def test_a_suffix_that_is_none_lists_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(b"PK\x03\x04\x00")
    with pytest.raises(RecordingError, match=r"\.docx is not a format .*NWB, NIX"):
        format_of(tmp_path / "a.docx")


@pytest.mark.parametrize(("content", "expected"), [(b"0.1\n0.2\n", "text"), (b"unit,time\n1,0.1\n", "CSV")])
def test_text_of_any_suffix(tmp_path: Path, content: bytes, expected: str) -> None:
    (tmp_path / "spikes.lst").write_bytes(content)
    assert format_of(tmp_path / "spikes.lst").name == expected


def test_hdf5_under_another_suffix(tmp_path: Path) -> None:
    import h5py

    with h5py.File(tmp_path / "session.dat", "w") as file:
        file.attrs["nwb_version"] = "2.8.0"
        file["units/spike_times"], file["units/spike_times_index"] = [1.0, 2.0], [2]
    assert read_recording(tmp_path / "session.dat").format == "NWB"


def test_packed_files_are_to_be_unpacked(tmp_path: Path) -> None:
    (tmp_path / "session.nwb.gz").write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(RecordingError, match="unpack it first"):
        format_of(tmp_path / "session.nwb.gz")


def test_every_reader_is_there() -> None:
    declared = [*FORMATS, *(item for item in vars(registry).values() if isinstance(item, Format))]
    for item in declared:
        module, function = item.reader.split(":")
        assert callable(getattr(import_module(module), function))
