"""Checks of a table of trials or events: each returns how many rows it concerns. Nothing here changes a table."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.recording.checks.times import known_times


def unknown_times(table: pd.DataFrame, column: str) -> npt.NDArray[np.bool_]:
    """Return which rows (row,) have no time in a column; all False if the table has no such column."""
    if column not in table:
        return np.zeros(len(table), bool)
    return ~known_times(table[column].to_numpy(np.float64))


def rows_without_start(table: pd.DataFrame) -> int:
    """Return how many rows have no start time."""
    return int(unknown_times(table, "start_time").sum())


def rows_without_stop(table: pd.DataFrame) -> int:
    """Return how many rows of an interval table have no stop time."""
    return int(unknown_times(table, "stop_time").sum())


def intervals_not_positive(table: pd.DataFrame) -> int:
    """Return how many rows stop at or before their start."""
    return int((table["stop_time"] <= table["start_time"]).sum()) if "stop_time" in table else 0


def all_start_together(table: pd.DataFrame) -> int:
    """Return the number of rows if there are several and all start at the same time, else 0."""
    starts = table["start_time"].dropna()
    return len(starts) if len(starts) > 1 and starts.nunique() == 1 else 0


#: Checks of a table, by finding id.
TABLE_CHECKS: dict[str, Callable[[pd.DataFrame], int]] = {
    "event-times-nan": rows_without_start,
    "stop-times-nan": rows_without_stop,
    "intervals-not-positive": intervals_not_positive,
    "event-times-equal": all_start_together,
}
