"""Writing a Recording as a valid NWB file; equal contents give equal bytes."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.files import replacing
from rnnspike.names import any_text
from rnnspike.recording.data import Covariate, Finding, FloatArray, Recording, Unit

#: Column of the units table for unit ids that are not integers (NWB ids are integers).
UNIT_ID_COLUMN = "rnnspike_unit_id"
#: Where findings are stored, and the columns of their table with their descriptions.
FINDINGS_PLACE = "processing/rnnspike/findings"
FINDING_COLUMNS = {
    "finding": "kind of finding",
    "level": "info or warning",
    "message": "what was found",
    "count": "how many spikes, rows or units it concerns",
    "unit": "id of the unit that it concerns",
    "option": "option that corrects it",
}
#: Columns with a meaning and type defined by NWB; a metadata column of the same name is renamed.
RESERVED_UNIT_COLUMNS = {
    "id",
    "spike_times",
    "obs_intervals",
    "electrodes",
    "electrode_group",
    "waveforms",
    "waveform_mean",
    "waveform_sd",
}
Series = tuple[npt.ArrayLike, npt.ArrayLike, str]
#: Series of more bytes than this are compressed.
_COMPRESS_ABOVE_BYTES = 16384

_SESSION_KEYS = ("institution", "lab", "notes", "session_id", "source_script", "protocol", "stimulus_notes")
_SUBJECT_KEYS = ("subject_id", "species", "sex", "age", "description", "strain", "genotype")
_NAMESPACE = uuid.UUID("6f0f7a1e-3a54-4f6c-9d0b-5b6f9c1d2e3f")


def write_nwb(
    path: Path | str,
    recording: Recording,
    *,
    extra: Mapping[str, Series] | None = None,
    findings: Sequence[Finding] = (),
) -> None:
    """Write a recording as NWB 2: units with observed intervals, interval and event tables, covariates.

    The file is written under a temporary name and then renamed. Identifiers and dates follow from the contents, so
    that the same recording gives the same bytes.

    Parameters
    ----------
    path
        Output file; its folder must exist.
    recording
        What to write. Units without ``observed_s`` get an empty row of obs_intervals.
    extra
        Further series, name -> (times_s (sample,), values (sample,) or (sample, channel), unit), for instance
        the true intensity of a simulated cell; they go to ``/processing/ground_truth``.
    findings
        What reading the file will find beside its own findings (``/processing/rnnspike/findings``).

    Raises
    ------
    ValueError
        If a series has different numbers of times and values.
    """
    from pynwb import NWBHDF5IO

    path = Path(path)
    nwb = _new_file(recording)
    if recording.units:
        nwb.units = _units_table(recording.units)
    _add_intervals(nwb, recording)
    _add_events(nwb, recording.events)
    for covariate in recording.covariates.values():
        nwb.add_stimulus(_covariate_series(covariate))
    for name, (times_s, values, unit) in (extra or {}).items():
        _module(nwb, "ground_truth", "series stored beside the recording").add(_series(name, times_s, values, unit))
    if findings:
        _module(nwb, "rnnspike", "what rnnspike knows of the recording").add(_findings_table(findings))
    _fix_object_ids(nwb, recording)
    with replacing(path, ".nwb") as temporary, NWBHDF5IO(str(temporary), "w") as io:
        io.write(nwb)


def _new_file(recording: Recording) -> Any:
    from pynwb import NWBFile
    from pynwb.file import Subject

    session = dict(recording.session)
    start = _datetime(session.get("session_start_time"))
    subject = {key: session[_subject_key(key)] for key in _SUBJECT_KEYS if session.get(_subject_key(key))}
    return NWBFile(
        session_description=session.get("session_description") or recording.path.stem or "recording",
        identifier=session.get("identifier") or str(uuid.uuid5(_NAMESPACE, _content_name(recording))),
        session_start_time=start,
        file_create_date=start,
        subject=Subject(**subject) if subject else None,
        **{key: session[key] for key in _SESSION_KEYS if session.get(key)},
    )


def _subject_key(key: str) -> str:
    return key if key.startswith("subject") else f"subject_{key}"


def _datetime(text: str | None) -> datetime:
    """Return the date in a text, in UTC if it states no zone; 1970 if there is none."""
    try:
        date = datetime.fromisoformat(text or "")
    except ValueError:
        return datetime(1970, 1, 1, tzinfo=UTC)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _content_name(recording: Recording) -> str:
    n_spikes = [len(unit.spike_times_s) for unit in recording.units]
    return f"{recording.path.name} {recording.sha256} {n_spikes}"


def _units_table(units: Sequence[Unit]) -> Any:
    from hdmf.common import ElementIdentifiers
    from pynwb.misc import Units

    ids = _integer_ids(units)
    columns = _ragged("spike_times", "spike times, s", [unit.spike_times_s for unit in units])
    if any(unit.observed_s is not None for unit in units):
        observed = [np.empty((0, 2)) if unit.observed_s is None else unit.observed_s for unit in units]
        columns += _ragged("obs_intervals", "when the unit was observed, s", observed)
    if ids is None:
        columns.append(_column(UNIT_ID_COLUMN, [unit.id for unit in units], "the unit's id"))
    for name in dict.fromkeys(key for unit in units for key in unit.metadata):
        renamed = f"{name}_" if name in RESERVED_UNIT_COLUMNS else name
        if renamed != UNIT_ID_COLUMN:
            columns.append(_column(renamed, [unit.metadata.get(name) for unit in units]))
    return Units(
        name="units",
        description="sorted units",
        id=ElementIdentifiers(name="id", data=np.arange(len(units)) if ids is None else ids),
        columns=columns,
    )


def _integer_ids(units: Sequence[Unit]) -> npt.NDArray[np.int64] | None:
    """Return the ids as integers, or None if that would lose or merge some."""
    try:
        ids = [int(unit.id) for unit in units]
    except ValueError:
        return None
    return np.array(ids) if [str(i) for i in ids] == [unit.id for unit in units] else None


def _ragged(name: str, description: str, rows: Sequence[npt.NDArray[Any]]) -> list[Any]:
    """Return a ragged column and its index (cumulative ends)."""
    from hdmf.common import VectorData, VectorIndex

    data = VectorData(name=name, description=description, data=np.concatenate(rows, axis=0))
    ends = np.cumsum([len(row) for row in rows])
    return [data, VectorIndex(name=f"{name}_index", target=data, data=ends.astype(np.uint64))]


def _column(name: str, values: Iterable[Any], description: str = "") -> Any:
    from hdmf.common import VectorData

    with any_text():
        data: Any = pd.Series(list(values))
    plain = data.to_numpy()
    if plain.dtype.kind not in "biuf":
        plain = ["" if pd.isna(value) else str(value) for value in data]
    return VectorData(name=name, description=description or name.replace("_", " "), data=plain)


def _add_intervals(nwb: Any, recording: Recording) -> None:
    for name, table in recording.intervals.items():
        intervals = _time_intervals(name, table)
        if name in ("trials", "epochs"):
            setattr(nwb, name, intervals)
        else:
            nwb.add_time_intervals(intervals)
    for start_s, stop_s in recording.invalid_s:
        nwb.add_invalid_time_interval(start_time=float(start_s), stop_time=float(stop_s))


def _time_intervals(name: str, table: pd.DataFrame) -> Any:
    from pynwb.epoch import TimeIntervals

    columns: list[Any] = []
    for column in table.columns:
        if column == "tags":
            rows = [np.array([str(tags)], dtype=object) for tags in table[column]]
            columns += _ragged("tags", "tags", rows or [np.empty(0, dtype=object)])
        elif column not in ("id", "timeseries"):
            columns.append(_column(str(column), table[column]))
    return TimeIntervals(name=name, description=f"{name}, one row each", columns=columns)


def _add_events(nwb: Any, events: Mapping[str, pd.DataFrame]) -> None:
    """Write events to ``/processing/events`` as tables with a ``timestamp`` column, valid in any NWB 2."""
    from hdmf.common import DynamicTable

    for name, table in events.items():
        named = table.rename(columns={"start_time": "timestamp"})
        columns = [_column(str(column), named[column]) for column in named.columns if column != "id"]
        table_object = DynamicTable(name=name, description=f"{name}, one event a row", columns=columns)
        _module(nwb, "events", "event tables").add(table_object)


def _findings_table(findings: Sequence[Finding]) -> Any:
    from hdmf.common import DynamicTable

    rows = [{**asdict(finding), "finding": finding.id} for finding in findings]
    columns = [_column(name, [row[name] for row in rows], FINDING_COLUMNS[name]) for name in FINDING_COLUMNS]
    return DynamicTable(name="findings", description="what was wrong or unusual, one row each", columns=columns)


def _covariate_series(covariate: Covariate) -> Any:
    times_s, values = covariate.load()
    return _series(covariate.name, times_s, values, covariate.unit)


def _series(name: str, times: npt.ArrayLike, values: npt.ArrayLike, unit: str) -> Any:
    """Return a TimeSeries; evenly spaced times become a starting time and a rate."""
    from pynwb import TimeSeries

    times_s = np.asarray(times, dtype=np.float64)
    data = np.asarray(values)
    if len(times_s) != len(data):
        raise ValueError(f"series {name}: {len(times_s)} times for {len(data)} values")
    if data.ndim == 2 and data.shape[1] == 1:
        data = data[:, 0]
    rate_hz = even_rate(times_s)
    clock = {"timestamps": times_s} if rate_hz is None else {"starting_time": float(times_s[0]), "rate": rate_hz}
    return TimeSeries(
        name=name.replace("/", "_"), description=name, data=_compact(data), unit=unit or "unknown", **clock
    )


def _compact(data: npt.NDArray[Any]) -> Any:
    """Return long data wrapped to be stored with shuffle and gzip (lossless, readable everywhere)."""
    from hdmf.backends.hdf5 import H5DataIO

    if data.nbytes <= _COMPRESS_ABOVE_BYTES:
        return data
    chunk = (min(len(data), 2**17), *data.shape[1:])
    return H5DataIO(data, compression="gzip", compression_opts=9, shuffle=True, chunks=chunk)


def even_rate(times_s: FloatArray) -> float | None:
    """Return the sampling rate if the times are evenly spaced to a millionth of a step, else None."""
    if len(times_s) < 2:
        return None
    step_s = (times_s[-1] - times_s[0]) / (len(times_s) - 1)
    if not step_s > 0:
        return None
    even = times_s[0] + step_s * np.arange(len(times_s))
    if np.max(np.abs(times_s - even)) > 1e-6 * step_s + 4 * np.spacing(np.max(np.abs(times_s))):
        return None
    rate_hz = float(1 / step_s)
    return float(round(rate_hz)) if abs(rate_hz - round(rate_hz)) < 1e-6 * rate_hz else rate_hz


def _module(nwb: Any, name: str, description: str) -> Any:
    return nwb.processing[name] if name in nwb.processing else nwb.create_processing_module(name, description)


def _fix_object_ids(nwb: Any, recording: Recording) -> None:
    """Replace pynwb's random object ids by ones that follow from the contents, for reproducible bytes."""
    name = _content_name(recording)
    fresh: Callable[[int], str] = lambda index: str(uuid.uuid5(_NAMESPACE, f"{name} object {index}"))
    for index, container in enumerate([nwb, *nwb.all_children()]):
        if hasattr(container, "_AbstractContainer__object_id"):
            container._AbstractContainer__object_id = fresh(index)
