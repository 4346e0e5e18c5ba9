"""Recordings as plain arrays: the result of every reader, after checks and cleaning."""

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
    """Something wrong or unusual in the input; counted, and shown in the table, the rows and the report.

    Attributes
    ----------
    id
        A stable name (``spike-times-unsorted``; ``findings.FINDINGS``).
    level
        ``info``, ``warning`` or ``error``.
    message
        One line of text.
    count
        How many spikes, rows or units it concerns.
    unit
        The unit's id, if it concerns one unit.
    option
        The command-line option that corrects or accepts it.
    rows
        Which rows of the table of trials, from 0, it drops.
    """

    id: str
    level: Level
    message: str
    count: int = 0
    unit: str | None = None
    option: str | None = None
    rows: tuple[int, ...] = ()


@dataclass(frozen=True)
class Unit:
    """One sorted unit.

    Attributes
    ----------
    id
        As in the file.
    spike_times_s
        (spike,) float64, ascending, session seconds.
    observed_s
        (interval, 2) when it was observed, session seconds, disjoint and ascending; None if not stated.
    metadata
        Columns of the units table.
    """

    id: str
    spike_times_s: FloatArray
    observed_s: FloatArray | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Covariate:
    """A time series recorded with the spikes, loaded only on request.

    Attributes
    ----------
    name
        Its name in the file.
    unit
        Unit of its values, as stated in the file.
    n_samples, n_channels
        Size of its values.
    load
        Returns ``times_s`` (sample,), session seconds, and ``values`` (sample, channel), float64.
    rate_hz
        Samples per second; None if samples are not evenly spaced.
    span_s
        Times of the first and the last sample, session seconds, if the header states them.
    kind
        Its type in the file (``ElectricalSeries``).
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

    Attributes
    ----------
    path
        As given by the user.
    sha256, size_bytes
        Of the file, or of all files of a folder.
    format
        The format's name (``NWB``).
    units
        All units, in the order of the file.
    intervals
        Tables by name (``trials``, ``epochs``, ...), with ``start_time`` and ``stop_time`` in session seconds (NaN:
        not known).
    events
        Tables by name, with ``start_time`` at least.
    covariates
        Time series by name.
    invalid_s
        (interval, 2), session seconds excluded for every unit.
    span_s
        Start and stop of the recording, session seconds; None if not stated.
    session
        Metadata of the session as text.
    findings
        Everything wrong or unusual that was found.
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
        """Return the unit with this id.

        Parameters
        ----------
        unit_id
            As in the file.

        Raises
        ------
        KeyError
            If there is none.
        """
        for unit in self.units:
            if unit.id == unit_id:
                return unit
        raise KeyError(unit_id)

    def observes(self, unit: Unit, times_s: FloatArray) -> npt.NDArray[np.bool_]:
        """Say of each time (time,), session seconds, whether a unit was observed then.

        Parameters
        ----------
        unit
            A unit of the recording; where its observed time is not stated, it is all of it.
        times_s
            (time,) session seconds.

        Returns
        -------
        npt.NDArray[np.bool_]
            (time,) whether the unit was observed: within its observed time, and in no invalid interval.
        """
        observed = np.ones(len(times_s), dtype=bool)
        if unit.observed_s is not None and len(unit.observed_s):
            at = np.searchsorted(unit.observed_s[:, 0], times_s, side="right") - 1
            observed = (at >= 0) & (times_s < unit.observed_s[np.maximum(at, 0), 1])
        for start, stop in self.invalid_s:
            observed &= ~((times_s >= start) & (times_s < stop))
        return observed


@dataclass(frozen=True)
class ReadOptions:
    """How to read a file whose contents are ambiguous or incomplete.

    Attributes
    ----------
    time_scale
        Factor from spike times, and all times in the same unit, to seconds (0.001 for milliseconds).
    event_offset_s
        Added to the times of trials and events, s.
    events_file
        CSV of trials, for formats without events.
    units_table
        Which units table to read, if there are several.
    sampling_rate_hz
        For formats with sample indices but no rate (KlustaKwik, Phy folders without params.py).
    drop_duplicates
        Drop spikes that repeat a time exactly.
    allow_pickle
        Read Neo pickles, which can run code.
    follow_links
        Follow HDF5 links out of the recording's folder.
    """

    time_scale: float | None = None
    event_offset_s: float = 0.0
    events_file: Path | None = None
    units_table: str | None = None
    sampling_rate_hz: float | None = None
    drop_duplicates: bool = False
    allow_pickle: bool = False
    follow_links: bool = False
