from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording.formats.neuralynx import EVENT_RECORD, HEADER_BYTES, SPIKE_RECORDS
from rnnspike.recording.read import read_recording

HEADER = b"""######## Neuralynx Data File Header
## File Name made
## Time Opened (m/d/y): 2/29/2020  (h:m:s.ms) 10:0:0.0
-CheetahRev 5.5.1
-AcqEntName TT1
-FileType Spike
-NumADChannels 4
-ADChannel 0 1 2 3
-SamplingFrequency 32000
-ADBitVolts 6.1e-008 6.1e-008 6.1e-008 6.1e-008
-InputInverted True
-AlignmentPt 8
""".replace(b"\n", b"\r\n").ljust(HEADER_BYTES, b"\0")


def spikes(path: Path, stamps_us: list[int], units: list[int]) -> None:
    records = np.zeros(len(stamps_us), SPIKE_RECORDS[path.suffix])
    records["timestamp_us"], records["unit"] = stamps_us, units
    path.write_bytes(HEADER + records.tobytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    spikes(tmp_path / "TT1.ntt", [10_100_000, 10_300_000, 10_600_000], [1, 0, 1])
    spikes(tmp_path / "SE2.nse", [10_200_000], [3])
    events = np.zeros(2, EVENT_RECORD)
    events["timestamp_us"], events["ttl"], events["text"] = [10_000_000, 10_500_000], [1, 0], [b"on", b"off"]
    (tmp_path / "Events.nev").write_bytes(HEADER + events.tobytes())
    return tmp_path


def test_a_folder(folder: Path) -> None:
    recording = read_recording(folder)
    found = {unit.id: unit.spike_times_s.tolist() for unit in recording.units}
    assert found == {"SE2.3": [0.2], "TT1.0": [pytest.approx(0.3)], "TT1.1": [pytest.approx(0.1), pytest.approx(0.6)]}
    assert recording.events["Events"].to_dict("list") == {
        "start_time": [0.0, 0.5], "label": ["on", "off"], "ttl": [1, 0],
    }  # fmt: skip
    assert any(item.id == "unsorted-clusters" for item in recording.findings)


def test_one_file_takes_the_events_beside_it(folder: Path) -> None:
    recording = read_recording(folder / "TT1.ntt")
    assert [unit.id for unit in recording.units] == ["0", "1"] and list(recording.events) == ["Events"]
    assert recording.units[1].spike_times_s == pytest.approx([0.1, 0.6])


def test_neo_reads_the_same_times(folder: Path) -> None:
    """Neo repeats a tetrode's units once a channel; the first of them are these."""
    from neo.rawio import NeuralynxRawIO

    reader = NeuralynxRawIO(dirname=str(folder), include_filenames="TT1.ntt", keep_original_times=True)
    reader.parse_header()
    stamps = [reader.get_spike_timestamps(0, 0, i) for i in range(2)]
    assert [stamp.tolist() for stamp in stamps] == [[10_300_000], [10_100_000, 10_600_000]]


def test_events_alone_are_no_recording(folder: Path) -> None:
    with pytest.raises(RecordingError, match="give their folder"):
        read_recording(folder / "Events.nev")


def test_a_file_cut_within_its_header(folder: Path) -> None:
    (folder / "TT1.ntt").write_bytes(HEADER[:1000])
    with pytest.raises(RecordingError, match="truncated"):
        read_recording(folder / "TT1.ntt")


def test_a_file_without_the_header(folder: Path) -> None:
    (folder / "TT1.ntt").write_bytes(bytes(20000))
    with pytest.raises(RecordingError, match="not a Neuralynx file"):
        read_recording(folder)


def test_files_of_one_stem_are_told_apart(folder: Path) -> None:
    before = {unit.id: len(unit.spike_times_s) for unit in read_recording(folder).units}
    file = next(file for file in folder.iterdir() if file.suffix == ".nse")
    file.with_suffix(".NSE").write_bytes(file.read_bytes())
    recording = read_recording(folder)
    assert len(recording.units) == len({unit.id for unit in recording.units}) > len(before)
    assert "unit-ids-repeated" in {item.id for item in recording.findings}
