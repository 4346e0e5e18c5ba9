from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording.data import ReadOptions
from rnnspike.recording.read import examine_recording, read_recording

Build = Callable[..., Path]
A, B = np.array([0.1, 0.4, 0.9]), np.array([0.2, 0.8])


def trains_of(path: Path, options: ReadOptions | None = None) -> list[list[float]]:
    return [unit.spike_times_s.tolist() for unit in read_recording(path, options).units]


def test_units_by_index_of_an_unsigned_type(nwb: Build) -> None:
    assert trains_of(nwb([A, [], B])) == [A.tolist(), [], B.tolist()]


def test_times_are_float64_read_only_views(nwb: Build) -> None:
    units = read_recording(nwb([A, B])).units
    assert all(unit.spike_times_s.dtype == np.float64 for unit in units)
    assert not units[0].spike_times_s.flags.writeable


def test_compressed_chunked_and_big_endian_times(nwb: Build) -> None:
    def store(file: h5py.File) -> None:
        values = file["units/spike_times"][...]
        del file["units/spike_times"]
        file["units"].create_dataset("spike_times", data=values.astype(">f8"), chunks=(2,), compression="gzip")

    assert trains_of(nwb([A, B], also=store)) == [A.tolist(), B.tolist()]


def test_integer_times_with_a_scale(nwb: Build) -> None:
    path = nwb([np.arange(30) * 700 + 11], dtype=np.int32, trials=None)
    assert trains_of(path, ReadOptions(time_scale=1 / 30000))[0] == pytest.approx((np.arange(30) * 700 + 11) / 30000)


def test_one_unit_needs_no_index(nwb: Build) -> None:
    def drop(file: h5py.File) -> None:
        del file["units/spike_times_index"]

    assert trains_of(nwb([A], also=drop)) == [A.tolist()]


def test_no_units_at_all_is_an_empty_recording(nwb: Build) -> None:
    def empty(file: h5py.File) -> None:
        for name in ("id", "spike_times", "spike_times_index"):
            del file[f"units/{name}"]
            file[f"units/{name}"] = np.empty(0)

    recording = examine_recording(nwb(also=empty))
    assert recording.units == () and recording.findings[-1].id == "no-units-table"


@pytest.mark.parametrize("ends", [[5, 3], [2, 9], [2, 4]])
def test_an_index_that_does_not_fit_is_refused(nwb: Build, ends: list[int]) -> None:
    def spoil(file: h5py.File) -> None:
        file["units/spike_times_index"][...] = ends

    with pytest.raises(RecordingError, match="spike_times_index") as caught:
        read_recording(nwb([A, B], also=spoil))
    assert caught.value.finding_id == "units-index-broken"


def test_ids_are_those_of_the_table(nwb: Build) -> None:
    def rename(file: h5py.File) -> None:
        file["units/id"][...] = [12, 7]

    assert [unit.id for unit in read_recording(nwb([A, B], also=rename)).units] == ["12", "7"]


def test_repeated_ids_are_told_apart(nwb: Build) -> None:
    def rename(file: h5py.File) -> None:
        file["units/id"][...] = [3, 3]

    assert [unit.id for unit in read_recording(nwb([A, B], also=rename)).units] == ["3", "3_2"]


def test_observed_intervals_per_unit(nwb: Build) -> None:
    units = read_recording(nwb([A, B], observed=[[[0.0, 1.0], [2.0, 3.0]], np.empty((0, 2))])).units
    assert units[0].observed_s is not None and units[0].observed_s.tolist() == [[0.0, 1.0], [2.0, 3.0]]
    assert units[1].observed_s is None


