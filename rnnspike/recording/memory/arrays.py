"""Plain arrays as the contents of a recording: the same checks as for files follow (``recording.checks``)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.errors import ConfigError, RecordingError
from rnnspike.recording.checks.assemble import assemble
from rnnspike.recording.contents import Contents, RawUnit
from rnnspike.recording.data import Covariate, FloatArray, ReadOptions, Recording
from rnnspike.recording.formats.text.events import DURATION_NAMES, START_NAMES, STOP_NAMES
from rnnspike.recording.read import refuse_errors
from rnnspike.recording.write import even_rate


def recording_of(name: str, contents: Contents, options: ReadOptions | None = None) -> Recording:
    """Return the recording of contents in memory, checked; findings of level error are kept."""
    return assemble(Path(name), contents, options or ReadOptions()).read_from(contents)


def recording_from_arrays(name: str, *args: Any, **given: Any) -> Recording:
    """Return the recording of plain arrays (``Recording.from_arrays``), without findings of level error."""
    return refuse_errors_of_arrays(recording_of(name, contents_of_arrays(*args, **given)))


def refuse_errors_of_arrays(recording: Recording, can_scale: bool = False) -> Recording:
    """Return a recording in memory without findings of level error, whose remedies are not those of a file.

    ``can_scale``: where it is refused, there is an option that multiplies its times.
    """
    try:
        return refuse_errors(recording)
    except RecordingError as error:
        remedy, (option, _, value) = error.option, (error.option or "").partition(" ")
        if option == "--time-scale" and not can_scale:
            remedy = f"multiplying the times by {value}"
        elif option == "--events":
            remedy = "a table with times in session seconds"
        raise RecordingError(error.path, error.finding, remedy, error.finding_id) from None


def contents_of_arrays(
    spike_times: Any,
    trials: Any = None,
    *,
    unit_ids: Sequence[Any] | None = None,
    units: Any = None,
    observed: Any = None,
    sampling_rate: float | None = None,
    intervals: Mapping[str, Any] | None = None,
    events: Mapping[str, Any] | None = None,
    covariates: Mapping[str, Any] | None = None,
    invalid: Any = None,
    session: Mapping[str, str] | None = None,
    format_name: str = "arrays",
) -> Contents:
    """Return the contents of a recording; arguments as of ``Recording.from_arrays``."""
    ids, trains, kept_as = _trains(spike_times, unit_ids, sampling_rate)
    metadata = _metadata(units, ids)
    seen = _by_unit(observed, ids)
    tables = {name: timed_table(table, f"intervals[{name!r}]") for name, table in (intervals or {}).items()}
    marks = {name: timed_table(table, f"events[{name!r}]") for name, table in (events or {}).items()}
    if trials is not None:
        table = timed_table(trials, "trials")
        into = tables if "stop_time" in table else marks
        into["trials"] = table
    return Contents(
        format=format_name,
        units=tuple(map(RawUnit, ids, trains, seen, metadata)),
        intervals={name: tables[name] for name in sorted(tables, key=lambda name: name != "trials")},
        events=marks,
        covariates={name: _covariate(name, series) for name, series in (covariates or {}).items()},
        invalid_s=np.empty((0, 2)) if invalid is None else _intervals(invalid, "invalid"),
        session=dict(session or {}),
        times_as_stored=kept_as,
        resolution_s=None if sampling_rate is None else 1.0 / sampling_rate,
        in_memory=True,
    )


def _trains(
    spike_times: Any, unit_ids: Sequence[Any] | None, sampling_rate: float | None
) -> tuple[list[str], list[FloatArray], str]:
    """Return ids, times (s) and the type in which they were given."""
    if isinstance(spike_times, Mapping):
        if unit_ids is not None:
            raise ConfigError("unit_ids: the keys of spike_times are the unit ids; leave unit_ids out")
        unit_ids, spike_times = list(spike_times), list(spike_times.values())
    try:
        given = list(spike_times)
    except TypeError:
        kind = type(spike_times).__name__
        wanted = "one array of spike times per unit, or a recording"
        raise ConfigError(f"spike_times: expected {wanted}; got {kind}") from None
    if given and all(isinstance(each, (int, float, np.number)) for each in given):
        given = [given]  # of one unit
    ids = [str(each) for each in (range(len(given)) if unit_ids is None else unit_ids)]
    if len(ids) != len(given):
        raise ConfigError(f"unit_ids: {len(ids)} ids for {len(given)} units")
    if not (sampling_rate is None or _is_rate(sampling_rate)):
        raise ConfigError(f"sampling_rate: expected samples per second, above 0; got {sampling_rate!r}")
    arrays = [_times(each, f"spike_times of unit {unit}") for each, unit in zip(given, ids, strict=True)]
    if sampling_rate is not None:
        arrays = [each / sampling_rate if each.dtype.kind in "iu" else each for each in arrays]
    singles = [each.dtype == np.float32 for each in arrays if len(each)]
    return ids, [each.astype(np.float64) for each in arrays], "float32" if singles and all(singles) else "float64"


def _is_rate(value: Any) -> bool:
    return isinstance(value, Real) and 0 < float(value) < math.inf


def _times(values: Any, what: str) -> npt.NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError:  # lists of different lengths
        array = np.empty((0, 0))
    if array.ndim != 1:
        raise ConfigError(
            f"{what}: expected a one-dimensional list of spike times in session seconds. Binned counts or times per "
            "trial cannot be used; give session times and a table of trials"
        )
    if array.size == 0:
        return np.empty(0)
    if array.dtype.kind not in "iuf":
        raise ConfigError(f"{what}: holds {array.dtype}, not times in seconds")
    return array


def _metadata(units: Any, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return each unit's metadata from a table with a row per unit."""
    if units is None:
        return [{} for _ in ids]
    table = _frame(units, "units")
    if len(table) != len(ids):
        raise ConfigError(f"units: {len(table)} rows for {len(ids)} units")
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _by_unit(observed: Any, ids: Sequence[str]) -> list[FloatArray | None]:
    """Return each unit's observed intervals: the same for all, or by id, or one per unit."""
    if observed is None:
        return [None] * len(ids)
    if isinstance(observed, Mapping):
        own = {str(unit): _intervals(each, f"observed[{unit!r}]") for unit, each in observed.items()}
        return [own.get(unit) for unit in ids]
    if isinstance(observed, (list, tuple)) and len(observed) == len(ids) and all(np.ndim(o) == 2 for o in observed):
        return [_intervals(each, f"observed of unit {unit}") for unit, each in zip(ids, observed, strict=True)]
    return [_intervals(observed, "observed")] * len(ids)


