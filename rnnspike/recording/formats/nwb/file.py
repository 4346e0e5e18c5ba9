"""NWB 2 files, read with h5py: one bulk read of the spike times, no extensions needed, fast to start.

pynwb is used by the writer (``write.py``) and as the reference in tests. It is not imported here: it takes seconds to
start and refuses files whose extensions are missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from rnnspike.errors import RecordingError
from rnnspike.recording.contents import Contents
from rnnspike.recording.data import Finding, FloatArray, ReadOptions
from rnnspike.recording.findings import FINDINGS, fatal, found
from rnnspike.recording.formats.hdf5 import h5, h5_values
from rnnspike.recording.formats.nwb.series import SeriesInfo, covariates, series_info
from rnnspike.recording.formats.nwb.tables import (
    event_time_column,
    is_interval_table,
    is_units_table,
    read_event_series,
    read_interval_series,
    read_table,
    walk,
)
from rnnspike.recording.formats.nwb.units import read_units, units_table
from rnnspike.recording.write import FINDINGS_PLACE

_CORE = {"core", "hdmf-common", "hdmf-experimental"}
#: Metadata with more values than this are not a description.
_MOST_IN_DESCRIPTION = 1000


def read_nwb(path: Path, options: ReadOptions) -> Contents:
    """Read an NWB 2 file.

    Raises
    ------
    RecordingError
        If the file is not NWB 2, is damaged, or has several possible tables of units.
    """
    h5.enable_filters()
    with h5.open_file(path, follow_links=options.follow_links) as file:
        _refuse_other_versions(path, file)
        leaves, unopened = walk(file)
        table, units_findings = units_table(path, file, leaves, options)
        tables = _Tables(leaves)
        infos = [info for info in tables.series if info.n_samples > 1]
        stored = read_units(path, table)
        session, session_findings = _session(file)
        file_findings = (*unopened, *tables.findings, *session_findings, *_file_findings(file, session))
        file_findings += tuple(_kept_findings(file))
        return Contents(
            format="NWB",
            units=stored.units,
            intervals=_trials_first(tables.intervals),
            events=tables.events,
            covariates=covariates(path, infos, follow_links=options.follow_links),
            invalid_s=tables.invalid_s,
            span_s=_span(infos),
            session=session,
            findings=(*units_findings, *stored.findings, *file_findings),
            sources=(path,),
            times_as_stored=stored.stored,
            resolution_s=stored.resolution_s,
        )


def _refuse_other_versions(path: Path, file: h5py.Group) -> None:
    version = h5_values.label(file, "nwb_version")
    old = h5.child(file, "nwb_version")
    if not version and isinstance(old, h5py.Dataset):
        version = h5_values.text(h5_values.values(old))
    if version.replace("NWB-", "").startswith(("0", "1")):
        fix = "rnnspike reads NWB 2: convert it, or export spike times as CSV"
        raise fatal(path, "nwb-1", f"the file is {version or 'NWB 1.x'}; {fix}")
    if not version and "units" not in file and "general" not in file:
        holds = ", ".join(list(file)[:6]) or "nothing"
        raise RecordingError(path, f"this HDF5 file is not an NWB file; it holds {holds}")


class _Tables:
    """The interval tables, event tables and series among the leaves of a file."""

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
        with h5.skip_broken(self.findings, "table-broken", f"table {group.name}"):
            if self._is_added_as_table(group):
                return
            with h5.skip_broken(self.findings, "covariate-broken", f"time series {group.name}"):
                info = series_info(group)
                self.series += [info] if info else []

    def _is_added_as_table(self, group: h5py.Group) -> bool:
        if is_interval_table(group):
            self._add_intervals(group)
        elif (time_column := event_time_column(group)) is not None:
            self._add_table(self.events, group, *read_table(group, time_column))
        elif (events := read_event_series(group)) is not None:
            self._add_table(self.events, group, *events)
        elif (intervals := read_interval_series(group)) is not None:
            self._add_table(self.intervals, group, *intervals)
        else:
            return False
        return True

    def _add_intervals(self, group: h5py.Group) -> None:
        table, findings = read_table(group, "start_time")
        if not str(group.name).endswith("/invalid_times"):
            return self._add_table(self.intervals if "stop_time" in table else self.events, group, table, findings)
        self.findings += findings
        if "stop_time" not in table:
            raise h5.ContentError("has no stop times, so the invalid times are not known")
        self.invalid_s = table[["start_time", "stop_time"]].to_numpy(np.float64)
        return None

    def _add_table(
        self, into: dict[str, pd.DataFrame], group: h5py.Group, table: pd.DataFrame, findings: list[Finding]
    ) -> None:
        parts = [part for part in str(group.name).split("/") if part]
        name = parts[-1] if parts[-1] not in into else "/".join(parts[-2:])
        into[name] = table
        self.findings += findings


def _trials_first(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return tables with ``trials`` first and ``epochs`` last; the first is the default of ``fit``."""
    order = {"trials": 0, "epochs": 2}
    return dict(sorted(tables.items(), key=lambda item: order.get(item[0], 1)))


