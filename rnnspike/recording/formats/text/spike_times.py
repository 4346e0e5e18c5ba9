"""Spike times as text: one time per line, a unit per line, column or file; and CSV with a column of units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnspike.errors import RecordingError
from rnnspike.recording.contents import Contents, RawUnit, as_float
from rnnspike.recording.data import FloatArray, ReadOptions
from rnnspike.recording.formats.refusals import readable_file
from rnnspike.recording.formats.segments import Segment, place_segments
from rnnspike.recording.formats.text.delimited import (
    decimal_comma,
    decimal_comma_message,
    header_fields,
    header_line,
    read_delimited,
)

TIME_NAMES = ("time", "spike_time", "spike_times", "times", "timestamp", "timestamps", "t", "spikes")
UNIT_NAMES = ("unit", "unit_id", "neuron", "neuron_id", "cell", "cell_id", "cluster", "cluster_id", "id", "channel")
TRIAL_NAMES = ("trial", "trial_id", "trial_index", "sweep", "repeat", "segment", "repetition")
_NO_ROWS = np.empty(0, np.int64)
_SPLIT = re.compile(r"[,;\s]+")


def read_text(path: Path, options: ReadOptions) -> Contents:
    """Read spike times in seconds from a text file.

    One time per line is one unit. Lines with several times are one unit each (as written by Neo), unless all lines
    have equally many and the columns ascend: then columns are units, or two columns are unit and time.

    Raises
    ------
    RecordingError
        If a line holds something other than numbers.
    """
    return Contents(format="text", units=_units(path), sources=(path,))


def _units(path: Path) -> tuple[RawUnit, ...]:
    plain = _one_column(path)
    return (RawUnit("0", plain),) if plain is not None else _units_of(*_rows(path))


def _one_column(path: Path) -> FloatArray | None:
    """Return the times of a file with one number per line, read in one go; None for any other file."""
    content = path.read_bytes()
    filled = sum(1 for line in content.split(b"\n") if line.strip())
    fields = content.split()
    if len(fields) != filled or filled == 0:
        return None
    try:
        return np.array(fields, dtype=np.float64)
    except ValueError:
        return None


def _rows(path: Path) -> tuple[list[str] | None, list[list[str]]]:
    """Return the names in the header, if there is one, and the fields of each line without comments."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise RecordingError(path, "this is not a text file, despite its suffix") from error
    example = decimal_comma(line for line in lines if not line.lstrip().startswith("#"))
    if example:
        raise RecordingError(path, decimal_comma_message(example))
    fields = [
        _SPLIT.split(line.strip()) if line.strip() else [] for line in lines if not line.lstrip().startswith("#")
    ]
    while fields and not fields[-1]:
        fields.pop()
    if not fields:
        raise RecordingError(path, "the file holds no spike times")
    if fields[0] and not any(_is_number(field) for field in fields[0]):
        return fields[0], _numbers_only(path, fields[1:])
    return None, _numbers_only(path, fields)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers_only(path: Path, rows: list[list[str]]) -> list[list[str]]:
    bad = next(((i, field) for i, row in enumerate(rows) for field in row if field and not _is_number(field)), None)
    if bad:
        raise RecordingError(path, f"row {bad[0] + 1} holds {bad[1][:30]!r}, which is not a spike time")
    return [[field for field in row if field] for row in rows]


def _units_of(names: list[str] | None, rows: list[list[str]]) -> tuple[RawUnit, ...]:
    widths = {len(row) for row in rows if row}
    if (widths <= {1} and not names) or widths == {1}:
        return (RawUnit((names or ["0"])[0], as_float([float(row[0]) for row in rows if row])),)
    if len(widths) == 1 and len(rows) > 1:
        table = np.array([row for row in rows if row], dtype=np.float64)
        pairs = _as_pairs(table)
        if pairs is not None:
            return pairs
        if bool(np.all(np.nan_to_num(np.diff(table, axis=0), nan=0.0) >= 0)):
            return tuple(
                RawUnit(name, table[:, i]) for i, name in enumerate(names or map(str, range(table.shape[1])))
            )
    return tuple(RawUnit(str(i), as_float([float(field) for field in row])) for i, row in enumerate(rows))


def _as_pairs(table: FloatArray) -> tuple[RawUnit, ...] | None:
    """Return the units of a table with two columns, unit and time in either order, or None."""
    if table.shape[1] != 2 or len(table) < 3:
        return None
    for unit_column, time_column in ((0, 1), (1, 0)):
        units, times = table[:, unit_column], table[:, time_column]
        labels = np.unique(units)
        whole = bool(np.all(units == np.round(units))) and len(labels) <= max(2, len(units) // 2)
        if whole and not bool(np.all(times == np.round(times))):
            return tuple(RawUnit(_label(float(label)), times[units == label]) for label in labels)
    return None


def read_folder(path: Path, options: ReadOptions) -> Contents:
    """Read a folder of text files, one unit per file, named by the file."""
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in (".txt", ".csv", ".dat"))
    units = [RawUnit(file.stem, _only_train(file)) for file in files]
    return Contents(format="text", units=tuple(units), sources=tuple(files))


def _only_train(file: Path) -> FloatArray:
    units = _units(readable_file(file))
    if len(units) > 1:
        raise RecordingError(
            file, f"{len(units)} units in one file of a folder: give the file itself, or use one file per unit"
        )
    return units[0].times


