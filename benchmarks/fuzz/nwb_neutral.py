"""Changes to an NWB file that must not alter its units, spikes and trials."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from benchmarks.fuzz.corpus import put_table
from benchmarks.fuzz.nwb_edit import GROUPS, NEEDED, SPARE, Change, add_column, is_objects, pick, present, replace
from benchmarks.fuzz.texts import hostile_text

NEUTRAL: list[Change] = []


def neutral(change: Change) -> Change:
    """Enter a change that must not alter units, spikes or trials."""
    NEUTRAL.append(change)
    return change


@neutral
def reshaped(rng: np.random.Generator, file: h5py.File) -> None:
    for place in present(file, NEEDED + SPARE):
        if rng.random() < 0.5:
            values = file[place][()]
            shapes = [(-1, 1), (1, -1)] + ([()] if values.size == 1 else [])
            replace(file, place, values.reshape(pick(rng, tuple(shapes))), dtype=file[place].dtype)


@neutral
def other_widths(rng: np.random.Generator, file: h5py.File) -> None:
    for place, types in {
        "units/id": ("<i4", ">i8", "<u8", "<i2"),
        "units/spike_times_index": ("<u2", "<u4", "<u8", "<i8", ">i4"),
        "units/spike_times": (">f8", "<f8"),
        "intervals/trials/start_time": ("<f4", ">f8", "<f2"),
        "intervals/trials/stop_time": ("<f4", ">f4", "<f8"),
    }.items():
        replace(file, place, file[place][()].astype(pick(rng, types)))


@neutral
def other_storage(rng: np.random.Generator, file: h5py.File) -> None:
    hows: tuple[dict[str, Any], ...] = (
        {"chunks": True}, {"compression": "gzip", "shuffle": True}, {"fletcher32": True}, {"maxshape": (None,)},
    )  # fmt: skip
    for place in present(file, NEEDED + SPARE):
        data = file[place][()]
        if data.ndim == 1 and data.size:
            replace(file, place, data, dtype=file[place].dtype, **pick(rng, hows))


@neutral
def no_attributes(rng: np.random.Generator, file: h5py.File) -> None:
    for place in present(file, NEEDED):
        for name in ("neurodata_type", "namespace", "description"):
            if name in file[place].attrs and rng.random() < 0.5:
                del file[place].attrs[name]


@neutral
def odd_attributes(rng: np.random.Generator, file: h5py.File) -> None:
    values = (np.nan, "", "ü", [1, 2], b"\xff\xfe", np.zeros((2, 2)), h5py.Empty("f8"), file["units"].ref, 2**63)
    for place in (*NEEDED, *GROUPS):
        if place in file and rng.random() < 0.4:
            file[place].attrs[pick(rng, ("comments", "unit", "resolution", "x", "zzz"))] = pick(rng, values)


@neutral
def column_called_index(rng: np.random.Generator, file: h5py.File) -> None:
    n = len(file["intervals/trials/id"])
    values = pick(rng, (np.arange(1, n + 1), rng.integers(0, 9, n), rng.random(n), np.full(n, -1), np.arange(n)))
    for table in ("units", "intervals/trials"):
        rows = file[f"{table}/id"].size
        add_column(file[table], "image", np.array([f"im{i}" for i in range(rows)], object))
        add_column(file[table], "image_index", values[:rows])


@neutral
def spare_columns(rng: np.random.Generator, file: h5py.File) -> None:
    place = pick(rng, ("units", "intervals/trials"))
    rows = file[f"{place}/id"].size
    values: tuple[Any, ...] = (
        np.full(rows, np.nan), np.full(rows, np.inf), np.zeros((rows, 0)), np.zeros((rows, 2, 2)), np.zeros(rows + 1),
        np.zeros(0), np.array([{"": 1}.__repr__()] * rows, object), rng.integers(0, 2, rows).astype(bool),
        np.zeros(rows, [("a", "<f4"), ("b", "<i4")]), np.full(rows, 2**64 - 1, np.uint64), np.zeros(rows, "V5"),
        np.array([hostile_text(rng) for _ in range(rows)], object), np.zeros(rows, complex), 3.0, "text",
    )  # fmt: skip
    add_column(
        file[place],
        pick(rng, ("extra", "extra 2", "note/1".replace("/", "_"), "Zusatz", "x" * 200)),
        pick(rng, values),
    )


@neutral
def renamed_spare(rng: np.random.Generator, file: h5py.File) -> None:
    place = pick(rng, present(file, SPARE) or ("",))
    if place:
        file.move(place, place.rsplit("/", 1)[0] + "/other_name")


@neutral
def dropped_spare(rng: np.random.Generator, file: h5py.File) -> None:
    for place in present(file, SPARE):
        if rng.random() < 0.5:
            del file[place]


@neutral
def padded_spikes(rng: np.random.Generator, file: h5py.File) -> None:
    times, ends = file["units/spike_times"][()].ravel(), file["units/spike_times_index"][()].ravel().astype(np.int64)
    trains = [np.append(train, [np.nan] * int(rng.integers(0, 4))) for train in np.split(times, ends[:-1])]
    replace(file, "units/spike_times", np.concatenate(trains))
    replace(file, "units/spike_times_index", np.cumsum([len(train) for train in trains]))


@neutral
def rows_in_other_order(rng: np.random.Generator, file: h5py.File) -> None:
    order = rng.permutation(file["intervals/trials/id"].size)
    for item in list(file["intervals/trials"].values()):
        values = item[()] if isinstance(item, h5py.Dataset) else None
        if values is not None and np.ndim(values) == 1 and len(values) == len(order):
            item[...] = values[order]


@neutral
def far_invalid_times(rng: np.random.Generator, file: h5py.File) -> None:
    if "intervals/invalid_times" not in file:
        times = pick(
            rng, ((100.0, 101.0), ([100.0], [101.0]), ([[100.0]], [[101.0]]), ([100.0, 200.0], [101.0, 1e9]))
        )
        group = file.create_group("intervals/invalid_times")
        group["start_time"], group["stop_time"] = (np.asarray(value) for value in times)
        group.attrs.update({"neurodata_type": "TimeIntervals", "colnames": ["start_time", "stop_time"]})


def _series(file: h5py.File, kind: str, rng: np.random.Generator) -> h5py.Group:
    root = pick(rng, ("acquisition", "processing/behavior", "stimulus/presentation", "scratch"))
    group = file.require_group(root).require_group(f"odd{len(file.get(root, {}))}")
    group.attrs.update({"neurodata_type": kind, "namespace": "core"})
    return group


@neutral
def odd_series(rng: np.random.Generator, file: h5py.File) -> None:
    for _ in range(int(rng.integers(1, 4))):
        kind = pick(
            rng,
            ("TimeSeries", "AnnotationSeries", "IntervalSeries", "Events", "SpatialSeries", "", "ElectricalSeries"),
        )
        group = _series(file, kind, rng)
        data: tuple[Any, ...] = (
            5.0, "one", np.arange(7.0), np.zeros((4, 3)), np.zeros((5, 1)), np.zeros((1, 6)), np.zeros((2, 2, 2)),
            np.zeros(0), np.array([1, -1, 1]), np.full(4, np.nan), np.zeros(3, [("a", "f4")]), np.zeros(3, "V3"),
            np.array(["a", "b"], object), np.array([True, False]), np.array([2**63], np.uint64), h5py.Empty("f8"),
        )  # fmt: skip
        times: tuple[Any, ...] = (
            None, 0.5, np.arange(7.0), np.full(7, np.nan), np.array([np.inf]), np.arange(7)[::-1] * 1.0,
            np.zeros((7, 1)),
            np.array(["0.1", "x"], object), np.zeros(0), np.array([1e300, -1e300]), np.arange(3), np.zeros(3, "V3"),
            np.arange(7.0, dtype="f2"), h5py.Empty("f8"),
        )  # fmt: skip
        _put(group, "data", pick(rng, data))
        _put(group, "timestamps", pick(rng, times))
        if rng.random() < 0.5:
            _put(
                group,
                "starting_time",
                pick(rng, (0.0, np.nan, np.array([0.0]), np.array([[0.0]]), "zero", -1e9, np.zeros(0))),
            )
            if "starting_time" in group:
                rates = (
                    10.0,
                    0.0,
                    -1.0,
                    np.nan,
                    np.inf,
                    "100 Hz",
                    np.array([10.0]),
                    [1.0, 2.0],
                    1e-300,
                    h5py.Empty("f8"),
                )
                group["starting_time"].attrs["rate"] = pick(rng, rates)
        if "data" in group:
            for name in ("conversion", "offset", "resolution", "unit", "labels"):
                if rng.random() < 0.3:
                    group["data"].attrs[name] = pick(
                        rng, (1.0, [2.0], [[1.0]], "x", np.nan, [1.0, 2.0, 3.0], 0, h5py.Empty("f8"))
                    )


def _put(group: h5py.Group, name: str, values: Any) -> None:
    if values is not None:
        is_text = isinstance(values, str) or is_objects(values)
        group.create_dataset(name, data=values, dtype=h5py.string_dtype() if is_text else None)


@neutral
def odd_epochs(rng: np.random.Generator, file: h5py.File) -> None:
    if "intervals/epochs" in file:
        return
    group = file.create_group("intervals/epochs")
    group.attrs["neurodata_type"] = "TimeIntervals"
    values: tuple[Any, ...] = (
        np.array(["a", "b"], object), np.arange(2.0), 1.0, np.zeros((2, 2)), np.full(2, np.nan), np.zeros(2, "V2"),
        np.array([1e18, 2e18]), np.zeros(0), np.zeros(2, bool), np.zeros(2, complex),
    )  # fmt: skip
    for name in ("start_time", "stop_time", "tags", "tags_index", "timeseries"):
        if rng.random() < 0.7:
            _put(group, name, pick(rng, values))


@neutral
def odd_leaves(rng: np.random.Generator, file: h5py.File) -> None:
    root = file.require_group(pick(rng, ("scratch", "analysis", "processing/x", "acquisition")))
    name = f"leaf{len(root)}"
    choice = int(rng.integers(9))
    if choice == 0:
        root[name] = h5py.SoftLink("/nowhere")
    elif choice == 1:
        root[name] = h5py.ExternalLink("gone.nwb", "/x")
    elif choice == 2:
        root[name] = h5py.SoftLink(f"{root.name}/{name}")
    elif choice == 3:
        root.create_group(name)["up"] = root
    elif choice == 4:
        root.create_dataset(f"{name}/data", shape=(10**9,), dtype="f8", chunks=(1024,))
        root[name].attrs["neurodata_type"] = "TimeSeries"
    elif choice == 5:
        root.create_group("/".join([name, *"abcdefghij" * 4]))
    elif choice == 6:
        root[name] = np.array([file["units"].ref, file.ref], dtype=h5py.ref_dtype)
    elif choice == 7:
        root[name] = np.dtype("f8")
    else:
        put_table(root, name, {"id": np.arange(3), "timestamp": np.arange(4.0), "label": ["a", "b"]}, "DynamicTable")
