"""NWB units tables: spike times, ids, observed intervals and metadata of each unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from rnnspike.errors import RecordingError
from rnnspike.recording.contents import RawUnit
from rnnspike.recording.data import Finding, FloatArray, ReadOptions
from rnnspike.recording.findings import fatal, found
from rnnspike.recording.formats.hdf5 import h5, h5_values
from rnnspike.recording.formats.nwb.tables import (
    RAGGED,
    Columns,
    IntArray,
    divided,
    indices,
    is_units_table,
    read_column,
    read_columns,
    row_ends,
)
from rnnspike.recording.write import UNIT_ID_COLUMN

#: Columns that are not metadata.
_OWN = {*RAGGED, "waveform_mean", "waveform_sd", UNIT_ID_COLUMN}


@dataclass(frozen=True)
class StoredUnits:
    """The units of a table, the stored type of their times, the clock's tick if stated, and findings."""

    units: tuple[RawUnit, ...]
    stored: str
    resolution_s: float | None
    findings: tuple[Finding, ...]


def units_table(
    path: Path, file: h5py.Group, leaves: Sequence[h5py.Group], options: ReadOptions
) -> tuple[h5py.Group, list[Finding]]:
    """Return the units table to read: the requested one, else /units, else the only one."""
    main = h5.child(file, "units")
    tables = [main] if isinstance(main, h5py.Group) else []
    tables += [group for group in leaves if is_units_table(group)]
    names = [str(group.name).strip("/") for group in tables]
    if options.units_table is not None:
        wanted = options.units_table.strip("/")
        chosen = [group for group, name in zip(tables, names, strict=True) if wanted in (name, name.split("/")[-1])]
        if not chosen:
            raise fatal(path, "no-units-table", f"no units table {wanted}; there are {', '.join(names) or 'none'}")
        return chosen[0], []
    if main is None or not tables:
        _refuse_unopened(path, file, "units", "/units")
    if not tables:
        holds = ", ".join(str(group.name).strip("/") for group in leaves[:5]) or "no tables or series"
        message = f"no units table, so no sorted spikes; it holds {holds}"
        raise RecordingError(path, message, finding_id="no-units-table")
    if len(tables) > 1 and not isinstance(main, h5py.Group):
        message = f"several units tables: {', '.join(names)}"
        raise fatal(path, "units-table-ambiguous", message, f"--units-table {names[0]}")
    findings = []
    if len(tables) > 1:
        message = f"units are read from {names[0]}; there are also {', '.join(names[1:])}"
        findings.append(found("several-units-tables", message, count=len(tables)))
    return tables[0], findings


def _refuse_unopened(path: Path, group: h5py.Group, name: str, shown: str) -> None:
    error = h5.access_error(group, name)
    if isinstance(error, h5.LinkError):
        raise fatal(path, error.finding_id, f"{shown} {error}")
    if error is not None:
        raise error


def read_units(path: Path, group: h5py.Group) -> StoredUnits:
    """Return the units of a table, without broken columns.

    Raises
    ------
    RecordingError
        If the spikes of each unit cannot be determined.
    """
    times = h5.child(group, "spike_times")
    if not isinstance(times, h5py.Dataset):
        _refuse_unopened(path, group, "spike_times", "spike_times")
        holds = ", ".join(name for name in group if name != "id") or "no columns"
        raise fatal(path, "no-spike-times", f"the units table has no spike_times; it has {holds}")
    _refuse_unopened(path, group, "spike_times_index", "spike_times_index")
    index_of = indices(group)
    try:
        trains = _trains(group, index_of)
    except h5.ContentError as error:
        raise fatal(path, "units-index-broken", f"spike_times {error}: write the file again") from error
    n_units = len(trains)
    if n_units < (_n_rows(group) or 0):
        message = f"spike_times has {n_units} trains for {_n_rows(group)} units: write the file again"
        raise fatal(path, "units-index-broken", message)
    ids, id_findings = _unit_ids(group, n_units)
    observed, observed_findings = _observed(group, n_units, index_of)
    metadata, column_findings = _metadata(group, n_units, index_of)
    resolution_s, resolution_findings = _resolution(times)
    units = tuple(RawUnit(ids[i], trains[i], observed[i], metadata[i]) for i in range(n_units))
    findings = (*id_findings, *observed_findings, *column_findings, *resolution_findings)
    return StoredUnits(units, str(times.dtype), resolution_s, findings)


