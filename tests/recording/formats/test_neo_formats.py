"""Neo's formats: files written by Neo where it can, and by hand where it only reads."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording.data import ReadOptions
from rnnspike.recording.formats.neo_formats import _from_blocks
from rnnspike.recording.read import read_recording


def block(n_segments: int, signals: bool = False, names: str = "ab") -> Any:
    import neo
    import quantities as pq

    made = neo.Block(name="made")
    for i in range(n_segments):
        segment = neo.Segment(name=f"trial{i}", side="LR"[i % 2])
        for name, times in zip(names, ([-200.0, 300.0 + i], [100.0]), strict=True):
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


def nix(path: Path, n_segments: int, signals: bool = False, names: str = "ab") -> Path:
    from neo.io import NixIO

    with NixIO(str(path), "ow") as io:
        io.write_block(block(n_segments, signals, names))
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


def test_without_nixio_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, signals = nix(tmp_path / "plain.nix", 1), nix(tmp_path / "signals.nix", 1, signals=True)
    monkeypatch.setitem(sys.modules, "nixio", None)
    assert len(read_recording(plain).units) == 2
    with pytest.raises(RecordingError, match=r"pip install 'rnnspike\[nix\]'$"):
        read_recording(signals)


@pytest.mark.parametrize("n_segments", [1, 3])
def test_nix_read_flat_is_what_neo_reads(tmp_path: Path, n_segments: int) -> None:
    from rnnspike.recording.formats import neo_formats
    from rnnspike.recording.formats.nix import read_nix

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


@pytest.mark.parametrize("signals", [False, True])
def test_trains_of_one_name_are_told_apart(tmp_path: Path, signals: bool) -> None:
    recording = read_recording(nix(tmp_path / "x.nix", 2, signals, names="aa"))
    assert {unit.id: len(unit.spike_times_s) for unit in recording.units} == {"a": 4, "a_2": 2}
    assert [item.count for item in recording.findings if item.id == "unit-ids-repeated"] == [1]


def test_nix_is_told_by_its_content_too(tmp_path: Path) -> None:
    path = nix(tmp_path / "session.nix", 1)
    assert read_recording(path.rename(tmp_path / "session.h5")).format == "NIX"


def changed(path: Path, place: str, **dataset: Any) -> Path:
    with h5py.File(path, "r+") as file:
        found: list[str] = []
        file.visit(lambda name: found.append(name) if name.endswith(place) else None)
        attributes = dict(file[found[0]].attrs)
        del file[found[0]]
        file.create_dataset(found[0], **dataset).attrs.update(attributes)
    return path


def neo_type_of(path: Path, kind: str) -> str:
    with h5py.File(path) as file:
        names: list[str] = []
        file.visititems(
            lambda name, item: names.append(name.split("/")[-1]) if item.attrs.get("type") == kind else None
        )
    return names[0]


def test_nix_with_a_broken_event_keeps_its_spikes(tmp_path: Path) -> None:
    path = nix(tmp_path / "x.nix", 1)
    array = neo_type_of(path, "neo.event.times")
    recording = read_recording(changed(path, f"data_arrays/{array}/data", data=[b"never"]))
    assert len(recording.unit("a").spike_times_s) == 2 and "cue" not in recording.events
    assert any(item.id == "table-broken" and "cue" in item.message for item in recording.findings)


@pytest.mark.parametrize("signals", [False, True])
def test_nix_that_declares_more_than_it_stores(tmp_path: Path, signals: bool) -> None:
    path = nix(tmp_path / "x.nix", 1, signals=signals)
    array = neo_type_of(path, "neo.spiketrain.times")
    declared = {"shape": (10**9,), "dtype": "f8", "chunks": (1024,)}
    with pytest.raises(RecordingError, match="declares 8000000000 bytes"):
        read_recording(changed(path, f"data_arrays/{array}/data", **declared))


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


def test_plexon(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    recording = read_recording(plexon(tmp_path / "made.plx"))
    assert capfd.readouterr().err == ""  # Neo draws progress bars where tqdm is installed
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


def test_channels_of_one_name_are_told_apart() -> None:
    from rnnspike.recording.formats.neo_formats import _raw_units

    names = np.array([("ch1#1",), ("ch1#1",)], dtype=[("name", "U8")])
    kept, _, findings = _raw_units(type("Reader", (), {"header": {"spike_channels": names}})())
    assert kept == {0: "ch1#1", 1: "ch1#1_2"} and [item.id for item in findings] == ["unit-ids-repeated"]


def test_noise_of_the_sorter_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The finding noise-clusters: Blackrock's classification 255."""
    from rnnspike.recording.formats.neo_formats import _raw_units

    names = np.array([("ch1#0",), ("ch1#1",), ("ch1#255",)], dtype=[("name", "U8")])
    reader = type("Reader", (), {"header": {"spike_channels": names}})()
    kept, metadata, findings = _raw_units(reader)
    assert kept == {0: "ch1#0", 1: "ch1#1"} and metadata["ch1#0"] == {"quality": "unsorted"}
    assert [item.id for item in findings] == ["noise-clusters", "unsorted-clusters"]


def test_a_file_of_several_blocks_says_what_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "two.nix"
    path.write_bytes(b"")
    (said,) = [
        item for item in _from_blocks(path, [block(2), block(3)], "NIX").findings if item.id == "blocks-left-out"
    ]
    assert said.count == 1 and "only the first is read" in said.message
    assert "blocks-left-out" not in {item.id for item in _from_blocks(path, [block(2)], "NIX").findings}


def test_signals_with_other_channels_are_kept_apart(tmp_path: Path) -> None:
    import neo
    import quantities as pq

    made = block(2, signals=True)
    made.segments[1].analogsignals[0] = neo.AnalogSignal(
        np.zeros((10, 3)) * pq.mV, sampling_rate=10 * pq.Hz, t_start=0 * pq.s, name="lfp"
    )
    path = tmp_path / "two.nix"
    path.write_bytes(b"")
    found = _from_blocks(path, [made], "NIX").covariates
    assert {name: series.n_channels for name, series in found.items()} == {"lfp": 1, "lfp_3": 3}
