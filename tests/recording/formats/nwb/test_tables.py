from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

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


def typed(group: h5py.Group, name: str, values: object, kind: str, target: str | None = None) -> None:
    group[name] = values
    group[name].attrs["neurodata_type"] = kind
    if target is not None:
        group[name].attrs["target"] = group[target].ref


@pytest.mark.parametrize("second", [np.array([0, 1, 2]), np.array([0.5, 1.5, 2.5]), np.array([1, 2, 3])])
def test_a_users_column_called_index_is_none(nwb: Build, second: np.ndarray) -> None:
    def add(file: h5py.File) -> None:
        typed(file["intervals/trials"], "image", np.array([b"face", b"house", b"tool"]), "VectorData")
        typed(file["intervals/trials"], "image_index", second, "VectorData")

    trials = read_recording(nwb(also=add)).intervals["trials"]
    assert trials["image"].tolist() == ["face", "house", "tool"]
    assert trials["image_index"].tolist() == second.tolist()


def test_an_untyped_index_counts_where_it_fits(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        group = file["intervals/trials"]
        group["side"], group["side_index"] = np.array([b"l", b"r", b"l"]), np.array([2, 1, 2])
        group["tags"], group["tags_index"] = np.array([b"a", b"b", b"c", b"d"]), np.array([1, 1, 4])

    trials = read_recording(nwb(also=add)).intervals["trials"]
    assert trials["side"].tolist() == ["l", "r", "l"] and trials["side_index"].tolist() == [2, 1, 2]
    assert trials["tags"].tolist() == ["a", "", "b, c, d"] and "tags_index" not in trials


def test_an_index_of_another_name_by_its_target_and_an_index_of_an_index(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        group = file["intervals/trials"]
        for name in ("tags", "words"):
            typed(group, name, np.array([b"a", b"b", b"c", b"d"]), "VectorData")
        typed(group, "ends_of_tags", np.array([1, 2, 4]), "VectorIndex", "tags")
        typed(group, "words_index", np.array([1, 2, 4]), "VectorIndex", "words")
        typed(group, "words_index_index", np.array([2, 2, 3]), "VectorIndex", "words_index")

    trials = read_recording(nwb(also=add)).intervals["trials"]
    assert trials["tags"].tolist() == ["a", "b", "c, d"] and trials["words"].tolist() == ["a, b", "", "c, d"]
    assert list(trials) == ["start_time", "stop_time", "tags", "words"]


def test_a_stale_target_yields_to_the_name_that_fits(nwb: Build) -> None:
    """A column deleted and written anew leaves a reference to whatever took its place in the file."""

    def add(file: h5py.File) -> None:
        group = file["intervals/trials"]
        typed(group, "tags", np.array([b"a", b"b", b"c", b"d"]), "VectorData")
        typed(group, "side", np.array([b"l", b"r", b"l"]), "VectorData")
        typed(group, "tags_index", np.array([1, 2, 4]), "VectorIndex", "side")

    trials = read_recording(nwb(also=add)).intervals["trials"]
    assert trials["tags"].tolist() == ["a", "b", "c, d"] and trials["side"].tolist() == ["l", "r", "l"]


@pytest.mark.parametrize("ends", [[1, 2, 3], [2, 1, 4], [1.5, 2, 4], [-1, 2, 4], [np.nan, 2, 4], [b"1", b"2", b"4"]])
def test_a_broken_index_costs_its_column_alone(nwb: Build, ends: list[Any]) -> None:
    def add(file: h5py.File) -> None:
        typed(file["intervals/trials"], "tags", np.array([b"a", b"b", b"c", b"d"]), "VectorData")
        typed(file["intervals/trials"], "tags_index", np.array(ends), "VectorIndex", "tags")
        typed(file["intervals/trials"], "side", np.array([b"l", b"r", b"l"]), "VectorData")

    recording = read_recording(nwb(also=add))
    assert recording.intervals["trials"]["side"].tolist() == ["l", "r", "l"]
    assert "tags" not in recording.intervals["trials"]
    assert [item.count for item in recording.findings if item.id == "table-column-broken"] == [1]


@pytest.mark.parametrize("shape", [(3, 1), (1, 3)])
def test_columns_as_matlab_writes_them(nwb: Build, shape: tuple[int, int]) -> None:
    def add(file: h5py.File) -> None:
        file["intervals/trials/side"] = np.array([b"l", b"r", b"l"])
        for name in ("start_time", "stop_time", "id", "side"):
            values = file[f"intervals/trials/{name}"][...]
            del file[f"intervals/trials/{name}"]
            file[f"intervals/trials/{name}"] = values.reshape(shape)

    trials = read_recording(nwb(also=add)).intervals["trials"].to_dict("list")
    assert trials == {"start_time": [0.0, 2.0, 4.0], "stop_time": [1.0, 3.0, 5.0], "side": ["l", "r", "l"]}


def test_a_row_of_several_values_is_no_column_of_a_table_of_one_row(nwb: Build) -> None:
    columns = {"start_time": 1.0, "stop_time": 2.0, "side": b"left", "wave": np.zeros((1, 7)), "n": [[3]]}

    def add(file: h5py.File) -> None:
        group = file.create_group("intervals/blocks")
        for name, values in columns.items():
            group[name] = values

    table_ = read_recording(nwb(also=add)).intervals["blocks"]
    assert table_.to_dict("list") == {"start_time": [1.0], "stop_time": [2.0], "n": [3], "side": ["left"]}


@pytest.mark.parametrize(
    "stored",
    [np.zeros(3, [("a", "f8")]), np.zeros(3, complex), np.zeros(3, "V5"), np.zeros(2), np.zeros((2, 4)), 1.0],
)
def test_a_column_that_cannot_be_read_is_left_out_alone(nwb: Build, stored: object) -> None:
    def add(file: h5py.File) -> None:
        file["intervals/trials/odd"], file["intervals/trials/even"] = stored, [0, 2, 4]

    recording = read_recording(nwb(also=add))
    assert recording.intervals["trials"]["even"].tolist() == [0, 2, 4] and "odd" not in recording.intervals["trials"]
    assert [item.id for item in recording.findings if "odd" in item.message] == ["table-column-broken"]


@pytest.mark.parametrize("stored", [np.array([b"a", b"b"]), np.zeros((2, 3)), h5py.Empty("f8"), np.zeros(2, "V4")])
def test_a_table_without_usable_times_is_left_out_alone(nwb: Build, stored: object) -> None:
    def add(file: h5py.File) -> None:
        table(file, "intervals/epochs", {"stop_time": [1.0, 2.0]}, "TimeIntervals")
        file["intervals/epochs/start_time"] = stored

    recording = read_recording(nwb(also=add))
    assert list(recording.intervals) == ["trials"] and not recording.events
    assert [item.id for item in recording.findings if "epochs" in item.message] == ["table-broken"]


def test_a_dataset_for_a_group_of_tables_is_told(nwb: Build, findings_of: Callable[..., dict[str, int]]) -> None:
    told = findings_of(nwb(trials=None, also=lambda file: file.__setitem__("intervals", [1.0])))
    assert told["table-broken"] == 1 and "no-trials" not in told


def annotated(data: object, timestamps: object) -> Callable[[h5py.File], None]:
    def add(file: h5py.File) -> None:
        group = file.create_group("acquisition/notes")
        group.attrs["neurodata_type"] = "AnnotationSeries"
        group["data"], group["timestamps"] = data, timestamps

    return add


def test_an_annotation_of_one_entry_may_be_a_scalar(nwb: Build) -> None:
    events = read_recording(nwb(also=annotated(b"light off", 3.0))).events["notes"]
    assert events.to_dict("list") == {"start_time": [3.0], "label": ["light off"]}


def test_annotations_of_another_number_keep_their_times(nwb: Build) -> None:
    recording = read_recording(nwb(also=annotated(np.array([b"a", b"b", b"c"]), [1.0, 2.0])))
    assert recording.events["notes"].to_dict("list") == {"start_time": [1.0, 2.0]}
    assert any(item.id == "table-column-broken" for item in recording.findings)


@pytest.mark.parametrize(
    ("codes", "times", "expected"),
    [
        ([1, -1, 1], [1.0, 2.0, 3.0], [(1.0, 2.0)]),
        ([-1, 1, -1], [0.5, 1.0, 2.0], [(1.0, 2.0)]),
        ([[1, -1, 2, -2]], [[1.0], [2.0], [3.0], [4.0]], [(1.0, 2.0), (3.0, 4.0)]),
        ([1, -1, 1, -1], [0.0, 1.0, 1.0, 2.0], [(0.0, 1.0), (1.0, 2.0)]),
    ],
)
def test_interval_series_pair_what_belongs_together(nwb: Build, codes: Any, times: Any, expected: Any) -> None:
    def add(file: h5py.File) -> None:
        group = file.create_group("acquisition/steps")
        group.attrs["neurodata_type"] = "IntervalSeries"
        group["data"], group["timestamps"] = codes, times

    recording = read_recording(nwb(also=add))
    steps = recording.intervals["steps"]
    assert list(zip(steps["start_time"], steps["stop_time"], strict=True)) == expected
    n_left_out = sum(item.count for item in recording.findings if item.id == "table-column-broken")
    assert n_left_out == np.size(codes) - 2 * len(expected)


def test_an_interval_series_of_odd_length_is_left_out_alone(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        group = file.create_group("acquisition/steps")
        group.attrs["neurodata_type"] = "IntervalSeries"
        group["data"], group["timestamps"] = np.array([1, -1, 1]), [1.0, 2.0]

    recording = read_recording(nwb(also=add))
    assert "steps" not in {**recording.intervals, **recording.covariates}
    assert any(item.id == "table-broken" and "steps" in item.message for item in recording.findings)
