"""Seed files: one small recording of every format that can be read, and a run directory, all made here."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.fuzz.cases import Corpus, Truth

ROOT = Path(__file__).parents[2]
N_TRIALS, TRIAL_S, PERIOD_S = 24, 0.5, 1.0
RATE_HZ = 20000.0


def build(folder: Path, *, with_run: bool) -> Corpus:
    """Write all seed files; the run directory takes a fit of some seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    corpus = described(folder)
    truth = corpus.truth
    write_nwb(folder / "made.nwb", truth)
    write_nwb(folder / "one_unit.nwb", corpus.one_unit)
    for writer in (_own_nwb, _neo_files, _neo_mat, _nex, _blackrock, _plexon, _neuralynx, _klustakwik, _phy, _text):
        writer(folder, truth)
    if with_run:
        _run_directory(folder)
    return corpus


def described(folder: Path) -> Corpus:
    """Return what a corpus in this folder holds."""
    return Corpus(folder, make_truth(3), make_truth(1))


def make_truth(n_units: int, seed: int = 1) -> Truth:
    """Return spike trains with a dead time of 4 ms over trials that start at whole seconds and a half."""
    rng = np.random.default_rng(seed)
    starts_s = 0.5 + PERIOD_S * np.arange(N_TRIALS)
    trains_s = {}
    for i in range(n_units):
        times_s = 0.1 + np.cumsum(0.004 + rng.exponential(0.08 + 0.02 * i, 60 * N_TRIALS))
        trains_s[str(10 + i)] = times_s[times_s < starts_s[-1] + PERIOD_S]
    return Truth(trains_s, starts_s, N_TRIALS)


def put_table(file: h5py.Group, place: str, columns: Mapping[str, Any], kind: str = "TimeIntervals") -> h5py.Group:
    """Write a table as pynwb lays it out, ``X_index`` being the index of X."""
    group = file.create_group(place)
    group.attrs.update({"neurodata_type": kind, "namespace": "core", "description": "made"})
    group.attrs["colnames"] = [name for name in columns if name != "id" and not name.endswith("_index")]
    for name, values in columns.items():
        array = np.asarray(values)
        group[name] = array.astype(h5py.string_dtype()) if array.dtype.kind in "UO" else array
        kinds = {"id": "ElementIdentifiers"}
        kind_of = "VectorIndex" if name.endswith("_index") else kinds.get(name, "VectorData")
        group[name].attrs.update({"neurodata_type": kind_of, "namespace": "hdmf-common", "description": name})
        if name.endswith("_index"):
            group[name].attrs["target"] = group[name.removesuffix("_index")].ref
    return group


def write_nwb(path: Path, truth: Truth, **columns: Any) -> None:
    """Write an NWB file with h5py: units, trials with a side, a time series; ``columns`` go to the trials."""
    trains, starts_s = list(truth.trains_s.values()), truth.starts_s
    n_rows = len(starts_s)
    with h5py.File(path, "w") as file:
        file.attrs.update({"nwb_version": "2.8.0", "neurodata_type": "NWBFile", "namespace": "core"})
        for name in ("session_start_time", "timestamps_reference_time"):
            file[name] = "2020-02-29T00:00:00+00:00"
        file["session_description"] = "made for the fuzzing suite"
        units: dict[str, Any] = {"id": np.array([int(unit) for unit in truth.trains_s], np.int64)}
        units["spike_times"] = np.concatenate(trains)
        units["spike_times_index"] = np.cumsum([len(train) for train in trains]).astype(np.uint16)
        units["quality"] = [("good", "mua", "good")[i % 3] for i in range(len(trains))]
        units["depth"] = 100.0 * np.arange(len(trains))
        put_table(file, "units", units, "Units")
        trials = {
            "id": np.arange(n_rows), "start_time": starts_s, "stop_time": starts_s + TRIAL_S,
            "side": ["LR"[i % 2] for i in range(n_rows)], "contrast": np.tile([0.25, 1.0], n_rows)[:n_rows],
        }  # fmt: skip
        put_table(file, "intervals/trials", {**trials, **columns})
        series = file.create_group("acquisition/speed")
        series.attrs.update({"neurodata_type": "TimeSeries", "namespace": "core"})
        series["data"] = np.sin(np.arange(2600) / 30)
        series["data"].attrs["unit"] = "cm/s"
        series["starting_time"] = 0.0
        series["starting_time"].attrs["rate"] = 100.0


