"""The options ``--time-scale`` and ``--event-offset``, applied to all times that they concern.

The scale multiplies the spike times and all other times in the same unit: tables, invalid times, observed intervals,
the span and time series. Times are taken to be in that unit if most of them lie within the range of the spike times
as stored, but not within that of the spike times in seconds (for a scale above 1 the former range is narrower and
decides alone). The offset shifts events and trials against the recording. Invalid times, observed intervals, the span
and series are on the clock of the recording, and stay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.errors import ConfigError
from rnnspike.recording.checks.clean import time_columns
from rnnspike.recording.checks.times import known_times
from rnnspike.recording.contents import Contents
from rnnspike.recording.data import Covariate, FloatArray, ReadOptions
from rnnspike.recording.findings import found

#: Times of a recording may exceed its largest spike time by this factor.
REACH = 1.5
#: Times fit a range if more than this share of them lies within it (zeros fit any range).
MOST = 0.5

PlannedRecording = tuple[FloatArray, FloatArray]


def apply_clock_options(contents: Contents, options: ReadOptions) -> Contents:
    """Return contents in seconds and with events shifted, with findings of what was changed and what was not.

    Raises
    ------
    ConfigError
        If the scale is not a positive number.
    """
    scale = options.time_scale
    if scale is not None:
        if not 0 < scale < math.inf:
            raise ConfigError(f"--time-scale {scale:g}: the scale must be a positive number")
        contents = _scaled(contents, scale)
    return _shifted(contents, options.event_offset_s) if options.event_offset_s else contents


@dataclass(frozen=True)
class _Scaling:
    """A scale, the largest spike time as stored, and the names of what was scaled and what was kept."""

    scale: float
    furthest: float
    scaled: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)

    def shares_unit(self, *times: npt.ArrayLike) -> bool:
        """Return whether times are in the unit of the stored spike times."""
        values = np.concatenate([np.ravel(np.asarray(each, np.float64)) for each in times])
        values = np.abs(values[known_times(values) & (values != 0)])
        if not len(values):
            return False
        as_stored, in_seconds = (
            np.mean(values <= REACH * self.furthest * factor) > MOST for factor in (1.0, self.scale)
        )
        return bool(as_stored and not (self.scale < 1 and in_seconds))

    def record(self, name: str, scaled: bool) -> bool:
        """Record whether times were scaled, and return it."""
        (self.scaled if scaled else self.kept).append(name)
        return scaled

    def intervals(self, name: str, intervals: FloatArray) -> FloatArray:
        """Return intervals (interval, 2) in seconds."""
        if not len(intervals):
            return intervals
        return intervals * self.scale if self.record(name, self.shares_unit(intervals)) else intervals

    def table(self, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """Return a table with all of its times in seconds."""
        if not len(table):
            return table
        columns = time_columns(table, second=1 / self.scale)
        if not self.record(_with_columns(name, columns), self.shares_unit(*(table[each] for each in columns))):
            self.kept[-1] = name
            return table
        return table.assign(**{each: table[each] * self.scale for each in columns})

    def series(self, series: Covariate) -> Covariate:
        """Return a series whose times are converted to seconds on loading.

        If they are given by a start and a rate, each may be in its own unit.
        """
        if series.span_s is None:
            return replace(series, load=partial(_load_judged, series.load, self))
        start, stop = series.span_s
        if series.rate_hz is None:
            of_start = of_step = self.shares_unit([start, stop])
        else:
            of_start, of_step = self.shares_unit(start), self.shares_unit(stop - start)
        if not self.record(f"series {series.name}", of_start or of_step):
            return series
        first, step = (self.scale if scaled else 1.0 for scaled in (of_start, of_step))
        return replace(
            series,
            load=partial(_load_scaled, series.load, start, first, step),
            rate_hz=None if series.rate_hz is None else series.rate_hz / step,
            span_s=(start * first, start * first + (stop - start) * step),
        )


def _load_scaled(load: Callable[[], PlannedRecording], start: float, first: float, step: float) -> PlannedRecording:
    times, values = load()
    return times * step if first == step else start * first + (times - start) * step, values


def _load_judged(load: Callable[[], PlannedRecording], scaling: _Scaling) -> PlannedRecording:
    times, values = load()
    return times * scaling.scale if scaling.shares_unit(times) else times, values


def _scaled(contents: Contents, scale: float) -> Contents:
    scaling = _Scaling(scale, max((_furthest(unit.times) for unit in contents.units), default=0.0))
    observed = [unit.observed for unit in contents.units if unit.observed is not None and len(unit.observed)]
    too = bool(observed) and scaling.record("observed intervals", scaling.shares_unit(*observed))
    units = tuple(
        replace(
            unit,
            times=unit.times * scale,
            observed=unit.observed * scale if too and unit.observed is not None else unit.observed,
        )
        for unit in contents.units
    )
    span = None if contents.span_s is None else scaling.intervals("the span", np.array([contents.span_s]))
    contents = replace(
        contents,
        units=units,
        intervals={name: scaling.table(name, table) for name, table in contents.intervals.items()},
        events={name: scaling.table(name, table) for name, table in contents.events.items()},
        invalid_s=scaling.intervals("invalid times", contents.invalid_s),
        span_s=None if span is None else (float(span[0, 0]), float(span[0, 1])),
        covariates={name: scaling.series(series) for name, series in contents.covariates.items()},
    )
    return _with_findings(
        contents,
        ("tables-rescaled", f"scaled by {scale:.6g} with the spike times", scaling.scaled),
        (
            "times-not-scaled",
            "not scaled: they do not look like the unit of the spike times",
            scaling.kept,
        ),
    )


def _furthest(times: FloatArray) -> float:
    """Return the largest absolute value of the stored spike times; 0 without any."""
    return float(np.max(np.abs(times), where=known_times(times), initial=0.0))


def _shifted(contents: Contents, offset_s: float) -> Contents:
    """Return contents with the times of events and trials shifted by ``offset_s``."""
    moved: list[str] = []

    def shift(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
        columns = {name: time_columns(table) for name, table in tables.items()}
        moved.extend(_with_columns(name, columns[name]) for name in tables)
        return {
            name: table.assign(**{each: table[each] + offset_s for each in columns[name]})
            for name, table in tables.items()
        }

    stay = ["spike times"]
    stay += ["observed intervals"] if any(unit.observed is not None for unit in contents.units) else []
    stay += ["invalid times"] if len(contents.invalid_s) else []
    stay += [f"series {name}" for name in contents.covariates]
    contents = replace(contents, intervals=shift(contents.intervals), events=shift(contents.events))
    return _with_findings(
        contents,
        ("events-shifted", f"shifted by {offset_s:.10g} s", moved),
        ("times-not-shifted", "not shifted, because they are on the clock of the recording", stay if moved else []),
    )


def _with_columns(name: str, columns: Sequence[str]) -> str:
    return f"{name} ({', '.join(columns)})"


def _with_findings(contents: Contents, *changes: tuple[str, str, Sequence[str]]) -> Contents:
    """Return contents with a finding for each (id, message, names) with names."""
    findings = [
        found(finding_id, f"{message}: {', '.join(names)}", count=len(names))
        for finding_id, message, names in changes
        if names
    ]
    return replace(contents, findings=(*contents.findings, *findings))
