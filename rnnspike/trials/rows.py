"""The rows of a table that are the trials, with time zero and condition of each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rnnspike.errors import ConfigError, RecordingError
from rnnspike.recording.checks.assemble import alignable_tables
from rnnspike.recording.checks.times import known_times
from rnnspike.recording.data import Finding, Level, Recording
from rnnspike.recording.findings import TABLES_UNREAD
from rnnspike.trials.align import whole_bins
from rnnspike.trials.data import BoolArray, FloatArray, IntArray, TrialOptions
from rnnspike.wording import counted

#: A trial shorter than this share of the median is an outlier if at most the share ``FEW`` of trials are.
SHORT, FEW = 0.5, 0.05
#: Bins of all windows together, burn-in included: 55 hours at 1 ms.
MAX_BINS = 2e8


@dataclass(frozen=True)
class TrialRows:
    """Rows of the chosen table in order of time zero.

    ``zero_s`` (trial,) is time zero; ``stop_s`` (trial,) the end of the row's interval, NaN without one; ``row``
    (trial,) the number of the row in the table that was recorded, from 0.
    """

    name: str
    table: pd.DataFrame
    zero_s: FloatArray
    stop_s: FloatArray
    row: IntArray
    findings: tuple[Finding, ...] = ()

    @property
    def intervals_s(self) -> FloatArray:
        """(trial, 2) start and stop of the rows; time zero twice for rows without both."""
        start_s = self.table["start_time"].to_numpy(np.float64)
        has_both = (self.stop_s > start_s)[:, None]
        return np.where(has_both, np.stack([start_s, self.stop_s], axis=1), self.zero_s[:, None])

    def keep(self, rows: IntArray | BoolArray, *findings: Finding) -> TrialRows:
        """Return some of the rows, by mask or index, with further findings."""
        index = np.arange(len(self.zero_s))[rows]
        table = self.table.iloc[index].reset_index(drop=True)
        kept = self.zero_s[index], self.stop_s[index], self.row[index]
        return TrialRows(self.name, table, *kept, self.findings + findings)

    def drop(
        self, out: BoolArray, finding_id: str, message: str, *, level: Level = "warning", option: str | None = None
    ) -> TrialRows:
        """Return the rows without those of a mask, with a finding that names them; all of them where it is empty."""
        if not out.any():
            return self
        rows = tuple(self.row[out].tolist())
        return self.keep(~out, Finding(finding_id, level, message, count=len(rows), option=option, rows=rows))


def closest(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean x?`` if a name is close to a known one, else an empty text."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean {close[0]}?" if close else ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``(did you mean x? there are x, y)`` for an unknown name."""
    known = list(known)
    there_are = f"there are {', '.join(known)}" if known else "there are none"
    return f"({' '.join(filter(None, (closest(name, known), there_are)))})"


def tables(recording: Recording) -> dict[str, pd.DataFrame]:
    """Return all interval and event tables by name, interval tables first."""
    return {**recording.intervals, **{k: v for k, v in recording.events.items() if k not in recording.intervals}}


def list_tables(recording: Recording) -> str:
    """Return the names of the tables with their numbers of rows, as text."""
    return ", ".join(f"{name} ({len(table)} rows)" for name, table in tables(recording).items()) or "none"


