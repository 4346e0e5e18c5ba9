"""NWB tables read by plain HDF5: columns, interval tables and event tables, at any place in a file."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import pairwise
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.recording.data import Finding, FloatArray
from rnnspike.recording.findings import found
from rnnspike.recording.formats.hdf5 import h5, h5_values

#: Names of columns with the time of an event, best first.
TIME_COLUMNS = ("timestamp", "timestamps", "time", "times", "event_time", "onset")
#: Groups that may hold tables and series; the rest of a file is metadata.
ROOTS = ("intervals", "events", "processing", "stimulus/presentation", "acquisition", "analysis", "scratch")
#: Columns of a units table that are ragged by NWB's schema: a dataset named as their index is their index.
RAGGED = ("spike_times", "obs_intervals", "electrodes", "waveforms", "waveforms_index")
#: NWB types of series that hold events.
_EVENT_SERIES = ("Events", "LabeledEvents", "TTLs", "AnnotatedEvents", "AnnotationSeries")

IntArray = npt.NDArray[np.int64]
Columns = dict[str, npt.NDArray[Any]]


def walk(file: h5py.Group) -> tuple[list[h5py.Group], list[Finding]]:
    """Return all tables and series under the roots (not inside one another), and findings of unreadable objects."""
    leaves: list[h5py.Group] = []
    findings: list[Finding] = []
    seen: set[Any] = set()
    waiting: list[tuple[h5py.Group, str]] = [(file, root) for root in reversed(ROOTS)]
    while waiting:
        parent, name = waiting.pop()
        group = h5.child(parent, name)
        if group is None or (parent is file and not isinstance(group, h5py.Group)):
            findings += _unopened(parent, name)
        if not isinstance(group, h5py.Group):
            continue
        if parent is not file and is_leaf(group):
            leaves.append(group)
            continue
        place = (group.filename, h5py.h5o.get_info(group.id).addr)
        if place not in seen:
            seen.add(place)
            waiting += [(group, inner) for inner in reversed(list(group))]
    return leaves, findings


def _unopened(parent: h5py.Group, name: str) -> list[Finding]:
    """Return the finding that an object cannot be opened; none if there is no object."""
    place = f"{str(parent.name).rstrip('/')}/{name}"
    error = h5.access_error(parent, name)
    if isinstance(error, h5.LinkError):
        return [found(error.finding_id, f"{place} {error}", count=1)]
    if error is not None:
        return [h5.left_out("table-broken", place, error)]
    is_dataset = isinstance(h5.child(parent, name), h5py.Dataset)
    return [h5.left_out("table-broken", place, "is a dataset, not a group")] if is_dataset else []


def is_leaf(group: h5py.Group) -> bool:
    """Return whether a group is a table or a series, rather than a container of such."""
    marks = ("colnames" in group.attrs, "data" in group, "timestamps" in group, "start_time" in group)
    return any(marks) or h5_values.label(group, "neurodata_type") == "TimeIntervals" or is_units_table(group)


def is_units_table(group: h5py.Group) -> bool:
    """Return whether a group is a table of units."""
    return h5_values.label(group, "neurodata_type") == "Units" or ("spike_times" in group and "id" in group)


def indices(group: h5py.Group) -> dict[str, str]:
    """Return for each ragged column of a table the name of its index; an index may itself have one.

    An index is of type VectorIndex, or refers to a column as its ``target``; a dataset without a type is an index
    only if its name and values match. A column that merely has a name ``X_index`` is not an index.
    """
    names = {name: item for name in group if isinstance(item := h5.child(group, name), h5py.Dataset)}
    result: dict[str, str] = {}
    for name, dataset in names.items():
        of = _indexed(name, dataset, names)
        if of is not None:
            result.setdefault(of, name)
    return result


def _indexed(name: str, dataset: h5py.Dataset, names: Mapping[str, h5py.Dataset]) -> str | None:
    """Return the column that a dataset is the index of, None if it is not an index.

    If a column was deleted and written again, the ``target`` may refer to another object: if the target does not
    match the index and the column of the same name does, the name is used.
    """
    kind, target, stem = h5_values.label(dataset, "neurodata_type"), _target(dataset, names), _stem(name, names)
    if kind not in ("", "VectorIndex") and target is None:
        return None
    candidates = [each for each in (target, stem) if each is not None and each != name]
    if not kind and target is None and stem not in RAGGED:
        return next((each for each in candidates if _fits(dataset, names[each])), None)
    fitting = (each for each in candidates if _fits(dataset, names[each]))
    return next(fitting, candidates[-1] if candidates else None)


def _stem(name: str, names: Mapping[str, h5py.Dataset]) -> str | None:
    """Return the column that a dataset is the index of by its name, None if there is no such column."""
    stem = name.removesuffix("_index")
    return stem if stem != name and stem in names else None


def _target(dataset: h5py.Dataset, names: Mapping[str, h5py.Dataset]) -> str | None:
    try:
        reference = h5_values.attribute(dataset, "target")
        target = dataset.file[reference] if isinstance(reference, h5py.Reference) else None
    except h5.BROKEN:
        return None
    return next((name for name, item in names.items() if item == target), None)


def _fits(index: h5py.Dataset, column: h5py.Dataset) -> bool:
    try:
        checked_ends(index, h5_values.length(column))
    except h5.BROKEN:
        return False
    return True


def checked_ends(index: h5py.Dataset, n_values: int) -> IntArray:
    """Return where each row of a ragged column ends (row,); ContentError if impossible for its ``n_values``."""
    ends = h5_values.whole_numbers(index)
    last = int(ends[-1]) if len(ends) else 0
    if last != n_values or bool(np.any(np.diff(ends) < 0)):
        raise h5.ContentError(f"ends at {last} for {n_values} stored values, or decreases")
    return ends


def row_ends(
    group: h5py.Group, name: str, index_of: Mapping[str, str], n_values: int | None = None
) -> IntArray | None:
    """Return where each row of a column ends (row,), by its index and the index of that index; None without one.

    Raises
    ------
    ContentError
        If an index does not match the values that it divides.
    """
    index = index_of.get(name)
    if index is None:
        return None
    try:
        ends = checked_ends(group[index], h5_values.length(group[name]) if n_values is None else n_values)
    except h5.BROKEN as error:
        raise h5.ContentError(f"has an index that does not match: {index} {h5.reason(error)}") from error
    outer = row_ends(group, index, {of: by for of, by in index_of.items() if of != name})
    return ends if outer is None else np.concatenate([[0], ends])[outer]


def divided(values: npt.NDArray[Any], ends: IntArray) -> list[npt.NDArray[Any]]:
    """Return the values of each row of a ragged column, as views."""
    return [values[start:end] for start, end in pairwise([0, *ends.tolist()])]


def column_names(group: h5py.Group, index_of: Mapping[str, str]) -> list[str]:
    """Return a table's columns in its stated order, else by name; without ids and indices."""
    named = h5_values.labels(group, "colnames")
    rest = [name for name in group if isinstance(h5.child(group, name), h5py.Dataset)]
    names = dict.fromkeys(name for name in [*named, *rest] if name in group or h5.access_error(group, name))
    return [name for name in names if name != "id" and name not in index_of.values() and not _is_index(group, name)]


