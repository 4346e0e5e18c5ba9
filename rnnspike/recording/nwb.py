"""NWB 2 files, read flat with h5py: one bulk read of the spike times, no extension needed, quick to start.

pynwb is the oracle of this reader's tests and the writer (``write.py``); it is not imported here because it
takes seconds to start and refuses files whose extensions are missing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.errors import RecordingError
from rnnspike.recording import h5
from rnnspike.recording.checks import fatal, found
from rnnspike.recording.contents import Contents, RawUnit, as_float, unique_names
from rnnspike.recording.data import Finding, FloatArray, ReadOptions
from rnnspike.recording.nwb_series import SeriesInfo, covariates, series_info
from rnnspike.recording.nwb_tables import (
    column_names,
    event_time_column,
    is_units_table,
    read_column,
    read_event_series,
    read_interval_series,
    read_intervals,
    read_table,
    walk,
)
from rnnspike.recording.write import UNIT_ID_COLUMN

_RAGGED = {"spike_times", "obs_intervals", "electrodes", "waveforms", "waveform_mean", "waveform_sd"}
_CORE = {"core", "hdmf-common", "hdmf-experimental"}


def read_nwb(path: Path, options: ReadOptions) -> Contents:
    """Read an NWB 2 file.

    Raises
    ------
    RecordingError
        Where the file is no NWB 2 file, is damaged, or which units to read cannot be told.
    """
    h5.enable_filters()
    with h5.open_file(path) as file:
        _refuse_other_versions(path, file)
        leaves = list(walk(file))
        table, units_findings = _units_table(path, file, leaves, options)
        tables = _Tables(leaves)
        infos = [info for info in tables.series if info.n_samples > 1]
        units, stored, resolution_s, unit_findings = _read_units(path, table)
        return Contents(
            format="NWB",
            units=units,
            intervals=_trials_first(tables.intervals),
            events=tables.events,
            covariates=covariates(path, infos),
            invalid_s=tables.invalid_s,
            span_s=_span(infos),
            session=_session(file),
            findings=(*units_findings, *unit_findings, *tables.findings, *_file_findings(file)),
            sources=(path,),
            times_as_stored=stored,
            resolution_s=resolution_s,
        )


def _refuse_other_versions(path: Path, file: h5py.File) -> None:
    version = h5.attribute(file, "nwb_version")
    old = h5.child(file, "nwb_version")
    if not version and isinstance(old, h5py.Dataset):
        version = h5.text(old[()])
    if version.replace("NWB-", "").startswith(("0", "1")):
        fix = "rnnspike reads NWB 2: convert it, or export spike times as CSV"
        raise fatal(path, "nwb-1", f"the file is {version or 'NWB 1.x'}; {fix}")
    if not version and "units" not in file and "general" not in file:
        holds = ", ".join(list(file)[:6]) or "nothing"
        raise RecordingError(path, f"this HDF5 file is no NWB file; it holds {holds}")


class _Tables:
    """The interval tables, event tables and series of a file, sorted out from its leaves."""

    def __init__(self, leaves: Sequence[h5py.Group]) -> None:
        self.intervals: dict[str, pd.DataFrame] = {}
        self.events: dict[str, pd.DataFrame] = {}
        self.series: list[SeriesInfo] = []
        self.findings: list[Finding] = []
        self.invalid_s: FloatArray = np.empty((0, 2))
        for group in leaves:
            if not is_units_table(group):
                self._add(group)

    def _add(self, group: h5py.Group) -> None:
        if isinstance(h5.child(group, "start_time"), h5py.Dataset):
            self._add_intervals(group)
        elif (time_column := event_time_column(group)) is not None:
            self._add_table(self.events, group, *read_table(group, time_column))
        elif (events := read_event_series(group)) is not None:
            self._add_table(self.events, group, events, [])
        elif (intervals := read_interval_series(group)) is not None:
            self._add_table(self.intervals, group, intervals, [])
        else:
            info, finding = series_info(group)
            self.series += [info] if info else []
            self.findings += [finding] if finding else []

    def _add_intervals(self, group: h5py.Group) -> None:
        table, findings = read_intervals(group)
        if str(group.name).endswith("/invalid_times") and "stop_time" in table:
            self.invalid_s = table[["start_time", "stop_time"]].to_numpy(np.float64)
        else:
            self._add_table(self.intervals if "stop_time" in table else self.events, group, table, findings)

    def _add_table(
        self, into: dict[str, pd.DataFrame], group: h5py.Group, table: pd.DataFrame, findings: list[Finding]
    ) -> None:
        parts = [part for part in str(group.name).split("/") if part]
        name = parts[-1] if parts[-1] not in into else "/".join(parts[-2:])
        into[name] = table
        self.findings += findings


def _trials_first(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return tables with ``trials`` first and ``epochs`` last: the first is the default of ``fit``."""
    order = {"trials": 0, "epochs": 2}
    return dict(sorted(tables.items(), key=lambda item: order.get(item[0], 1)))