def _left_out(column: str, error: Exception, instead: str = "left out") -> Finding:
    return h5.left_out("units-column-broken", f"units column {column}", error, instead)


def _trains(group: h5py.Group, index_of: Mapping[str, str]) -> list[FloatArray]:
    """Return each unit's spike times (spike,) as float64 views of one bulk read."""
    values = h5_values.floats(group["spike_times"])
    values.setflags(write=False)
    ends = row_ends(group, "spike_times", index_of)
    if ends is not None:
        if not h5_values.is_list(values.shape):
            raise h5.ContentError(f"has an index and shape {values.shape}")
        return divided(values.ravel(), ends)
    n_rows = _n_rows(group)
    if values.ndim == 2 and not h5_values.is_list(values.shape):
        return list(values.T if n_rows == values.shape[1] != values.shape[0] else values)
    if n_rows in (None, 1):
        return [values.ravel()]
    if n_rows == 0 and values.size == 0:
        return []
    if values.ndim == 2 and values.shape[0] == n_rows:
        return list(values)
    raise h5.ContentError(
        f"has no spike_times_index, so its {values.size} values cannot be assigned to {n_rows} units"
    )


def _n_rows(group: h5py.Group) -> int | None:
    ids = h5.child(group, "id")
    return h5_values.length(ids) if isinstance(ids, h5py.Dataset) else None


def _unit_ids(group: h5py.Group, n_units: int) -> tuple[list[str], list[Finding]]:
    name = UNIT_ID_COLUMN if isinstance(h5.child(group, UNIT_ID_COLUMN), h5py.Dataset) else "id"
    ids, findings = [str(i) for i in range(n_units)], []
    if name in group:
        try:
            ids = _ids_stored(group[name], n_units)
        except h5.BROKEN as error:
            findings.append(_left_out("id", error, "units are numbered from 0"))
    return ids, findings


def _ids_stored(dataset: h5py.Dataset | h5py.Group, n_units: int) -> list[str]:
    if not isinstance(dataset, h5py.Dataset):
        raise h5.ContentError("is a group")
    if h5_values.length(dataset) != n_units:
        raise h5.ContentError(f"has {h5_values.length(dataset)} values for {n_units} units")
    if h5_values.is_text(dataset):
        return list(h5_values.strings(dataset))
    if not h5_values.is_number(dataset):
        raise h5.ContentError(f"holds {h5_values.kind_of(dataset)}")
    ids = h5_values.column(dataset).tolist()
    return [str(int(value)) if isinstance(value, float) and value.is_integer() else str(value) for value in ids]


def _observed(
    group: h5py.Group, n_units: int, index_of: Mapping[str, str]
) -> tuple[list[FloatArray | None], list[Finding]]:
    """Return observed intervals (interval, 2) per unit; None for a unit that has none."""
    unknown: list[FloatArray | None] = [None] * n_units
    error: Exception | None = h5.access_error(group, "obs_intervals")
    if isinstance(h5.child(group, "obs_intervals"), h5py.Dataset):
        try:
            rows = _observed_rows(group, n_units, index_of)
            return [row if len(row) else None for row in rows], []
        except h5.BROKEN as broken:
            error = broken
    return unknown, [_left_out("obs_intervals", error, "treated as not stated")] if error else []


