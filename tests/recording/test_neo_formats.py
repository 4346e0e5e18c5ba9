"""Neo's formats: files written by Neo where it can, and by hand where it only reads."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording.data import ReadOptions
from rnnspike.recording.read import read_recording


def block(n_segments: int, signals: bool = False) -> Any:
    import neo
    import quantities as pq

    made = neo.Block(name="made")
    for i in range(n_segments):
        segment = neo.Segment(name=f"trial{i}", side="LR"[i % 2])
        for name, times in (("a", [-200.0, 300.0 + i]), ("b", [100.0])):
            train = neo.SpikeTrain(times * pq.ms, t_start=-500 * pq.ms, t_stop=1000 * pq.ms, name=name)
            segment.spiketrains.append(train)
        segment.events.append(neo.Event(np.array([0.25]) * pq.s, labels=np.array(["go"]), name="cue"))
        epoch = neo.Epoch(
            np.array([0.0]) * pq.s, durations=np.array([0.5]) * pq.s, labels=np.array(["x"]), name="light"
        )
        segment.epochs.append(epoch)
        if signals:
            data = np.arange(10.0)[:, None] * pq.mV
            segment.analogsignals.append(
                neo.AnalogSignal(data, sampling_rate=10 * pq.Hz, t_start=0 * pq.s, name="lfp")
            )
        made.segments.append(segment)
    return made


def nix(path: Path, n_segments: int, signals: bool = False) -> Path:
    from neo.io import NixIO

    with NixIO(str(path), "ow") as io:
        io.write_block(block(n_segments, signals))
    return path


def test_nix_of_trials(tmp_path: Path) -> None:
    recording = read_recording(nix(tmp_path / "trials.nix", 3))
    trials = recording.intervals["trials"]
    assert trials["side"].tolist() == ["L", "R", "L"]
    assert (trials["cue_time"] - trials["zero_time"]).tolist() == pytest.approx([0.25] * 3)
    a = recording.unit("a")
    assert (a.spike_times_s.reshape(3, 2) - trials["zero_time"].to_numpy()[:, None]).ravel() == pytest.approx(
        [-0.2, 0.3, -0.2, 0.301, -0.2, 0.302]
    )
    assert a.observed_s is not None and np.diff(a.observed_s, axis=1).ravel() == pytest.approx([1.5] * 3)


def test_nix_of_one_segment_with_a_signal(tmp_path: Path) -> None:
    recording = read_recording(nix(tmp_path / "session.nix", 1, signals=True))
    assert "trials" not in recording.intervals and recording.events["cue"]["label"].tolist() == ["go"]
    covariate = recording.covariates["lfp"]
    times_s, values = covariate.load()
    assert covariate.unit == "mV" and covariate.rate_hz == 10.0
    assert times_s == pytest.approx(np.arange(10) / 10) and values[:, 0].tolist() == list(range(10))


@pytest.mark.parametrize("n_segments", [1, 3])
def test_nix_read_flat_is_what_neo_reads(tmp_path: Path, n_segments: int) -> None:
    from rnnspike.recording import neo_formats
    from rnnspike.recording.nix import read_nix

    path = nix(tmp_path / "x.nix", n_segments)
    flat, through_neo = read_nix(path, ReadOptions()), neo_formats.read_nix(path, ReadOptions())
    for ours, theirs in zip(flat.units, through_neo.units, strict=True):
        assert ours.id == theirs.id and ours.times == pytest.approx(theirs.times, abs=1e-12)
        assert ours.observed is not None and ours.observed == pytest.approx(theirs.observed)
    for tables, others in ((flat.intervals, through_neo.intervals), (flat.events, through_neo.events)):
        assert list(tables) == list(others)
        for name in tables:
            pd.testing.assert_frame_equal(tables[name], others[name], check_dtype=False)
    assert flat.session == through_neo.session


def test_nix_is_told_by_its_content_too(tmp_path: Path) -> None:
    path = nix(tmp_path / "session.nix", 1)
    assert read_recording(path.rename(tmp_path / "session.h5")).format == "NIX"


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "block.pkl"
    path.write_bytes(b"cos\nsystem\n(S'touch " + str(tmp_path / "ran").encode() + b"'\ntR.")
    with pytest.raises(RecordingError, match="--allow-pickle") as caught:
        read_recording(path)
    assert caught.value.finding_id == "pickle-refused" and not (tmp_path / "ran").exists()


def test_a_pickle_asked_for_by_name(tmp_path: Path) -> None:
    path = tmp_path / "block.pkl"
    path.write_bytes(pickle.dumps(block(2)))
    recording = read_recording(path, ReadOptions(allow_pickle=True))
    assert [len(unit.spike_times_s) for unit in recording.units] == [4, 2]


def plexon(path: Path) -> Path:
    """A Plexon file of one channel, unsorted spikes, a unit and a strobe, by Neo's description of the headers."""
    from neo.rawio import plexonrawio as plx

    def record(dtype: Any, **fields: Any) -> np.ndarray:
        made = np.zeros(1, dtype)
        for name, value in fields.items():
            made[name] = value
        return made

    head = record(
        plx.GlobalHeader, MagicNumber=58787816, Version=106, ADFrequency=40000, NumDSPChannels=1, NumEventChannels=1,
        WaveformFreq=40000, NumPointsWave=1, Year=2020, Month=2, Day=29, BitsPerSpikeSample=12, SpikePreAmpGain=1000,
        SpikeMaxMagnitudeMV=3000, LastTimestamp=80000,
    )  # fmt: skip
    channel = record(plx.DspChannelHeader, Name=b"sig001", Channel=1, Gain=1, NUnits=1)
    event = record(plx.EventChannelHeader, Name=b"EVT01", Channel=1)
    blocks = b""
    for kind, stamp, unit in ((1, 4000, 1), (1, 8000, 0), (4, 20000, 0), (1, 40000, 1)):
        n_words = 1 if kind == 1 else 0
        made = record(
            plx.DataBlockHeader, Type=kind, TimeStamp=stamp, Channel=1, Unit=unit, NumberOfWaveforms=n_words,
            NumberOfWordsInWaveform=n_words,
        )  # fmt: skip
        blocks += made.tobytes() + bytes(2 * n_words)
    path.write_bytes(head.tobytes() + channel.tobytes() + event.tobytes() + blocks)
    return path