def _is_index(group: h5py.Group, name: str) -> bool:
    item = h5.child(group, name)
    return item is not None and h5_values.label(item, "neurodata_type") == "VectorIndex"


def read_columns(
    group: h5py.Group, n_rows: int, skip: Collection[str], what: str, finding_id: str = "table-column-broken"
) -> tuple[Columns, list[Finding]]:
    """Return a table's columns (row,) of plain values or text; broken columns are left out, with a finding."""
    columns: Columns = {}
    findings: list[Finding] = []
    index_of = indices(group)
    for name in column_names(group, index_of):
        if name in skip:
            continue
        try:
            values = read_column(group, name, n_rows, index_of)
        except h5.BROKEN as error:
            findings.append(h5.left_out(finding_id, f"{what} column {name}", error))
        else:
            columns |= {} if values is None else {name: values}
    return columns, findings


def read_column(group: h5py.Group, name: str, n_rows: int, index_of: Mapping[str, str]) -> npt.NDArray[Any] | None:
    """Return a column (row,) of plain values or text; None if rows hold arrays or other types.

    Ragged text (``tags``) is joined with commas; a ragged column with one value per row is an ordinary column.

    Raises
    ------
    ContentError
        If it does not have one value per row.
    """
    dataset = group[name]
    if not isinstance(dataset, h5py.Dataset):
        raise h5.ContentError("is a group, not a dataset")
    ends = row_ends(group, name, index_of)
    is_single = ends is None or bool(np.all(np.diff(ends, prepend=0) == 1))
    if (ends is not None and len(ends) != n_rows) or (ends is None and _n_rows(dataset, n_rows) != n_rows):
        n_here = _n_rows(dataset, n_rows) if ends is None else len(ends)
        raise h5.ContentError(f"has {n_here} values for {n_rows} rows")
    if _holds_arrays(dataset) or not (is_single or h5_values.is_text(dataset)):
        return None
    if ends is None and n_rows == 1 and dataset.size not in (None, 1):
        return None
    values = _plain_values(dataset)
    if ends is None or is_single:
        return values
    return np.array([", ".join(row) for row in divided(values, ends)], dtype=object)


