"""Formats read by Neo, converted to plain arrays here: no other module uses quantities.

The reader is chosen by format, not by ``neo.get_io``, which hides all errors.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnspike.errors import RecordingError
from rnnspike.recording.contents import Contents, as_float, repeated_ids, unique_names
from rnnspike.recording.data import Covariate, Finding, FloatArray, ReadOptions
from rnnspike.recording.findings import found
from rnnspike.recording.formats.hdf5 import h5
from rnnspike.recording.formats.registry import refuse_pickle
from rnnspike.recording.formats.segments import PlacedSegments, Segment, place_segments
from rnnspike.wording import counted


@contextmanager
def _through_neo(path: Path, name: str) -> Iterator[None]:
    """Suppress Neo's warnings, and turn its errors into one-line errors."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except RecordingError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise RecordingError(path, f"Neo cannot read it as {name} ({reason}): is the copy complete?") from error


def read_nix(path: Path, options: ReadOptions) -> Contents:
    """Read the first Neo block of a NIX file of any content (``nix.py`` is faster for spikes and events)."""
    if not h5.is_hdf5(path):
        raise RecordingError(
            path, "this is not a NIX file (not HDF5): check that the copy is complete and the suffix correct"
        )
    if find_spec("nixio") is None:
        raise RecordingError(
            path, "a NIX file with signals needs nixio, which is not installed: pip install 'rnnspike[nix]'"
        )
    with _through_neo(path, "NIX"):
        from neo.io import NixIO

        with NixIO(str(path), "ro") as io:
            blocks = io.read_all_blocks()
            return _from_blocks(path, blocks, "NIX")


def read_pickle(path: Path, options: ReadOptions) -> Contents:
    """Read a Neo pickle, only with ``--allow-pickle``: pickles can run code."""
    if not options.allow_pickle:
        raise refuse_pickle(path)
    with _through_neo(path, "Neo pickle"):
        from neo.io import PickleIO

        block = PickleIO(str(path)).read_block()
        return _from_blocks(path, [block], "Neo pickle")


def _from_blocks(path: Path, blocks: Sequence[Any], name: str) -> Contents:
    if not blocks:
        raise RecordingError(path, "the file holds no Neo block")
    block = blocks[0]
    contents = contents_of_segments(block.segments, name, block.description or block.name or "")
    findings = contents.findings
    if len(blocks) > 1:
        message = f"the file holds {len(blocks)} Neo blocks: only the first is read; write one file per block"
        findings = (*findings, found("blocks-left-out", message, count=len(blocks) - 1))
    return replace(contents, findings=findings, sources=_sources(path))


def contents_of_segments(segments: Sequence[Any], name: str, description: str) -> Contents:
    """Return the contents of the segments of a block, in memory or read from a file."""
    laid = place_segments([_segment(item) for item in segments])
    covariates = _covariates(segments, laid.offsets_s)
    return _contents(name, laid, covariates, {"session_description": description})


def _contents(
    name: str,
    laid: PlacedSegments,
    covariates: Mapping[str, Covariate],
    session: Mapping[str, str],
    findings: Sequence[Finding] = (),
    sources: tuple[Path, ...] = (),
) -> Contents:
    return Contents(
        format=name,
        units=laid.units,
        intervals=laid.intervals,
        events=laid.events,
        covariates=covariates,
        session={key: value for key, value in session.items() if value},
        findings=(*laid.findings, *findings),
        sources=sources,
    )


def _sources(path: Path) -> tuple[Path, ...]:
    return (path,) if path.is_file() else tuple(sorted(file for file in path.iterdir() if file.is_file()))


def _seconds(quantity: Any) -> FloatArray:
    return as_float(quantity.rescale("s").magnitude)


def _segment(item: Any) -> Segment:
    """Return a Neo segment as arrays."""
    trains = list(item.spiketrains)
    stored = tuple(str(train.name or i) for i, train in enumerate(trains))
    tables = {event.name or "events": _event_table(event) for event in item.events}
    tables |= {epoch.name or "epochs": _event_table(epoch) for epoch in item.epochs}
    row = {key: value for key, value in item.annotations.items() if _is_plain(value) and not key.startswith("nix_")}
    return Segment(
        spikes={name: _seconds(train) for name, train in zip(unique_names(stored), trains, strict=True)},
        start_s=min((float(_seconds(train.t_start)) for train in trains), default=None),
        stop_s=max((float(_seconds(train.t_stop)) for train in trains), default=None),
        events={name: table for name, table in tables.items() if len(table)},
        row=row,
        names=stored,
    )


def _is_plain(value: Any) -> bool:
    return isinstance(value, (str, int, float, np.generic))


