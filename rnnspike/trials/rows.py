"""Which rows of which table are the trials, where time zero is in each, and what condition each is of."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rnnspike.errors import ConfigError, RecordingError
from rnnspike.recording.assemble import alignable_tables
from rnnspike.recording.data import Finding, Recording
from rnnspike.trials.align import whole_bins
from rnnspike.trials.data import BoolArray, FloatArray, IntArray, TrialOptions

#: A trial shorter than this share of the median is an outlier if at most ``FEW`` of the trials are so short.
SHORT, FEW = 0.5, 0.05


@dataclass(frozen=True)
class TrialRows:
    """Rows of the chosen table in order of time zero.

    ``zero_s`` (trial,) is time zero; ``stop_s`` (trial,) the end of the row's interval or NaN; ``intervals_s``
    (trial, 2) the intervals themselves (events: no rows).
    """

    name: str
    table: pd.DataFrame
    zero_s: FloatArray
    stop_s: FloatArray
    findings: tuple[Finding, ...] = ()

    @property
    def intervals_s(self) -> FloatArray:
        """(trial, 2) start and stop of the rows; time zero twice where the table is one of events."""
        if "stop_time" not in self.table:
            return np.stack([self.zero_s, self.zero_s], axis=1)
        return self.table[["start_time", "stop_time"]].to_numpy(np.float64)

    def keep(self, rows: IntArray | BoolArray, *findings: Finding) -> TrialRows:
        """Return some of the rows, by mask or index, with what was found."""
        index = np.arange(len(self.zero_s))[rows]
        table = self.table.iloc[index].reset_index(drop=True)
        return TrialRows(self.name, table, self.zero_s[index], self.stop_s[index], self.findings + findings)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``(did you mean x? there are x, y)`` for a name that is not among the known ones."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1)
    there_are = f"there are {', '.join(known)}" if known else "there are none"
    return f"({f'did you mean {close[0]}? ' if close else ''}{there_are})"


def tables(recording: Recording) -> dict[str, pd.DataFrame]:
    """Return all interval and event tables by name, interval tables first."""
    return {**recording.intervals, **{k: v for k, v in recording.events.items() if k not in recording.intervals}}


def list_tables(recording: Recording) -> str:
    """Return the tables with their number of rows, in words."""
    return ", ".join(f"{name} ({len(table)} rows)" for name, table in tables(recording).items()) or "none"


def choose_table(recording: Recording, name: str | None) -> str:
    """Return the name of the table to align to: the one named, ``trials``, or the first with rows enough.

    Raises
    ------
    RecordingError
        Where the named table is missing, or none is named and there is none.
    """
    known = tables(recording)
    if name is not None:
        if name not in known:
            raise RecordingError(recording.path, f"--trials {name}: no such table {did_you_mean(name, known)}")
        return name
    usable = alignable_tables(recording.intervals, recording.events)
    if "trials" in usable:
        return "trials"
    if usable:
        return usable[0]
    raise RecordingError(
        recording.path, f"no table of trials to align to (tables: {list_tables(recording)})", "--segment 2s"
    )


def trial_rows(recording: Recording, options: TrialOptions) -> TrialRows:
    """Return the trials of a recording: rows with a time zero, in order of it.

    Raises
    ------
    RecordingError
        Where the table or the column is missing, no row has a time, or all have the same.
    """
    name = choose_table(recording, options.table)
    table = tables(recording)[name]
    column = options.align or "start_time"
    zero_s = _times(recording, name, table, column)
    has_stop = "stop_time" in table and bool(table["stop_time"].notna().any())
    if not has_stop:
        table = table.drop(columns="stop_time", errors="ignore")
    stop_s = table["stop_time"].to_numpy(np.float64) if has_stop else np.full(len(table), np.nan)
    bad = ~np.isfinite(zero_s)
    if has_stop:
        bad |= ~(stop_s > table["start_time"].to_numpy(np.float64))
    if len(table) == 0 or bad.all():
        raise RecordingError(
            recording.path, f"table {name}: none of {len(table)} rows has a time in {column}", "--trials or --align"
        )
    order = np.argsort(zero_s, kind="stable")
    rows = TrialRows(name, table, zero_s, stop_s).keep(order[~bad[order]], *_dropped(name, column, int(bad.sum())))
    if len(rows.zero_s) > 1 and np.ptp(rows.zero_s) == 0:
        raise RecordingError(
            recording.path,
            f"table {name}: {column} is {rows.zero_s[0]:g} s in all {len(rows.zero_s)} rows, nothing can be aligned",
            "--align COLUMN or --events FILE",
            "event-times-equal",
        )
    return rows


def _times(recording: Recording, name: str, table: pd.DataFrame, column: str) -> FloatArray:
    if column not in table:
        numeric = [str(key) for key in table.select_dtypes("number").columns]
        raise RecordingError(
            recording.path, f"--align {column}: table {name} has no such column {did_you_mean(column, numeric)}"
        )
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64)
    if len(values) and not np.isfinite(values).any():
        raise RecordingError(recording.path, f"--align {column}: column of table {name} holds no times", "--align")
    return values


def _dropped(name: str, column: str, n: int) -> tuple[Finding, ...]:
    if n == 0:
        return ()
    message = f"table {name}: {n} rows without a time in {column} or that stop before they start: dropped"
    return (Finding("trial-rows-dropped", "warning", message, count=n),)


def default_window(recording: Recording, rows: TrialRows) -> tuple[tuple[float, float], TrialRows]:
    """Return the shortest common window from time zero to the rows' ends, and the rows that have it.

    A few rows that are absurdly short (``SHORT``, ``FEW``) are dropped rather than cutting all others down.

    Raises
    ------
    RecordingError
        Where the table is one of events, or no row lasts beyond time zero.
    """
    lasts_s = rows.stop_s - rows.zero_s
    if not np.isfinite(lasts_s).any():
        raise RecordingError(
            recording.path,
            f"table {rows.name} holds events without an end, so a window is needed",
            "--window -0.5 1.0",
        )
    median = float(np.nanmedian(lasts_s))
    if median <= 0:
        raise RecordingError(
            recording.path, f"table {rows.name}: time zero is at the rows' ends, so a window is needed", "--window"
        )
    short = ~(lasts_s >= SHORT * median)
    if 0 < short.sum() <= max(FEW * len(lasts_s), 1) and len(lasts_s) > 3:
        n = int(short.sum())
        message = f"{n} trials last less than half the median ({median:.3g} s): dropped, --window keeps them"
        rows = rows.keep(~short, Finding("trials-too-short", "warning", message, count=n, option="--window"))
        lasts_s = rows.stop_s - rows.zero_s
    shortest = float(lasts_s.min())
    if shortest <= 0:
        raise RecordingError(
            recording.path, f"table {rows.name}: some rows end before time zero, so a window is needed", "--window"
        )
    return (0.0, shortest), rows


def label_conditions(
    recording: Recording, rows: TrialRows, columns: Sequence[str]
) -> tuple[IntArray, tuple[str, ...], TrialRows]:
    """Return the condition of each trial, the conditions' labels, and the rows that have one.

    Labels read ``direction=left, contrast=0.5``, in the order of the values. Without columns there is one
    condition, ``all``.

    Raises
    ------
    RecordingError
        Where a column is missing, or the conditions are more than half the trials.
    """
    if not columns:
        return np.zeros(len(rows.zero_s), np.int64), ("all",), rows
    for column in columns:
        if column not in rows.table:
            known = did_you_mean(column, [str(key) for key in rows.table.columns])
            raise RecordingError(
                recording.path, f"--condition {column}: table {rows.name} has no such column {known}"
            )
    missing = rows.table[list(columns)].isna().any(axis=1).to_numpy()
    if missing.all():
        raise RecordingError(recording.path, f"--condition {columns[0]}: the column is empty", "another --condition")
    if missing.any():
        n = int(missing.sum())
        message = f"{n} trials have no value in {', '.join(columns)}: dropped"
        rows = rows.keep(~missing, Finding("conditions-missing", "warning", message, count=n))
    ranks = np.stack([_rank(rows.table[column]) for column in columns], axis=1)
    distinct, first, index = np.unique(ranks, axis=0, return_index=True, return_inverse=True)
    if len(distinct) * 2 > len(index) and len(distinct) > 1:
        widest = max(columns, key=lambda column: rows.table[column].nunique())
        raise RecordingError(
            recording.path,
            f"--condition {widest}: {len(distinct)} conditions in {len(index)} trials, too many to repeat",
            "another --condition or none",
        )
    labels = [", ".join(f"{key}={_plain(rows.table[key].iloc[i])}" for key in columns) for i in first]
    return index.reshape(-1).astype(np.int64), tuple(labels), rows


def _rank(column: pd.Series[Any]) -> IntArray:
    """Return the place of each value among the sorted values: numbers by size, everything else as text."""
    if pd.api.types.is_numeric_dtype(column):
        return np.unique(column.to_numpy(np.float64), return_inverse=True)[1]
    return np.unique(column.map(_plain).to_numpy(str), return_inverse=True)[1]


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)


def check_window(window_s: tuple[float, float], bin_s: float) -> None:
    """Refuse a window that is reversed or shorter than a bin (ConfigError)."""
    low, high = window_s
    if not (np.isfinite(low) and np.isfinite(high) and high > low):
        raise ConfigError(f"--window {low:g} {high:g}: the window must end after it starts")
    if bin_s <= 0 or whole_bins(high - low, bin_s) < 1:
        raise ConfigError(f"--bin {bin_s:g}: a bin must be positive and fit the window of {high - low:g} s")