def _n_rows(dataset: h5py.Dataset, expected: int) -> int:
    """Return how many rows a column has: one per value of a list, but (1, n) in a table of one row is one array."""
    if expected == 1 and dataset.shape and dataset.shape[0] == 1:
        return 1
    return h5_values.length(dataset)


def _holds_arrays(dataset: h5py.Dataset) -> bool:
    """Return whether each row holds several values, or links to a series (an NWB type of column)."""
    if h5_values.label(dataset, "neurodata_type") == "TimeSeriesReferenceVectorData":
        return True
    if dataset.dtype.kind == "O" and h5py.check_vlen_dtype(dataset.dtype) is not None:
        return not h5_values.is_text(dataset)
    return not h5_values.is_list(dataset.shape)


def _plain_values(dataset: h5py.Dataset) -> npt.NDArray[Any]:
    if h5_values.is_text(dataset):
        return h5_values.strings(dataset)
    if not h5_values.is_number(dataset):
        raise h5.ContentError(f"holds {h5_values.kind_of(dataset)}")
    values = h5_values.column(dataset)
    elements = h5_values.attribute(dataset, "elements")
    if isinstance(elements, h5py.Reference):
        return _named(values, list(h5_values.strings(dataset.file[elements])))
    return values


def _named(codes: npt.NDArray[Any], names: list[str]) -> npt.NDArray[Any]:
    """Return the names of codes (row,); ContentError if a code has no name."""
    if len(codes) and not (codes.dtype.kind in "biu" and 0 <= int(codes.min()) <= int(codes.max()) < len(names)):
        raise h5.ContentError(f"holds codes beyond its {len(names)} names")
    return np.array(names, dtype=object)[codes.astype(np.int64)]


def read_table(group: h5py.Group, time_column: str) -> tuple[pd.DataFrame, list[Finding]]:
    """Return a table with its time column as ``start_time``; broken columns are left out, with a finding.

    Raises
    ------
    ContentError
        If the time column cannot be read.
    """
    start = _times(group, time_column)
    what = f"table {_name(group)}:"
    columns, findings = read_columns(group, len(start), (time_column, "start_time", "timeseries"), what)
    stop = columns.get("stop_time")
    if stop is not None and stop.dtype.kind not in "biuf":
        findings.append(h5.left_out("table-column-broken", f"{what} column stop_time", "holds text"))
        del columns["stop_time"]
    elif stop is not None:
        columns["stop_time"] = stop.astype(np.float64)
    return pd.DataFrame({"start_time": start, **columns}), findings


def _times(group: h5py.Group, name: str) -> FloatArray:
    try:
        if not isinstance(group[name], h5py.Dataset):
            raise h5.ContentError("is a group, not a dataset")
        if group[name].shape is None:
            raise h5.ContentError("is empty")
        return h5_values.numbers(group[name])
    except h5.BROKEN as error:
        raise h5.ContentError(f"has a column {name} that {h5.reason(error)}") from error