def test_metadata_columns_of_many_kinds(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        group = file["units"]
        group["quality"] = np.array([b"good", b"mua"])
        group["depth_um"] = np.array([1.5, 2.5])
        group["is_fast"] = np.array([True, False])
        group["label"] = np.array(["A1", "V1"], dtype=h5py.string_dtype())
        group["waveform_mean"] = np.zeros((2, 40))
        group["spike_amplitudes"], group["spike_amplitudes_index"] = np.zeros(5), np.array([3, 5])
        file.create_group("general/extracellular_ephys/shank0")
        group.create_dataset("electrode_group", (2,), h5py.ref_dtype)
        group["electrode_group"][...] = [file["general/extracellular_ephys/shank0"].ref] * 2

    first = read_recording(nwb([A, B], also=add)).units[0]
    expected: dict[str, Any] = {
        "quality": "good", "depth_um": 1.5, "is_fast": True, "label": "A1", "electrode_group": "shank0",
    }  # fmt: skip
    assert dict(first.metadata) == expected


def test_location_by_way_of_the_electrodes(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        table = file.create_group("general/extracellular_ephys/electrodes")
        table["id"], table["location"] = np.arange(3), np.array([b"CA1", b"CA1", b"CA3"])
        file["units/electrodes"], file["units/electrodes_index"] = np.array([0, 1, 2]), np.array([2, 3])

    assert [unit.metadata["location"] for unit in read_recording(nwb([A, B], also=add)).units] == ["CA1", "CA3"]


def other_table(file: h5py.File) -> None:
    file.copy("units", "processing/ecephys/mua")
    file["processing/ecephys/mua/spike_times"][...] = np.linspace(0.5, 0.9, 5)


def test_another_units_table_by_option(nwb: Build) -> None:
    path = nwb([A, B], also=other_table)
    for name in ("mua", "processing/ecephys/mua"):
        assert trains_of(path, ReadOptions(units_table=name))[0] == pytest.approx([0.5, 0.6, 0.7])
    assert trains_of(path)[0] == A.tolist()


def test_an_unknown_units_table_lists_what_is_there(nwb: Build) -> None:
    with pytest.raises(RecordingError, match="there are units, processing/ecephys/mua"):
        read_recording(nwb([A, B], also=other_table), ReadOptions(units_table="sorted"))


def test_no_units_table_says_what_there_is(nwb: Build) -> None:
    def drop(file: h5py.File) -> None:
        del file["units"]

    with pytest.raises(RecordingError, match="intervals/trials"):
        read_recording(nwb(also=drop))


def test_invalid_times_are_no_trials(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        group = file.create_group("intervals/invalid_times")
        group["start_time"], group["stop_time"], group["id"] = [7.0, 6.0], [8.0, 7.5], [0, 1]

    recording = read_recording(nwb(also=add))
    assert recording.invalid_s.tolist() == [[6.0, 8.0]]
    assert list(recording.intervals) == ["trials"]


def test_session_metadata(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        file["general/lab"], file["general/subject/species"] = "a lab", "Mus musculus"
        file["general/keywords"] = np.array(["one", "two"], dtype=h5py.string_dtype())

    session = read_recording(nwb(also=add)).session
    assert session["lab"] == "a lab" and session["subject_species"] == "Mus musculus"
    assert session["keywords"] == "one, two"


def test_the_same_instant_in_two_zones_is_no_offset(nwb: Build, findings_of: Callable[..., dict[str, int]]) -> None:
    def rewrite(file: h5py.File) -> None:
        del file["session_start_time"]
        file["session_start_time"] = "2020-02-29T02:00:00+02:00"

    assert "reference-time-offset" not in findings_of(nwb(also=rewrite))


def test_span_is_that_of_raw_signals_that_hold_all_spikes(nwb: Build) -> None:
    def add(rate: float) -> Callable[[h5py.File], None]:
        def write(file: h5py.File) -> None:
            group = file.create_group("acquisition/raw")
            group.attrs["neurodata_type"] = "ElectricalSeries"
            group["data"], group["starting_time"] = np.zeros((100, 2), np.int16), 0.0
            group["starting_time"].attrs["rate"] = rate

        return write

    assert read_recording(nwb([A], also=add(10.0))).span_s == (0.0, 9.9)
    assert read_recording(nwb([A + 2000], also=add(10.0))).span_s is None


def test_pynwb_reads_the_same(tmp_path: Path, shared_data: Path) -> None:
    """The oracle: pynwb's own reading of a real file with trials, observed intervals and a series."""
    from pynwb import NWBHDF5IO

    path = shared_data / "bbp_steps.nwb"
    recording = read_recording(path)
    with NWBHDF5IO(str(path), "r") as io:
        file = io.read()
        for i, unit in enumerate(recording.units):
            assert np.array_equal(unit.spike_times_s, file.units["spike_times"][i])
            assert np.array_equal(unit.observed_s, file.units["obs_intervals"][i])
            assert unit.metadata["unit_name"] == file.units["unit_name"][i]
        trials = file.trials.to_dataframe()
        for column in trials.columns:
            assert recording.intervals["trials"][column].tolist() == trials[column].tolist()
        series = file.stimulus["injected_current_03"]
        times_s, values = recording.covariates["injected_current"].load()
        here = (times_s >= 30.0) & (times_s < 40.0)
        assert np.array_equal(values[here, 0], series.data[:] * series.conversion)
        assert times_s[here][0] == series.starting_time


def test_error_findings_stop_reading_but_not_examining(nwb: Build) -> None:
    path = nwb([[*A, np.inf]])
    with pytest.raises(RecordingError, match="infinite"):
        read_recording(path)
    assert len(examine_recording(path).units[0].spike_times_s) == 3


def test_one_invalid_time_of_scalars_is_masked(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        group = file.create_group("intervals/invalid_times")
        group["start_time"], group["stop_time"], group["id"] = 2.0, 3.0, 0

    recording = read_recording(nwb(also=add))
    assert recording.invalid_s.tolist() == [[2.0, 3.0]] and not recording.events


def test_invalid_times_without_stops_are_told_and_no_events(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        group = file.create_group("intervals/invalid_times")
        group["start_time"], group["stop_time"] = [2.0], np.array([b"later"])

    recording = read_recording(nwb(also=add))
    assert "invalid_times" not in recording.events
    assert any(item.id == "table-broken" and "invalid_times" in item.message for item in recording.findings)


def test_a_description_that_declares_a_billion_values_is_left_out(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        file.create_dataset("general/subject/subject_id", (10**9,), np.int32, chunks=(1024,))
        file["general/lab"] = np.array([[b"a lab"]])

    recording = read_recording(nwb(also=add))
    assert recording.session["lab"] == "a lab" and "subject_id" not in recording.session
    assert any(item.id == "metadata-broken" and "subject_id" in item.message for item in recording.findings)
