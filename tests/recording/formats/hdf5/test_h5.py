from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording.data import ReadOptions
from rnnspike.recording.formats.hdf5 import h5, h5_values
from rnnspike.recording.read import examine_recording, read_recording
from tests.recording.conftest import put_series, put_table

Build = Callable[..., Path]
FOLLOW = ReadOptions(follow_links=True)


def error_of(path: Path) -> RecordingError:
    with pytest.raises(RecordingError) as caught:
        read_recording(path)
    assert "\n" not in str(caught.value) and path.name in str(caught.value)
    return caught.value


def test_truncated(nwb: Build) -> None:
    path = nwb()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 100])
    error = error_of(path)
    assert error.finding_id == "truncated" and "copy or download it again" in str(error)


def test_locked(nwb: Build) -> None:
    """A file that another process has open for writing."""
    path = nwb()
    hold = f"import h5py, sys; f = h5py.File({str(path)!r}, 'r+'); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.readline() == b"open\n"
        error = error_of(path)
        process.communicate(b"")
    assert error.finding_id == "locked" and "close it there" in str(error)
    read_recording(path)


def test_filter_missing(nwb: Build) -> None:
    """A dataset of a filter that nothing registers."""
    path = nwb()
    with h5py.File(path, "r+") as file:
        del file["units/spike_times"]
        space, plist = h5py.h5s.create_simple((50,)), h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((50,))
        plist.set_filter(399, h5py.h5z.FLAG_OPTIONAL, ())
        dataset = h5py.h5d.create(file["units"].id, b"spike_times", h5py.h5t.IEEE_F64LE, space, plist)
        dataset.write_direct_chunk((0,), np.arange(50.0).tobytes())
    error = error_of(path)
    assert error.finding_id == "filter-missing" and "hdf5plugin" in str(error)


