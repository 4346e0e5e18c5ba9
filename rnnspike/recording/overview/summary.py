"""Contents of a recording as rows: units, tables and their columns, covariates."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from rnnspike.recording.checks.clean import time_columns
from rnnspike.recording.checks.spike_trains import Train
from rnnspike.recording.data import Recording, Unit

Role = Literal["time", "condition", "constant", "number", "text"]
#: Columns that number trials rather than describe them.
_COUNTERS = re.compile(
    r"^(id|index|rep(eat|etition)?|trial.*|sweep|block.*|session.*|number|order|.*(_id|_index|_number|_no))$"
)


#: Columns of a units table in which files keep the names of units, first the one that is taken.
_NAMES = ("unit_name", "name", "label", "unit_label")


@dataclass(frozen=True)
class ColumnSummary:
    """A column of a table: examples of its values, and the number of distinct ones."""

    name: str
    role: Role
    n_levels: int


def unit_rows(recording: Recording) -> Iterator[dict[str, Any]]:
    """Yield one row per unit: spikes, rate over its observed time, short intervals, estimated foreign spikes.

    ``observed_s`` is null if not stated in the file; the rate is then over the extent of all spikes.
    ``contamination`` is for the whole recording, null with too few spikes for an estimate.
    """
    whole_s = extent_s(recording)
    for unit in recording.units:
        observed_s = _observed_s(unit, recording)
        train = Train(unit.spike_times_s, unit.observed_s, whole_s)
        contamination = train.violations.contamination
        n_spikes, n_isi = len(unit.spike_times_s), max(len(unit.spike_times_s) - 1, 0)
        duration_s = observed_s or whole_s
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


def extent_s(recording: Recording) -> float:
    """Return the time from the first to the last spike of all units."""
    filled = [unit.spike_times_s for unit in recording.units if len(unit.spike_times_s)]
    if not filled:
        return 0.0
    return float(max(times[-1] for times in filled) - min(times[0] for times in filled))


def table_rows(recording: Recording) -> Iterator[dict[str, Any]]:
    """Yield one row per table: its kind, number of rows, and a summary of its columns."""
    for kind, tables in (("intervals", recording.intervals), ("events", recording.events)):
        for name, table in tables.items():
            yield {"table": name, "kind": kind, "n_rows": len(table), "columns": column_summaries(table)}


def column_summaries(table: pd.DataFrame) -> list[ColumnSummary]:
    """Return a summary of each column of a table."""
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
    """Yield one row per covariate."""
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


def unit_names(recording: Recording) -> dict[str, str]:
    """Return the file's own names of the units by id (``01A``); empty where it has none beside the ids.

    They are those of the first column for names that tells all units apart.
    """
    for column in _NAMES:
        names = [str(unit.metadata.get(column, "")).strip() for unit in recording.units]
        if all(names) and len(set(names)) == len(names):
            return {unit.id: name for unit, name in zip(recording.units, names, strict=True) if name != unit.id}
    return {}


def shared_metadata(recording: Recording) -> dict[str, Any]:
    """Return the metadata that all units (at least two) share."""
    units = recording.units
    if len(units) < 2:
        return {}
    first = units[0].metadata
    return {key: value for key, value in first.items() if all(unit.metadata.get(key) == value for unit in units)}


def metadata_text(metadata: Mapping[str, Any]) -> str:
    """Return metadata as text, without empty entries."""
    filled = [(key, value) for key, value in metadata.items() if value not in ("", None) and value == value]
    return ", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in filled)
