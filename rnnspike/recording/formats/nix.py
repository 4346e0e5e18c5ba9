"""NIX files written by Neo, read with h5py: Neo takes 25 ms per spike train, which is minutes for many trials.

A block is a group of ``/data``; its segments are ``groups``, their spike trains, events and epochs ``multi_tags``
with times in ``positions`` and durations in ``extents``; annotations are ``metadata/properties``. Files with
signals, or with another layout, are read by Neo (``neo_formats.read_nix``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import pandas as pd

from rnnspike.errors import RecordingError
from rnnspike.recording.contents import SECONDS, Contents, unique_names
from rnnspike.recording.data import Finding, FloatArray, ReadOptions
from rnnspike.recording.formats.hdf5 import h5, h5_values
from rnnspike.recording.formats.segments import Segment, place_segments

#: Internal attributes of Neo among a segment's annotations.
_NEOS_OWN = ("nix_name", "neo_name", "file_origin", "index")


def read_nix(path: Path, options: ReadOptions) -> Contents:
    """Read the first Neo block of a NIX file.

    Raises
    ------
    RecordingError
        If the file is not a NIX file, is damaged or holds no Neo block.
    """
    from rnnspike.recording.formats import neo_formats

    with h5.open_file(path, follow_links=options.follow_links) as file:
        holder = h5.child(file, "data")
        blocks = h5.members(holder) if isinstance(holder, h5py.Group) else []
        if not blocks:
            raise RecordingError(path, "this NIX file holds no Neo block")
        if _is_plain(blocks[0]):
            return _read_block(path, blocks[0])
        h5_values.refuse_unsafe_contents(file)
    return neo_formats.read_nix(path, options)


def read_hdf5(path: Path, options: ReadOptions) -> Contents:
    """Read an HDF5 file with another suffix as NIX or NWB, according to its attributes."""
    from rnnspike.recording.formats.nwb.file import read_nwb

    with h5.open_file(path, follow_links=options.follow_links) as file:
        is_nix, is_nwb = h5_values.label(file, "format") == "nix", "nwb_version" in file.attrs
    if path.suffix.lower() == ".mat" and not (is_nix or is_nwb):
        raise RecordingError(path, "this is a MATLAB 7.3 file (HDF5), which cannot be read: save it again with -v7")
    return (read_nix if is_nix else read_nwb)(path, options)


def _is_plain(block: h5py.Group) -> bool:
    """Return whether a block holds only spike trains, events and epochs, stored directly."""
    if h5_values.label(block, "type") != "neo.block" or "groups" not in block:
        return False
    plain = ("neo.spiketrain", "neo.event", "neo.epoch", "neo.waveforms")
    arrays = h5.members(block["data_arrays"]) if "data_arrays" in block else []
    return all(
        h5_values.label(item, "type").startswith(plain) and "polynom_coefficients" not in item for item in arrays
    )


def _read_block(path: Path, block: h5py.Group) -> Contents:
    groups = [group for group in h5.members(block["groups"]) if h5_values.label(group, "type") == "neo.segment"]
    findings: list[Finding] = []
    laid = place_segments([_segment(path, group, findings) for group in groups])
    description = h5_values.label(block, "definition") or str(_properties(block, findings).get("neo_name", ""))
    return Contents(
        format="NIX",
        units=laid.units,
        intervals=laid.intervals,
        events=laid.events,
        session={"session_description": description} if description else {},
        findings=(*laid.findings, *findings),
        sources=(path,),
    )


def _segment(path: Path, group: h5py.Group, findings: list[Finding]) -> Segment:
    spikes: list[tuple[str, FloatArray]] = []
    tables: dict[str, pd.DataFrame] = {}
    starts, stops = [], []
    for tag in _tags(group):
        kind, properties = h5_values.label(tag, "type"), _properties(tag, findings)
        name = str(properties.get("neo_name", ""))
        if kind == "neo.spiketrain":
            spikes.append((name or str(len(spikes)), _spike_times(path, tag, name)))
            starts += [properties["t_start"]] if "t_start" in properties else []
            stops += [properties["t_stop"]] if "t_stop" in properties else []
        elif kind in ("neo.event", "neo.epoch"):
            with h5.skip_broken(findings, "table-broken", f"table {name or tag.name}"):
                table = _event_table(tag)
                tables |= {name or kind.removeprefix("neo.") + "s": table} if len(table) else {}
    names = tuple(name for name, _ in spikes)
    row = {key: value for key, value in _properties(group, findings).items() if key not in _NEOS_OWN}
    return Segment(
        spikes={name: times for name, (_, times) in zip(unique_names(names), spikes, strict=True)},
        start_s=min(starts, default=None),
        stop_s=max(stops, default=None),
        events=tables,
        row=row,
        names=names,
    )


def _tags(group: h5py.Group) -> list[h5py.Group]:
    tags = h5.child(group, "multi_tags")
    return h5.members(tags) if isinstance(tags, h5py.Group) else []


def _spike_times(path: Path, tag: h5py.Group, name: str) -> FloatArray:
    try:
        return _seconds(tag["positions"])
    except h5.ContentError as error:
        raise RecordingError(path, f"spike train {name or tag.name} {error}") from error


def _seconds(array: h5py.Group) -> FloatArray:
    return h5_values.numbers(array["data"]) * SECONDS.get(h5_values.label(array, "unit", "s"), 1.0)


def _properties(group: h5py.Group, findings: list[Finding]) -> dict[str, Any]:
    """Return a group's single-valued annotations; times are converted to seconds."""
    holder = h5.child(group, "metadata/properties")
    result: dict[str, Any] = {}
    for name in holder if isinstance(holder, h5py.Group) else ():
        item = h5.child(holder, name)
        if isinstance(item, h5py.Dataset) and item.size == 1:
            with h5.skip_broken(findings, "metadata-broken", f"{holder.name}/{name}"):
                result[name] = _annotation(item)
    return result


def _annotation(item: h5py.Dataset) -> Any:
    value = h5_values.column(item)[0]
    unit = SECONDS.get(h5_values.label(item, "unit"), 1.0)
    if isinstance(value, (bytes, str)):
        return h5_values.text(value)
    return value.item() if unit == 1.0 else value.item() * unit


def _event_table(tag: h5py.Group) -> pd.DataFrame:
    columns: dict[str, Any] = {"start_time": _seconds(tag["positions"])}
    n_rows = len(columns["start_time"])
    if "extents" in tag:
        columns["stop_time"] = columns["start_time"] + _seconds(tag["extents"])
    labels = h5.child(tag, "positions/dimensions/1/labels")
    if isinstance(labels, h5py.Dataset) and h5_values.length(labels) == n_rows:
        texts = h5_values.strings(labels)
        columns |= {"label": texts} if any(texts) else {}
    return pd.DataFrame(columns)
