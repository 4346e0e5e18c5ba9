"""Recordings without trials, cut into segments of equal length, each with the recorded time before it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rnnspike.errors import ConfigError, RecordingError
from rnnspike.recording.checks.clean import intervals_of
from rnnspike.recording.data import Finding, Recording
from rnnspike.trials.align import EDGE_TOLERANCE
from rnnspike.trials.data import FloatArray, TrialOptions
from rnnspike.trials.masks import as_intervals, duration_s, exposure, intersect
from rnnspike.trials.rows import TrialRows, check_size, choose_table, tables
from rnnspike.wording import counted


def segment_rows(recording: Recording, options: TrialOptions) -> TrialRows:
    """Return segments of ``options.segment_s`` as rows: within the requested table's intervals, else recorded time.

    Segments are contiguous from the start of each interval of recorded time; the remainder at its end is not used.
    Columns of the table are copied to its segments.

    Raises
    ------
    ConfigError
        If ``--window`` or ``--align`` is given too.
    RecordingError
        If no interval is as long as a segment.
    """
    length_s = options.segment_s
    assert length_s is not None
    if options.window_s is not None or options.align is not None:
        raise ConfigError("--segment cuts the recording at fixed times: leave out --window and --align")
    if not length_s >= options.bin_s:
        raise ConfigError(f"--segment {length_s:g}: a segment must hold at least one bin of {options.bin_s:g} s")
    recorded = recorded_time(recording)
    source = _source_table(recording, options, recorded)
    cut = intersect(as_intervals(intervals_of(source)), recorded)
    check_size(recording, duration_s(cut) / length_s, length_s, options.bin_s)
    pieces: list[pd.DataFrame] = []
    left_over_s = 0.0
    for _, row in source.iterrows():
        for low, high in intersect(as_intervals([row["start_time"], row["stop_time"]]), recorded):
            n = int(np.floor((high - low) / length_s + EDGE_TOLERANCE))
            left_over_s += high - low - n * length_s
            pieces.append(_cut(row, float(low), n, length_s))
    table = pd.concat(pieces, ignore_index=True) if pieces else source.iloc[:0]
    if len(table) == 0:
        raise RecordingError(
            recording.path, f"no interval of recorded time lasts {length_s:g} s", "a shorter --segment"
        )
    start_s = table["start_time"].to_numpy(np.float64)
    order = np.argsort(start_s, kind="stable")
    rows = TrialRows("segments", table, start_s, table["stop_time"].to_numpy(np.float64), np.arange(len(table)))
    without = len(source) - len(intervals_of(source))
    return rows.keep(order, *_dropped(without), *_findings(length_s, len(table), left_over_s))


def _source_table(recording: Recording, options: TrialOptions, recorded: FloatArray) -> pd.DataFrame:
    if options.table is None:
        return pd.DataFrame(recorded, columns=["start_time", "stop_time"])
    name = choose_table(recording, options.table)
    table = tables(recording)[name]
    if "stop_time" not in table:
        raise RecordingError(
            recording.path, f"--trials {name}: events without a stop cannot be cut into segments", "--segment alone"
        )
    return table


def _cut(row: pd.Series[Any], start_s: float, n: int, length_s: float) -> pd.DataFrame:
    start = start_s + np.arange(n) * length_s
    piece = pd.DataFrame({"start_time": start, "stop_time": start + length_s})
    for key, value in row.items():
        if key not in piece:
            piece[key] = [value] * n
    return piece


def recorded_time(recording: Recording) -> FloatArray:
    """Return when any unit was observed, (interval, 2) merged."""
    found = exposure(recording, intervals_of(recording.intervals.get("trials", pd.DataFrame())))
    parts = [found.of(unit) for unit in recording.units]
    return as_intervals(np.concatenate(parts)) if parts else np.empty((0, 2))


def _dropped(n: int) -> tuple[Finding, ...]:
    message = f"{counted(n, 'row{s}')} without a stop after the start: not cut"
    return (Finding("trial-rows-dropped", "warning", message, count=n),) if n else ()


def _findings(length_s: float, n: int, left_over_s: float) -> tuple[Finding, ...]:
    if left_over_s < 1e-6:
        return ()
    message = (
        f"cut into {n} segments of {length_s:g} s; {left_over_s:.3g} s at the ends of recorded time are not used"
    )
    return (Finding("segments-remainder", "info", message, count=n),)
