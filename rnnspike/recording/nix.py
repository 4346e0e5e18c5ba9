"""NIX files that Neo wrote, read flat with h5py: Neo takes 25 ms a spike train, which is minutes for many trials.

A block is a group of ``/data``; its segments are ``groups``, their spike trains, events and epochs ``multi_tags``
with times in ``positions`` and durations in ``extents``; annotations are ``metadata/properties``. Files with
signals, or laid out otherwise, are left to Neo (``neo_formats.read_nix``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from rnnspike.errors import RecordingError
from rnnspike.recording import h5
from rnnspike.recording.contents import SECONDS, Contents, as_float, unique_names
from rnnspike.recording.data import FloatArray, ReadOptions
from rnnspike.recording.segments import Segment, lay_out

#: Attributes that Neo keeps for itself among a segment's annotations.
_NEOS_OWN = ("nix_name", "neo_name", "file_origin", "index")


def read_nix(path: Path, options: ReadOptions) -> Contents:
    """Read the first Neo block of a NIX file.

    Raises
    ------
    RecordingError
        Where the file is no NIX file, is damaged or holds no Neo block.
    """
    from rnnspike.recording import neo_formats

    with h5.open_file(path) as file:
        blocks = list(h5.child(file, "data").values()) if isinstance(h5.child(file, "data"), h5py.Group) else []
        if not blocks:
            raise RecordingError(path, "this NIX file holds no Neo block")
        if _is_plain(blocks[0]):
            return _read_block(path, blocks[0])
    return neo_formats.read_nix(path, options)


def _is_plain(block: h5py.Group) -> bool:
    """Return whether a block holds nothing but spike trains, events and epochs, stored as they are."""
    if h5.attribute(block, "type") != "neo.block" or "groups" not in block:
        return False
    plain = ("neo.spiketrain", "neo.event", "neo.epoch", "neo.waveforms")
    arrays = block["data_arrays"].values() if "data_arrays" in block else []
    return all(h5.attribute(item, "type").startswith(plain) and "polynom_coefficients" not in item for item in arrays)


def _read_block(path: Path, block: h5py.Group) -> Contents:
    groups = [group for group in block["groups"].values() if h5.attribute(group, "type") == "neo.segment"]
    laid = lay_out([_segment(group) for group in groups])
    description = h5.attribute(block, "definition") or str(_properties(block).get("neo_name", ""))
    return Contents(
        format="NIX",
        units=laid.units,
        intervals=laid.intervals,
        events=laid.events,
        session={"session_description": description} if description else {},
        findings=laid.findings,
        sources=(path,),
    )


def _segment(group: h5py.Group) -> Segment:
    spikes: list[tuple[str, FloatArray]] = []
    tables: dict[str, pd.DataFrame] = {}
    starts, stops = [], []
    for tag in _tags(group):
        kind, properties = h5.attribute(tag, "type"), _properties(tag)
        name = str(properties.get("neo_name", ""))
        if kind == "neo.spiketrain":
            spikes.append((name or str(len(spikes)), _seconds(tag["positions"])))
            starts += [properties["t_start"]] if "t_start" in properties else []
            stops += [properties["t_stop"]] if "t_stop" in properties else []
        elif kind in ("neo.event", "neo.epoch"):
            table = _event_table(tag)
            tables |= {name or kind.removeprefix("neo.") + "s": table} if len(table) else {}
    names = unique_names([name for name, _ in spikes])
    row = {key: value for key, value in _properties(group).items() if key not in _NEOS_OWN}
    return Segment(
        spikes={name: times for name, (_, times) in zip(names, spikes, strict=True)},
        start_s=min(starts, default=None),
        stop_s=max(stops, default=None),
        events=tables,
        row=row,
    )


def _tags(group: h5py.Group) -> Iterator[h5py.Group]:
    tags = h5.child(group, "multi_tags")
    yield from tags.values() if isinstance(tags, h5py.Group) else ()


def _seconds(array: h5py.Group) -> FloatArray:
    return as_float(array["data"][...].ravel()) * SECONDS.get(h5.attribute(array, "unit", "s"), 1.0)


def _properties(group: h5py.Group) -> dict[str, Any]:
    """Return a group's annotations of a single value; those with a unit of time in seconds."""
    holder = h5.child(group, "metadata/properties")
    result: dict[str, Any] = {}
    for name, item in holder.items() if isinstance(holder, h5py.Group) else ():
        if item.size != 1:
            continue
        value = np.asarray(item[...]).ravel()[0]
        text = isinstance(value, (bytes, str))
        unit = SECONDS.get(h5.attribute(item, "unit"), 1.0)
        result[name] = h5.text(value) if text else value.item() if unit == 1.0 else value.item() * unit
    return result


def _event_table(tag: h5py.Group) -> pd.DataFrame:
    columns: dict[str, Any] = {"start_time": _seconds(tag["positions"])}
    n_rows = len(columns["start_time"])
    if "extents" in tag:
        columns["stop_time"] = columns["start_time"] + _seconds(tag["extents"])
    labels = h5.child(tag, "positions/dimensions/1/labels")
    if isinstance(labels, h5py.Dataset) and labels.shape == (n_rows,):
        texts = h5.strings(labels)
        columns |= {"label": texts} if any(texts) else {}
    return pd.DataFrame(columns)
