"""Tiny recordings on disk, written with h5py as NWB lays them out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording.data import ReadOptions
from rnnspike.recording.read import examine_recording

START = "2020-02-29T00:00:00+00:00"


def steady(n: int = 50, *, every: float = 0.1, start: float = 0.05) -> np.ndarray:
    """Spikes at even intervals."""
    return start + every * np.arange(n)


def put_ragged(group: h5py.Group, name: str, rows: Sequence[Any], dtype: Any = None) -> None:
    """Write a ragged column and its index."""
    rows = [np.asarray(row) for row in rows]
    group[name] = np.concatenate(rows).astype(dtype or rows[0].dtype)
    group[f"{name}_index"] = np.cumsum([len(row) for row in rows]).astype(np.uint16)


def put_table(file: h5py.File, place: str, columns: Mapping[str, Any], kind: str = "TimeIntervals") -> h5py.Group:
    """Write a table."""
    group = file.create_group(place)
    group.attrs["neurodata_type"] = kind
    group.attrs["colnames"] = list(columns)
    for name, values in columns.items():
        array = np.asarray(values)
        group[name] = array.astype(h5py.string_dtype()) if array.dtype.kind in "UO" else array
    group["id"] = np.arange(len(array))
    return group


def put_series(file: h5py.File, place: str, data: Any, *, rate: float | None = None, **given: Any) -> h5py.Group:
    """Write a time series."""
    group = file.create_group(place)
    group.attrs["neurodata_type"] = given.pop("kind", "TimeSeries")
    group["data"] = np.asarray(data)
    group["data"].attrs.update({"unit": "V", **given.pop("attrs", {})})
    if rate is not None:
        group["starting_time"] = given.pop("start", 0.0)
        group["starting_time"].attrs["rate"] = rate
    for name, values in given.items():
        group[name] = values
    return group


def put_units(file: h5py.File, trains: Sequence[Any], place: str = "units", dtype: Any = np.float64) -> h5py.Group:
    """Write a units table of these trains."""
    group = file.create_group(place)
    group.attrs["neurodata_type"] = "Units"
    group.attrs["colnames"] = ["spike_times"]
    group["id"] = np.arange(len(trains))
    put_ragged(group, "spike_times", trains, dtype)
    return group


def new_nwb(path: Path) -> h5py.File:
    """Open a new NWB file with what every one has."""
    file = h5py.File(path, "w")
    file.attrs["nwb_version"] = "2.8.0"
    for name in ("session_start_time", "timestamps_reference_time"):
        file[name] = START
    file["session_description"] = "made for a test"
    return file


@pytest.fixture
def nwb(tmp_path: Path) -> Callable[..., Path]:
    """Write an NWB file of trains, with trials (start, stop), observed intervals and anything ``also`` adds."""

    def write(
        trains: Sequence[Any] | None = None,
        *,
        trials: Sequence[tuple[float, float]] | None = ((0.0, 1.0), (2.0, 3.0), (4.0, 5.0)),
        observed: Sequence[Any] | None = None,
        dtype: Any = np.float64,
        also: Callable[[h5py.File], Any] | None = None,
        name: str = "made.nwb",
    ) -> Path:
        with new_nwb(tmp_path / name) as file:
            group = put_units(file, [steady()] if trains is None else trains, dtype=dtype)
            if observed is not None:
                put_ragged(group, "obs_intervals", observed)
            if trials is not None:
                starts, stops = np.array(trials).T
                put_table(file, "intervals/trials", {"start_time": starts, "stop_time": stops})
            if also is not None:
                also(file)
        return tmp_path / name

    return write


def ids_found(path: Path, options: ReadOptions | None = None) -> dict[str, int]:
    """Return finding id -> summed count, also of what was raised at once."""
    try:
        findings = examine_recording(path, options).findings
    except RecordingError as error:
        assert "\n" not in str(error) and str(path.name) in str(error)
        return {error.finding_id or "": 1}
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding.id] = counts.get(finding.id, 0) + finding.count
    return counts


@pytest.fixture
def findings_of() -> Callable[..., dict[str, int]]:
    return ids_found
