"""A case's process: its limits, what it leaves, and that its maker may fail."""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import pytest

from benchmarks.fuzz import server
from benchmarks.fuzz.cases import Case


def ended(monkeypatch: pytest.MonkeyPatch, folder: Path, doing: str) -> server.Outcome:
    """Let a case's process run this instead of the command line."""
    monkeypatch.setattr(server, "_call", lambda arguments: exec(doing) or 0)
    return server.execute(Case("", "", ()), folder)


def test_streams_and_files_outside_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    doing = "import os; os.write(1, b'result'); os.write(2, b'said'); open('out/x', 'w'); open('canary', 'w')"
    outcome = ended(monkeypatch, tmp_path, doing)
    assert (outcome.code, outcome.stdout, outcome.stderr) == (0, b"result", b"said")
    assert outcome.changed == ("canary",)


def test_memory_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    doing = "import os\ntry:\n    bytearray(2 << 30)\nexcept MemoryError:\n    os.write(2, b'MemoryError')"
    assert ended(monkeypatch, tmp_path, doing).stderr == b"MemoryError"


def test_a_signal_and_a_time_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended(monkeypatch, tmp_path, "import os; os.kill(os.getpid(), 11)").code == -11
    monkeypatch.setattr(server, "LIMIT_S", 0.05)
    assert ended(monkeypatch, tmp_path, "import time; time.sleep(60)").code is None


def verdict(why: str = "") -> server.Verdict:
    return server.Verdict("bytes", 1, "?", "", (), 0, 0.0, 0.0, (why,))


def test_makers_that_fail_die_or_hang_are_told_and_the_others_go_on() -> None:
    def fails() -> server.Verdict:
        raise ValueError("no such seed")

    calls = [verdict, fails, partial(os._exit, 3), partial(time.sleep, 60), verdict]
    answers = list(server.isolated([server.Work(call, verdict) for call in calls], limit_s=0.5))  # type: ignore[arg-type]
    assert [any(answer.faults[0]) for answer in answers] == [False, True, True, True, False]
    assert "no such seed" in answers[1].faults[0]
