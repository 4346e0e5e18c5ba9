from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

from rnnspike.recording.read import read_recording

Build = Callable[..., Path]


def table(file: h5py.File, place: str, columns: dict[str, object], kind: str = "DynamicTable") -> h5py.Group:
    group = file.create_group(place)
    group.attrs["neurodata_type"], group.attrs["colnames"] = kind, list(columns)
    for name, values in columns.items():
        group[name] = values
    group["id"] = np.arange(len(group[next(iter(columns))]))
    return group


def test_tables_wherever_they_are(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        times = {"start_time": [0.0, 2.0], "stop_time": [1.0, 3.0]}
        table(file, "intervals/epochs", times)
        table(file, "processing/behavior/runs", times)
        table(file, "processing/behavior/deeper/laps", times)
        table(file, "stimulus/presentation/gratings", times)

    recording = read_recording(nwb(also=add))
    assert set(recording.intervals) == {"trials", "epochs", "runs", "laps", "gratings"}
    assert next(iter(recording.intervals)) == "trials" and list(recording.intervals)[-1] == "epochs"


def test_event_tables_of_core_and_extensions(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        table(file, "events/licks", {"timestamp": [0.5, 0.7], "side": np.array([b"left", b"right"])})
        table(file, "processing/events/rewards", {"timestamps": [0.1], "size": [3]})
        group = file.create_group("acquisition/ttl")
        group.attrs["neurodata_type"] = "TTLs"
        group["timestamps"], group["data"] = [0.1, 0.2, 0.3], np.array([0, 1, 0], np.uint8)
        group["data"].attrs["labels"] = ["on", "off"]

    events = read_recording(nwb(also=add)).events
    assert events["licks"].to_dict("list") == {"start_time": [0.5, 0.7], "side": ["left", "right"]}
    assert events["rewards"].to_dict("list") == {"start_time": [0.1], "size": [3]}
    assert events["ttl"]["label"].tolist() == ["on", "off", "on"]


def test_annotations_are_events(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        group = file.create_group("acquisition/notes")
        group.attrs["neurodata_type"] = "AnnotationSeries"
        group["timestamps"], group["data"] = [1.0, 2.0], np.array([b"drug on", b"drug off"])

    assert read_recording(nwb(also=add)).events["notes"]["label"].tolist() == ["drug on", "drug off"]


def test_interval_series_pair_starts_with_stops(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        group = file.create_group("processing/behavior/Intervals/ripples")
        group.attrs["neurodata_type"] = "IntervalSeries"
        group["timestamps"], group["data"] = [1.0, 1.2, 3.0, 3.4], np.array([1, -1, 1, -1], np.int8)

    table_ = read_recording(nwb(also=add)).intervals["ripples"]
    assert table_.to_dict("list") == {"start_time": [1.0, 3.0], "stop_time": [1.2, 3.4]}


def test_columns_of_many_kinds(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        group = file["intervals/trials"]
        group["correct"] = np.array([True, False, True])
        group["odour"] = np.array(["a", "b", "ü"], dtype=h5py.string_dtype())
        group["tags"] = np.array([b"x", b"y", b"z", b"w"])
        group["tags_index"] = np.array([2, 2, 4], np.uint8)
        group["path"], group["path_index"] = np.zeros(7), np.array([3, 5, 7])
        group["choice"], group["choices"] = np.array([1, 0, 1], np.uint8), np.array([b"left", b"right"])
        group["choice"].attrs["elements"] = group["choices"].ref
        del group["choices"]

    def add_elements(file: h5py.File) -> None:
        add(file)
        file["intervals/meanings"] = np.array([b"left", b"right"])
        file["intervals/trials/choice"].attrs["elements"] = file["intervals/meanings"].ref

    trials = read_recording(nwb(also=add_elements)).intervals["trials"]
    assert trials["correct"].tolist() == [True, False, True]
    assert trials["odour"].tolist() == ["a", "b", "ü"]
    assert trials["tags"].tolist() == ["x, y", "", "z, w"]
    assert trials["choice"].tolist() == ["right", "left", "right"]
    assert "path" not in trials


def test_the_order_of_columns_is_the_tables(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        table(
            file, "intervals/blocks", {"stop_time": [1.0, 2.0], "zeta": [1, 2], "alpha": [3, 4], "start_time": [0, 1]}
        )

    assert list(read_recording(nwb(also=add)).intervals["blocks"]) == ["start_time", "stop_time", "zeta", "alpha"]


def test_rows_without_times_are_dropped_and_renumbered(nwb: Build) -> None:
    table_ = read_recording(nwb(trials=[(0, 1), (np.nan, 2), (4, 5)])).intervals["trials"]
    assert table_["start_time"].tolist() == [0.0, 4.0] and table_.index.tolist() == [0, 1]


def test_tables_of_one_name_are_told_apart(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        times = {"start_time": [0.0, 2.0], "stop_time": [1.0, 3.0]}
        table(file, "processing/a/laps", times)
        table(file, "processing/b/laps", times)

    assert {"laps", "b/laps"} <= set(read_recording(nwb(also=add)).intervals)


def test_links_that_run_in_a_circle_end(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        file.create_group("processing/a/b")
        file["processing/a/b/back"] = h5py.SoftLink("/processing/a")

    read_recording(nwb(also=add))
