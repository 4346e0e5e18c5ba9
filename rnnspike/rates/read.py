"""Files of rates: arrays (trial, bin, unit) in npy, npz and HDF5, time series in NWB, lines in CSV."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.errors import RatesError, RecordingError
from rnnspike.recording.child_process import run_in_child
from rnnspike.recording.formats.hdf5 import h5, h5_values
from rnnspike.recording.formats.nwb.series import load_series

#: Names of the array of rates, and of what it is indexed by, in files that hold several arrays.
VALUES = ("rates", "mu", "intensity", "values", "value", "rate")
UNITS = ("unit_ids", "units", "unit")
TRIALS = ("trial", "trials", "trial_ids")
STARTS = ("start_s", "start_time")
#: Names of the column of bins in a CSV file: their numbers, or when they begin.
TIMES = ("bin", "time", "time_s")
#: Times of bins that differ by less are the same, s: they are written with six decimals or more.
SAME_TIME_S = 1e-6
HDF5 = (".h5", ".hdf5", ".nwb")
SUFFIXES = (".npy", ".npz", ".csv", *HDF5)


@dataclass(frozen=True)
class RateTable:
    """Rates as a file gives them.

    Attributes
    ----------
    source
        The file, as the user named it.
    values
        (trial, bin, unit).
    unit_ids
        Ids of its units, None where it does not say.
    trial
        (trial,) numbers of its trials, from 0 in order of time, as in ``per_trial.csv``; None where it does not say.
    start_s
        (trial,) session times at which its trials' windows start, s; None where it does not say.
    times_s
        (bin,) when each bin begins from time zero of the trial, s; None where it does not say.
    """

    source: str
    values: npt.NDArray[Any]
    unit_ids: tuple[str, ...] | None = None
    trial: npt.NDArray[np.int64] | None = None
    start_s: npt.NDArray[np.float64] | None = None
    times_s: npt.NDArray[np.float64] | None = None


@dataclass(frozen=True)
class RateSeries:
    """Rates over the session: ``times_s`` (sample,), where each sample begins, and ``values`` (sample, unit)."""

    source: str
    times_s: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]


def read_rates(given: str) -> RateTable | RateSeries:
    """Read ``FILE`` or ``FILE:KEY``.

    Parameters
    ----------
    given
        The file. Of several arrays in an npz file, ``KEY`` names the one with the rates; in an HDF5 file it is the
        path of an array, of a group of arrays, or of a time series (NWB).

    Returns
    -------
    RateTable or RateSeries
        The rates, with units and trials where the file names them, or as a time series.

    Raises
    ------
    RatesError
        Where the file is missing, of no known format, or has no array of rates.
    """
    path, key = split_key(given)
    if path.suffix.lower() not in SUFFIXES:
        raise RatesError(given, f"rates are read from {', '.join(SUFFIXES)} files", "np.savez")
    if not path.exists():
        raise RatesError(given, "there is no such file")
    if not path.is_file():
        raise RatesError(given, "is no regular file")
    try:
        if path.suffix.lower() == ".csv":
            return _of_csv(given, _read_csv(path))
        if path.suffix.lower() in HDF5:  # a damaged file can crash or hang the library
            return run_in_child(path, partial(_of_hdf5, given, path, key))
        loaded = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return table_of(loaded, given)
        with loaded:
            return table_of({name: loaded[name] for name in loaded.files}, given, key)
    except FileNotFoundError:
        raise RatesError(given, "there is no such file") from None
    except RecordingError as error:  # of the process that read it
        raise RatesError(given, f"cannot be read: {error.finding}") from None
    except (OSError, ValueError, TypeError, EOFError, SyntaxError, TokenError, zipfile.BadZipFile) as error:
        raise RatesError(given, f"cannot be read: {' '.join(str(error).split())}") from None


def split_key(given: str) -> tuple[Path, str | None]:
    """Return file and key: a colon may be part of the file's name."""
    if Path(given).is_file() or ":" not in given:
        return Path(given), None
    file, key = given.rsplit(":", 1)
    return (Path(file), key) if Path(file).suffix else (Path(given), None)


def table_of(given: npt.NDArray[Any] | Mapping[str, Any], source: str, key: str | None = None) -> RateTable:
    """Return the rates in an array, or in arrays by name.

    Parameters
    ----------
    given
        An array (trial, bin, unit), or (trial, bin) of one unit; or arrays by name, of which ``rates`` (or the one
        of three dimensions) is this one and ``unit_ids``, ``trial``, ``start_s`` say what it is indexed by.
    source
        What messages call it.
    key
        Name of the array of rates.

    Raises
    ------
    RatesError
        Where there is no such array, or it has another number of dimensions.
    """
    if not isinstance(given, Mapping):
        return RateTable(source, _cube(given, source))
    arrays = {name: np.asarray(each) for name, each in given.items()}
    found = [name for name in (VALUES if key is None else (key,)) if name in arrays]
    found = found or [name for name, each in arrays.items() if key is None and each.ndim == 3]
    names = ", ".join(f"{name} {each.shape}" for name, each in arrays.items())
    if key is not None and not found:
        raise RatesError(source, f"has no array {key} (it has {names})")
    if len(found) != 1:
        raise RatesError(source, f"which array holds the rates is not clear ({names})", f"{source.split(':')[0]}:KEY")
    values = _cube(arrays[found[0]], source)
    units, trial, start = (_named(arrays, names) for names in (UNITS, TRIALS, STARTS))
    for each, axis, what in ((units, 2, "units"), (trial, 0, "trials"), (start, 0, "start times")):
        if each is not None and len(each) != values.shape[axis]:
            raise RatesError(source, f"names {len(each)} {what} for {values.shape[axis]} of its array")
    return RateTable(
        source,
        values,
        None if units is None else tuple(map(_unit_id, units.tolist())),
        None if trial is None else _whole(trial, "trial", source),
        None if start is None else _numbers(start, "start_s", source),
    )


