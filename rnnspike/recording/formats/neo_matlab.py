"""Neo blocks saved as MATLAB files (versions 5 to 7.2), read with scipy.

Neo's own reader fails on segments with a single event or spike (MATLAB drops dimensions of one).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnspike.errors import RecordingError
from rnnspike.recording.contents import SECONDS, Contents, as_float, unique_names
from rnnspike.recording.data import FloatArray, ReadOptions
from rnnspike.recording.formats.segments import Segment, place_segments


def read_neo_mat(path: Path, options: ReadOptions) -> Contents:
    """Read the first Neo block of a MATLAB file.

    Raises
    ------
    RecordingError
        If the file is not a MATLAB file, is version 7.3, or holds no Neo block.
    """
    variables = _load(path)
    blocks = [value for value in variables.values() if hasattr(value, "segments")]
    if not blocks:
        if not path.read_bytes()[:6] == b"MATLAB":
            raise RecordingError(
                path, "this is a MATLAB 4 file, which cannot hold a Neo block: export spike times as CSV"
            )
        holds = ", ".join(list(variables)[:8]) or "nothing"
        raise RecordingError(path, f"no Neo block in this MATLAB file (it holds {holds}): export spike times as CSV")
    segments = [_segment(item) for item in _structs(blocks[0].segments)]
    laid = place_segments(segments)
    description = getattr(blocks[0], "description", "")
    return Contents(
        format="Neo MATLAB",
        units=laid.units,
        intervals=laid.intervals,
        events=laid.events,
        session={"session_description": str(description)} if isinstance(description, str) and description else {},
        findings=laid.findings,
        sources=(path,),
    )


def _load(path: Path) -> dict[str, Any]:
    from scipy.io import loadmat

    try:
        variables = loadmat(path, struct_as_record=False, squeeze_me=True)
    except NotImplementedError as error:
        raise RecordingError(path, "MATLAB 7.3 files cannot be read: save it again with -v7") from error
    except Exception as error:
        reason = " ".join(str(error).split())[:100]
        raise RecordingError(path, f"the MATLAB file is damaged ({reason}): copy it again") from error
    # names of variables in a damaged file may be any bytes
    return {name: value for name, value in variables.items() if name.isidentifier() and not name.startswith("__")}


def _structs(value: Any) -> Iterator[Any]:
    """Yield the structs of a cell array; squeezing may have left a single struct or an empty array."""
    yield from (item for item in np.atleast_1d(np.asarray(value, dtype=object)) if hasattr(item, "_fieldnames"))


def _segment(item: Any) -> Segment:
    trains = list(_structs(getattr(item, "spiketrains", [])))
    names = tuple(_name(train, str(i)) for i, train in enumerate(trains))
    starts = [_scalar(train, "t_start") for train in trains if hasattr(train, "t_start")]
    stops = [_scalar(train, "t_stop") for train in trains if hasattr(train, "t_stop")]
    events = {_name(event, "events"): _event_table(event) for event in _structs(getattr(item, "events", []))}
    epochs = {_name(epoch, "epochs"): _event_table(epoch) for epoch in _structs(getattr(item, "epochs", []))}
    return Segment(
        spikes={name: _seconds(train, "times") for name, train in zip(unique_names(names), trains, strict=True)},
        start_s=min(starts) if starts else None,
        stop_s=max(stops) if stops else None,
        events={name: table for name, table in {**events, **epochs}.items() if len(table)},
        row=_row(item),
        names=names,
    )


def _name(item: Any, default: str) -> str:
    name = getattr(item, "name", "")
    return name if isinstance(name, str) and name and name != "Py_None" else default


def _seconds(item: Any, field: str) -> FloatArray:
    """Return a field with units as seconds, one dimension."""
    unit = getattr(item, f"{field}_units", None) or getattr(item, f"{field}_unit", None) or "s"
    return np.atleast_1d(as_float(getattr(item, field))).ravel() * SECONDS.get(str(unit), 1.0)


def _scalar(item: Any, field: str) -> float:
    return float(_seconds(item, field)[0])


def _event_table(item: Any) -> pd.DataFrame:
    columns: dict[str, Any] = {"start_time": _seconds(item, "times")}
    n_rows = len(columns["start_time"])
    if hasattr(item, "durations"):
        durations = _seconds(item, "durations")
        columns["stop_time"] = columns["start_time"] + (durations if len(durations) == n_rows else np.nan)
    labels = [str(label).strip() for label in np.atleast_1d(getattr(item, "labels", []))]
    if len(labels) == n_rows:
        columns["label"] = labels
    return pd.DataFrame(columns)


def _row(item: Any) -> dict[str, Any]:
    """Return a segment's annotations with plain values."""
    annotations = getattr(item, "annotations", None)
    names = getattr(annotations, "_fieldnames", None) or []
    values = {name: getattr(annotations, name) for name in names}
    return {name: value for name, value in values.items() if isinstance(value, (str, int, float, np.generic))}
