"""Changes to an NWB file after which it may be read or refused, in one line."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from benchmarks.fuzz.nwb_edit import GROUPS, NEEDED, SPARE, Change, pick, present, replace
from benchmarks.fuzz.texts import hostile_text

ODD: list[Change] = []


def odd(change: Change) -> Change:
    """Enter a change after which the file may be read or refused."""
    ODD.append(change)
    return change


@odd
def deleted(rng: np.random.Generator, file: h5py.File) -> None:
    place = pick(rng, NEEDED + GROUPS)
    if place in file:
        del file[place]


@odd
def moved(rng: np.random.Generator, file: h5py.File) -> None:
    place = pick(rng, NEEDED + GROUPS)
    if place in file:
        file.move(place, place + pick(rng, ("s", "_index", " ", "_2", ".bak")))


@odd
def other_type(rng: np.random.Generator, file: h5py.File) -> None:
    place = pick(rng, present(file, NEEDED + SPARE) or NEEDED)
    if place not in file:
        return
    n = file[place].size or 0
    values: tuple[tuple[Any, Any], ...] = (
        (np.array([str(i) for i in range(n)], object), h5py.string_dtype()), (np.array([b"1.5"] * n, "S8"), None),
        (np.zeros(n, [("start", "f8"), ("stop", "f8")]), None), (np.ones(n, bool), None), (np.zeros(n,
        complex), None),
        (np.zeros(n, "V4"), None), (np.array([file.ref] * n, dtype=h5py.ref_dtype), h5py.ref_dtype),
        (np.arange(n) % 2, h5py.enum_dtype({"a": 0, "b": 1}, "i1")), (h5py.Empty("f8"), None),
        (np.array([np.arange(2.0)] * (n + 1), object)[:n] if n else np.zeros(0),
        h5py.vlen_dtype("f8") if n else None),
        (np.array([hostile_text(rng).replace("\0", "") for _ in range(n)], object), h5py.string_dtype()),
        (np.zeros(n, "f2"), None), (np.zeros(n, "M8[s]").astype("i8"), None),
    )  # fmt: skip
    data, dtype = pick(rng, values)
    if dtype is not None and h5py.check_vlen_dtype(dtype) == np.dtype("f8"):
        replace(file, place, shape=(n,), dtype=dtype)
        return
    replace(file, place, data, dtype=dtype)


@odd
def index_lies(rng: np.random.Generator, file: h5py.File) -> None:
    place = "units/spike_times_index"
    if place not in file or not isinstance(file[place], h5py.Dataset) or file[place].dtype.kind not in "iu":
        return
    ends = np.atleast_1d(file[place][()]).ravel().astype(np.int64)
    lies: tuple[Any, ...] = (
        ends[::-1], ends + 7, ends - 7, -ends, ends * 1000, ends[:-1], np.append(ends, ends[-1]), ends * 0,
        ends * 1.5,
        np.full(len(ends), np.nan), np.full(len(ends), 2**63, np.uint64), np.append(ends[:-1], ends[-1] + 1),
        np.roll(ends, 1), np.zeros(0, np.int64), ends[:, None] + np.zeros(2, np.int64), (ends % 256).astype(np.uint8),
    )  # fmt: skip
    replace(file, place, pick(rng, lies))


@odd
def odd_times(rng: np.random.Generator, file: h5py.File) -> None:
    place = pick(rng, ("units/spike_times", "intervals/trials/start_time", "intervals/trials/stop_time"))
    if place not in file or not isinstance(file[place], h5py.Dataset) or file[place].dtype.kind != "f":
        return
    values = np.atleast_1d(file[place][()]).astype(np.float64)
    odd_value = pick(rng, (np.nan, np.inf, -np.inf, 1e300, -1e300, 1e18, 1e9, -1.0, 0.0, 5e-324))
    chosen = rng.random(values.shape) < pick(rng, (0.01, 0.5, 1.0))
    chosen.ravel()[:1] = True
    replace(file, place, np.where(chosen, odd_value, values))


@odd
def other_scale(rng: np.random.Generator, file: h5py.File) -> None:
    place = pick(rng, ("units/spike_times", "intervals/trials/start_time", "intervals/trials/stop_time"))
    if place in file and isinstance(file[place], h5py.Dataset) and file[place].dtype.kind == "f":
        replace(file, place, file[place][()].astype(np.float64) * pick(rng, (1e3, 3e4, 1e-3, -1.0, 0.0, 1e15)))


@odd
def swapped(rng: np.random.Generator, file: h5py.File) -> None:
    group = file.get("intervals/trials")
    if isinstance(group, h5py.Group) and {"start_time", "stop_time"} <= set(group):
        group.move("start_time", "x")
        group.move("stop_time", "start_time")
        group.move("x", "stop_time")


@odd
def group_for_data(rng: np.random.Generator, file: h5py.File) -> None:
    place = pick(rng, NEEDED + GROUPS)
    if place in file:
        was_group = isinstance(file[place], h5py.Group)
        del file[place]
        if was_group:
            file[place] = pick(rng, (np.zeros(3), "text", h5py.Empty("f8")))
        else:
            file.create_group(place)["data"] = np.zeros(2)


@odd
def linked_away(rng: np.random.Generator, file: h5py.File) -> None:
    place = pick(rng, NEEDED + GROUPS)
    if place not in file:
        return
    del file[place]
    outside = h5py.ExternalLink("../elsewhere/secret.nwb", f"/{place}")
    links = (h5py.SoftLink("/nowhere"), h5py.SoftLink(f"/{place}"), h5py.ExternalLink("gone.nwb", "/units"), outside,
             h5py.ExternalLink("/dev/zero", "/units"), h5py.ExternalLink(".", "/units"), h5py.SoftLink("/"),
             h5py.ExternalLink("odd.nwb", f"/{place}"), outside)  # fmt: skip
    file[place] = pick(rng, links)


@odd
def data_from_outside(rng: np.random.Generator, file: h5py.File) -> None:
    """Keep the spike times in a raw file or behind a virtual data set, outside the folder."""
    place = "units/spike_times"
    if place not in file or not isinstance(file[place], h5py.Dataset):
        return
    n = file[place].size or 1
    if rng.random() < 0.5:
        replace(file, place, shape=(n,), dtype="f8", external=[("../elsewhere/secret.raw", 0, h5py.h5f.UNLIMITED)])
    else:
        layout = h5py.VirtualLayout((n,), "f8")
        layout[:] = h5py.VirtualSource("../elsewhere/secret.nwb", place, (n,))
        del file[place]
        file.create_virtual_dataset(place, layout)


@odd
def huge(rng: np.random.Generator, file: h5py.File) -> None:
    place = pick(rng, NEEDED + SPARE)
    if place in file and isinstance(file[place], h5py.Dataset):
        dtype = pick(rng, ("f8", "i8", "u1", "f8"))
        n = int(pick(rng, (10**8, 10**9, 2**40, 2**62)))
        shape = pick(rng, ((n,), (n, 1), (n, 2)))
        replace(file, place, shape=shape, dtype=dtype, chunks=(1024, *shape[1:]), maxshape=(None, *shape[1:]))


@odd
def odd_ids(rng: np.random.Generator, file: h5py.File) -> None:
    place = pick(rng, ("units/id", "intervals/trials/id"))
    if place in file and isinstance(file[place], h5py.Dataset):
        n = file[place].size or 1
        texts = np.array([hostile_text(rng).replace("\0", "") for _ in range(n)], object)
        values = pick(rng, (np.zeros(n), -np.arange(n), np.full(n, np.nan), np.arange(n) + 0.5, np.full(n,
                            2**63, "u8"), texts,
                            np.full(n, 1e300), np.zeros(n, bool), np.arange(n + 1), np.zeros(0)))  # fmt: skip
        replace(file, place, values, dtype=h5py.string_dtype() if values.dtype == object else None)


@odd
def odd_table_attributes(rng: np.random.Generator, file: h5py.File) -> None:
    for place in ("", "units", "intervals/trials"):
        group = file.get(place or "/")
        if isinstance(group, h5py.Group) and rng.random() < 0.6:
            name = pick(rng, ("colnames", "neurodata_type", "namespace", "nwb_version"))
            values = (
                5,
                "x",
                ["a", "b"],
                [],
                [1.5],
                h5py.Empty("S1"),
                b"\xff",
                ["spike_times"] * 3,
                [["a"], ["b"]],
                "1.0.6",
                np.nan,
            )
            group.attrs[name] = pick(rng, values)


@odd
def observed(rng: np.random.Generator, file: h5py.File) -> None:
    if not isinstance(file.get("units"), h5py.Group) or "obs_intervals" in file["units"]:
        return
    values = (np.array([[0.0, np.inf]]), np.array([[5.0, 1.0]]), np.array([[np.nan, np.nan]]), np.array([0.0, 30.0]),
              np.array([[0.0, 1e300]]), np.zeros((0, 2)), np.array([["a", "b"]], "S1"), np.zeros((3, 3)))  # fmt: skip
    file["units/obs_intervals"] = pick(rng, values)
    file["units/obs_intervals_index"] = pick(
        rng, (np.array([1, 1, 1]), np.array([1]), np.array([5]), np.array([-1, 0, 1]), 1)
    )
