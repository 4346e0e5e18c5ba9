"""One process fits into a run directory, or several that do parts of the same fit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from rnnspike.errors import RunError
from rnnspike.runs.stored import lock
from rnnspike.runs.stored.lock import RunLock, lock_file

pytestmark = pytest.mark.skipif(not lock.CAN_LOCK, reason="no locks here")
HOLD = """
import sys, time
from pathlib import Path
from rnnspike.runs.stored.lock import RunLock
held = RunLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    held = RunLock(tmp_path)
    with pytest.raises(RunError, match=rf"is being fitted by process {os.getpid()} on .* since .*--wait"):
        RunLock(tmp_path)
    held.release()
    assert not any(tmp_path.iterdir())
    RunLock(tmp_path).release()


def test_parts_go_side_by_side_and_nothing_else_beside_them(tmp_path: Path) -> None:
    one, other = RunLock(tmp_path, shared=True), RunLock(tmp_path, shared=True)
    with pytest.raises(RunError, match="is being fitted"):
        RunLock(tmp_path)
    other.release()
    assert one.is_alone()
    with pytest.raises(RunError, match="is being fitted"):
        RunLock(tmp_path, shared=True)
    one.release()
    assert not any(tmp_path.iterdir())


def test_the_last_part_takes_the_lock_away(tmp_path: Path) -> None:
    one, other = RunLock(tmp_path, shared=True), RunLock(tmp_path, shared=True)
    assert not one.is_alone()
    one.release()
    assert lock_file(tmp_path).is_file()
    other.release()
    assert not any(tmp_path.iterdir())


def test_a_lock_whose_file_goes_is_of_no_use_to_who_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the holder finishes the run and removes the work folder: the next one locks a file of its own."""
    locked, n = RunLock._lock, 0

    def lock_and_lose(self: RunLock, file: int, wait: bool) -> None:
        nonlocal n
        locked(self, file, wait)
        n += 1
        if n == 1:
            self.path.unlink()

    monkeypatch.setattr(RunLock, "_lock", lock_and_lose)
    held = RunLock(tmp_path)
    assert n == 2 and lock_file(tmp_path).exists()
    held.release()


def test_no_lock_is_stale_and_who_waits_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdout.readline() == "held\n"
    with pytest.raises(RunError, match=f"process {child.pid} on"):
        RunLock(tmp_path)
    waits: list[str] = []

    def told(text: str, who: str) -> None:
        waits.append(text % who)
        child.kill()  # the holder ends while it is waited for

    monkeypatch.setattr("rnnspike.runs.stored.lock.log.info", told)
    RunLock(tmp_path, wait=True).release()
    assert len(waits) == 1 and f"process {child.pid} on" in waits[0]
    child.communicate()
