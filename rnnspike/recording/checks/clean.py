"""Cleaning of spike times, intervals and tables; each correction is one of ``findings.FINDINGS``."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from rnnspike.recording.checks.spike_trains import Train, sentinels
from rnnspike.recording.checks.times import MAX_TIME_S, known_times
from rnnspike.recording.data import FloatArray

#: Names of columns that hold times, of any type.
_TIME_NAMES = re.compile(r"(_times?|time_s|_at|_onset|_offset)$", re.IGNORECASE)


def clean_times(train: Train, *, drop_duplicates: bool = False) -> FloatArray:
    """Return ascending finite spike times (spike,): NaN and padding dropped, small steps back sorted.

    Times that need no cleaning are returned without a copy.
    """
    times = train.times
    if not train.is_clean:
        times = times[(np.abs(times) <= MAX_TIME_S) & ~sentinels(times)]
        times = np.sort(times, kind="stable")
    if drop_duplicates and len(times) > 1 and not (train.is_clean and train.shortest_isi > 0):
        times = times[np.concatenate([[True], np.diff(times) > 0])]
    return times


def clean_intervals(intervals: FloatArray, touching_s: float = 0.0) -> FloatArray:
    """Return (interval, 2) ascending and disjoint: empty ones dropped, those less than ``touching_s`` apart merged.

    Intervals may be open (start at minus infinity, stop at infinity).

    Examples
    --------
    >>> clean_intervals(np.array([[5.0, 6.0], [0.0, 2.0], [1.0, 3.0], [4.0, 4.0]])).tolist()
    [[0.0, 3.0], [5.0, 6.0]]
    """
    kept = intervals[intervals[:, 1] > intervals[:, 0]]
    if len(kept) < 2:
        return kept
    kept = kept[np.argsort(kept[:, 0], kind="stable")]
    latest_stop = np.maximum.accumulate(kept[:, 1])
    opens = np.concatenate([[True], kept[1:, 0] > latest_stop[:-1] + touching_s])
    closes = np.concatenate([opens[1:], [True]])
    return np.column_stack([kept[opens, 0], latest_stop[closes]])


def close_intervals(intervals: FloatArray, extent_s: tuple[float, float]) -> FloatArray:
    """Return intervals (interval, 2) with open ends replaced by the ends of the recording; NaN stays."""
    ends = np.where(intervals < 0, *extent_s)
    return np.where(known_times(intervals) | np.isnan(intervals), intervals, ends)


def clean_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table with start and stop times set to NaN where they are too large to be times."""
    bad = {
        name: table[name].where(known_times(table[name].to_numpy(np.float64)))
        for name in ("start_time", "stop_time")
        if name in table and np.any(np.abs(table[name].to_numpy(np.float64)) > MAX_TIME_S)
    }
    return table.assign(**bad) if bad else table


def timed_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows, renumbered, that have a start time or a number in another column that may hold times."""
    others = [name for name in table.columns if name != "stop_time" and _may_be_time(table[name])]
    keep = table[["start_time", *others]].notna().any(axis=1)
    return table if bool(keep.all()) else table[keep].reset_index(drop=True)


def intervals_of(table: pd.DataFrame) -> FloatArray:
    """Return start and stop (interval, 2) of the rows with both, where the stop is after the start."""
    if "stop_time" not in table:
        return np.empty((0, 2))
    intervals = table[["start_time", "stop_time"]].to_numpy(np.float64)
    return intervals[intervals[:, 1] > intervals[:, 0]]


def time_columns(table: pd.DataFrame, second: float = 1.0) -> list[str]:
    """Return the columns that hold session times: start, stop and columns with values within or near their row.

    A numeric column counts if 90 % of its values lie between one trial's length before the start and one after the
    stop (events without a stop: within 60 s). A reaction time (a duration) does not. ``second`` is
    the length of a second in the table's unit of time.
    """
    names = [name for name in ("start_time", "stop_time") if name in table]
    if not names or len(table) == 0:
        return names
    start = table["start_time"].to_numpy(np.float64)
    has_stops = "stop_time" in table and bool(table["stop_time"].notna().any())
    stop = table["stop_time"].to_numpy(np.float64) if has_stops else start + 60.0 * second
    others = [name for name in table.columns if name not in names and _may_be_time(table[name])]
    return names + [name for name in others if _lies_within(table[name].to_numpy(np.float64), start, stop, str(name))]


def _may_be_time(column: pd.Series) -> bool:  # type: ignore[type-arg,unused-ignore]
    if pd.api.types.is_integer_dtype(column):  # ticks of a clock; other integers are counts or codes
        return bool(_TIME_NAMES.search(str(column.name)))
    return bool(pd.api.types.is_float_dtype(column)) and bool(column.notna().any())


def _lies_within(values: FloatArray, start: FloatArray, stop: FloatArray, name: str) -> bool:
    valid = np.isfinite(values) & (stop > start)
    length = (stop - start)[valid]
    inside = (values[valid] >= start[valid] - length) & (values[valid] <= stop[valid] + length)
    if not len(inside) or inside.mean() < 0.9:
        return False
    # Near session time zero, a time and a duration look the same: only rows far from it are compared.
    far = start[valid] > 2 * length
    return bool(far.any()) or bool(_TIME_NAMES.search(name))
