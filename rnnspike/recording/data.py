"""What was measured, as plain arrays: the one type that every reader returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]
Level = Literal["error", "warning", "info"]


@dataclass(frozen=True)
class Finding:
    """Something wrong or odd in the input; counted, and shown in table, rows and report.

    ``id`` is a stable slug (``spike-times-unsorted``); ``count`` is how many spikes, rows or units it
    concerns; ``option`` is the command-line option that mends or acknowledges it.
    """

    id: str
    level: Level
    message: str
    count: int = 0
    unit: str | None = None
    option: str | None = None


@dataclass(frozen=True)
class Unit:
    """One sorted unit.

    ``spike_times_s`` (spike,) float64, ascending, session seconds. ``observed_s`` (interval, 2): when the
    unit was observed, disjoint and ascending; None where the file does not say.
    """

    id: str
    spike_times_s: FloatArray
    observed_s: FloatArray | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Covariate:
    """A time series recorded beside the spikes, loaded only when asked for.

    ``load()`` returns ``times_s`` (sample,) and ``values`` (sample, channel), float64. ``rate_hz`` (None where
    samples are not even), ``span_s`` and ``kind`` (``ElectricalSeries``) are what the header says without loading.
    """

    name: str
    unit: str
    n_samples: int
    n_channels: int
    load: Callable[[], tuple[FloatArray, FloatArray]]
    rate_hz: float | None = None
    span_s: tuple[float, float] | None = None
    kind: str = "TimeSeries"


@dataclass(frozen=True)
class Recording:
    """A recording: units, interval and event tables, covariates, metadata and findings.

    ``intervals`` and ``events`` map a table's name (``trials``, ``epochs``, ...) to its rows; interval
    tables have ``start_time`` and ``stop_time`` in session seconds, event tables at least ``start_time``.
    ``invalid_s`` (interval, 2) is time to leave out for every unit. ``span_s`` is when the recording ran,
    None where the file does not say.
    """

    path: Path
    sha256: str
    size_bytes: int
    format: str
    units: tuple[Unit, ...]
    intervals: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    events: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    covariates: Mapping[str, Covariate] = field(default_factory=dict)
    invalid_s: FloatArray = field(default_factory=lambda: np.empty((0, 2)))
    span_s: tuple[float, float] | None = None
    session: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def unit(self, unit_id: str) -> Unit:
        """Return the unit with this id; KeyError where there is none."""
        for unit in self.units:
            if unit.id == unit_id:
                return unit
        raise KeyError(unit_id)


@dataclass(frozen=True)
class ReadOptions:
    """How to read a file whose contents alone do not say.

    ``time_scale`` multiplies spike times into seconds (0.001 for milliseconds); ``event_offset_s`` is added
    to interval and event times; ``events_file`` is a CSV of trials for formats without events;
    ``units_table`` names one of several units tables; ``sampling_rate_hz`` is for formats that hold sample
    indices and no rate (KlustaKwik, bare Phy folders).
    """

    time_scale: float | None = None
    event_offset_s: float = 0.0
    events_file: Path | None = None
    units_table: str | None = None
    sampling_rate_hz: float | None = None
    drop_duplicates: bool = False
    allow_pickle: bool = False