def choose_table(recording: Recording, name: str | None) -> str:
    """Return the name of the table to align to: the requested one, ``trials``, or the first with enough rows.

    Raises
    ------
    RecordingError
        If the requested table is missing, or there is no table.
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
    unread = next((item for item in recording.findings if item.id in TABLES_UNREAD), None)
    if unread is not None:
        raise RecordingError(
            recording.path, f"its trials could not be read: {unread.message}", unread.option, unread.id
        )
    raise RecordingError(
        recording.path, f"no table of trials to align to (tables: {list_tables(recording)})", "--segment 2s"
    )


def trial_rows(recording: Recording, options: TrialOptions) -> TrialRows:
    """Return the trials of a recording: rows with a time zero, in order of time.

    Raises
    ------
    RecordingError
        If the table or the column is missing, no row has a time, or all have the same time.
    """
    name = choose_table(recording, options.table)
    table = tables(recording)[name]
    column = options.align or "start_time"
    zero_s = _times(recording, name, table, column)
    stop_s = _stops(table)
    timed = known_times(zero_s)
    if not timed.any():
        raise RecordingError(
            recording.path, f"table {name}: none of {len(table)} rows has a time in {column}", "--trials or --align"
        )
    ends = timed & np.isfinite(stop_s)
    wanted = timed if options.window_s is not None or not ends.any() else ends
    every = TrialRows(name, table, zero_s, stop_s, np.arange(len(table)))
    rows = every.drop(~timed, "trial-rows-dropped", _dropped(name, ~timed, f"without a time in {column}: dropped"))
    endless = ~wanted[timed]
    why = "do not stop after they start: dropped (--window keeps them)"
    rows = rows.drop(endless, "trial-rows-dropped", _dropped(name, endless, why))
    rows = rows.keep(np.argsort(rows.zero_s, kind="stable"))
    if len(rows.zero_s) > 1 and np.ptp(rows.zero_s) == 0:
        raise RecordingError(
            recording.path,
            f"table {name}: {column} is {rows.zero_s[0]:g} s in all {len(rows.zero_s)} rows: nothing can be aligned",
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
        raise RecordingError(recording.path, f"table {name}: column {column} holds no times", "--align or --trials")
    return values


def _stops(table: pd.DataFrame) -> FloatArray:
    """Return the stop of each row (row,), NaN without one or if it is not after the start."""
    if "stop_time" not in table:
        return np.full(len(table), np.nan)
    start, stop = (table[name].to_numpy(np.float64) for name in ("start_time", "stop_time"))
    return np.where(known_times(stop) & ~(stop <= start), stop, np.nan)


def _dropped(name: str, out: BoolArray, why: str) -> str:
    return f"table {name}: {counted(int(out.sum()), 'row{s}')} {why}"


def default_window(recording: Recording, rows: TrialRows) -> tuple[tuple[float, float], TrialRows]:
    """Return the longest window from time zero that all rows share, and the rows that have it.

    A few much shorter rows (``SHORT``, ``FEW``) are dropped, since they would shorten the window of all others.

    Raises
    ------
    RecordingError
        If the table holds events, or no row lasts beyond time zero.
    """
    lasts_s = rows.stop_s - rows.zero_s
    if not np.isfinite(lasts_s).any():
        raise RecordingError(
            recording.path,
            f"table {rows.name}: no row stops after it starts, so a window is needed",
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
        message = counted(
            n, f"trial{{s}} last{{v}} less than half the median ({median:.3g} s): dropped (--window keeps them)"
        )
        rows = rows.drop(short, "trials-too-short", message, option="--window")
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
    """Return the condition of each trial, the labels of the conditions, and the rows that have a condition.

    Labels read ``direction=left, contrast=0.5``, in the order of the values. Without columns there is one
    condition, ``all``.

    Raises
    ------
    RecordingError
        If a column is missing, or there are more conditions than half the trials.
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
        message = f"{counted(n, 'trial{s} {have} no value in')} {', '.join(columns)}: dropped"
        rows = rows.drop(missing, "conditions-missing", message)
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
    """Return the rank of each value: numbers by size, everything else as text."""
    if pd.api.types.is_numeric_dtype(column):
        return np.unique(column.to_numpy(np.float64), return_inverse=True)[1]
    return np.unique(column.map(_plain).to_numpy(str), return_inverse=True)[1]


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)


def check_size(recording: Recording, n_trials: float, duration_s: float, bin_s: float) -> None:
    """Raise RecordingError for windows with too many bins, before memory is allocated."""
    n_bins = n_trials * (duration_s / bin_s)
    if n_bins > MAX_BINS:
        message = f"{n_trials:.6g} windows of {duration_s:.4g} s hold {n_bins:.3g} bins, more than {MAX_BINS:.0e}"
        raise RecordingError(recording.path, message, "a shorter --window or a wider --bin")


def check_window(window_s: tuple[float, float], bin_s: float) -> None:
    """Raise ConfigError for a window that is reversed or shorter than a bin."""
    low, high = window_s
    if not (np.isfinite(low) and np.isfinite(high) and high > low):
        raise ConfigError(f"--window {low:g} {high:g}: the window must end after it starts")
    if bin_s <= 0 or whole_bins(high - low, bin_s) < 1:
        raise ConfigError(f"--bin {bin_s:g}: a bin must be positive and fit into the window of {high - low:g} s")
