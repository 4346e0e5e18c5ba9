"""A worker that dies costs its task alone, and that only where it dies twice of it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from rnnspike.errors import RecordingError, TaskLost
from rnnspike.runs.engines import worker
from rnnspike.runs.engines.processes import Processes


def die(how: object) -> None:
    os.kill(os.getpid(), how) if isinstance(how, signal.Signals) else os._exit(3)


def die_once(mark: Path, how: object) -> str:
    if not mark.exists():
        mark.touch()
        die(how)
    return "done"


def hang(mark: Path) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with mark.open("a") as file:
        file.write(f"{os.getpid()}\n")
    while True:
        time.sleep(60)


def save_when_told(mark: Path) -> None:
    mark.with_suffix(".begun").touch()
    try:
        time.sleep(60)
    finally:
        mark.touch()


def refuse() -> None:
    raise RecordingError("a.nwb", "no unit is left", "--min-spikes 10")


class Unsendable(Exception):
    def __init__(self, one: int, two: int) -> None:
        super().__init__(f"{one} and {two}")


def refuse_oddly() -> None:
    raise Unsendable(1, 2)


def test_a_limit_of_many_years_is_none() -> None:
    with Processes(1, 1e300) as engine:
        assert engine.submit(abs, -3).result(60) == 3


def test_what_is_tried_again_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="rnnspike")
    with Processes(1, 3600.0) as engine:
        assert engine.submit(die_once, tmp_path / "a.nwb", signal.SIGKILL).result(60) == "done"
    assert any(text.startswith("a.nwb: die once: the worker was killed by signal 9") for text in caplog.messages)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, "exit"], ids=str)
def test_a_task_whose_worker_dies_is_done_again(tmp_path: Path, how: object) -> None:
    with Processes(2, 3600.0) as engine:
        futures = [engine.submit(die_once, tmp_path / str(i), how) for i in range(4)]
        assert [future.result() for future in futures] == ["done"] * 4


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (signal.SIGKILL, "the worker was killed by signal 9: out of memory?"),
        (signal.SIGSEGV, "the worker crashed (signal 11)"),
        ("exit", "the worker ended with exit code 3"),
    ],
)
def test_a_task_that_kills_two_workers_is_lost_and_no_other(how: object, why: str) -> None:
    with Processes(2, 3600.0) as engine:
        futures = [engine.submit(abs, -i) if i != 3 else engine.submit(die, how) for i in range(10)]
        with pytest.raises(TaskLost) as lost:
            futures[3].result()
        assert str(lost.value) == why
        assert [future.result() for i, future in enumerate(futures) if i != 3] == [0, 1, 2, 4, 5, 6, 7, 8, 9]


def test_a_task_that_takes_too_long_is_ended_though_it_does_not_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "GRACE_S", 0.1)
    with Processes(1, 6.0) as engine:  # a busy machine takes a while to begin
        with pytest.raises(TaskLost, match=r"^it took longer than 6 s \(--task-timeout\)$"):
            engine.submit(hang, tmp_path / "pids").result()
        assert engine.submit(abs, -3).result() == 3
    for pid in (tmp_path / "pids").read_text().split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


def test_a_task_that_takes_too_long_may_save_what_it_has(tmp_path: Path) -> None:
    with Processes(1, 6.0) as engine, pytest.raises(TaskLost):
        engine.submit(save_when_told, tmp_path / "saved").result()
    assert (tmp_path / "saved").exists()


def test_an_interruption_ends_workers_in_the_middle_of_a_task(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Processes(2, 3600.0) as engine:
        running = [engine.submit(save_when_told, tmp_path / str(i)) for i in range(3)]
        engine.submit(abs, 1)
        while len(list(tmp_path.glob("*.begun"))) < 2:
            time.sleep(0.01)
        raise KeyboardInterrupt
    assert running[2].cancelled()
    assert {path.name for path in tmp_path.iterdir()} == {"0", "0.begun", "1", "1.begun"}  # both saved


def test_what_a_task_raises_comes_back_with_its_traceback() -> None:
    with Processes(1, 3600.0) as engine:
        error = engine.submit(refuse).exception()
        assert isinstance(error, RecordingError) and error.option == "--min-spikes 10"
        assert "in refuse" in str(error.__cause__)
        assert str(engine.submit(refuse_oddly).exception()) == "Unsendable: 1 and 2"
        assert "pickle" in str(engine.submit(make_unsendable).exception())


def make_unsendable() -> object:
    return lambda: None