def _event_table(event: Any) -> pd.DataFrame:
    columns: dict[str, Any] = {"start_time": _seconds(event.times)}
    if getattr(event, "durations", None) is not None:
        columns["stop_time"] = columns["start_time"] + _seconds(event.durations)
    labels = [str(label) for label in event.labels]
    if len(labels) == len(columns["start_time"]) and any(labels):
        columns["label"] = labels
    return pd.DataFrame(columns)


def _covariates(segments: Sequence[Any], offsets_s: FloatArray) -> dict[str, Covariate]:
    """Return the segments' signals, joined over successive ones where they have as many channels."""
    pieces: dict[str, list[tuple[Any, float]]] = {}
    for item, offset in zip(segments, offsets_s, strict=True):
        signals = [*item.analogsignals, *item.irregularlysampledsignals]
        names = unique_names([signal.name or f"signal{i}" for i, signal in enumerate(signals)])
        for name, signal in zip(names, signals, strict=True):
            while name in pieces and pieces[name][0][0].shape[1] != signal.shape[1]:
                name += f"_{signal.shape[1]}"
            pieces.setdefault(name, []).append((signal, float(offset)))
    return {name: _signal_covariate(name, parts) for name, parts in pieces.items()}


def _signal_covariate(name: str, parts: Sequence[tuple[Any, float]]) -> Covariate:
    times_s = np.concatenate([_seconds(signal.times) + offset for signal, offset in parts])
    values = np.concatenate([as_float(signal.magnitude) for signal, _ in parts])
    unit = str(parts[0][0].dimensionality)
    rate = getattr(parts[0][0], "sampling_rate", None)
    rate_hz = None if rate is None else float(rate.rescale("Hz").magnitude)
    span_s = (float(times_s[0]), float(times_s[-1])) if len(times_s) else None
    load = partial(_pair, times_s, values)
    return Covariate(name, unit, len(times_s), values.shape[1], load, rate_hz, span_s, kind="signal")