def _span(infos: Sequence[SeriesInfo]) -> tuple[float, float] | None:
    """Return start and stop of the raw signals, the only series that show when electrodes were recorded."""
    raw = [info for info in infos if info.kind == "ElectricalSeries" and info.path.startswith("/acquisition")]
    return (min(info.start_s for info in raw), max(info.stop_s for info in raw)) if raw else None


def _session(file: h5py.Group) -> tuple[dict[str, str], list[Finding]]:
    """Return the metadata of the session, as text."""
    places = {key: key for key in ("session_description", "identifier", "session_start_time")}
    general = h5.child(file, "general")
    if isinstance(general, h5py.Group):
        places |= {name: f"general/{name}" for name in general}
        subject = h5.child(general, "subject")
        if isinstance(subject, h5py.Group):
            places |= {
                name if name.startswith("subject") else f"subject_{name}": f"general/subject/{name}"
                for name in subject
            }
    session: dict[str, str] = {}
    findings: list[Finding] = []
    for key, place in places.items():
        item = h5.child(file, place)
        if isinstance(item, h5py.Dataset):
            with h5.skip_broken(findings, "metadata-broken", f"/{place}"):
                session[key] = _description(item)
    return session, findings


def _description(dataset: h5py.Dataset) -> str:
    n_values = int(dataset.size or 0)
    if n_values > _MOST_IN_DESCRIPTION:
        raise h5.ContentError(f"holds {n_values} values, so it is not a description")
    return h5_values.text(h5_values.values(dataset))


def _file_findings(file: h5py.Group, session: Mapping[str, str]) -> list[Finding]:
    findings = []
    specifications = h5.child(file, "specifications")
    if isinstance(specifications, h5py.Group):
        extensions = [name for name in specifications if name not in _CORE]
        if extensions:
            message = f"the file uses {', '.join(extensions)}; read without the extension"
            findings.append(found("extension-types", message, count=len(extensions)))
    reference = h5.child(file, "timestamps_reference_time")
    if "session_start_time" in session and isinstance(reference, h5py.Dataset):
        with h5.skip_broken(findings, "metadata-broken", "/timestamps_reference_time"):
            started, zero = session["session_start_time"], _description(reference)
            if not _same_instant(started, zero):
                message = f"the session started at {started}, times are relative to {zero}"
                findings.append(found("reference-time-offset", message, count=1))
    return findings


def _kept_findings(file: h5py.Group) -> list[Finding]:
    """Return the findings that ``write_nwb`` stored: those of a recording that was in memory."""
    group, findings = h5.child(file, FINDINGS_PLACE), list[Finding]()
    if isinstance(group, h5py.Group):
        with h5.skip_broken(findings, "table-broken", f"table {group.name}"):
            texts = [h5_values.strings(group[name]) for name in ("finding", "level", "message", "unit", "option")]
            counts = h5_values.whole_numbers(group["count"])
            for kind, level, message, unit, option, count in zip(*texts, counts, strict=True):
                if kind in FINDINGS and level in ("info", "warning"):
                    findings.append(Finding(kind, level, message, int(count), unit or None, option or None))
    return findings


def _same_instant(one: str, other: str) -> bool:
    try:
        return datetime.fromisoformat(one) == datetime.fromisoformat(other)
    except (ValueError, TypeError):
        return one == other