def test_plexon(tmp_path: Path) -> None:
    recording = read_recording(plexon(tmp_path / "made.plx"))
    found = {unit.id: unit.spike_times_s.tolist() for unit in recording.units}
    assert sorted(found.values()) == [[0.1, 1.0], [0.2]]
    assert [table["start_time"].tolist() for table in recording.events.values()] == [[0.5]]


def test_blackrock(shared_data: Path) -> None:
    recording = read_recording(shared_data / "foreign" / "star_cockroach_e070528.nev")
    assert [len(unit.spike_times_s) for unit in recording.units] == [1932, 4246, 7718, 3888]
    assert recording.events["digital_input_port"]["start_time"].iloc[0] == pytest.approx(77.14)


@pytest.mark.parametrize("suffix", ["nev", "plx", "smr", "nix"])
@pytest.mark.parametrize("content", [b"", b"NEURALEV", bytes(3000), b"text\n" * 100])
def test_damaged_files_end_in_one_line(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"made.{suffix}"
    path.write_bytes(content)
    with pytest.raises(RecordingError) as caught:
        read_recording(path)
    assert "\n" not in str(caught.value) and path.name in str(caught.value)


def test_noise_of_the_sorter_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The finding noise-clusters: Blackrock's classification 255."""
    from rnnspike.recording.neo_formats import _raw_units

    names = np.array([("ch1#0",), ("ch1#1",), ("ch1#255",)], dtype=[("name", "U8")])
    reader = type("Reader", (), {"header": {"spike_channels": names}})()
    kept, metadata, findings = _raw_units(reader)
    assert kept == {0: "ch1#0", 1: "ch1#1"} and metadata["ch1#0"] == {"quality": "unsorted"}
    assert [item.id for item in findings] == ["noise-clusters", "unsorted-clusters"]
