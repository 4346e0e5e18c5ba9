from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording import h5
from rnnspike.recording.read import read_recording

Build = Callable[..., Path]


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
    assert h5.text(b"caf\xc3\xa9") == h5.text(np.array([b"caf\xc3\xa9"])) == "café"
    assert h5.text(b"\xff") == "\ufffd"


def test_references_read_as_names(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "refs.h5", "w") as file:
        file.create_group("electrodes/group0")
        file.create_dataset("refs", (2,), h5py.ref_dtype)
        file["refs"][0] = file["electrodes/group0"].ref
        assert h5.strings(file["refs"]).tolist() == ["group0", ""]