@pytest.mark.parametrize("content", [b"", b"spikes, 1, 2, 3\n", b"PK\x03\x04 zipped", bytes(5000)])
def test_no_hdf5(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "renamed.nwb"
    path.write_bytes(content)
    assert "HDF5" in str(error_of(path)) or "empty" in str(error_of(path))


def test_hdf5_that_is_no_nwb(tmp_path: Path) -> None:
    path = tmp_path / "other.nwb"
    with h5py.File(path, "w") as file:
        file["weights"] = np.zeros(3)
    assert "it holds weights" in str(error_of(path))


def test_a_user_block_before_the_signature_is_hdf5(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "block.h5", "w", userblock_size=1024) as file:
        file["x"] = 1
    assert h5.is_hdf5(tmp_path / "block.h5")


def test_text_of_any_kind() -> None:
    assert h5_values.text(b"caf\xc3\xa9") == h5_values.text(np.array([b"caf\xc3\xa9"])) == "café"
    assert h5_values.text(b"\xff") == "\ufffd"


def test_references_read_as_names(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "refs.h5", "w") as file:
        file.create_group("electrodes/group0")
        file.create_dataset("refs", (2,), h5py.ref_dtype)
        file["refs"][0] = file["electrodes/group0"].ref
        assert h5_values.strings(file["refs"]).tolist() == ["group0", ""]


# Links, external storage and virtual datasets


@pytest.fixture
def other(tmp_path: Path) -> Callable[[str], Path]:
    """Write a file with a table, a series and spike times where it is asked for."""

    def write(name: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        with h5py.File(path, "w") as file:
            put_table(file, "blocks", {"start_time": [1.0, 2.0], "stop_time": [1.5, 2.5]})
            put_series(file, "sound", np.arange(9.0), rate=2.0)
            file["spikes"] = np.arange(50) / 8
        return path

    return write


def in_folder(nwb: Build, tmp_path: Path, also: Callable[[h5py.File], Any]) -> Path:
    (tmp_path / "rec").mkdir(exist_ok=True)
    return nwb(also=also, name="rec/made.nwb")


def link_to(target: object, inside: str = "/blocks", at: str = "intervals/blocks") -> Callable[[h5py.File], None]:
    def link(file: h5py.File) -> None:
        if at in file:
            del file[at]
        file[at] = h5py.ExternalLink(str(target), inside)

    return link


def levels(path: Path, options: ReadOptions | None = None) -> dict[str, str]:
    return {item.id: item.message for item in examine_recording(path, options).findings}


@pytest.mark.parametrize("target", ["below/other.h5", "./below/../below/other.h5", "/gone/other.h5"])
def test_links_beside_and_below_are_followed(
    nwb: Build, tmp_path: Path, other: Callable[[str], Path], target: str
) -> None:
    (tmp_path / "rec").mkdir()
    other("rec/other.h5" if target.startswith("/gone") else "rec/below/other.h5")
    recording = read_recording(in_folder(nwb, tmp_path, link_to(target)))
    assert recording.intervals["blocks"]["start_time"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("how", ["relative", "absolute", "symbolic"])
def test_links_that_lead_outside_are_told_and_followed_on_request(
    nwb: Build, tmp_path: Path, other: Callable[[str], Path], how: str
) -> None:
    outside = other("elsewhere/other.h5")
    (tmp_path / "rec").mkdir()
    (tmp_path / "rec/near.h5").symlink_to(outside)
    target = {"relative": "../elsewhere/other.h5", "absolute": outside, "symbolic": "near.h5"}[how]
    path = in_folder(nwb, tmp_path, link_to(target))
    recording = examine_recording(path)
    told = next(item for item in recording.findings if item.id == "link-outside")
    assert told.option == "--follow-links" and str(target) in told.message and "blocks" not in recording.intervals
    assert len(read_recording(path, FOLLOW).intervals["blocks"]) == 2


def test_a_series_of_another_file_is_read_from_there(
    nwb: Build, tmp_path: Path, other: Callable[[str], Path]
) -> None:
    other("rec/other.h5")
    path = in_folder(nwb, tmp_path, link_to("other.h5", "/sound", "acquisition/noise"))
    times_s, values = read_recording(path).covariates["noise"].load()
    assert times_s[-1] == 4.0 and values[:, 0].tolist() == list(range(9))


def test_spike_times_outside_are_an_error(nwb: Build, tmp_path: Path, other: Callable[[str], Path]) -> None:
    link = link_to(other("elsewhere/other.h5"), "/spikes", "units/spike_times")
    path = in_folder(nwb, tmp_path, link)
    with pytest.raises(RecordingError, match="--follow-links") as caught:
        read_recording(path)
    assert caught.value.finding_id == "link-outside"
    assert read_recording(path, FOLLOW).units[0].spike_times_s.tolist() == (np.arange(50) / 8).tolist()


def stored_in(name: str) -> Callable[[h5py.File], None]:
    def add(file: h5py.File) -> None:
        del put_series(file, "acquisition/raw", np.zeros(9), rate=1.0)["data"]
        file["acquisition/raw"].create_dataset("data", (9,), "f8", external=[(name, 0, 72)])

    return add


def virtual(name: str, place: str, n: int = 9) -> Callable[[h5py.File], None]:
    def add(file: h5py.File) -> None:
        del put_series(file, "acquisition/raw", np.zeros(9), rate=1.0)["data"]
        layout = h5py.VirtualLayout((n,), "f8")
        layout[:9] = h5py.VirtualSource(name, place, (9,))
        file["acquisition/raw"].create_virtual_dataset("data", layout)

    return add


@pytest.mark.parametrize("how", ["external", "virtual"])
def test_values_stored_in_other_files(nwb: Build, tmp_path: Path, other: Callable[[str], Path], how: str) -> None:
    for folder in ("rec", "elsewhere"):
        np.arange(9.0).tofile(other(f"{folder}/other.h5").with_suffix(".bin"))

    def add(folder: str) -> Callable[[h5py.File], None]:
        return stored_in(f"{folder}other.bin") if how == "external" else virtual(f"{folder}other.h5", "sound/data")

    inside = read_recording(in_folder(nwb, tmp_path, add("")))
    assert inside.covariates["raw"].load()[1][:, 0].tolist() == list(range(9))
    path = in_folder(nwb, tmp_path, add("../elsewhere/"))
    told = next(item for item in examine_recording(path).findings if item.id == "covariate-broken")
    assert told.option == "--follow-links" and "outside" in told.message
    assert read_recording(path, FOLLOW).covariates["raw"].load()[1][:, 0].tolist() == list(range(9))


@pytest.mark.parametrize(
    "add",
    [stored_in("gone.bin"), virtual("gone.h5", "x"), virtual(".", "/acquisition/raw/data"),
     virtual("made.nwb", "/gone"), virtual("made.nwb", "/units/spike_times", 10**9)],
)  # fmt: skip
def test_values_that_are_not_there_are_not_made_up(nwb: Build, add: Callable[[h5py.File], None]) -> None:
    path = nwb(also=add)
    assert "raw" in levels(path)["covariate-broken"] and "raw" not in examine_recording(path).covariates


@pytest.mark.parametrize(
    "link", [h5py.SoftLink("/gone"), h5py.ExternalLink("gone.h5", "/x"), h5py.SoftLink("/intervals")]
)
def test_a_broken_link_for_the_tables_is_not_a_file_without_trials(nwb: Build, link: Any) -> None:
    path = nwb(trials=None, also=lambda file: file.__setitem__("intervals", link))
    told = levels(path)
    assert "/intervals is a link to" in told["link-broken"] and "no-trials" not in told


def test_links_between_files_that_form_a_cycle_end(nwb: Build) -> None:
    def add(target: str) -> Callable[[h5py.File], None]:
        return link_to(target, "/intervals/blocks")

    nwb(also=add("one.nwb"), name="two.nwb")
    assert "cycle" in levels(nwb(also=add("two.nwb"), name="one.nwb"))["link-broken"]


def test_a_column_behind_a_link_is_named(nwb: Build, tmp_path: Path, other: Callable[[str], Path]) -> None:
    def add(file: h5py.File) -> None:
        link_to(outside, "/spikes", "intervals/trials/cue")(file)
        file["intervals/trials"].attrs["colnames"] = ["start_time", "stop_time", "cue"]

    outside = other("elsewhere/other.h5")
    assert "column cue is a link to" in levels(in_folder(nwb, tmp_path, add))["table-column-broken"]
