"""What is said of paths that are no recording: one line with what it is and what to do."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from rnnspike.errors import RecordingError
from rnnspike.recording.data import ReadOptions
from rnnspike.recording.formats.refusals import is_utf16
from rnnspike.recording.read import read_recording

LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
ANNEX = b"/annex/objects/MD5E-s4202496--9f2b.nwb\n"
LINDI = b'{"refs": {".zattrs": {"nwb_version": "2.6.0"}, "units/id/0": ["https://x.org/blob", 1, 2]}}'


def refused(path: Path | str, match: str, options: ReadOptions | None = None) -> None:
    with pytest.raises(RecordingError, match=match) as caught:
        read_recording(path, options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "match"), [
    ("https://dandiarchive.org/a.nwb", r"an address \(https\), not a file: download"),
    ("s3://bucket/a.nwb", r"an address \(s3\)"), ("gs://bucket/a.nwb", r"an address \(gs\)"),
    ("DANDI:000006", "a DANDI identifier.*dandi download"), ("dandi://dandi/000006", "a DANDI identifier"),
    ("data/*.nwb", "no file or folder matches"), ("gone.nwb", "no such file or folder"), ("", "the name is empty"),
])  # fmt: skip
def test_names_of_no_file(name: str, match: str) -> None:
    refused(name, match)


@pytest.mark.parametrize(("name", "content", "match"), [
    ("a.nwb", LFS, "a Git LFS pointer.*git lfs pull"), ("a.mat", LFS, "git lfs pull"), ("a.csv", LFS, "git lfs pull"),
    ("a.nwb", ANNEX, "a git-annex pointer.*git annex get"), ("a.plx", ANNEX, "git annex get"),
    ("a.nwb.lindi.json", LINDI, "a LINDI"), ("a.json", LINDI, "a LINDI"), ("a.nwb", LINDI, "a LINDI"),
    ("a.nwb", b"<!DOCTYPE html><html>Sign in", "a web page"), ("a.nwb", b"\n<html>", "a web page"),
    ("a.nwb", b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "a server's error message"),
    ("a.json", b'{"spikes": [1, 2]}', "JSON, not a recording"),
    ("x_g0_t0.imec0.ap.bin", bytes(64), "SpikeGLX raw data, not sorted spikes: sort"),
    ("x_g0_t0.imec0.ap.meta", b"imSampRate=30000\n", "SpikeGLX raw data"), ("a.rhd", bytes(9), "Intan raw data"),
    ("100_CH1.continuous", b"header.format = 'Open Ephys Data Format'", "Open Ephys raw data"),
    ("a.ns5", b"NEURALCD", "give the .nev"), ("a.ncs", b"######## Neuralynx", "give the .nse"),
    ("a.bin", bytes(9), "raw data, not sorted spikes"), ("a.pl2", bytes(9), "save it as .plx"),
    ("a.set", b"trial_date Monday\nsample_rate 48000\n", "settings of an Axona recording.*export the spike times"),
    ("a.xlsx", b"PK\x03\x04", "a spreadsheet: save it as CSV"), ("a.npy", b"\x93NUMPY", "a single array"),
    ("params.py", b"sample_rate = 30000.\n", "a program"), ("a.nwb.gz", b"\x1f\x8b", "packed"),
    ("a.mat", b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(500), "MATLAB 7.3 file.*-v7"),
])  # fmt: skip
def test_files_that_are_something_else(tmp_path: Path, name: str, content: bytes, match: str) -> None:
    (tmp_path / name).write_bytes(content)
    refused(tmp_path / name, match)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.tsv"])
def test_text_of_two_bytes_a_character(tmp_path: Path, name: str, encoding: str) -> None:
    (tmp_path / name).write_text("unit,time_s\n1,0.5\n2,0.7\n", encoding=encoding)
    refused(tmp_path / name, "text in UTF-16: save it as UTF-8")
    (tmp_path / "spikes.txt").write_text("0.5\n")
    refused(tmp_path / "spikes.txt", rf"{name}: this is text in UTF-16", ReadOptions(events_file=tmp_path / name))


def test_small_whole_numbers_are_no_text() -> None:
    assert not is_utf16(np.arange(2000, dtype="<i2").tobytes()) and not is_utf16(b"0.5\n") and not is_utf16(b"")


@pytest.mark.parametrize(("target", "match"), [
    (".git/annex/objects/k7/MD5E-s1--ab.nwb/MD5E-s1--ab.nwb", "a git-annex link .*datalad get"),
    ("elsewhere/b.nwb", "a link to elsewhere/b.nwb, which is missing"),
])  # fmt: skip
def test_links_that_lead_nowhere(tmp_path: Path, target: str, match: str) -> None:
    (tmp_path / "a.nwb").symlink_to(target)
    refused(tmp_path / "a.nwb", match)


def test_matlab_by_its_version(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "new.mat", "w") as file:
        file["spikes"] = [1.0, 2.0]
    refused(tmp_path / "new.mat", r"MATLAB 7.3 file \(HDF5\), which cannot be read: save it again with -v7")
    savemat(tmp_path / "old.mat", {"spikes": np.arange(4.0)}, format="4")
    refused(tmp_path / "old.mat", "MATLAB 4 file, which cannot hold a Neo block: export spike times as CSV")


def test_hdf5_that_is_no_recording(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["spikes"] = [1.0, 2.0]
    refused(tmp_path / "a.h5", "HDF5 file is not an NWB file; it holds spikes")


def test_pipes_and_sockets_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    refused(tmp_path / "a.txt", "a.txt: neither a file nor a folder")
    refused(tmp_path, "a.txt: neither a file nor a folder")
    (tmp_path / "spikes.csv").write_text("unit,time_s\n1,0.5\n")
    refused(
        tmp_path / "spikes.csv",
        "events file is not a regular",
        ReadOptions(events_file=tmp_path / "a.txt"),
    )
    with socket.socket(socket.AF_UNIX) as place:
        place.bind(str(tmp_path / "b.nwb"))
        refused(tmp_path / "b.nwb", "neither a file nor a folder")


def test_folders_say_what_they_hold(tmp_path: Path) -> None:
    for name in ("a/spike_times.npy", "b/spike_times.npy", "c/notes.md"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    refused(tmp_path, r"this folder holds 2 recordings \(a, b\): give the files or folders in it")
    (tmp_path / "c" / "x.ap.bin").touch()
    refused(tmp_path / "c", r"SpikeGLX raw data, not sorted spikes: .* \(x.ap.bin\)")
    (tmp_path / "d.zarr").mkdir()
    refused(tmp_path / "d.zarr", "NWB in Zarr: export it to HDF5")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="a file whose reading fails")
def test_a_file_whose_reading_fails(tmp_path: Path) -> None:
    refused("/proc/self/mem", "/proc/self/mem: cannot be read .Input/output error.")
    for name in ("spike_times.npy", "spike_clusters.npy"):
        (tmp_path / name).symlink_to("/proc/self/mem")
    refused(tmp_path, "Input/output error")