def _own_nwb(folder: Path, truth: Truth) -> None:
    import pandas as pd

    from rnnspike.recording.data import Recording, Unit
    from rnnspike.recording.write import write_nwb as write_own

    bounds = np.array([[0.0, truth.starts_s[-1] + PERIOD_S]])
    units = tuple(Unit(unit, times, bounds, {"area": "A1"}) for unit, times in truth.trains_s.items())
    trials = pd.DataFrame({"start_time": truth.starts_s, "stop_time": truth.starts_s + TRIAL_S})
    path = folder / "own.nwb"
    recording = Recording(path=path, sha256="", size_bytes=0, format="nwb", units=units, intervals={"trials": trials})
    write_own(path, recording)


def _neo_block(truth: Truth) -> Any:
    import neo
    import quantities as pq

    block, segment = neo.Block(name="made"), neo.Segment(name="session")
    block.segments.append(segment)
    for unit, times in truth.trains_s.items():
        segment.spiketrains.append(neo.SpikeTrain(times[:200] * pq.s, t_start=0.0, t_stop=30.0, name=unit))
    cues = neo.Event(truth.starts_s * pq.s, labels=np.array(["go"] * len(truth.starts_s)), name="cue")
    segment.events.append(cues)
    durations = np.full(len(truth.starts_s), TRIAL_S) * pq.s
    labels = np.array([str(i) for i in range(len(durations))])
    segment.epochs.append(neo.Epoch(truth.starts_s * pq.s, durations, labels, name="trials"))
    return block


def _neo_files(folder: Path, truth: Truth) -> None:
    from neo.io import NixIO

    block = _neo_block(truth)
    (folder / "made.pkl").write_bytes(pickle.dumps(block))
    (folder / "made.nix").unlink(missing_ok=True)
    with NixIO(str(folder / "made.nix"), "ow") as io:
        io.write_block(block)


def _neo_mat(folder: Path, truth: Truth) -> None:
    from scipy.io import savemat

    trains = [
        {"times": times[:100] * 1e3, "times_units": "ms", "t_start": 0.0, "t_start_units": "s", "t_stop": 30.0,
         "t_stop_units": "s", "name": unit}
        for unit, times in truth.trains_s.items()
    ]  # fmt: skip
    event = {"times": truth.starts_s, "times_units": "s", "labels": ["go"] * len(truth.starts_s), "name": "cue"}
    segment = {"spiketrains": trains, "events": [event], "name": "s"}
    for name, packed in (("made.mat", False), ("packed.mat", True)):
        savemat(folder / name, {"block": {"segments": [segment], "name": "made"}}, do_compression=packed)


def _records(dtype: Any, n: int = 1, **fields: Any) -> bytes:
    made = np.zeros(n, dtype)
    for name, values in fields.items():
        made[name] = values
    return made.tobytes()


def _nex(folder: Path, truth: Truth) -> None:
    from rnnspike.recording.formats import nex

    for five in (False, True):
        header, kind = (nex._NEX5_HEADER, nex._NEX5_VARIABLE) if five else (nex._NEX_HEADER, nex._NEX_VARIABLE)
        parts: list[tuple[dict[str, Any], np.ndarray]] = [
            ({"type": nex.NEURON, "name": unit.encode()}, times[:150]) for unit, times in truth.trains_s.items()
        ]
        parts.append(({"type": nex.EVENT, "name": b"cue"}, truth.starts_s))
        magic = nex.NEX5_MAGIC if five else nex.NEX_MAGIC
        head = _records(
            header,
            magic=magic,
            version=502 if five else 104,
            frequency_hz=RATE_HZ,
            end=600000,
            n_variables=len(parts),
        )
        offset, variables, bodies = len(head) + len(parts) * kind.itemsize, b"", b""
        for fields, times in parts:
            variables += _records(kind, offset=offset + len(bodies), count=len(times), **fields)
            bodies += np.rint(times * RATE_HZ).astype(np.int32).tobytes()
        (folder / f"made.nex{'5' if five else ''}").write_bytes(head + variables + bodies)