def _intervals(values: Any, what: str) -> FloatArray:
    """Return starts and stops (interval, 2) of an array, a pair, or an object with ``start`` and ``end``."""
    if hasattr(values, "start") and hasattr(values, "end"):
        values = np.column_stack([values.start, values.end])
    try:
        array = np.atleast_2d(np.asarray(values, dtype=np.float64))
    except (TypeError, ValueError):
        array = np.empty((0, 0, 0))
    if array.ndim != 2 or array.shape[1] != 2:
        raise ConfigError(f"{what}: expected starts and stops in seconds, (interval, 2)")
    return array


def timed_table(table: Any, what: str) -> pd.DataFrame:
    """Return a table with ``start_time`` and, where it has stops or durations, ``stop_time``, s.

    ``table`` is a DataFrame, columns by name, or an array or list of starts, or of starts and stops.
    """
    if hasattr(table, "start") and hasattr(table, "end") and not isinstance(table, pd.DataFrame):
        more = getattr(table, "metadata", None)  # of pynapple's IntervalSet
        own = {} if more is None else {str(name): np.asarray(more[name]) for name in more}
        return pd.DataFrame({"start_time": np.asarray(table.start), "stop_time": np.asarray(table.end), **own})
    if isinstance(table, (list, tuple)):
        table = _numbers(table)
    if isinstance(table, np.ndarray) and table.dtype.kind in "iuf":
        times = table.astype(np.float64)[:, None] if table.ndim == 1 else table.astype(np.float64)
        if times.ndim != 2 or times.shape[1] not in (1, 2):
            wanted = "starts (trial,), or starts and stops (trial, 2)"
            raise ConfigError(f"{what}: expected {wanted}; got an array of shape {table.shape}")
        return pd.DataFrame(times, columns=["start_time", "stop_time"][: times.shape[1]])
    frame = _frame(table, what)
    lower = {str(name).lower(): name for name in reversed(frame.columns)}
    start = next((lower[name] for name in START_NAMES if name in lower), None)
    if start is None:
        raise ConfigError(f"{what}: no column of times among {', '.join(frame.columns)} (rename it start_time)")
    stop = next((lower[name] for name in STOP_NAMES if name in lower), None)
    columns = {"start_time": _seconds(frame[start], what)}
    if stop is not None:
        columns["stop_time"] = _seconds(frame[stop], what)
    elif (duration := next((lower[name] for name in DURATION_NAMES if name in lower), None)) is not None:
        columns["stop_time"] = columns["start_time"] + _seconds(frame[duration], what)
    return pd.DataFrame({**columns, **{name: frame[name] for name in frame.columns if name not in (start, stop)}})


def _numbers(values: Sequence[Any]) -> Any:
    """Return a list of numbers, or of rows of numbers of one length, as an array; any other list as it is."""
    try:
        array = np.asarray(values)
    except ValueError:
        return values
    return array if array.dtype.kind in "iuf" else values


def _seconds(column: Any, what: str) -> Any:
    try:
        return column.astype(np.float64)
    except (TypeError, ValueError):
        raise ConfigError(f"{what}: column {column.name} holds no times in seconds") from None


def _frame(table: Any, what: str) -> pd.DataFrame:
    try:
        frame = pd.DataFrame(table).reset_index(drop=True)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{what}: cannot be read as a table ({' '.join(str(error).split())})") from None
    return frame.rename(columns=str)


def _covariate(name: str, series: Any) -> Covariate:
    """Return a time series of (times, values), or of an object with ``t`` and ``values`` (pynapple's ``Tsd``)."""
    unit = "unknown"
    if hasattr(series, "t") and hasattr(series, "values"):
        times, values = np.asarray(series.t), np.asarray(series.values)
    else:
        try:
            times, values, *more = series
            unit = str(more[0]) if more else unit
            times, values = np.asarray(times, dtype=np.float64), np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            raise ConfigError(f"covariates[{name!r}]: expected (times in s, values)") from None
    values = values.reshape(len(values), math.prod(values.shape[1:])) if values.ndim else values
    if times.ndim != 1 or values.ndim != 2 or len(times) != len(values):
        raise ConfigError(f"covariates[{name!r}]: times of shape {times.shape} for values of shape {values.shape}")
    span_s = (float(times[0]), float(times[-1])) if len(times) else None
    return Covariate(name, unit, len(times), values.shape[1], partial(_pair, times, values), even_rate(times), span_s)


def _pair(times: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    return times.astype(np.float64), values.astype(np.float64)