def _units_table(
    path: Path, file: h5py.File, leaves: Sequence[h5py.Group], options: ReadOptions
) -> tuple[h5py.Group, list[Finding]]:
    """Return the units table to read: the one asked for, else /units, else the only one there is."""
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
    if not tables:
        raise _no_units(path, file, leaves)
    if len(tables) > 1 and not isinstance(main, h5py.Group):
        message = f"several units tables: {', '.join(names)}"
        raise fatal(path, "units-table-ambiguous", message, f"--units-table {names[0]}")
    findings = []
    if len(tables) > 1:
        message = f"units are read from {names[0]}; there are also {', '.join(names[1:])}"
        findings.append(found("several-units-tables", message, count=len(tables)))
    return tables[0], findings


def _no_units(path: Path, file: h5py.File, leaves: Sequence[h5py.Group]) -> RecordingError:
    targets = h5.broken_links(file, ("units",))
    if targets:
        return fatal(path, "link-broken", f"/units is a link to {targets[0]}, which is missing: put that file there")
    holds = ", ".join(str(group.name).strip("/") for group in leaves[:5]) or "no tables or series"
    return RecordingError(path, f"no units table, so no sorted spikes; it holds {holds}", finding_id="no-units-table")


def _read_units(path: Path, group: h5py.Group) -> tuple[tuple[RawUnit, ...], str, float | None, list[Finding]]:
    """Return units, the stored type of their times, the clock's tick, and findings."""
    times = h5.child(group, "spike_times")
    if not isinstance(times, h5py.Dataset):
        raise _no_spike_times(path, group)
    resolution = times.attrs.get("resolution")
    trains = _ragged(path, group, "spike_times")
    n_units = len(trains)
    ids, findings = _unit_ids(group, n_units)
    observed = _observed(path, group, n_units)
    metadata, column_findings = _metadata(group, n_units)
    units = tuple(RawUnit(ids[i], trains[i], observed[i] if observed else None, metadata[i]) for i in range(n_units))
    resolution_s = float(resolution) if resolution is not None and resolution > 0 else None
    return units, str(times.dtype), resolution_s, findings + column_findings


def _no_spike_times(path: Path, group: h5py.Group) -> RecordingError:
    targets = h5.broken_links(group, ("spike_times",))
    if targets:
        return fatal(
            path, "link-broken", f"spike_times is a link to {targets[0]}, which is missing: put that file there"
        )
    holds = ", ".join(name for name in group if name != "id") or "no columns"
    return fatal(path, "no-spike-times", f"the units table has no spike_times; it has {holds}")


