"""NeuroExplorer files made here byte by byte, and Neo as the oracle for .nex."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording.formats import nex
from rnnspike.recording.read import examine_recording, read_recording

HZ = 40000.0
SPIKES = np.array([400, 4000, 44000])
CUES = np.array([2000, 42000])


def variable(dtype: np.dtype[np.void], **fields: Any) -> np.ndarray:
    record = np.zeros(1, dtype)
    for name, value in fields.items():
        record[name] = value
    return record


def blob(*parts: np.ndarray) -> bytes:
    return b"".join(part.tobytes() for part in parts)


def write(path: Path, *, five: bool = False, wide: bool = False) -> Path:
    """Two events, a neuron, intervals, a marker of two fields and a signal in two fragments."""
    header, kind = (nex._NEX5_HEADER, nex._NEX5_VARIABLE) if five else (nex._NEX_HEADER, nex._NEX_VARIABLE)
    ticks = np.int64 if wide else np.int32
    gain = "to_units" if five else "to_millivolts"

    def name(text: str) -> np.ndarray:
        return np.array([text.encode()], "S64")

    bodies: list[tuple[dict[str, Any], bytes]] = [
        ({"type": 0, "name": b"unit a", "count": 3}, SPIKES.astype(ticks).tobytes()),
        ({"type": 1, "name": b"cue", "count": 2}, CUES.astype(ticks).tobytes()),
        ({"type": 2, "name": b"light", "count": 2}, blob(CUES.astype(ticks), (CUES + 800).astype(ticks))),
        (
            {"type": 6, "name": b"code", "count": 2, "n_fields": 2, "field_length": 6},
            blob(CUES.astype(ticks), name("digit"), np.array([b"12", b"7"], "S6"),
                 name("text"), np.array([b"go", b"stop"], "S6")),
        ),
        (
            {"type": 5, "name": b"lfp", "count": 2, "n_points": 5, "rate_hz": 1000.0, gain: 0.5},
            blob(np.array([0, 80000], ticks), np.array([0, 3], np.uint32), np.arange(5, dtype=np.int16)),
        ),
    ]  # fmt: skip
    offset = header.itemsize + len(bodies) * kind.itemsize
    variables = []
    for fields, body in bodies:
        extra = {"times_are_64_bit": int(wide)} if five else {}
        variables.append(variable(kind, offset=offset, **fields, **extra))
        offset += len(body)
    magic = nex.NEX5_MAGIC if five else nex.NEX_MAGIC
    head = variable(
        header, magic=magic, version=502 if five else 104, frequency_hz=HZ, end=88000, n_variables=len(bodies)
    )
    path.write_bytes(blob(head, *variables) + b"".join(body for _, body in bodies))
    return path


@pytest.mark.parametrize(("five", "wide"), [(False, False), (True, False), (True, True)])
def test_everything_in_a_file(tmp_path: Path, five: bool, wide: bool) -> None:
    recording = read_recording(write(tmp_path / f"x.nex{'5' if five else ''}", five=five, wide=wide))
    assert [(unit.id, unit.spike_times_s.tolist()) for unit in recording.units] == [("unit a", [0.01, 0.1, 1.1])]
    assert recording.events["cue"]["start_time"].tolist() == [0.05, 1.05]
    assert recording.intervals["light"]["stop_time"].tolist() == [0.07, 1.07]
    assert recording.events["code"].to_dict("list") == {
        "start_time": [0.05, 1.05], "digit": ["12", "7"], "text": ["go", "stop"],
    }  # fmt: skip
    times_s, values = recording.covariates["lfp"].load()
    assert times_s.tolist() == [0.0, 0.001, 0.002, 2.0, 2.001] and values[:, 0].tolist() == [0, 0.5, 1, 1.5, 2]
    assert recording.span_s == (0.0, 2.2)


def test_neurons_of_one_name_are_told_apart(tmp_path: Path) -> None:
    path = write(tmp_path / "made.nex")
    content = bytearray(path.read_bytes())
    first, size = nex._NEX_HEADER.itemsize, nex._NEX_VARIABLE.itemsize
    content[first + size : first + 2 * size] = content[first : first + size]  # the cue becomes the neuron once more
    path.write_bytes(content)
    recording = read_recording(path)
    assert {unit.id: len(unit.spike_times_s) for unit in recording.units} == {"unit a": 3, "unit a_2": 3}
    assert [item.count for item in recording.findings if item.id == "unit-ids-repeated"] == [1]


def test_numeric_markers_of_nex5(tmp_path: Path) -> None:
    kind = nex._NEX5_VARIABLE
    offset = nex._NEX5_HEADER.itemsize + kind.itemsize
    head = variable(nex._NEX5_HEADER, magic=nex.NEX5_MAGIC, version=501, frequency_hz=HZ, n_variables=1)
    marker = variable(kind, type=6, name=b"code", offset=offset, count=2, n_fields=1, marker_is_number=1)
    body = blob(CUES.astype(np.int32), np.array([b"value"], "S64"), np.array([3, 4], np.uint32))
    (tmp_path / "x.nex5").write_bytes(blob(head, marker) + body)
    assert examine_recording(tmp_path / "x.nex5").events["code"]["value"].tolist() == [3, 4]


def test_neo_reads_the_same_spikes(tmp_path: Path) -> None:
    from neo.rawio import NeuroExplorerRawIO

    reader = NeuroExplorerRawIO(filename=str(write(tmp_path / "x.nex")))
    reader.parse_header()
    stamps = reader.get_spike_timestamps(0, 0, 0)
    expected = reader.rescale_spike_timestamp(stamps, "float64")
    assert read_recording(tmp_path / "x.nex").units[0].spike_times_s == pytest.approx(expected, abs=0)


@pytest.mark.parametrize("keep", [3, 100, 700, -4])
def test_truncated(tmp_path: Path, keep: int) -> None:
    path = write(tmp_path / "x.nex")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RecordingError, match=r"truncated|no NeuroExplorer"):
        read_recording(path)
        read_recording(path).covariates["lfp"].load()
