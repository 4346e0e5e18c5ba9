"""What a recording holds, as plain rows: units, tables and their columns, covariates, and the fit line to use."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from rnnspike.recording.assemble import alignable_tables
from rnnspike.recording.checks import Train
from rnnspike.recording.clean import time_columns
from rnnspike.recording.data import Covariate, ReadOptions, Recording, Unit

Role = Literal["time", "condition", "constant", "number", "text"]
#: Columns that number trials rather than tell what was done in them.
_COUNTERS = re.compile(
    r"^(id|index|rep(eat|etition)?|trial.*|sweep|block.*|session.*|number|order|.*(_id|_index|_number|_no))$"
)
#: Columns that tell what was done, best first.
_TELLING = re.compile(
    r"condition|stim(ulus)?|odou?r|direction|orientation|contrast|object|target|image|frequency|cue|sound|side|"
    r"label|type|step|amplitude|intensity",
    re.IGNORECASE,
)
_ALIGNS = re.compile(r"stim|onset|odou?r|cue|go_|target|sound|image|zero|_on|start", re.IGNORECASE)
#: A condition is suggested where its rarest level has this many trials: one for each outer fold.
ENOUGH_REPEATS = 5
#: Signals with more channels are recordings of the brain, not inputs to it.
MANY_CHANNELS = 8


@dataclass(frozen=True)
class ColumnSummary:
    """A column of a table: what it looks like, and how many distinct values it has."""

    name: str
    role: Role
    n_levels: int


def unit_rows(recording: Recording) -> Iterator[dict[str, Any]]:
    """Yield one row a unit: spikes, rate over its observed time, short intervals and estimated foreign spikes.

    ``observed_s`` is null where the file does not say; the rate is then over the extent of all spikes.
    ``contamination`` is over the whole recording, null where there are too few spikes for an estimate.
    """
    extent_s = _extent_s(recording)
    for unit in recording.units:
        observed_s = _observed_s(unit, recording)
        train = Train(unit.spike_times_s, unit.observed_s, extent_s)
        contamination = train.violations.contamination
        n_spikes, n_isi = len(unit.spike_times_s), max(len(unit.spike_times_s) - 1, 0)
        duration_s = observed_s or extent_s
        yield {
            "unit": unit.id,
            "n_spikes": n_spikes,
            "rate_hz": _n_inside(unit) / duration_s if duration_s else None,
            "observed_s": observed_s,
            "short_isi_share": train.n_short / n_isi if n_isi else None,
            "contamination": None if math.isnan(contamination) else contamination,
            "metadata": dict(unit.metadata),
        }


def _observed_s(unit: Unit, recording: Recording) -> float | None:
    if unit.observed_s is not None:
        return float(np.sum(np.diff(unit.observed_s, axis=1)))
    return recording.span_s[1] - recording.span_s[0] if recording.span_s else None


def _n_inside(unit: Unit) -> int:
    if unit.observed_s is None:
        return len(unit.spike_times_s)
    return int(np.diff(np.searchsorted(unit.spike_times_s, unit.observed_s), axis=1).sum())


def _extent_s(recording: Recording) -> float:
    """Return the time from the first to the last spike of all units."""
    filled = [unit.spike_times_s for unit in recording.units if len(unit.spike_times_s)]
    if not filled:
        return 0.0
    return float(max(times[-1] for times in filled) - min(times[0] for times in filled))


def table_rows(recording: Recording) -> Iterator[dict[str, Any]]:
    """Yield one row a table: its kind, number of rows, and what its columns look like."""
    for kind, tables in (("intervals", recording.intervals), ("events", recording.events)):
        for name, table in tables.items():
            yield {"table": name, "kind": kind, "n_rows": len(table), "columns": column_summaries(table)}


def column_summaries(table: pd.DataFrame) -> list[ColumnSummary]:
    """Return what each column of a table looks like."""
    times = set(time_columns(table))
    return [_column_summary(table, str(name), str(name) in times) for name in table.columns]


def _column_summary(table: pd.DataFrame, name: str, is_time: bool) -> ColumnSummary:
    column = table[name]
    n_levels = int(column.nunique())
    if is_time:
        return ColumnSummary(name, "time", n_levels)
    if n_levels <= 1:
        return ColumnSummary(name, "constant", n_levels)
    if not _COUNTERS.match(name.lower()) and n_levels <= max(2, len(table) // 3) and n_levels <= 60:
        return ColumnSummary(name, "condition", n_levels)
    return ColumnSummary(name, "number" if pd.api.types.is_numeric_dtype(column) else "text", n_levels)


def covariate_rows(recording: Recording) -> Iterator[dict[str, Any]]:
    """Yield one row a covariate."""
    for name, covariate in recording.covariates.items():
        yield {
            "covariate": name,
            "kind": covariate.kind,
            "unit": covariate.unit,
            "n_samples": covariate.n_samples,
            "n_channels": covariate.n_channels,
            "rate_hz": covariate.rate_hz,
            "span_s": covariate.span_s,
        }


def suggested_fit(recording: Recording, options: ReadOptions | None = None) -> str | None:
    """Return the ``rnnspike fit`` line for a recording, with the read options that it needed; None without spikes."""
    if not any(len(unit.spike_times_s) for unit in recording.units):
        return None
    words = ["rnnspike", "fit", str(recording.path), *_read_words(options or ReadOptions())]
    return " ".join(shlex.quote(word) for word in [*words, *_trial_words(recording)])


def _read_words(options: ReadOptions) -> list[str]:
    pairs: list[tuple[str, Any]] = [
        ("--time-scale", options.time_scale),
        ("--event-offset", options.event_offset_s or None),
        ("--events", options.events_file),
        ("--units-table", options.units_table),
        ("--sampling-rate", options.sampling_rate_hz),
    ]
    words = [word for flag, value in pairs if value is not None for word in (flag, _plain(value))]
    words += ["--drop-duplicates"] if options.drop_duplicates else []
    return words + (["--allow-pickle"] if options.allow_pickle else [])


def _plain(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _trial_words(recording: Recording) -> list[str]:
    name = _table_to_use(recording)
    if name is None:
        return ["--segment", _segment(recording), *_covariate_words(recording)]
    is_interval = name in recording.intervals
    table = recording.intervals[name] if is_interval else recording.events[name]
    only = alignable_tables(recording.intervals, recording.events) == [name]
    words = [] if (is_interval and name in ("trials", "epochs")) or only else ["--trials", name]
    words += _align_words(table) if is_interval else _event_window(table)
    condition = suggested_condition(table)
    if condition is not None:
        return [*words, "--condition", condition]
    return words + (_covariate_words(recording) if _never_repeats(table) else [])


def _table_to_use(recording: Recording) -> str | None:
    """Return the table with trials enough for the folds, else None: then the recording is cut into segments."""
    names = alignable_tables(recording.intervals, recording.events)
    sizes = {name: len(recording.intervals.get(name, recording.events.get(name, ()))) for name in names}
    return next((name for name in names if sizes[name] >= ENOUGH_REPEATS), None)


def _align_words(table: pd.DataFrame) -> list[str]:
    """Return ``--align`` and ``--window`` where an event moves about within the trials; else nothing is needed."""
    start, stop = (table[name].to_numpy(np.float64) for name in ("start_time", "stop_time"))
    for name in time_columns(table):
        if name in ("start_time", "stop_time") or not _ALIGNS.search(name):
            continue
        zero = table[name].to_numpy(np.float64)
        known = np.isfinite(zero)
        before, after = (zero - start)[known], (stop - zero)[known]
        if known.mean() < 0.9 or float(np.std(before)) < 0.001:
            continue
        low, high = -np.floor(before.min() * 100) / 100, np.floor(after.min() * 100) / 100
        if high - low >= 0.05:
            return ["--align", name, "--window", f"{low + 0.0:g}", f"{high:g}"]
    return []


def _event_window(table: pd.DataFrame) -> list[str]:
    """Return a window around events that leaves neighbours alone."""
    gaps = np.diff(np.sort(table["start_time"].to_numpy(np.float64)))
    gap_s = float(np.median(gaps[gaps > 0])) if np.any(gaps > 0) else 2.0
    before = min(0.5, np.floor(gap_s * 25) / 100)
    after = max(min(1.0, np.floor(gap_s * 60) / 100), 0.01)
    return ["--window", f"{-before + 0.0:g}", f"{after:g}"]


def suggested_condition(table: pd.DataFrame) -> str | None:
    """Return the column that tells conditions apart, each with trials enough for the folds; None without one."""
    candidates = [
        column.name
        for column in column_summaries(table)
        if column.role == "condition"
        and _TELLING.search(column.name)
        and int(table[column.name].value_counts().min()) >= ENOUGH_REPEATS
    ]
    return min(candidates, key=_telling_rank, default=None)


def _telling_rank(name: str) -> int:
    match = _TELLING.search(name)
    words = _TELLING.pattern.split("|")
    return next((i for i, word in enumerate(words) if match and re.search(word, name, re.IGNORECASE)), len(words))


def _never_repeats(table: pd.DataFrame) -> bool:
    """Return whether a telling column has a value of its own in most rows."""
    telling = [name for name in table.columns if _TELLING.search(str(name)) and not str(name).endswith("_time")]
    return any(table[name].nunique() * 2 > len(table) for name in telling if name not in time_columns(table))


def _segment(recording: Recording) -> str:
    """Return a length that gives at least thirty segments where it can."""
    recorded = [np.diff(unit.observed_s, axis=1).sum() for unit in recording.units if unit.observed_s is not None]
    total_s = float(max(recorded)) if recorded else _extent_s(recording)
    return "2s" if total_s >= 60 else "1s" if total_s >= 15 else "500ms"


def _covariate_words(recording: Recording) -> list[str]:
    names = [name for name, covariate in recording.covariates.items() if _is_input(covariate, recording)]
    return ["--covariate", names[0]] if names else []


def _is_input(covariate: Covariate, recording: Recording) -> bool:
    """Return whether a series may be an input: few channels, no recording of the brain, half the spikes within it."""
    if covariate.n_channels > MANY_CHANNELS or covariate.kind in ("ElectricalSeries", "signal", "SpikeEventSeries"):
        return False
    if covariate.span_s is None:
        return True
    inside = [np.diff(np.searchsorted(unit.spike_times_s, covariate.span_s))[0] for unit in recording.units]
    return bool(2 * sum(inside) >= sum(len(unit.spike_times_s) for unit in recording.units))


def shared_metadata(recording: Recording) -> dict[str, Any]:
    """Return the metadata that all units (two at least) have in common."""
    units = recording.units
    if len(units) < 2:
        return {}
    first = units[0].metadata
    return {key: value for key, value in first.items() if all(unit.metadata.get(key) == value for unit in units)}


def metadata_text(metadata: Mapping[str, Any]) -> str:
    """Return metadata in words, without what is empty."""
    said = [(key, value) for key, value in metadata.items() if value not in ("", None) and value == value]
    return ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in said)
