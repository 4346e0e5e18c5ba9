"""What is mended in a recording before anything is modelled; each mending is one of ``checks.FINDINGS``."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnspike.recording.checks import NO_TIME_S, Train, missing_time, sentinels
from rnnspike.recording.data import FloatArray


def clean_times(train: Train, *, drop_duplicates: bool = False) -> FloatArray:
    """Return ascending finite spike times (spike,): NaN and padding dropped, jitter sorted.

    Times that are right already are returned as they are, without a copy.
    """
    times = train.times
    if not train.is_plain:
        times = times[(np.abs(times) <= NO_TIME_S) & ~sentinels(times)]
        times = np.sort(times, kind="stable")
    if drop_duplicates and len(times) > 1 and not (train.is_plain and train.shortest_isi > 0):
        times = times[np.concatenate([[True], np.diff(times) > 0])]
    return times


def clean_intervals(intervals: FloatArray) -> FloatArray:
    """Return (interval, 2) ascending and disjoint: overlapping or touching ones merged, empty ones dropped.

    Examples
    --------
    >>> clean_intervals(np.array([[5.0, 6.0], [0.0, 2.0], [1.0, 3.0], [4.0, 4.0]])).tolist()
    [[0.0, 3.0], [5.0, 6.0]]
    """
    kept = intervals[np.isfinite(intervals).all(axis=1) & (intervals[:, 1] > intervals[:, 0])]
    if len(kept) < 2:
        return kept
    kept = kept[np.argsort(kept[:, 0], kind="stable")]
    latest_stop = np.maximum.accumulate(kept[:, 1])
    opens = np.concatenate([[True], kept[1:, 0] > latest_stop[:-1]])
    closes = np.concatenate([opens[1:], [True]])
    return np.column_stack([kept[opens, 0], latest_stop[closes]])


def clean_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table without the rows that have no time or stop at or before their start, renumbered."""
    keep = ~missing_time(table)
    if "stop_time" in table:
        keep &= ~(table["stop_time"] <= table["start_time"])
    return table if bool(keep.all()) else table[keep].reset_index(drop=True)


def time_columns(table: pd.DataFrame) -> list[str]:
    """Return the columns that hold session times: start, stop and those that lie within (or near) their row.

    A column of numbers counts where nine in ten of its values lie from one trial's length before the start to one
    after the stop (events without a stop: within 60 s), so that a reaction time (a duration) is none.
    """
    names = [name for name in ("start_time", "stop_time") if name in table]
    if not names or len(table) == 0:
        return names
    start = table["start_time"].to_numpy(np.float64)
    stop = table["stop_time"].to_numpy(np.float64) if "stop_time" in table else start + 60.0
    others = [name for name in table.columns if name not in names and _may_be_time(table[name])]
    return names + [name for name in others if _lies_within(table[name].to_numpy(np.float64), start, stop, str(name))]


def _may_be_time(column: pd.Series) -> bool:  # type: ignore[type-arg,unused-ignore]
    return bool(pd.api.types.is_float_dtype(column)) and bool(column.notna().any())


def _lies_within(values: FloatArray, start: FloatArray, stop: FloatArray, name: str) -> bool:
    valid = np.isfinite(values) & np.isfinite(start) & np.isfinite(stop)
    length = (stop - start)[valid]
    inside = (values[valid] >= start[valid] - length) & (values[valid] <= stop[valid] + length)
    if not len(inside) or inside.mean() < 0.9:
        return False
    # A few rows near time zero cannot tell a time from a duration: only those far from it count.
    far = start[valid] > 2 * length
    return bool(far.any()) or name.endswith(("_time", "_times", "time_s", "_at"))


def shift_table(table: pd.DataFrame, offset_s: float) -> pd.DataFrame:
    """Return a table with its session times moved by ``offset_s``."""
    return table.assign(**{name: table[name] + offset_s for name in time_columns(table)}) if offset_s else table


def scale_table(table: pd.DataFrame, scale: float) -> pd.DataFrame:
    """Return a table with its session times multiplied by ``scale``."""
    return table.assign(**{name: table[name] * scale for name in time_columns(table)})