def _pair(times_s: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    return times_s, values


# Formats by Neo's raw readers: plain arrays without quantities.


def _raw_io(kind: str, path: Path) -> Any:
    """Return Neo's raw reader of a format with its header parsed."""
    from neo import rawio

    folder = str(path if path.is_dir() else path.parent)
    makers: dict[str, Callable[[], Any]] = {
        "Blackrock": lambda: rawio.BlackrockRawIO(filename=str(path)),
        "Plexon": lambda: rawio.PlexonRawIO(filename=str(path), progress_bar=False),
        "Spike2": lambda: rawio.Spike2RawIO(filename=str(path)),
        "Spike2 (64 bit)": lambda: rawio.CedRawIO(filename=str(path)),
        "TDT": lambda: rawio.TdtRawIO(dirname=folder),
        "AlphaOmega": lambda: rawio.AlphaOmegaRawIO(dirname=folder),
        "Open Ephys": lambda: rawio.OpenEphysRawIO(dirname=folder),
    }
    reader = makers[kind]()
    reader.parse_header()
    return reader


def _read_raw(kind: str, path: Path) -> Contents:
    with _through_neo(path, kind):
        reader = _raw_io(kind, path)
        units, metadata, findings = _raw_units(reader)
        places = [(block, seg) for block in range(reader.block_count()) for seg in range(reader.segment_count(block))]
        laid = place_segments(
            [_raw_segment(reader, block, seg, units, len(places) > 1) for block, seg in places], metadata
        )
        covariates = _raw_covariates(reader, kind, path, places, laid.offsets_s)
        return _contents(kind, laid, covariates, {}, findings, _sources(path))


def read_blackrock(path: Path, options: ReadOptions) -> Contents:
    """Read a Blackrock .nev; spikes classified as noise are left out and counted."""
    return _read_raw("Blackrock", path)


def read_plexon(path: Path, options: ReadOptions) -> Contents:
    """Read a Plexon .plx."""
    return _read_raw("Plexon", path)


def read_spike2(path: Path, options: ReadOptions) -> Contents:
    """Read a Spike2 .smr."""
    return _read_raw("Spike2", path)


def read_spike2x(path: Path, options: ReadOptions) -> Contents:
    """Read a 64-bit Spike2 .smrx, which needs CED's sonpy."""
    return _read_raw("Spike2 (64 bit)", path)


def read_tdt(path: Path, options: ReadOptions) -> Contents:
    """Read a TDT tank block (its folder, or any file in it)."""
    return _read_raw("TDT", path)


def read_alphaomega(path: Path, options: ReadOptions) -> Contents:
    """Read an AlphaOmega folder by any .mpx in it."""
    return _read_raw("AlphaOmega", path)


def read_open_ephys(path: Path, options: ReadOptions) -> Contents:
    """Read an Open Ephys folder (original format) with .spikes files."""
    return _read_raw("Open Ephys", path)


def _raw_units(reader: Any) -> tuple[dict[int, str], dict[str, dict[str, Any]], list[Finding]]:
    """Return spike channel -> unit id of those kept, metadata by unit id, and findings about the sorting."""
    channels = reader.header["spike_channels"]
    stored = [str(channel["name"]) or str(channel["id"]) for channel in channels]
    ids = unique_names(stored)
    kept: dict[int, str] = {}
    metadata: dict[str, dict[str, Any]] = {}
    noise, unsorted = [], []
    for i, unit_id in enumerate(ids):
        number = unit_id.rsplit("#", 1)[-1] if "#" in unit_id else ""
        if number == "255":
            noise.append(unit_id)
            continue
        kept[i] = unit_id
        metadata[unit_id] = {"quality": "unsorted" if number == "0" else "sorted"} if number else {}
        unsorted += [unit_id] if number == "0" else []
    findings = repeated_ids(stored)
    if noise:
        message = (
            f"{counted(len(noise), 'unit{s} labelled noise by the sorter {are} left out')}: {', '.join(noise[:5])}"
        )
        findings.append(found("noise-clusters", message, count=len(noise)))
    if unsorted:
        option = "--units 'quality == \"sorted\"'"
        message = f"{counted(len(unsorted), 'unit{s} {are} unsorted spikes')}: {', '.join(unsorted[:5])} kept"
        findings.append(found("unsorted-clusters", message, count=len(unsorted), option=option))
    return kept, metadata, findings


def _raw_segment(reader: Any, block: int, seg: int, units: Mapping[int, str], many: bool) -> Segment:
    """Return one segment; a single segment without signals has no extent."""
    spikes = {}
    for i, unit_id in units.items():
        stamps = reader.get_spike_timestamps(block_index=block, seg_index=seg, spike_channel_index=i)
        spikes[unit_id] = as_float(reader.rescale_spike_timestamp(stamps, dtype="float64"))
    known = many or len(reader.header["signal_channels"]) > 0
    return Segment(
        spikes=spikes,
        start_s=float(reader.segment_t_start(block, seg)) if known else None,
        stop_s=float(reader.segment_t_stop(block, seg)) if known else None,
        events=_raw_events(reader, block, seg),
    )


def _raw_events(reader: Any, block: int, seg: int) -> dict[str, pd.DataFrame]:
    channels = reader.header["event_channels"]
    names = unique_names([str(channel["name"]) or f"events{i}" for i, channel in enumerate(channels)])
    tables = {}
    for i, name in enumerate(names):
        if reader.event_count(block, seg, i) == 0:
            continue
        stamps, durations, labels = reader.get_event_timestamps(block, seg, i)
        columns: dict[str, Any] = {"start_time": as_float(reader.rescale_event_timestamp(stamps, "float64", i))}
        if durations is not None:
            columns["stop_time"] = columns["start_time"] + reader.rescale_epoch_duration(durations, "float64", i)
        if labels is not None and any(str(label) for label in labels):
            columns["label"] = [str(label) for label in labels]
        tables[name] = pd.DataFrame(columns)
    return tables


def _raw_covariates(
    reader: Any, kind: str, path: Path, places: Sequence[tuple[int, int]], offsets_s: FloatArray
) -> dict[str, Covariate]:
    streams = reader.header["signal_streams"]
    names = unique_names([str(stream["name"]) or f"signal{i}" for i, stream in enumerate(streams)])
    result = {}
    for i, name in enumerate(names):
        n_samples = sum(int(reader.get_signal_size(block, seg, i)) for block, seg in places)
        channels = reader.header["signal_channels"]
        in_stream = channels[channels["stream_id"] == streams[i]["id"]]
        unit = str(in_stream[0]["units"]) if len(in_stream) else "unknown"
        load = partial(load_raw_signal, kind, path, i, tuple(places), tuple(offsets_s.tolist()))
        if n_samples > 1 and len(in_stream):
            rate_hz = float(reader.get_signal_sampling_rate(i))
            result[name] = Covariate(name, unit or "unknown", n_samples, len(in_stream), load, rate_hz, kind="signal")
    return result


def load_raw_signal(
    kind: str, path: Path, stream: int, places: Sequence[tuple[int, int]], offsets_s: Sequence[float]
) -> tuple[FloatArray, FloatArray]:
    """Return times_s (sample,) and values (sample, channel) of a signal stream over all segments."""
    with _through_neo(path, kind):
        reader = _raw_io(kind, path)
        times_s, values = [], []
        for (block, seg), offset in zip(places, offsets_s, strict=True):
            raw = reader.get_analogsignal_chunk(block_index=block, seg_index=seg, stream_index=stream)
            values.append(as_float(reader.rescale_signal_raw_to_float(raw, dtype="float64", stream_index=stream)))
            start_s = float(reader.get_signal_t_start(block, seg, stream)) + offset
            times_s.append(start_s + np.arange(len(raw)) / float(reader.get_signal_sampling_rate(stream)))
        return np.concatenate(times_s), np.concatenate(values)