def _blackrock(folder: Path, truth: Truth) -> None:
    """Write a .nev of file specification 2.2, as Blackrock describes it."""
    n_wave, packet = 48, 8 + 96
    channels = [
        struct.pack("<8sHBBHHhhBBH8s", b"NEUEVWAV", i + 1, 1, i + 1, 250, 0, 0, 0, 1, 2, n_wave, b"")
        for i in range(len(truth.trains_s))
    ]
    bytes_in_headers = 336 + 32 * len(channels)
    date = struct.pack("<8H", 2020, 2, 6, 29, 10, 0, 0, 0)
    head = struct.pack("<8s2BHIIII", b"NEURALEV", 2, 2, 1, bytes_in_headers, packet, 30000, 30000)
    head += date + b"made".ljust(32, b"\0") + b"".ljust(256, b"\0") + struct.pack("<I", len(channels))
    events = [
        (int(time * 30000), i + 1, b"\1\0") for i, train in enumerate(truth.trains_s.values()) for time in train[:80]
    ]
    packets = [struct.pack("<IH", stamp, channel) + unit for stamp, channel, unit in events]
    packets += [struct.pack("<IHBBH", int(start * 30000), 0, 1, 0, 7) for start in truth.starts_s]
    body = b"".join(item.ljust(packet, b"\0") for item in sorted(packets, key=lambda item: item[:4][::-1]))
    (folder / "made.nev").write_bytes(head + b"".join(channels) + body)


def _plexon(folder: Path, truth: Truth) -> None:
    from neo.rawio import plexonrawio as plx

    head = _records(
        plx.GlobalHeader, MagicNumber=58787816, Version=106, ADFrequency=40000, NumDSPChannels=1, NumEventChannels=1,
        WaveformFreq=40000, NumPointsWave=1, Year=2020, Month=2, Day=29, BitsPerSpikeSample=12, SpikePreAmpGain=1000,
        SpikeMaxMagnitudeMV=3000, LastTimestamp=1200000,
    )  # fmt: skip
    head += _records(plx.DspChannelHeader, Name=b"sig001", Channel=1, Gain=1, NUnits=1)
    head += _records(plx.EventChannelHeader, Name=b"EVT01", Channel=1)
    blocks = [(time, 1) for time in next(iter(truth.trains_s.values()))[:100]]
    blocks += [(time, 4) for time in truth.starts_s]
    body = b""
    for time, kind in sorted(blocks):
        words = int(kind == 1)
        body += _records(
            plx.DataBlockHeader, Type=kind, TimeStamp=int(time * 40000), Channel=1, Unit=words,
            NumberOfWaveforms=words, NumberOfWordsInWaveform=words,
        ) + bytes(2 * words)  # fmt: skip
    (folder / "made.plx").write_bytes(head + body)


def _neuralynx(folder: Path, truth: Truth) -> None:
    from rnnspike.recording.formats.neuralynx import EVENT_RECORD, HEADER_BYTES, SPIKE_RECORDS

    header = (
        b"######## Neuralynx Data File Header\r\n-CheetahRev 5.5.1\r\n-AcqEntName SE1\r\n-FileType Spike\r\n"
        b"-NumADChannels 1\r\n-ADChannel 0\r\n-SamplingFrequency 32000\r\n-ADBitVolts 6.1e-008\r\n"
    )
    place = folder / "neuralynx"
    place.mkdir(exist_ok=True)
    for i, times in enumerate(truth.trains_s.values()):
        stamps = np.rint((times[:60] + 10) * 1e6).astype(np.uint64)
        records = _records(SPIKE_RECORDS[".nse"], len(stamps), timestamp_us=stamps, unit=1 + i)
        (place / f"SE{i + 1}.nse").write_bytes(header.ljust(HEADER_BYTES, b"\0") + records)
    stamps = np.rint((truth.starts_s + 10) * 1e6).astype(np.uint64)
    records = _records(EVENT_RECORD, len(stamps), timestamp_us=stamps, ttl=1, text=b"on")
    (place / "Events.nev").write_bytes(header.ljust(HEADER_BYTES, b"\0") + records)