def is_interval_table(group: h5py.Group) -> bool:
    """Return whether a group is a table of intervals, by its columns or its type."""
    has_start = isinstance(h5.child(group, "start_time"), h5py.Dataset)
    return has_start or h5_values.label(group, "neurodata_type") == "TimeIntervals"


def event_time_column(group: h5py.Group) -> str | None:
    """Return the column with the times of an event table, None if it is not an event table."""
    if "colnames" not in group.attrs:
        return None
    return next((name for name in TIME_COLUMNS if _may_be_times(h5.child(group, name))), None)


def _may_be_times(item: Any) -> bool:
    return isinstance(item, h5py.Dataset) and item.dtype.kind in "iuf" and h5_values.is_list(item.shape)


def read_event_series(group: h5py.Group) -> tuple[pd.DataFrame, list[Finding]] | None:
    """Return events stored as a series: annotations, ndx-events' Events, LabeledEvents and TTLs; else None."""
    timestamps, data = h5.child(group, "timestamps"), h5.child(group, "data")
    if not isinstance(timestamps, h5py.Dataset):
        return None
    has_text = isinstance(data, h5py.Dataset) and h5_values.is_text(data)
    if h5_values.label(group, "neurodata_type") not in _EVENT_SERIES and not has_text:
        return None
    columns: Columns = {"start_time": h5_values.numbers(timestamps)}
    try:
        labels = _event_labels(data, len(columns["start_time"])) if isinstance(data, h5py.Dataset) else None
    except h5.BROKEN as error:
        finding = h5.left_out("table-column-broken", f"table {_name(group)}: column data", error)
        return pd.DataFrame(columns), [finding]
    return pd.DataFrame(columns | ({} if labels is None else {"label": labels})), []


def _event_labels(data: h5py.Dataset, n_events: int) -> npt.NDArray[Any]:
    if h5_values.length(data) != n_events:
        raise h5.ContentError(f"has {h5_values.length(data)} values for {n_events} events")
    values = _plain_values(data)
    names = h5_values.labels(data, "labels")
    if not names or values.dtype.kind not in "iu" or (len(values) and int(values.max()) >= len(names)):
        return values
    return _named(values, names)


def read_interval_series(group: h5py.Group) -> tuple[pd.DataFrame, list[Finding]] | None:
    """Return an IntervalSeries (+k starts, -k stops interval type k) as an interval table; else None.

    If starts and stops do not alternate, a start is paired with the stop that directly follows it; the others are
    left out, with a finding.
    """
    if h5_values.label(group, "neurodata_type") != "IntervalSeries":
        return None
    stored = [h5.child(group, name) for name in ("timestamps", "data")]
    if not all(isinstance(item, h5py.Dataset) for item in stored):
        raise h5.ContentError("has no timestamps or no data")
    times, codes = map(h5_values.numbers, stored)
    if len(times) != len(codes):
        raise h5.ContentError(f"has {len(codes)} values for {len(times)} timestamps")
    order = np.argsort(times, kind="stable")
    rows = [row for kind in np.unique(np.abs(codes)) if kind > 0 for row in _paired(times[order], codes[order], kind)]
    table = pd.DataFrame(sorted(rows), columns=["start_time", "stop_time", "kind"])
    n_single = len(times) - 2 * len(table)
    message = f"table {_name(group)}: {n_single} starts or stops of intervals are unpaired: left out"
    findings = [found("table-column-broken", message, count=n_single)] if n_single else []
    return (table if table["kind"].nunique() > 1 else table.drop(columns="kind")), findings


def _paired(times: npt.NDArray[Any], codes: npt.NDArray[Any], kind: float) -> list[tuple[float, float, int]]:
    starts, stops = times[codes == kind], times[codes == -kind]
    if len(starts) != len(stops) or bool(np.any(stops < starts)):
        own, ends = times[np.abs(codes) == kind], codes[np.abs(codes) == kind]
        first = np.flatnonzero((ends[:-1] == kind) & (ends[1:] == -kind))
        starts, stops = own[first], own[first + 1]
    return [(float(start), float(stop), int(kind)) for start, stop in zip(starts, stops, strict=True)]


def _name(group: h5py.Group) -> str:
    return str(group.name).rsplit("/", 1)[-1]