def read_csv(path: Path, options: ReadOptions) -> Contents:
    """Read a table of spikes: a column of times and, if given, of units and of trials; further columns are kept.

    A column that is constant within each trial becomes a column of the trial table; one that is constant within each
    unit becomes metadata. Names ending in ``ms`` are milliseconds. Without a column of times, columns are units.
    """
    table = _table(path)
    if table is None:
        return read_text(path, options)
    time, unit, trial = (_column(table, names) for names in (TIME_NAMES, UNIT_NAMES, TRIAL_NAMES))
    if time is None:
        return _columns_as_units(path, table)
    if unit is None and trial is None and table.shape[1] > 1:
        others = ", ".join(str(name) for name in table.columns if name != time)
        message = f"no column of units besides {time} (there is {others}): rename it unit, or give trials as --events"
        raise RecordingError(path, message)
    seconds = _seconds(path, table, time)
    labels = table[unit].map(_label) if unit else pd.Series("0", index=table.index)
    if trial is None:
        metadata = _constant_within(table.drop(columns=[time]), labels) if unit else {}
        units = tuple(
            RawUnit(label, seconds[(labels == label).to_numpy()], None, metadata.get(label, {}))
            for label in _in_order(labels)
        )
        return Contents(format="CSV", units=units, sources=(path,))
    return _with_trials(path, table.drop(columns=[time]), seconds, labels, trial)


def _with_trials(path: Path, rest: pd.DataFrame, seconds: FloatArray, labels: pd.Series, trial: str) -> Contents:  # type: ignore[type-arg,unused-ignore]
    trials = rest[trial].map(_label)
    rows = _constant_within(rest, trials)
    places = pd.DataFrame({"trial": trials, "unit": labels}).groupby(["trial", "unit"], sort=False).indices
    unit_ids, first_row = _in_order(labels), trials.drop_duplicates().index
    values = dict(zip(trials[first_row], rest[trial][first_row], strict=True))
    segments = [
        Segment(
            {unit: seconds[places.get((name, unit), _NO_ROWS)] for unit in unit_ids},
            row={trial: values[name], **rows.get(name, {})},
        )
        for name in _in_order(trials)
    ]
    of_trials = [name for row in rows.values() for name in row]
    laid = place_segments(segments, _constant_within(rest.drop(columns=[*of_trials, trial]), labels))
    return Contents(
        format="CSV",
        units=laid.units,
        intervals=laid.intervals,
        events=laid.events,
        findings=laid.findings,
        sources=(path,),
    )


def _table(path: Path) -> pd.DataFrame | None:
    """Return the rows of the file by its header, None without a header."""
    try:
        line = header_line(path)
        if not line:
            raise RecordingError(path, "the file holds no spike times")
        return None if all(_is_number(field) for field in header_fields(line)) else read_delimited(path)
    except (ValueError, UnicodeError) as error:
        raise RecordingError(path, f"cannot be read as CSV ({' '.join(str(error).split())[:120]})") from error


def _column(table: pd.DataFrame, names: Sequence[str]) -> str | None:
    """Return the column with one of these names, with or without a unit of time (``_s``, ``_ms``, ``(ms)``)."""
    plain = {re.sub(r"[\s_(\[]*(s|ms|sec|seconds|us)[\])]?$", "", name.lower()): name for name in table.columns}
    lower = {name.lower(): name for name in table.columns}
    return next((found[name] for found in (lower, plain) for name in names if name in found), None)


def _seconds(path: Path, table: pd.DataFrame, column: str) -> FloatArray:
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64)
    bad = table[column].notna().to_numpy() & np.isnan(values)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        if example := decimal_comma([f"{table[column][row]};"]):  # the delimiter of fields
            raise RecordingError(path, decimal_comma_message(example))
        raise RecordingError(
            path, f"row {row + 1}, column {column} holds {str(table[column][row])[:30]!r}, not a spike time"
        )
    unit = re.search(r"(ms|us)[\])]?$", column.lower())
    return values * {"ms": 1e-3, "us": 1e-6}[unit[1]] if unit else values


def _label(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _in_order(labels: pd.Series) -> list[str]:  # type: ignore[type-arg,unused-ignore]
    """Return the labels in numerical order if all are numbers, else in order of appearance."""
    distinct = [str(label) for label in labels.unique()]
    return sorted(distinct, key=float) if all(_is_number(label) for label in distinct) else distinct


def _constant_within(table: pd.DataFrame, labels: pd.Series) -> dict[str, dict[str, Any]]:  # type: ignore[type-arg,unused-ignore]
    """Return, per label, the columns that are constant within every label (but not the same for all labels)."""
    result: dict[str, dict[str, Any]] = {str(label): {} for label in labels.unique()}
    for name in table.columns:
        grouped = table[name].groupby(labels)
        if (grouped.nunique(dropna=False) == 1).all() and not (table[name].map(_label) == labels).all():
            for label, value in grouped.first().items():
                result[str(label)][str(name)] = value
    return result


def _columns_as_units(path: Path, table: pd.DataFrame) -> Contents:
    numeric = [name for name in table.columns if pd.api.types.is_numeric_dtype(table[name])]
    if not numeric:
        raise RecordingError(path, f"no column of spike times among {', '.join(table.columns)}: rename it time_s")
    stored = header_fields(header_line(path))  # pandas adds its own numbers to repeated names
    names = dict(zip(table.columns, stored if len(stored) == table.shape[1] else table.columns, strict=True))
    units = tuple(RawUnit(str(names[name]), table[name].dropna().to_numpy(np.float64)) for name in numeric)
    return Contents(format="CSV", units=units, sources=(path,))
