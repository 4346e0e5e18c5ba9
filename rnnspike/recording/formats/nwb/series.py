"""NWB time series as covariates: listed from their headers, read only on request."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from rnnspike.errors import RecordingError
from rnnspike.recording.contents import unique_names
from rnnspike.recording.data import Covariate, FloatArray
from rnnspike.recording.formats.hdf5 import h5, h5_values


@dataclass(frozen=True)
class SeriesInfo:
    """A series according to its header: its path, size, start and stop."""

    path: str
    kind: str
    unit: str
    n_samples: int
    n_channels: int
    start_s: float
    stop_s: float
    rate_hz: float | None = None

    @property
    def name(self) -> str:
        """Last part of its path."""
        return self.path.rsplit("/", 1)[-1]


def series_info(group: h5py.Group) -> SeriesInfo | None:
    """Return the header of a series; None for other groups.

    Raises
    ------
    ContentError
        If it is a series and its times or values cannot be used.
    """
    data = _needed(group, "data")
    if not isinstance(data, h5py.Dataset) or not h5_values.is_number(data):
        return None
    if not data.shape or len(data.shape) > 2 or 0 in data.shape:
        return None
    h5_values.refuse_size(data)
    times = _needed(group, "timestamps")
    n_times = h5_values.length(times) if isinstance(times, h5py.Dataset) else 0
    n_samples, n_channels = _layout(data.shape, n_times)
    n_samples, start_s, stop_s, rate_hz = _clock(group, n_samples)
    _conversion(data)
    kind, unit = h5_values.label(group, "neurodata_type", "TimeSeries"), h5_values.label(data, "unit", "unknown")
    return SeriesInfo(str(group.name), kind, unit, n_samples, n_channels, start_s, stop_s, rate_hz)


def _needed(group: h5py.Group, name: str) -> Any:
    """Return a member of a series, None if it has none; ContentError with the reason if it cannot be opened."""
    error = h5.access_error(group, name)
    if error is not None:
        raise h5.ContentError(f"{name} {h5.reason(error)}") from error
    return h5.child(group, name)


def _layout(shape: tuple[int, ...], n_times: int) -> tuple[int, int]:
    """Return samples and channels of stored values: (sample,), (sample, channel) or transposed.

    Values are transposed if they are one channel in one row (as written by MATLAB), or if there are as many times as
    columns but not as rows.
    """
    if len(shape) < 2:
        return shape[0], 1
    rows, columns = shape
    if rows != n_times and (columns == n_times or rows == 1):
        return columns, rows
    return rows, columns


def _clock(group: h5py.Group, n_data: int) -> tuple[int, float, float, float | None]:
    """Return samples, first and last time (s), and the rate if constant; ContentError without usable times."""
    timestamps, starting_time = h5.child(group, "timestamps"), _needed(group, "starting_time")
    if isinstance(timestamps, h5py.Dataset) and h5_values.length(timestamps):
        if not h5_values.is_list(timestamps.shape) or not h5_values.is_number(timestamps):
            raise h5.ContentError(f"timestamps are {h5_values.kind_of(timestamps)} of shape {timestamps.shape}")
        h5_values.refuse_size(timestamps)
        n_samples = min(n_data, h5_values.length(timestamps))
        return n_samples, _time_at(timestamps, 0), _time_at(timestamps, n_samples - 1), None
    if isinstance(starting_time, h5py.Dataset):
        start_s, rate_hz = _even_clock(starting_time)
        return n_data, start_s, start_s + (n_data - 1) / rate_hz, rate_hz
    raise h5.ContentError("has no times")


def _time_at(timestamps: h5py.Dataset, sample: int) -> float:
    """Return one element of a list of times, without reading the list."""
    place = np.unravel_index(sample, timestamps.shape) if timestamps.shape else ()
    return float(timestamps[tuple(int(i) for i in place)])


def _even_clock(starting_time: h5py.Dataset) -> tuple[float, float]:
    """Return the first time (s) and the rate (Hz) of evenly spaced samples; ContentError if they are invalid."""
    start_s = h5_values.number(starting_time, "starting time")
    stored = h5_values.attribute(starting_time, "rate")
    rate_hz = 0.0 if stored is None else h5_values.number(stored, "rate")
    if not (np.isfinite(rate_hz) and rate_hz > 0 and np.isfinite(start_s)):
        raise h5.ContentError(f"has a rate of {rate_hz:g} Hz from {start_s:g} s")
    return start_s, rate_hz


def _conversion(data: h5py.Dataset) -> tuple[float, float]:
    """Return factor and offset from stored values to the unit; NaN and infinity are ignored."""
    stored = [
        (name, h5_values.attribute(data, name), plain) for name, plain in (("conversion", 1.0), ("offset", 0.0))
    ]
    numbers = [(plain if value is None else h5_values.number(value, name), plain) for name, value, plain in stored]
    conversion, offset = (value if np.isfinite(value) else plain for value, plain in numbers)
    return conversion, offset


def covariates(path: Path, infos: Sequence[SeriesInfo], *, follow_links: bool = False) -> dict[str, Covariate]:
    """Return covariates by name; series of successive sweeps (``current_00``, ``current_01``) joined into one."""
    joined = _joined_sweeps(infos)
    names = unique_names([_display_name(members, infos) for members in joined])
    load = partial(load_series, path, follow_links=follow_links)
    return {name: _covariate(name, members, load) for name, members in zip(names, joined, strict=True)}


def _covariate(name: str, members: Sequence[SeriesInfo], load: partial[tuple[FloatArray, FloatArray]]) -> Covariate:
    return Covariate(
        name=name,
        unit=members[0].unit,
        n_samples=sum(info.n_samples for info in members),
        n_channels=members[0].n_channels,
        load=partial(load, tuple(info.path for info in members)),
        rate_hz=members[0].rate_hz,
        span_s=(members[0].start_s, members[-1].stop_s),
        kind=members[0].kind,
    )


def _display_name(members: Sequence[SeriesInfo], infos: Sequence[SeriesInfo]) -> str:
    """Return the name of a series, with its container if another series has the same name."""
    if len(members) > 1:
        return _stem(members[0].name)
    name = members[0].name
    if sum(info.name == name for info in infos) == 1:
        return name
    parts = [part for part in members[0].path.split("/") if part]
    return "/".join(parts[-2:])


def _stem(name: str) -> str:
    return re.sub(r"[_\s-]*\d+$", "", name) or name


def _joined_sweeps(infos: Sequence[SeriesInfo]) -> list[list[SeriesInfo]]:
    groups: dict[tuple[str, str, str, int], list[SeriesInfo]] = {}
    for info in infos:
        folder = info.path.rsplit("/", 1)[0]
        groups.setdefault((folder, _stem(info.name), info.unit, info.n_channels), []).append(info)
    result: list[list[SeriesInfo]] = []
    for members in groups.values():
        members = sorted(members, key=lambda info: info.start_s)
        follow = all(a.stop_s < b.start_s for a, b in pairwise(members))
        result += [members] if follow else [[info] for info in members]
    return result


def load_series(path: Path, places: Sequence[str], *, follow_links: bool = False) -> tuple[FloatArray, FloatArray]:
    """Return times_s (sample,) and values (sample, channel) of series in an NWB file, one after another.

    Stored values are multiplied by ``conversion`` (and ``channel_conversion``) and ``offset`` is added.

    Raises
    ------
    RecordingError
        If the file can no longer be read.
    """
    h5.enable_filters()
    with h5.open_file(path, follow_links=follow_links) as file:
        parts = [_loaded(path, file, place) for place in places]
    return np.concatenate([times_s for times_s, _ in parts]), np.concatenate([values for _, values in parts])


def _loaded(path: Path, file: h5py.Group, place: str) -> tuple[FloatArray, FloatArray]:
    try:
        return _load(file[place])
    except h5.ContentError as error:
        raise RecordingError(path, f"time series {place} {error}") from error


def _load(group: h5py.Group) -> tuple[FloatArray, FloatArray]:
    data, timestamps = group["data"], h5.child(group, "timestamps")
    has_times = isinstance(timestamps, h5py.Dataset) and h5_values.length(timestamps) > 0
    stored = h5_values.floats(data)
    n_samples, n_channels = _layout(stored.shape, h5_values.length(timestamps) if has_times else 0)
    values = stored.T if stored.ndim == 2 and stored.shape != (n_samples, n_channels) else stored
    values = values.reshape(n_samples, n_channels)
    channels = h5.child(group, "channel_conversion")
    if isinstance(channels, h5py.Dataset) and h5_values.length(channels) == n_channels:
        values = values * h5_values.numbers(channels)
    conversion, offset = _conversion(data)
    if conversion != 1.0 or offset != 0.0:
        values = values * conversion + offset
    if has_times:
        n_samples = min(h5_values.length(timestamps), n_samples)
        return h5_values.numbers(timestamps)[:n_samples], values[:n_samples]
    start_s, rate_hz = _even_clock(group["starting_time"])
    return start_s + np.arange(n_samples) / rate_hz, values