def _ragged(path: Path, group: h5py.Group, name: str) -> list[FloatArray]:
    """Return a ragged column's rows as float64 views of one bulk read."""
    dataset = group[name]
    if dataset.dtype.kind not in "iuf":
        raise fatal(path, "units-index-broken", f"{name} is stored as {dataset.dtype}, not as numbers")
    values = as_float(dataset[...])
    values.setflags(write=False)
    index = h5.child(group, f"{name}_index")
    if not isinstance(index, h5py.Dataset):
        return _rows_without_index(path, group, name, values)
    ends = h5.whole_numbers(index)
    starts = np.concatenate([[0], ends]).astype(np.int64)[:-1]
    if bool(np.any(ends < starts)) or (int(ends[-1]) if len(ends) else 0) != len(values):
        last = int(ends[-1]) if len(ends) else 0
        message = f"{name}_index ends at {last} for {len(values)} stored values, or goes down: write the file again"
        raise fatal(path, "units-index-broken", message)
    return [values[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]


def _rows_without_index(path: Path, group: h5py.Group, name: str, values: FloatArray) -> list[FloatArray]:
    n_rows = _n_rows(group)
    if name == "spike_times" and values.ndim == 2:
        return list(values)
    if n_rows in (None, 1):
        return [values]
    if n_rows == 0 and len(values) == 0:
        return []
    message = f"{name}_index is missing, so the {len(values)} values of {n_rows} units cannot be told apart"
    raise fatal(path, "units-index-broken", message)


def _n_rows(group: h5py.Group) -> int | None:
    ids = h5.child(group, "id")
    return len(ids) if isinstance(ids, h5py.Dataset) and ids.ndim == 1 else None


def _unit_ids(group: h5py.Group, n_units: int) -> tuple[list[str], list[Finding]]:
    own = h5.child(group, UNIT_ID_COLUMN)
    dataset = own if isinstance(own, h5py.Dataset) else h5.child(group, "id")
    ids: list[str] = [str(i) for i in range(n_units)]
    if isinstance(dataset, h5py.Dataset) and dataset.shape == (n_units,):
        ids = list(h5.strings(dataset)) if h5.is_text(dataset) else [f"{value:g}" for value in dataset[...].tolist()]
        if dataset.dtype.kind in "iu":
            ids = [str(value) for value in dataset[...].tolist()]
    n_repeated = len(ids) - len(set(ids))
    if n_repeated == 0:
        return ids, []
    return unique_names(ids), [found("unit-ids-repeated", f"{n_repeated} unit ids repeat", count=n_repeated)]


def _observed(path: Path, group: h5py.Group, n_units: int) -> list[FloatArray | None] | None:
    """Return observed intervals (interval, 2) per unit; None for a unit that has none."""
    dataset = h5.child(group, "obs_intervals")
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind not in "iuf":
        return None
    rows = _ragged(path, group, "obs_intervals")
    if len(rows) != n_units or any(row.ndim != 2 or row.shape[1] != 2 for row in rows):
        message = f"obs_intervals has {len(rows)} rows of shape {dataset.shape} for {n_units} units"
        raise fatal(path, "units-index-broken", message)
    return [row if len(row) else None for row in rows]


def _metadata(group: h5py.Group, n_units: int) -> tuple[list[dict[str, Any]], list[Finding]]:
    """Return one mapping a unit of the table's plain columns, and location and group of its electrodes."""
    columns: dict[str, npt.NDArray[Any]] = {}
    findings: list[Finding] = []
    for name in column_names(group):
        if name in _RAGGED or name == UNIT_ID_COLUMN:
            continue
        values = read_column(group, name)
        if values is not None and len(values) == n_units:
            columns[name] = values
        elif values is not None:
            message = f"units column {name} has {len(values)} values for {n_units} units: left out"
            findings.append(found("table-column-broken", message, count=1))
    for name, values in _electrode_columns(group, n_units).items():
        columns.setdefault(name, values)
    plain = {name: values.tolist() for name, values in columns.items()}
    return [{name: values[i] for name, values in plain.items()} for i in range(n_units)], findings


def _electrode_columns(group: h5py.Group, n_units: int) -> dict[str, npt.NDArray[Any]]:
    """Return location and group of each unit's electrodes, where the table refers to electrodes."""
    dataset, index = h5.child(group, "electrodes"), h5.child(group, "electrodes_index")
    table = h5.child(group.file, "general/extracellular_ephys/electrodes")
    if not isinstance(dataset, h5py.Dataset) or not isinstance(table, h5py.Group) or dataset.dtype.kind not in "iu":
        return {}
    ends = h5.whole_numbers(index) if isinstance(index, h5py.Dataset) else np.arange(1, n_units + 1)
    rows = dataset[...].astype(np.int64)
    result = {}
    for name in ("location", "group_name"):
        values = read_column(table, name) if isinstance(h5.child(table, name), h5py.Dataset) else None
        if values is not None and len(ends) == n_units and (len(rows) == 0 or rows.max() < len(values)):
            result[name] = _of_electrodes(values, rows, ends)
    return result


def _of_electrodes(values: npt.NDArray[Any], rows: npt.NDArray[Any], ends: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return for each unit the value that its electrodes share, several joined by ``/``."""
    starts = np.concatenate([[0], ends]).astype(np.int64)[:-1]
    shared = ["/".join(dict.fromkeys(values[rows[a:b]].astype(str))) for a, b in zip(starts, ends, strict=True)]
    return np.array(shared, dtype=object)


def _span(infos: Sequence[SeriesInfo]) -> tuple[float, float] | None:
    """Return when the raw signals ran, the only series that tell when the electrodes were read."""
    raw = [info for info in infos if info.kind == "ElectricalSeries" and info.path.startswith("/acquisition")]
    return (min(info.start_s for info in raw), max(info.stop_s for info in raw)) if raw else None


def _session(file: h5py.File) -> dict[str, str]:
    places = {key: key for key in ("session_description", "identifier", "session_start_time")}
    general = h5.child(file, "general")
    if isinstance(general, h5py.Group):
        names = [name for name in general if isinstance(h5.child(general, name), h5py.Dataset)]
        places |= {name: f"general/{name}" for name in names}
        subject = h5.child(general, "subject")
        if isinstance(subject, h5py.Group):
            places |= {
                name if name.startswith("subject") else f"subject_{name}": f"general/subject/{name}"
                for name in subject
            }
    found_items = ((key, h5.child(file, place)) for key, place in places.items())
    return {key: h5.text(item[()]) for key, item in found_items if isinstance(item, h5py.Dataset)}


def _file_findings(file: h5py.File) -> list[Finding]:
    findings = []
    specifications = h5.child(file, "specifications")
    if isinstance(specifications, h5py.Group):
        extensions = [name for name in specifications if name not in _CORE]
        if extensions:
            message = f"the file uses {', '.join(extensions)}; read without it"
            findings.append(found("extension-types", message, count=len(extensions)))
    start, reference = (h5.child(file, name) for name in ("session_start_time", "timestamps_reference_time"))
    if isinstance(start, h5py.Dataset) and isinstance(reference, h5py.Dataset):
        started, zero = h5.text(start[()]), h5.text(reference[()])
        if not _same_instant(started, zero):
            message = f"the session started at {started}, times count from {zero}"
            findings.append(found("reference-time-offset", message, count=1))
    return findings


def _same_instant(one: str, other: str) -> bool:
    try:
        return datetime.fromisoformat(one) == datetime.fromisoformat(other)
    except (ValueError, TypeError):
        return one == other
