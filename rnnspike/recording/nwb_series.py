"""NWB's time series as covariates: listed from their headers, read only when asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np

from rnnspike.recording import h5
from rnnspike.recording.checks import found
from rnnspike.recording.contents import as_float, unique_names
from rnnspike.recording.data import Covariate, Finding, FloatArray


@dataclass(frozen=True)
class SeriesInfo:
    """A series as its header tells: where it is, its size, and when it starts and stops."""

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


def series_info(group: h5py.Group) -> tuple[SeriesInfo | None, Finding | None]:
    """Return what a series' header says, or a finding where its times cannot be used; neither for other groups."""
    data = h5.child(group, "data")
    if not isinstance(data, h5py.Dataset):
        targets = h5.broken_links(group, ("data",))
        return None, _broken(group, f"its data are at {targets[0]}, which is missing") if targets else None
    if data.dtype.kind not in "biuf" or data.ndim not in (1, 2) or data.shape[0] == 0 or 0 in data.shape:
        return None, None
    clock = _clock(group, data.shape[0])
    if isinstance(clock, str):
        return None, _broken(group, clock)
    n_samples, start_s, stop_s, rate_hz = clock
    kind = h5.attribute(group, "neurodata_type", "TimeSeries")
    n_channels = data.shape[1] if data.ndim == 2 else 1
    unit = h5.attribute(data, "unit", "unknown")
    return SeriesInfo(str(group.name), kind, unit, n_samples, n_channels, start_s, stop_s, rate_hz), None


def _broken(group: h5py.Group, why: str) -> Finding:
    return found("covariate-broken", f"time series {group.name}: {why}: left out", count=1)


def _clock(group: h5py.Group, n_data: int) -> tuple[int, float, float, float | None] | str:
    """Return samples, first and last time (s), and the rate where it is even; or why there are none."""
    timestamps, starting_time = h5.child(group, "timestamps"), h5.child(group, "starting_time")
    if isinstance(timestamps, h5py.Dataset) and len(timestamps):
        n_samples = min(n_data, len(timestamps))
        return n_samples, float(timestamps[0]), float(timestamps[n_samples - 1]), None
    if isinstance(starting_time, h5py.Dataset):
        rate_hz = float(starting_time.attrs.get("rate", 0.0))
        if not rate_hz > 0:
            return f"its rate is {rate_hz:g} Hz"
        start_s = float(starting_time[()])
        return n_data, start_s, start_s + (n_data - 1) / rate_hz, rate_hz
    targets = h5.broken_links(group, ("timestamps", "starting_time"))
    return f"its times are at {targets[0]}, which is missing" if targets else "it has no times"


def covariates(path: Path, infos: Sequence[SeriesInfo]) -> dict[str, Covariate]:
    """Return covariates by name; series of successive sweeps (``current_00``, ``current_01``) joined into one."""
    joined = _joined_sweeps(infos)
    names = unique_names([_display_name(members, infos) for members in joined])
    return {name: _covariate(path, name, members) for name, members in zip(names, joined, strict=True)}


def _covariate(path: Path, name: str, members: Sequence[SeriesInfo]) -> Covariate:
    return Covariate(
        name=name,
        unit=members[0].unit,
        n_samples=sum(info.n_samples for info in members),
        n_channels=members[0].n_channels,
        load=partial(load_series, path, tuple(info.path for info in members)),
        rate_hz=members[0].rate_hz,
        span_s=(members[0].start_s, members[-1].stop_s),
        kind=members[0].kind,
    )


def _display_name(members: Sequence[SeriesInfo], infos: Sequence[SeriesInfo]) -> str:
    """Return the series' own name, with its container where another series has the same."""
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


def load_series(path: Path, places: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Return times_s (sample,) and values (sample, channel) of series in an NWB file, one after another.

    Stored values are multiplied by ``conversion`` (and ``channel_conversion``) and ``offset`` is added.

    Raises
    ------
    RecordingError
        Where the file can no longer be read.
    """
    with h5.open_file(path) as file:
        parts = [_load(file[place]) for place in places]
    return np.concatenate([times_s for times_s, _ in parts]), np.concatenate([values for _, values in parts])


def _load(group: h5py.Group) -> tuple[FloatArray, FloatArray]:
    data = group["data"]
    values = as_float(data[...])
    values = values[:, None] if values.ndim == 1 else values
    conversion, offset = float(data.attrs.get("conversion", 1.0)), float(data.attrs.get("offset", 0.0))
    channels = h5.child(group, "channel_conversion")
    if isinstance(channels, h5py.Dataset) and channels.shape == (values.shape[1],):
        values = values * as_float(channels[...])
    if conversion != 1.0 or offset != 0.0:
        values = values * (conversion if np.isfinite(conversion) else 1.0) + (offset if np.isfinite(offset) else 0.0)
    timestamps = h5.child(group, "timestamps")
    if isinstance(timestamps, h5py.Dataset) and len(timestamps):
        n_samples = min(len(timestamps), len(values))
        return as_float(timestamps[:n_samples]), values[:n_samples]
    start = group["starting_time"]
    return float(start[()]) + np.arange(len(values)) / float(start.attrs["rate"]), values