def _observed_rows(group: h5py.Group, n_units: int, index_of: Mapping[str, str]) -> list[FloatArray]:
    values = h5_values.floats(group["obs_intervals"])
    shape = values.shape
    if values.ndim == 3 and "obs_intervals" not in index_of and shape[0] == n_units and shape[2] == 2:
        return list(values)
    if values.size % 2 or not ((values.ndim == 2 and 2 in shape) or values.size in (0, 2)):
        raise h5.ContentError(f"has shape {shape}, not (interval, 2)")
    n_intervals = values.size // 2
    ends = row_ends(group, "obs_intervals", index_of, n_intervals)
    # MATLAB writes one interval per column. (2, 2) follows NWB, one row per interval.
    pairs = values.reshape(2, n_intervals).T if values.ndim == 2 and shape[1] != 2 else values.reshape(n_intervals, 2)
    if ends is None:
        ends = np.array([n_intervals]) if n_units == 1 else np.arange(1, n_intervals + 1)
    if len(ends) != n_units:
        raise h5.ContentError(f"has {len(ends)} rows for {n_units} units")
    return divided(pairs, ends)


def _resolution(times: h5py.Dataset) -> tuple[float | None, list[Finding]]:
    try:
        stored = h5_values.attribute(times, "resolution")
        resolution_s = 0.0 if stored is None else h5_values.number(stored, "resolution")
    except h5.BROKEN as error:
        return None, [h5.left_out("metadata-broken", "spike_times", error)]
    return (resolution_s if np.isfinite(resolution_s) and resolution_s > 0 else None), []


def _metadata(
    group: h5py.Group, n_units: int, index_of: Mapping[str, str]
) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Return one mapping per unit: the table's plain columns, and location and group of its electrodes."""
    columns, findings = read_columns(group, n_units, _OWN, "units", "units-column-broken")
    try:
        for name, values in _electrode_columns(group, n_units, index_of).items():
            columns.setdefault(name, values)
    except h5.BROKEN as error:
        findings.append(_left_out("electrodes", error))
    plain = {name: values.tolist() for name, values in columns.items()}
    return [{name: values[i] for name, values in plain.items()} for i in range(n_units)], findings


def _electrode_columns(group: h5py.Group, n_units: int, index_of: Mapping[str, str]) -> Columns:
    """Return location and group of each unit's electrodes, if the table refers to electrodes."""
    dataset = h5.child(group, "electrodes")
    table = h5.child(group.file, "general/extracellular_ephys/electrodes")
    error = h5.access_error(group, "electrodes") or h5.access_error(
        group.file, "general/extracellular_ephys/electrodes"
    )
    if error is not None:
        raise error
    if not isinstance(dataset, h5py.Dataset) or not isinstance(table, h5py.Group):
        return {}
    ends = row_ends(group, "electrodes", index_of)
    rows = h5_values.whole_numbers(dataset)
    ends = np.arange(1, len(rows) + 1) if ends is None else ends
    if len(ends) != n_units:
        raise h5.ContentError(f"has {len(ends)} rows for {n_units} units")
    return {
        name: _of_electrodes(values, divided(rows, ends))
        for name in ("location", "group_name")
        if (values := _electrode_column(table, name, rows)) is not None
    }


def _electrode_column(table: h5py.Group, name: str, rows: IntArray) -> npt.NDArray[Any] | None:
    dataset = h5.child(table, name)
    if not isinstance(dataset, h5py.Dataset):
        return None
    n_electrodes = h5_values.length(dataset)
    if len(rows) and int(rows.max()) >= n_electrodes:
        raise h5.ContentError(f"refers to electrode {int(rows.max())} of {n_electrodes}")
    return read_column(table, name, n_electrodes, indices(table))


def _of_electrodes(values: npt.NDArray[Any], electrodes: Sequence[IntArray]) -> npt.NDArray[Any]:
    """Return the values of each unit's electrodes, distinct ones joined by ``/``."""
    return np.array(["/".join(dict.fromkeys(values[rows].astype(str))) for rows in electrodes], dtype=object)
