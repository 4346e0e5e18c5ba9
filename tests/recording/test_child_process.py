"""What a reader does to itself ends as one line about its file, and its process is gone."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import h5py
import numpy as np
import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording import child_process
from rnnspike.recording.child_process import ChildCall, Limits, limits_of, run_in_child
from rnnspike.recording.contents import Contents, RawUnit
from rnnspike.recording.data import Covariate
from rnnspike.recording.formats.text import spike_times
from rnnspike.recording.read import read_recording

pytestmark = pytest.mark.skipif(not child_process.CAN_FORK, reason="nothing is forked here")
QUICK = Limits(memory_bytes=2**31, cpu_s=1, wall_s=2.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "cell.txt").write_text("0.5\n1.5\n")
    return tmp_path / "cell.txt"


@pytest.fixture(autouse=True)
def no_child_is_left(monkeypatch: pytest.MonkeyPatch) -> Any:
    pids: list[int] = []
    fork = child_process._fork
    monkeypatch.setattr(child_process, "_fork", lambda: pids.append(fork()) or pids[-1])  # type: ignore[func-returns-value]
    yield
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def kill_oneself(number: int) -> None:
    os.kill(os.getpid(), number)


def loop() -> None:
    while True:
        pass


def recurse() -> None:
    recurse()


def refuse(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(("work", "match"), [
    (partial(kill_oneself, signal.SIGSEGV), r"crashed the reader \(signal 11\): the file is damaged"),
    (partial(kill_oneself, signal.SIGABRT), r"crashed the reader \(signal 6\)"),
    (partial(kill_oneself, signal.SIGKILL), "killed, probably because memory ran out"),
    (loop, "takes far too long"),
    (partial(time.sleep, 60), "takes far too long"),
    (partial(np.ones, 10 * 2**30 // 8), "not enough memory"),
    (recurse, r"could not be read \(RecursionError"),
    (partial(refuse, KeyError("x")), r"could not be read \(KeyError: 'x'\); rnnspike --debug shows where"),
    (partial(refuse, OSError(5, "Input/output error")), r"cannot be read \(Input/output error\)"),
    (partial(refuse, SystemExit(0)), r"could not be read \(SystemExit"),
    (partial(refuse, RecordingError("cell.txt", "as foreseen")), "as foreseen"),
    (partial(os._exit, 3), r"ended unexpectedly \(exit code 3\)"),
    (partial(lambda: loop), "ended unexpectedly"),
])  # fmt: skip
def test_whatever_happens_is_one_line(file: Path, work: Callable[[], Any], match: str) -> None:
    if match == "ended unexpectedly":
        work = lambda: lambda: None  # what cannot be sent
    with pytest.raises(RecordingError, match=match) as caught:
        run_in_child(file, work, QUICK)
    assert "cell.txt" in str(caught.value) and "\n" not in str(caught.value)


def test_a_child_that_was_killed_is_followed_by_one_more(file: Path) -> None:
    def killed_once() -> str:
        if not file.with_suffix(".begun").exists():
            file.with_suffix(".begun").touch()
            kill_oneself(signal.SIGKILL)
        return "read"

    assert run_in_child(file, killed_once) == "read"


def test_what_it_returns_comes_back(file: Path) -> None:
    large = np.arange(1e6)
    assert np.array_equal(run_in_child(file, large.copy), large)


def test_the_cause_is_the_traceback_there(file: Path) -> None:
    with pytest.raises(RecordingError) as caught:
        run_in_child(file, partial(refuse, KeyError("x")))
    assert "in refuse" in str(caught.value.__cause__)


def test_nothing_is_printed(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def noisy() -> None:
        os.write(2, b"HDF5-DIAG: Error detected\n")
        print("reading")
        sys.stdout.flush()

    run_in_child(file, noisy)
    assert capfd.readouterr() == ("", "")


def test_an_interrupt_ends_the_child(file: Path) -> None:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            run_in_child(file, partial(time.sleep, 60))
    finally:
        signal.signal(signal.SIGALRM, before)


def test_limits_grow_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(10**6))
    (tmp_path / "b").write_bytes(bytes(10**6))
    one, folder = limits_of(tmp_path / "a"), limits_of(tmp_path)
    assert folder.cpu_s - one.cpu_s == one.cpu_s - child_process.CPU_S == child_process.CPU_S_PER_MB
    (tmp_path / "a.tsq").write_bytes(b"")
    assert limits_of(tmp_path / "a.tsq") == folder  # its samples lie beside it
    assert folder.memory_bytes > one.memory_bytes > child_process.MEMORY_BYTES


def test_a_lower_limit_stays(file: Path) -> None:
    import resource

    def held() -> int:
        resource.setrlimit(resource.RLIMIT_CPU, (5, 5))
        child_process._limit(resource.RLIMIT_CPU, 100)
        return resource.getrlimit(resource.RLIMIT_CPU)[0]

    assert run_in_child(file, held) == 5


def test_a_reader_that_crashes_is_its_files_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spike_times, "read_text", lambda *_: kill_oneself(signal.SIGBUS))
    with pytest.raises(RecordingError, match=r"cell.txt: reading it crashed the reader \(signal 7\)"):
        read_recording(file)


def test_a_series_is_loaded_in_a_child_too(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    series = Covariate("x", "V", 5, 1, partial(kill_oneself, signal.SIGSEGV))
    contents = Contents("text", (RawUnit("0", np.arange(5.0)),), covariates={"x": series})
    monkeypatch.setattr(spike_times, "read_text", lambda *_: contents)
    load = read_recording(file).covariates["x"].load
    assert isinstance(load, ChildCall)
    with pytest.raises(RecordingError, match="crashed the reader"):
        load()


def test_without_fork_it_reads_here(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "CAN_FORK", False)
    assert read_recording(file).units[0].spike_times_s.tolist() == [0.5, 1.5]
    with pytest.raises(RecordingError, match="KeyError: 'x'"):
        run_in_child(file, partial(refuse, KeyError("x")))


def test_a_matlab_file_that_crashes_scipy(shared_data: Path, tmp_path: Path) -> None:
    content = bytearray((shared_data / "foreign" / "star_cockroach_e070528_trials.mat").read_bytes())
    assert content[114044] == 8
    content[114044] = 1
    (tmp_path / "bad.mat").write_bytes(content)
    with pytest.raises(RecordingError, match=r"bad.mat: .*damaged"):
        read_recording(tmp_path / "bad.mat")


def test_an_overwritten_heap_of_strings_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The HDF5 library goes round for ever on a heap whose free space has no size."""
    path = tmp_path / "texts.nwb"
    with h5py.File(path, "w") as made:
        made.attrs["nwb_version"] = "2.8.0"
        made["units/spike_times"], made["units/spike_times_index"] = [1.0, 2.0], [2]
        made["units/label"] = np.array(["x" * 40], dtype=object)
    content = bytearray(path.read_bytes())
    start = content.find(b"GCOL")
    content[start + 16 : start + 4096] = bytes(4080)
    path.write_bytes(content)
    monkeypatch.setattr(child_process, "CPU_S", 1.0)
    with pytest.raises(RecordingError, match="damaged"):
        read_recording(path)
