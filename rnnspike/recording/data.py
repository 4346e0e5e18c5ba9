"""Recordings as plain arrays: the result of every reader, after checks and cleaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, Self

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


@dataclass(frozen=True, repr=False)
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
    origin
        Where it can be read again: path and ``ReadOptions``, or contents in memory; None where it was changed.
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
    origin: Any = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def from_arrays(
        cls,
        spike_times: Mapping[Any, npt.ArrayLike] | Sequence[npt.ArrayLike],
        trials: Any = None,
        *,
        unit_ids: Sequence[Any] | None = None,
        units: Any = None,
        observed: Any = None,
        sampling_rate: float | None = None,
        intervals: Mapping[str, Any] | None = None,
        events: Mapping[str, Any] | None = None,
        covariates: Mapping[str, Any] | None = None,
        invalid: npt.ArrayLike | None = None,
        session: Mapping[str, str] | None = None,
        name: str = "recording",
    ) -> Recording:
        """Return the recording of plain arrays, with the checks and findings of a file.

        Parameters
        ----------
        spike_times
            (spike,) per unit, session seconds: a list of arrays, or arrays by unit id. Whole numbers are samples
            where ``sampling_rate`` is given.
        trials
            A table with ``start_time``, ``stop_time`` (or ``duration``) in s, and columns of other times and
            of conditions: a DataFrame, columns by name, a pynapple ``IntervalSet``, or an array (trial, 2).
        unit_ids
            Ids of the units; default their position.
        units
            Metadata: a table with one row per unit.
        observed
            When units were observed, s: (interval, 2) for all units, or such an array per unit, or by id.
            Default: not stated, so that units count as observed in all trials.
        sampling_rate
            Samples per second.
        intervals, events
            Further tables by name; events have a ``start_time`` alone.
        covariates
            Time series by name: (times in s, values (sample,) or (sample, channel)), or a pynapple ``Tsd``.
        invalid
            (interval, 2), s, excluded for every unit.
        session
            Metadata of the session: ``session_description``, ``subject_id``, ``session_start_time``, ...
        name
            Name of the recording, and of its run directory.

        Returns
        -------
        Recording
            Spike times ascending; ``fit`` and all other functions take it in place of a path.

        Raises
        ------
        ConfigError
            Where an argument is not what it should be.
        RecordingError
            Where the checks find an error.
        """
        # by its name: checks come after data
        make = import_module("rnnspike.recording.memory.arrays").recording_from_arrays
        more = {"intervals": intervals, "events": events, "covariates": covariates, "invalid": invalid}
        seen = {"unit_ids": unit_ids, "units": units, "observed": observed, "sampling_rate": sampling_rate}
        recording: Recording = make(name, spike_times, trials, session=session, **seen, **more)
        return recording

    def read_from(self, origin: Any) -> Self:
        """Note where the recording just made can be read again, and return it.

        Parameters
        ----------
        origin
            As of the attribute.

        Returns
        -------
        Self
            The recording.
        """
        object.__setattr__(self, "origin", origin)
        return self

    def __repr__(self) -> str:
        n_spikes = sum(len(unit.spike_times_s) for unit in self.units)
        tables = ", ".join([*self.intervals, *self.events]) or "none"
        parts = f"{len(self.units)} units, {n_spikes} spikes, tables: {tables}"
        return f"<Recording {self.path.name} ({self.format}): {parts}; {len(self.findings)} findings>"

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
