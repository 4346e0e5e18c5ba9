"""Segments (sweeps, trials) of formats that store them separately, placed on one session clock without overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from rnnspike.recording.contents import SEGMENT_GAP_S, RawUnit, repeated_ids
from rnnspike.recording.data import Finding, FloatArray
from rnnspike.recording.findings import found


@dataclass(frozen=True)
class Segment:
    """One segment on its own clock.

    ``spikes`` maps unit id to times (spike,) in s; ``start_s`` and ``stop_s`` are None if not stated; ``events``
    maps a name to a table with ``start_time`` (and ``stop_time``); ``row`` is its row in the trial table; ``names``
    are the units' ids as stored, which may repeat.
    """

    spikes: Mapping[str, FloatArray]
    start_s: float | None = None
    stop_s: float | None = None
    events: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    row: Mapping[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlacedSegments:
    """Segments on the session's clock; ``offsets_s`` (segment,) was added to the times of each segment."""

    units: tuple[RawUnit, ...]
    intervals: dict[str, pd.DataFrame]
    events: dict[str, pd.DataFrame]
    findings: tuple[Finding, ...]
    offsets_s: FloatArray


def place_segments(
    segments: Sequence[Segment], metadata: Mapping[str, Mapping[str, Any]] | None = None
) -> PlacedSegments:
    """Place segments one after another; return units, tables and the offset of each segment.

    Segments with ordered and disjoint times keep them; others are separated by ``SEGMENT_GAP_S``, which is longer
    than any burn-in. Several segments make a table ``trials`` with start, stop, the session time of each segment's
    zero (``zero_time``, if that is not its start) and of events that occur once per segment (``NAME_time``).
    """
    segments, extent_findings = _with_extents(segments)
    offsets_s, laid = _offsets(segments)
    unit_ids = list(dict.fromkeys(unit for segment in segments for unit in segment.spikes))
    units = tuple(_unit(unit, segments, offsets_s, (metadata or {}).get(unit, {})) for unit in unit_ids)
    tables = _event_tables(segments, offsets_s)
    intervals = {name: table for name, table in tables.items() if "stop_time" in table}
    if len(segments) > 1:
        intervals = {"trials": _trials(segments, offsets_s), **intervals}
    findings = [*extent_findings, *dict.fromkeys(item for part in segments for item in repeated_ids(part.names))]
    if laid:
        message = (
            f"{len(segments)} segments have no common clock: placed one after another, {SEGMENT_GAP_S:g} s apart"
        )
        findings.append(found("segments-laid-out", message, count=len(segments)))
    return PlacedSegments(
        units=units,
        intervals=intervals,
        events={name: table for name, table in tables.items() if "stop_time" not in table},
        findings=tuple(findings),
        offsets_s=offsets_s,
    )


def _with_extents(segments: Sequence[Segment]) -> tuple[list[Segment], list[Finding]]:
    """Set the extent of several segments without start and stop to the common extent of all spikes."""
    if len(segments) < 2 or all(segment.start_s is not None for segment in segments):
        return list(segments), []
    low, high = _extent([times for segment in segments for times in segment.spikes.values()])
    message = (
        f"the file does not say when trials start and stop: assumed to be {low:g} to {high:g} s, from the spikes"
    )
    finding = found("trial-extent-assumed", message, count=len(segments))
    return [replace(segment, start_s=low, stop_s=high) for segment in segments], [finding]


def _extent(trains: Sequence[FloatArray]) -> tuple[float, float]:
    """Return first and last spike of all trains, rounded outwards to the millisecond; from 0 if none is earlier."""
    filled = [times[np.isfinite(times)] for times in trains if len(times)]
    low = min((float(times.min()) for times in filled if len(times)), default=0.0)
    high = max((float(times.max()) for times in filled if len(times)), default=0.0)
    return float(min(0.0, np.floor(low * 1e3) / 1e3)), float(np.ceil(high * 1e3 + 1e-6) / 1e3)


def _offsets(segments: Sequence[Segment]) -> tuple[FloatArray, bool]:
    """Return the offset of each segment, and whether segments had to be moved."""
    starts = [segment.start_s or 0.0 for segment in segments]
    stops = [segment.stop_s or 0.0 for segment in segments]
    if len(segments) < 2 or all(stop <= start for stop, start in pairwise_ends(starts, stops)):
        return np.zeros(len(segments)), False
    offsets_s, now = [], 0.0
    for start, stop in zip(starts, stops, strict=True):
        offsets_s.append(now - start)
        now += stop - start + SEGMENT_GAP_S
    return np.array(offsets_s), True


def pairwise_ends(starts: Sequence[float], stops: Sequence[float]) -> list[tuple[float, float]]:
    """Return (stop of one, start of the next) for successive segments."""
    return [(stop, start) for (_, stop), (start, _) in pairwise(zip(starts, stops, strict=True))]


def _unit(unit: str, segments: Sequence[Segment], offsets_s: FloatArray, metadata: Mapping[str, Any]) -> RawUnit:
    held = [(segment, offset) for segment, offset in zip(segments, offsets_s, strict=True) if unit in segment.spikes]
    times = [segment.spikes[unit] + offset for segment, offset in held]
    observed = [
        (segment.start_s + offset, segment.stop_s + offset)
        for segment, offset in held
        if segment.start_s is not None and segment.stop_s is not None
    ]
    return RawUnit(unit, np.concatenate(times), np.array(observed) if observed else None, metadata)


def _trials(segments: Sequence[Segment], offsets_s: FloatArray) -> pd.DataFrame:
    starts = np.array([segment.start_s for segment in segments], dtype=np.float64)
    stops = np.array([segment.stop_s for segment in segments], dtype=np.float64)
    columns: dict[str, Any] = {"start_time": starts + offsets_s, "stop_time": stops + offsets_s}
    if np.any(starts != 0.0) and np.any(offsets_s != 0.0):
        columns["zero_time"] = offsets_s
    for name in dict.fromkeys(name for segment in segments for name in segment.events):
        firsts = [segment.events.get(name) for segment in segments]
        if all(table is not None and len(table) == 1 for table in firsts):
            times = [float(table["start_time"].iloc[0]) for table in firsts if table is not None]
            columns[f"{name}_time"] = np.array(times) + offsets_s
    for name in dict.fromkeys(name for segment in segments for name in segment.row):
        columns.setdefault(name, [segment.row.get(name) for segment in segments])
    return pd.DataFrame(columns)


def _event_tables(segments: Sequence[Segment], offsets_s: FloatArray) -> dict[str, pd.DataFrame]:
    parts: dict[str, list[pd.DataFrame]] = {}
    for segment, offset in zip(segments, offsets_s, strict=True):
        for name, table in segment.events.items():
            times = [column for column in ("start_time", "stop_time") if column in table]
            parts.setdefault(name, []).append(table.assign(**{column: table[column] + offset for column in times}))
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}