def _unit_id(given: object) -> str:
    """Return the id of a unit, which may be text, bytes or a number: 1.0 is unit 1."""
    if isinstance(given, bytes):
        return given.decode()
    return str(int(given) if isinstance(given, float) and given.is_integer() else given)


def _numbers(given: npt.ArrayLike, what: str, source: str) -> npt.NDArray[np.float64]:
    try:
        return np.asarray(given, np.float64)
    except (TypeError, ValueError):
        raise RatesError(source, f"the values of {what} are not numbers") from None


def _whole(given: npt.ArrayLike, what: str, source: str) -> npt.NDArray[np.int64]:
    """Return numbers of trials or bins; RatesError where one is not a whole number from 0 on."""
    numbers = _numbers(given, what, source)
    wrong = numbers[~((numbers >= 0) & (numbers < 2**53) & (numbers == np.floor(numbers)))]
    if len(wrong):
        raise RatesError(source, f"the values of {what} must be whole numbers from 0 on; one is {wrong[0]:g}")
    return numbers.astype(np.int64)


def _cube(values: npt.NDArray[Any], source: str) -> npt.NDArray[Any]:
    values = np.asanyarray(values)
    if values.dtype.kind not in "fiu":
        raise RatesError(source, f"holds {values.dtype}, not numbers")
    if values.ndim not in (2, 3):
        raise RatesError(source, f"has shape {values.shape}, not (trial, bin, unit)")
    return values[:, :, None] if values.ndim == 2 else values


def _of_hdf5(source: str, path: Path, key: str | None) -> RateTable | RateSeries:
    """Return the rates at a path: an array, a group of arrays by name, or a time series."""
    if not path.is_file():
        raise FileNotFoundError
    try:
        with h5.open_file(path) as file:
            place = file if key is None else h5.child(file, key)
            if place is None:
                raise RatesError(source, f"has no array or group at {key}")
            if isinstance(place, h5py.Dataset):
                return table_of(h5_values.values(place), source)
            if not isinstance(place, h5py.Group):
                raise RatesError(source, "is neither an array nor a group")
            if "data" not in place:
                items = {name: h5.child(place, name) for name in place}
                arrays = {name: each for name, each in items.items() if isinstance(each, h5py.Dataset)}
                if not any(each.ndim > 1 for each in arrays.values()):
                    message = f"no array of rates lies at {place.name}, which holds {', '.join(items) or 'nothing'}"
                    raise RatesError(source, message, f"{path}:/PATH of an array, a group or a time series")
                return table_of({name: _array(each) for name, each in arrays.items()}, source)
        return RateSeries(source, *load_series(path, [str(key or "/")]))
    except RecordingError as error:
        raise RatesError(source, error.finding, error.option) from None


def _array(dataset: h5py.Dataset) -> npt.NDArray[Any]:
    return h5_values.strings(dataset) if h5_values.is_text(dataset) else h5_values.values(dataset)


def _named(arrays: Mapping[str, npt.NDArray[Any]], names: tuple[str, ...]) -> npt.NDArray[Any] | None:
    return next((arrays[name].reshape(-1) for name in names if name in arrays), None)


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a table in which unit ids are text (01 and NA are ids) and no other column is."""
    missing = {name: ["", "nan", "NaN", "NA"] for name in (*VALUES, *TIMES, "trial")}
    return pd.read_csv(path, dtype={"unit": str}, keep_default_na=False, na_values=missing)


def _of_csv(source: str, frame: pd.DataFrame) -> RateTable:
    """Return the rates of a table with columns trial, unit, bin or time, and value; bins without a line are NaN."""
    value = next((name for name in VALUES if name in frame), None)
    time = next((name for name in TIMES if name in frame), None)
    if value is None or time is None or not {"trial", "unit"} <= set(frame.columns):
        raise RatesError(source, f"needs columns trial, unit, bin or time, value; has {', '.join(frame.columns)}")
    trials, trial = np.unique(_whole(frame["trial"], "trial", source), return_inverse=True)
    units, unit = np.unique(frame["unit"].to_numpy(object).astype(str), return_inverse=True)
    times_s: npt.NDArray[np.float64] | None = None
    if time == "bin":
        bins, at = np.unique(_whole(frame["bin"], "bin", source), return_inverse=True)
        gaps = np.flatnonzero(bins != np.arange(len(bins)))
        if len(gaps):
            raise RatesError(source, f"no line is of bin {gaps[0]}: bins count from 0, none is left out")
    else:
        written_s = _numbers(frame[time], time, source)
        if not np.isfinite(written_s).all():
            raise RatesError(source, f"a line has no {time}")
        bins, at = np.unique((written_s / SAME_TIME_S).round(), return_inverse=True)
        times_s = np.asarray(bins * SAME_TIME_S, np.float64)
    if frame.duplicated(["trial", time, "unit"]).any():
        raise RatesError(source, "several lines are of the same trial, bin and unit")
    values = np.full((len(trials), len(bins), len(units)), np.nan)
    values[trial, at, unit] = _numbers(frame[value], value, source)
    return RateTable(source, values, tuple(map(str, units)), trials, times_s=times_s)
