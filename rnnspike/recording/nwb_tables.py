"""NWB's tables by plain HDF5: columns, interval tables, event tables, wherever a file keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.recording import h5
from rnnspike.recording.checks import found
from rnnspike.recording.contents import as_float
from rnnspike.recording.data import Finding

#: Names under which event tables keep the time of a row, best first.
TIME_COLUMNS = ("timestamp", "timestamps", "time", "times", "event_time", "onset")
#: Where tables and series may be; the rest of a file is description.
ROOTS = ("intervals", "events", "processing", "stimulus/presentation", "acquisition", "analysis", "scratch")


def walk(file: h5py.File) -> Iterator[h5py.Group]:
    """Yield every group under the roots that is a table or a series, not going into those."""
    seen: set[Any] = set()
    for root in ROOTS:
        group = h5.child(file, root)
        if isinstance(group, h5py.Group):
            yield from _walk(group, seen)


def _walk(group: h5py.Group, seen: set[Any]) -> Iterator[h5py.Group]:
    place = (group.file.filename, h5py.h5o.get_info(group.id).addr)
    if place in seen:
        return
    seen.add(place)
    for name in group:
        inner = h5.child(group, name)
        if not isinstance(inner, h5py.Group):
            continue
        if is_leaf(inner):
            yield inner
        else:
            yield from _walk(inner, seen)


def is_leaf(group: h5py.Group) -> bool:
    """Return whether a group is a table or a series, rather than a container of such."""
    marks = ("colnames" in group.attrs, "data" in group, "timestamps" in group, "start_time" in group)
    return any(marks) or is_units_table(group)


def is_units_table(group: h5py.Group) -> bool:
    """Return whether a group is a table of units."""
    return h5.attribute(group, "neurodata_type") == "Units" or ("spike_times" in group and "id" in group)


def column_names(group: h5py.Group) -> list[str]:
    """Return a table's columns in the order it gives, else by name; ids and indices left out."""
    named = [h5.text(name) for name in np.atleast_1d(group.attrs.get("colnames", []))]
    rest = [name for name in group if name not in named and name != "id" and not name.endswith("_index")]
    return [name for name in [*named, *rest] if isinstance(h5.child(group, name), h5py.Dataset)]


def read_column(group: h5py.Group, name: str) -> npt.NDArray[Any] | None:
    """Return a column (row,) of plain values or text; None where rows hold arrays or something else.

    Ragged text (``tags``) is joined with commas, a ragged column of one value a row is taken as it is.
    """
    dataset = group[name]
    values = _plain_values(dataset)
    index = h5.child(group, f"{name}_index")
    if values is None or not isinstance(index, h5py.Dataset):
        return values
    ends = h5.whole_numbers(index)
    starts = np.concatenate([[0], ends]).astype(np.int64)[:-1]
    if len(ends) == len(values) and bool(np.all(ends - starts == 1)):
        return values
    if values.dtype != object:
        return None
    return np.array([", ".join(values[a:b]) for a, b in zip(starts, ends, strict=True)], dtype=object)


def _plain_values(dataset: h5py.Dataset) -> npt.NDArray[Any] | None:
    if dataset.ndim > 1 and (dataset.ndim > 2 or dataset.shape[1] != 1):
        return None
    if h5.is_text(dataset):
        return h5.strings(dataset)
    if dataset.dtype.kind not in "biuf" or dataset.ndim == 0:
        return None
    values: npt.NDArray[Any] = dataset[...].ravel()
    elements = dataset.attrs.get("elements")
    if isinstance(elements, h5py.Reference):
        names = h5.strings(dataset.file[elements])
        return names[values.astype(np.int64)]
    return values


def read_table(group: h5py.Group, time_column: str) -> tuple[pd.DataFrame, list[Finding]]:
    """Return a table with its time column as ``start_time``; columns of another length are left out and named."""
    start = as_float(group[time_column][...].ravel())
    columns: dict[str, npt.NDArray[Any]] = {"start_time": start}
    findings = []
    for name in column_names(group):
        if name == time_column or name == "timeseries":
            continue
        values = read_column(group, name)
        if values is None:
            continue
        if len(values) != len(start):
            message = f"table {_name(group)}: column {name} has {len(values)} values for {len(start)} rows: left out"
            findings.append(found("table-column-broken", message, count=1))
            continue
        columns[name] = as_float(values) if name == "stop_time" else values
    return pd.DataFrame(columns), findings


def read_intervals(group: h5py.Group) -> tuple[pd.DataFrame, list[Finding]]:
    """Return an interval table."""
    return read_table(group, "start_time")


def event_time_column(group: h5py.Group) -> str | None:
    """Return the column with an event table's times, None where it is no event table."""
    if "colnames" not in group.attrs:
        return None
    names = [name for name in TIME_COLUMNS if isinstance(h5.child(group, name), h5py.Dataset)]
    return next((name for name in names if group[name].dtype.kind in "iuf" and group[name].ndim == 1), None)


def read_event_series(group: h5py.Group) -> pd.DataFrame | None:
    """Return events kept as a series: annotations, ndx-events' Events, LabeledEvents and TTLs; else None."""
    kind = h5.attribute(group, "neurodata_type")
    timestamps = h5.child(group, "timestamps")
    data = h5.child(group, "data")
    if not isinstance(timestamps, h5py.Dataset):
        return None
    has_text = isinstance(data, h5py.Dataset) and h5.is_text(data)
    if kind not in ("Events", "LabeledEvents", "TTLs", "AnnotatedEvents", "AnnotationSeries") and not has_text:
        return None
    columns: dict[str, Any] = {"start_time": as_float(timestamps[...].ravel())}
    if isinstance(data, h5py.Dataset) and len(data) == len(columns["start_time"]):
        columns["label"] = h5.strings(data) if has_text else _labels(data)
    return pd.DataFrame(columns)


def _labels(data: h5py.Dataset) -> npt.NDArray[Any]:
    values: npt.NDArray[Any] = data[...].ravel()
    names = data.attrs.get("labels")
    if names is None or values.dtype.kind not in "iu" or (len(values) and int(values.max()) >= len(names)):
        return values
    return np.array([h5.text(name) for name in names], dtype=object)[values.astype(np.int64)]


def read_interval_series(group: h5py.Group) -> pd.DataFrame | None:
    """Return an IntervalSeries (+k starts, -k stops interval type k) as an interval table; else None."""
    if h5.attribute(group, "neurodata_type") != "IntervalSeries":
        return None
    times, codes = as_float(group["timestamps"][...]), group["data"][...].astype(np.int64)
    rows = []
    for kind in np.unique(np.abs(codes)):
        starts, stops = times[codes == kind], times[codes == -kind]
        rows += [(start, stop, kind) for start, stop in zip(starts, stops, strict=False)]
    table = pd.DataFrame(sorted(rows), columns=["start_time", "stop_time", "kind"])
    return table if table["kind"].nunique() > 1 else table.drop(columns="kind")


def _name(group: h5py.Group) -> str:
    return str(group.name).rsplit("/", 1)[-1]
