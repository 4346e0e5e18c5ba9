"""Neuralynx spike files (.nse, .ntt) and events (.nev): a text header of 16 KB, then records of fixed length.

Read directly: Neo needs a complete folder of consistent signals, which copies of sorted spikes rarely are.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.errors import RecordingError
from rnnspike.recording.contents import Contents, RawUnit
from rnnspike.recording.data import Finding, ReadOptions
from rnnspike.recording.findings import found
from rnnspike.recording.formats.refusals import readable_file

HEADER_BYTES = 16384


def _spike_record(n_electrodes: int, n_samples: int = 32) -> np.dtype[np.void]:
    return np.dtype(
        [("timestamp_us", "<u8"), ("channel", "<u4"), ("unit", "<u4"), ("features", "<u4", (8,)),
         ("samples", "<i2", (n_samples, n_electrodes))]
    )  # fmt: skip


SPIKE_RECORDS = {".nse": _spike_record(1), ".ntt": _spike_record(4)}
EVENT_RECORD = np.dtype(
    [("reserved", "<i2"), ("system", "<i2"), ("data_size", "<i2"), ("timestamp_us", "<u8"), ("event_id", "<i2"),
     ("ttl", "<i2"), ("crc", "<i2"), ("dummy", "<i2", (2,)), ("extra", "<i4", (8,)), ("text", "S128")]
)  # fmt: skip


def read_neuralynx(path: Path, options: ReadOptions) -> Contents:
    """Read one spike file with the events in its folder, or all spike files of a folder.

    Times are relative to the earliest record of spikes and events, as in Neo. Unit 0 holds Cheetah's unsorted
    spikes, which are kept and reported.

    Raises
    ------
    RecordingError
        If there is no spike file, or one is damaged.
    """
    folder = path if path.is_dir() else path.parent
    files = _with_suffix(folder, ".nse", ".ntt") if path.is_dir() else [path]
    if not files:
        raise RecordingError(path, "the folder holds no spike files (.nse, .ntt): sort the signals first")
    spikes = {file: _records(file, SPIKE_RECORDS[file.suffix.lower()]) for file in files}
    events = {file: _records(file, EVENT_RECORD) for file in _with_suffix(folder, ".nev")}
    stamps = [records["timestamp_us"] for records in (*spikes.values(), *events.values()) if len(records)]
    zero_us = min((int(stamp.min()) for stamp in stamps), default=0)
    units, findings = _units(spikes, zero_us)
    return Contents(
        format="Neuralynx",
        units=tuple(units),
        events={file.stem: _events(records, zero_us) for file, records in events.items() if len(records)},
        findings=tuple(findings),
        sources=(*spikes, *events),
        resolution_s=1e-6,
    )


def _with_suffix(folder: Path, *suffixes: str) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.suffix.lower() in suffixes)


def _records(file: Path, record: np.dtype[np.void]) -> npt.NDArray[np.void]:
    size = readable_file(file).stat().st_size
    if size < HEADER_BYTES:
        raise RecordingError(file, "the file is truncated: it ends within its header", finding_id="truncated")
    with file.open("rb") as stream:
        head = stream.read(HEADER_BYTES)
    if not head.lstrip().startswith(b"#"):
        raise RecordingError(file, "this is not a Neuralynx file: it has no text header")
    said = re.search(rb"-RecordSize\s+(\d+)", head)
    if said and int(said[1]) != record.itemsize:
        raise RecordingError(
            file, f"records of {int(said[1])} bytes, {record.itemsize} expected: waveforms of 32 samples"
        )
    return np.fromfile(file, dtype=record, offset=HEADER_BYTES, count=(size - HEADER_BYTES) // record.itemsize)


def _units(spikes: dict[Path, npt.NDArray[np.void]], zero_us: int) -> tuple[list[RawUnit], list[Finding]]:
    units = []
    for file, records in spikes.items():
        prefix = f"{file.stem}." if len(spikes) > 1 else ""
        for unit in np.unique(records["unit"]):
            stamps = records["timestamp_us"][records["unit"] == unit].astype(np.int64) - zero_us
            metadata = {"electrode": file.stem, "quality": "unsorted" if unit == 0 else "sorted"}
            units.append(RawUnit(f"{prefix}{unit}", stamps / 1e6, None, metadata))
    unsorted = [unit.id for unit in units if unit.metadata["quality"] == "unsorted"]
    if not unsorted:
        return units, []
    message = f"unit 0 holds unsorted spikes: {', '.join(unsorted)} kept"
    return units, [found("unsorted-clusters", message, count=len(unsorted), option="--units 'quality == \"sorted\"'")]


def _events(records: npt.NDArray[np.void], zero_us: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "start_time": (records["timestamp_us"].astype(np.int64) - zero_us) / 1e6,
            "label": [text.decode("latin-1").strip("\0 ") for text in records["text"]],
            "ttl": records["ttl"].astype(np.int64),
        }
    )
