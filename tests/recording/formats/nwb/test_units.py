"""Units tables as other writers lay them out; what is broken in them. Plain ones are in ``test_nwb``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording.data import Recording
from rnnspike.recording.read import read_recording

Build = Callable[..., Path]
A, B, C = np.array([0.1, 0.4, 0.9]), np.array([0.2, 0.8]), np.array([0.3, 0.6, 0.7])
OBSERVED = [[[0.0, 1.0], [2.0, 3.0]], [[0.0, 4.0]], [[0.0, 5.0], [6.0, 7.0]]]


def reshape(names: Sequence[str], shape: tuple[int, ...]) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        for name in names:
            values = file[name][...]
            del file[name]
            file[name] = values.reshape(shape)

    return change


def put(name: str, values: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file[name] = values

    return change


def trains(recording: Recording) -> dict[str, list[float]]:
    return {unit.id: unit.spike_times_s.tolist() for unit in recording.units}


def broken(recording: Recording) -> list[str]:
    return [item.message for item in recording.findings if item.id == "units-column-broken"]


@pytest.mark.parametrize("shape", [(-1, 1), (1, -1)])
def test_columns_as_matlab_writes_them(nwb: Build, shape: tuple[int, int]) -> None:
    def add(file: h5py.File) -> None:
        file["units/id"][...] = [101, 102, 103]
        names = ("id", "spike_times", "spike_times_index", "obs_intervals_index")
        reshape([f"units/{name}" for name in names], shape)(file)

    recording = read_recording(nwb([A, B, C], observed=OBSERVED, also=add))
    assert trains(recording) == {"101": A.tolist(), "102": B.tolist(), "103": C.tolist()}
    assert [unit.observed_s.tolist() for unit in recording.units if unit.observed_s is not None] == OBSERVED


def test_a_single_unit_of_scalars(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        table = file.create_group("general/extracellular_ephys/electrodes")
        table["id"], table["location"] = 0, b"CA1"
        scalars = {
            "id": 101,
            "spike_times_index": 3,
            "obs_intervals_index": 1,
            "electrodes": 0,
            "electrodes_index": 1,
        }
        for name, value in scalars.items():
            put(f"units/{name}", value)(file)

    (unit,) = read_recording(nwb([A], observed=[[[0.0, 9.0]]], also=add)).units
    assert (unit.id, unit.spike_times_s.tolist(), unit.metadata["location"]) == ("101", A.tolist(), "CA1")
    assert unit.observed_s is not None and unit.observed_s.tolist() == [[0.0, 9.0]]


@pytest.mark.parametrize(
    ("stored", "expected"),
    [([[b"a"], [b"b"]], ["a", "b"]), ([[1234567.0, 1234568.0]], ["1234567", "1234568"]), ([0.5, 2.0], ["0.5", "2"])],
)
def test_ids_as_written(nwb: Build, stored: Any, expected: list[str]) -> None:
    assert list(trains(read_recording(nwb([A, B], also=put("units/id", np.array(stored)))))) == expected


@pytest.mark.parametrize("n_ids", [1, 3])
def test_another_number_of_ids_than_trains(nwb: Build, n_ids: int) -> None:
    path = nwb([A, B], also=put("units/id", np.arange(n_ids)))
    if n_ids == 1:
        assert "numbered from 0" in broken(read_recording(path))[0]
    else:
        with pytest.raises(RecordingError, match="2 trains for 3 units"):
            read_recording(path)


@pytest.mark.parametrize("instead", [h5py.ExternalLink("../other.nwb", "/units/id"), h5py.SoftLink("/nowhere"), None])
def test_ids_behind_a_link_that_leads_nowhere_are_told(nwb: Build, instead: Any) -> None:
    def change(file: h5py.File) -> None:
        del file["units/id"]
        if instead is None:
            file.create_group("units/id")
        else:
            file["units/id"] = instead

    (message,) = broken(read_recording(nwb([A, B], also=change)))
    assert ("is a group" if instead is None else "is a link") in message and "numbered from 0" in message


@pytest.mark.parametrize(
    "ends", [[-1, 5], [np.nan, 5], [np.inf, 5], [2.5, 5], [b"3", b"5"], np.array([2**63, 5], np.uint64)]
)
def test_an_index_of_spikes_that_cannot_be_is_an_error(nwb: Build, ends: Any) -> None:
    with pytest.raises(RecordingError, match="spike_times_index") as caught:
        read_recording(nwb([A, B], also=put("units/spike_times_index", np.array(ends))))
    assert caught.value.finding_id == "units-index-broken" and "damaged" not in str(caught.value)


def test_an_index_of_references_is_an_error(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        put("units/spike_times_index", np.array([file.ref, file.ref], h5py.ref_dtype))(file)

    with pytest.raises(RecordingError, match="holds references"):
        read_recording(nwb([A, B], also=add))


@pytest.mark.parametrize("stored", [[b"a"] * 5, np.zeros(5, [("t", "f8")]), np.zeros(5, complex)])
def test_spike_times_that_are_no_numbers_are_an_error(nwb: Build, stored: Any) -> None:
    with pytest.raises(RecordingError, match="spike_times holds"):
        read_recording(nwb([A, B], also=put("units/spike_times", np.array(stored))))


def test_spike_times_that_are_only_declared_are_an_error(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        del file["units/spike_times"]
        file["units"].create_dataset("spike_times", (10**9,), "f8", chunks=(1000,))
        file["units/spike_times_index"][...] = [5, 50]
        put("units/spike_times_index", [5, 10**9])(file)

    with pytest.raises(RecordingError, match="declares 8000000000 bytes"):
        read_recording(nwb([A, B], also=add))


def test_users_columns_called_index(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        for name, values in {"depth": [1.5, 2.5], "depth_index": [7, 8]}.items():
            file[f"units/{name}"] = values
            file[f"units/{name}"].attrs["neurodata_type"] = "VectorData"

    units = read_recording(nwb([A, B], also=add)).units
    assert [dict(unit.metadata) for unit in units] == [
        {"depth": 1.5, "depth_index": 7}, {"depth": 2.5, "depth_index": 8},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stored", "index"),
    [(np.array([[0.0, 2, 0], [1, 3, 4]]), [2, 3]), (np.array([[0.0, 1], [2, 3], [0, 4]]), [[2, 3]])],
)
def test_observed_intervals_in_rows_or_columns(nwb: Build, stored: Any, index: Any) -> None:
    def add(file: h5py.File) -> None:
        put("units/obs_intervals", stored)(file)
        put("units/obs_intervals_index", index)(file)

    observed = [unit.observed_s for unit in read_recording(nwb([A, B], also=add)).units]
    assert [item.tolist() for item in observed if item is not None] == OBSERVED[:2]


@pytest.mark.parametrize("stored", [[0.0, 9.0], [[0.0], [9.0]], [[0.0, 9.0]]])
def test_one_observed_interval_of_one_unit(nwb: Build, stored: Any) -> None:
    (unit,) = read_recording(nwb([A], also=put("units/obs_intervals", stored))).units
    assert unit.observed_s is not None and unit.observed_s.tolist() == [[0.0, 9.0]]


@pytest.mark.parametrize(
    "change",
    [put("units/obs_intervals_index", [1, 9]), put("units/obs_intervals", [b"a", b"b"]),
     put("units/obs_intervals", np.zeros((3, 3))), put("units/obs_intervals_index", [np.nan, 2.0])],
)  # fmt: skip
def test_broken_observed_intervals_are_unknown(nwb: Build, change: Callable[[h5py.File], None]) -> None:
    recording = read_recording(nwb([A, B], observed=OBSERVED[:2], also=change))
    assert "obs_intervals" in broken(recording)[0] and all(unit.observed_s is None for unit in recording.units)
    assert trains(recording) == {"0": A.tolist(), "1": B.tolist()}


@pytest.mark.parametrize("rows", [[0, 1, -1], [0, 1, 7], [0, 1, 0.5]])
def test_electrodes_that_are_not_there_are_told(nwb: Build, rows: list[float]) -> None:
    def add(file: h5py.File) -> None:
        file["general/extracellular_ephys/electrodes/location"] = np.array([b"CA1", b"CA1", b"CA3"])
        file["units/electrodes"], file["units/electrodes_index"] = np.array(rows), [2, 3]

    recording = read_recording(nwb([A, B], also=add))
    assert "electrodes" in broken(recording)[0] and "location" not in recording.units[0].metadata


def test_references_to_nowhere_are_empty_names(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        file["units"].create_dataset("group", (2,), h5py.ref_dtype)[0] = file["intervals"].ref

    units = read_recording(nwb([A, B], also=add)).units
    assert [unit.metadata["group"] for unit in units] == ["intervals", ""]


def test_a_list_of_columns_that_names_none_is_not_needed(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        file["units/depth"] = [1.5, 2.5]
        file["units"].attrs["colnames"] = h5py.Empty("f8")
        file["intervals/trials"].attrs["colnames"] = np.arange(5)

    recording = read_recording(nwb([A, B], also=add))
    assert [unit.metadata["depth"] for unit in recording.units] == [1.5, 2.5]
    assert list(recording.intervals["trials"]) == ["start_time", "stop_time"]


def test_an_index_behind_a_link_that_is_not_followed_refuses_one_unit_too(nwb: Build) -> None:
    def change(file: h5py.File) -> None:
        del file["units/spike_times_index"]
        file["units/spike_times_index"] = h5py.ExternalLink("../other.nwb", "/units/spike_times_index")

    with pytest.raises(RecordingError, match="spike_times_index is a link to"):
        read_recording(nwb([A], also=change))
