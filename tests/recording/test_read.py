"""Reading as a whole: real recordings in all their formats, and files that are damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording import child_process
from rnnspike.recording.data import ReadOptions
from rnnspike.recording.read import examine_recording, read_recording

Build = Callable[..., Path]
CONTINUOUS, TRIALS = [1932, 4246, 7718, 3888], [1596, 3073, 5884, 2873]
FOREIGN: dict[str, tuple[list[int], ReadOptions]] = {
    "_continuous.nix": (CONTINUOUS, ReadOptions()),
    "_continuous.mat": (CONTINUOUS, ReadOptions()),
    "_continuous.pkl": (CONTINUOUS, ReadOptions(allow_pickle=True)),
    ".nex": (CONTINUOUS, ReadOptions()),
    ".nev": (CONTINUOUS, ReadOptions()),
    "_phy": (CONTINUOUS, ReadOptions()),
    ".res.1": (CONTINUOUS, ReadOptions(sampling_rate_hz=30000)),
    ".clu.1": (CONTINUOUS, ReadOptions(sampling_rate_hz=30000)),
    "_trials.nix": (TRIALS, ReadOptions()),
    "_trials.mat": (TRIALS, ReadOptions()),
    "_trials.pkl": (TRIALS, ReadOptions(allow_pickle=True)),
    "_spikes.csv": (TRIALS, ReadOptions()),
    "_trial00.txt": ([98, 222, 429, 267], ReadOptions()),
}


@pytest.mark.parametrize("suffix", FOREIGN)
def test_other_containers_of_one_recording(shared_data: Path, suffix: str) -> None:
    counts, options = FOREIGN[suffix]
    recording = read_recording(shared_data / "foreign" / f"star_cockroach_e070528{suffix}", options)
    assert [len(unit.spike_times_s) for unit in recording.units] == counts


@pytest.mark.parametrize("suffix", [suffix for suffix, (counts, _) in FOREIGN.items() if counts is CONTINUOUS])
def test_the_same_times_from_every_container(shared_data: Path, suffix: str) -> None:
    expected = read_recording(shared_data / "star_cockroach_e070528.nwb")
    _, options = FOREIGN[suffix]
    recording = read_recording(shared_data / "foreign" / f"star_cockroach_e070528{suffix}", options)
    for ours, theirs in zip(expected.units, recording.units, strict=True):
        assert theirs.spike_times_s == pytest.approx(ours.spike_times_s, abs=1 / 30000)


@pytest.mark.parametrize("suffix", ["_trials.nix", "_trials.mat", "_trials.pkl", "_spikes.csv"])
def test_trials_keep_their_alignment(shared_data: Path, suffix: str) -> None:
    """Spikes around odour onset, trial by trial, as in the NWB file where all is on one clock."""
    _, options = FOREIGN[suffix]
    recording = read_recording(shared_data / "foreign" / f"star_cockroach_e070528{suffix}", options)
    original = read_recording(shared_data / "star_cockroach_e070528.nwb")
    for ours, theirs in zip(original.units, recording.units, strict=True):
        for zero, onset in zip(
            recording.intervals["trials"]["zero_time"], original.intervals["trials"]["stim_on_time"], strict=True
        ):
            a = ours.spike_times_s[np.abs(ours.spike_times_s - onset) < 6] - onset
            b = theirs.spike_times_s[np.abs(theirs.spike_times_s - zero) < 6] - zero
            assert b == pytest.approx(a, abs=1e-4)


@pytest.mark.parametrize(("name", "counts"), [
    ("star_cockroach_CAL2", [2153, 4769, 2086]), ("boot_neuro", [1930]), ("case_stn", [4696]),
    ("bbp_steps", [315, 242]), ("grasshopper", [929, 868]), ("star_purkinje_sPK", [5120]),
])  # fmt: skip
def test_real_recordings(shared_data: Path, name: str, counts: list[int]) -> None:
    assert [len(unit.spike_times_s) for unit in read_recording(shared_data / f"{name}.nwb").units] == counts


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"gone\.nwb: no such file"):
        read_recording(tmp_path / "gone.nwb")


def test_a_file_that_may_not_be_read(nwb: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = nwb()
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(RecordingError, match="no permission"):
        read_recording(path)


def test_errors_carry_id_and_option(nwb: Build) -> None:
    with pytest.raises(RecordingError) as caught:
        read_recording(nwb([np.arange(1, 60) * 13.0]))
    assert caught.value.finding_id == "spike-times-scale" and caught.value.option == "--time-scale 0.001"


def rich(file: h5py.File) -> None:
    """A file with something of everything, to be damaged."""
    file["units/quality"] = np.array([b"good", b"mua"])
    group = file.create_group("stimulus/presentation/sound")
    group["data"], group["starting_time"] = np.arange(200.0), 0.0
    group["starting_time"].attrs["rate"] = 40.0
    file["intervals/trials/side"] = np.array([b"L", b"R", b"L"])
    events = file.create_group("events/lick")
    events.attrs["colnames"] = ["timestamp"]
    events["timestamp"], events["id"] = [0.5, 1.5], [0, 1]


TWO = {"trains": [np.linspace(0.1, 4.9, 60) ** 1.01, np.linspace(0.2, 4.5, 40)], "also": rich}


def in_one_line(path: Path) -> None:
    """Examine a damaged file: either it can be read, or it ends in one line that names it."""
    try:
        recording = examine_recording(path)
        for covariate in recording.covariates.values():
            covariate.load()
    except RecordingError as error:
        assert str(path) in str(error) and "\n" not in str(error)


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_cut_anywhere(nwb: Build, share: float) -> None:
    path = nwb(**TWO)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(RecordingError, match=r"truncated|damaged"):
        read_recording(path)


@pytest.mark.parametrize("seed", range(40))
def test_bytes_overwritten_anywhere(nwb: Build, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "CPU_S", 1.0)
    path = nwb(**TWO)
    rng = np.random.default_rng(seed)
    content = bytearray(path.read_bytes())
    place, length = int(rng.integers(8, len(content))), int(rng.integers(1, 400))
    length = min(length, len(content) - place)
    content[place : place + length] = bytes(length) if seed % 2 else rng.bytes(length)
    path.write_bytes(content)
    in_one_line(path)


def everything(path: Path) -> list[str]:
    names: list[str] = []
    with h5py.File(path, "r") as file:
        file.visit(names.append)
        names += [f"{name}@{key}" for name in ["/", *names] for key in file[name].attrs]
    return names


WRONG = {
    "text": np.array([b"x", b"y"]),
    "scalar": 3.0,
    "cube": np.zeros((2, 2, 2)),
    "compound": np.zeros(2, dtype=[("a", int), ("b", float)]),
    "nan": np.full(5, np.nan),
    "empty": np.empty(0),
    "huge": np.array([1e300, -1e300]),
    "complex": np.array([1j, 2.0]),
    "references": h5py.Empty("f"),
}


@pytest.mark.parametrize("what", ["deleted", *WRONG])
def test_any_part_missing_or_of_a_wrong_type(nwb: Build, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "CAN_FORK", False)  # nothing here crashes
    for name in everything(nwb(**TWO)):
        path = nwb(**TWO)
        place, _, key = name.partition("@")
        with h5py.File(path, "r+") as file:
            holder, part = (file[place].attrs, key) if key else (file, place)
            del holder[part]
            if what != "deleted":
                holder[part] = WRONG[what]
        in_one_line(path)
