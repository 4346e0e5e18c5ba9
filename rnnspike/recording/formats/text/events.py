"""A CSV of trials (``--events``), for formats without events and for trials stored separately."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from rnnspike.errors import RecordingError
from rnnspike.recording.contents import Contents
from rnnspike.recording.findings import found
from rnnspike.recording.formats.refusals import readable_file
from rnnspike.recording.formats.text.delimited import decimal_comma, decimal_comma_message, read_delimited

#: Names of columns with a row's start, stop and duration, best first; ``_ms`` names are in milliseconds.
START_NAMES = ("start_time", "start", "start_s", "time", "time_s", "times", "onset", "onset_s", "timestamp", "t")
STOP_NAMES = ("stop_time", "stop", "stop_s", "end_time", "end", "end_s", "offset_time")
DURATION_NAMES = ("duration", "duration_s")
_MS_NAMES = {"start_ms": "start", "time_ms": "start", "onset_ms": "start", "stop_ms": "stop", "end_ms": "stop"}


def add_events(contents: Contents, path: Path) -> Contents:
    """Return the contents with the file's rows as the first table, ``trials``.

    With stop times (or durations) they are intervals, else events. A table ``trials`` of the recording is kept as
    ``trials_in_recording``.

    Raises
    ------
    RecordingError
        If the file has no column of times.
    """
    table = read_events(path)
    message = f"{len(table)} rows read from {path.name}"
    kept = {
        "intervals": {_moved(name): rows for name, rows in contents.intervals.items()},
        "events": {_moved(name): rows for name, rows in contents.events.items()},
    }
    where = "intervals" if "stop_time" in table else "events"
    kept[where] = {"trials": table, **kept[where]}
    return replace(
        contents,
        intervals=kept["intervals"],
        events=kept["events"],
        findings=(*contents.findings, found("events-file", message, count=len(table))),
        sources=(*contents.sources, path),
    )


def _moved(name: str) -> str:
    return "trials_in_recording" if name == "trials" else name


def read_events(path: Path) -> pd.DataFrame:
    """Return the rows of a CSV (or TSV) with ``start_time`` and, if given, ``stop_time``, in seconds."""
    if path.exists() and not path.is_file():
        raise RecordingError(path, "the events file is not a regular file", "--events FILE")
    try:
        if path.exists():
            readable_file(path)
        table = read_delimited(path)
    except (OSError, ValueError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())[:120]
        raise RecordingError(path, f"the events file cannot be read ({reason})", "--events FILE") from error
    lower = {name.lower(): name for name in table.columns}
    start = next((lower[name] for name in (*START_NAMES, *_MS_NAMES) if name in lower), None)
    if start is None:
        holds = ", ".join(table.columns)
        raise RecordingError(path, f"no column of times among {holds}: rename it start_time", "--events FILE")
    stop = next(
        (lower[name] for name in (*STOP_NAMES, "stop_ms", "end_ms") if name in lower and lower[name] != start), None
    )
    columns = {"start_time": _seconds(path, table, start)}
    if stop is not None:
        columns["stop_time"] = _seconds(path, table, stop)
    elif (duration := next((lower[name] for name in DURATION_NAMES if name in lower), None)) is not None:
        columns["stop_time"] = columns["start_time"] + _seconds(path, table, duration)
    rest = {name: table[name] for name in table.columns if name not in (start, stop)}
    return pd.DataFrame({**columns, **rest})


def _seconds(path: Path, table: pd.DataFrame, column: str) -> pd.Series[float]:
    values = pd.to_numeric(table[column], errors="coerce").astype(np.float64)
    written = table[column].astype(str)[values.isna()]
    if example := decimal_comma(f"{text};" for text in written):  # the delimiter of fields
        raise RecordingError(path, decimal_comma_message(example), "--events FILE")
    if len(values) and values.isna().all():
        raise RecordingError(path, f"column {column} holds no numbers", "--events FILE")
    return values * 1e-3 if column.lower() in _MS_NAMES else values
