from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording.data import Recording
from rnnspike.recording.provenance import content_hash, recording_hash
from rnnspike.recording.read import read_recording

Build = Callable[..., Path]


def test_sha256_of_one_file(nwb: Build) -> None:
    path = nwb()
    recording = read_recording(path)
    assert recording.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert recording.size_bytes == path.stat().st_size


def test_it_survives_copies_and_other_processes(nwb: Build) -> None:
    recording = read_recording(nwb())
    again = pickle.loads(pickle.dumps(recording))
    assert again.sha256 == recording.sha256 == replace(recording, findings=()).sha256


def test_of_several_files_in_any_order(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "ab"]
    for file in files:
        file.write_text(file.name)
    assert content_hash(files) == content_hash(files[::-1]) != content_hash(files[:1])


def test_of_a_recording_in_memory_all_counts() -> None:
    times = {"x": np.arange(5) + 0.5}
    table = {"start": np.arange(3.0), "stop": np.arange(3) + 0.5}
    one = Recording.from_arrays(times, intervals={"a": table})
    others = (
        replace(one, intervals={}, events=one.intervals),
        replace(one, span_s=(0.0, 9.0)),
        replace(one, findings=tuple(replace(each, rows=(1,)) for each in one.findings)),
    )
    assert one.findings and len({recording_hash(each) for each in (one, *others)}) == 4
    assert recording_hash(one) == recording_hash(Recording.from_arrays(times, intervals={"a": table}))


def test_other_attributes_stay_missing(nwb: Build) -> None:
    with pytest.raises(AttributeError):
        _ = read_recording(nwb()).nothing  # type: ignore[attr-defined]


def test_a_file_gone_since(nwb: Build) -> None:
    recording = read_recording(nwb())
    recording.path.unlink()
    with pytest.raises(RecordingError, match="hash"):
        _ = recording.sha256