def _merged(truth: Truth) -> tuple[np.ndarray, np.ndarray]:
    """Return all spikes in order: sample indices and unit numbers."""
    times = np.concatenate(list(truth.trains_s.values()))
    units = np.concatenate([np.full(len(train), int(unit)) for unit, train in truth.trains_s.items()])
    order = np.argsort(times)
    return np.rint(times[order] * RATE_HZ).astype(np.uint64), units[order].astype(np.int32)


def _klustakwik(folder: Path, truth: Truth) -> None:
    place = folder / "klustakwik"
    place.mkdir(exist_ok=True)
    samples, units = _merged(truth)
    (place / "rat.res.1").write_text("".join(f"{sample}\n" for sample in samples))
    (place / "rat.clu.1").write_text("".join(f"{number}\n" for number in (len(truth.trains_s), *units)))
    (place / "rat.xml").write_text("<parameters><samplingRate>20000</samplingRate></parameters>")


def _phy(folder: Path, truth: Truth) -> None:
    place = folder / "phy"
    place.mkdir(exist_ok=True)
    samples, units = _merged(truth)
    np.save(place / "spike_times.npy", samples)
    np.save(place / "spike_clusters.npy", units)
    (place / "params.py").write_text(f"dat_path = 'x.dat'\nn_channels_dat = 4\nsample_rate = {RATE_HZ}\n")
    groups = "".join(f"{unit}\tgood\n" for unit in truth.trains_s)
    (place / "cluster_group.tsv").write_text(f"cluster_id\tgroup\n{groups}")
    (place / "cluster_info.tsv").write_text("cluster_id\tdepth\n" + groups.replace("good", "12.5"))


def _text(folder: Path, truth: Truth) -> None:
    rows = sorted((time, unit) for unit, times in truth.trains_s.items() for time in times)
    (folder / "made.csv").write_text("unit,time_s\n" + "".join(f"{unit},{time:.6f}\n" for time, unit in rows))
    lines = (" ".join(f"{time:.5f}" for time in times[:90]) for times in truth.trains_s.values())
    (folder / "made.txt").write_text("\n".join(lines) + "\n")
    events = [f"{start},{start + TRIAL_S},{'LR'[i % 2]}" for i, start in enumerate(truth.starts_s)]
    (folder / "events.csv").write_text("start_time,stop_time,side\n" + "\n".join(events) + "\n")
    settings = 'window = [0.0, 0.3]\nmin_spikes = 5\nunits = "n_spikes > 10"\ncondition = ["side"]\nseed = 3\n'
    (folder / "rnnspike.toml").write_text(settings)


def _run_directory(folder: Path) -> None:
    """Fit one unit with quick models and a network, so that every kind of file is there."""
    models = [part for name in ("constant", "psth", "gru", "stack") for part in ("--models", name)]
    arguments = [
        "fit", str(folder / "one_unit.nwb"), "--window", "0", "0.3", "--effort", "fast", "--folds", "3",
        "--replicates", "2", "--min-spikes", "5", "--no-report", "--out", str(folder / "runs"), "--quiet",
        "--save-intensities",
    ]  # fmt: skip
    call_quietly([*arguments, *models])


def call_quietly(arguments: Sequence[str]) -> None:
    """Run a command in this process, its results thrown away."""
    import contextlib
    import io

    from rnnspike.cli.main import cli

    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        cli.main(args=list(arguments), prog_name="rnnspike", standalone_mode=False)
