"""Ctrl-C, SIGTERM and SIGHUP as a terminal sends them: to every process of the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ONE, THREE = ("-j", "1"), ("-j", "3")
CASES = [
    ((signal.SIGINT,), ONE),
    ((signal.SIGINT, signal.SIGINT), THREE),
    # The same handlers in other pairs, each some ten seconds of a core.
    *[pytest.param((each,), ONE, marks=pytest.mark.slow) for each in (signal.SIGTERM, signal.SIGHUP)],
    *[
        pytest.param((each,), THREE, marks=pytest.mark.slow)
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ],
    pytest.param((signal.SIGINT, signal.SIGINT), ONE, marks=pytest.mark.slow),
]
#: Words of lines that come or not by when a signal does, and by how fast the machine is.
UNTOLD = ("folds", "warning", " done in ", " tasks: about ", ": reading")
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


def start(session: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "rnnspike", "fit", str(session), "--out", str(out), "-v", "-m", "renewal", *more]
    return subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True
    )


def read_until(child: subprocess.Popen[str], word: str) -> None:
    assert child.stderr is not None
    assert any(word in line for line in child.stderr)


def is_gone(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.parametrize(("signals", "more"), CASES, ids=str)
def test_nothing_is_left_but_one_line(session: Path, tmp_path: Path, signals: tuple[int, ...], more: tuple[str, ...]):
    before = {each: signal.signal(each, signal.SIG_DFL) for each in CODES}  # not ignored, as under nohup or by `&`
    try:
        child = start(session, tmp_path, "-m", "lstm", *more)  # much is left to be done
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
    read_until(child, "folds")  # the first task is done
    for each in signals:
        os.killpg(child.pid, each)
    _, rest = child.communicate(timeout=60)
    assert child.returncode == CODES[signals[0]]
    words = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "the terminal was closed"}
    told = [line for line in rest.splitlines() if line and not any(word in line for word in UNTOLD)]
    assert told == [f"rnnspike: {words[signals[0]]}: the same command continues where it stopped"]
    for _ in range(600):  # workers that save their checkpoints end by themselves
        if is_gone(child.pid):
            return
        time.sleep(0.05)
    pytest.fail("processes are left")


def test_a_signal_that_was_ignored_stays_so(session: Path, tmp_path: Path) -> None:
    """As under nohup: the fit goes on when the terminal closes."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        child = start(session, tmp_path)
    finally:
        signal.signal(signal.SIGHUP, before)
    read_until(child, "folds")
    os.killpg(child.pid, signal.SIGHUP)
    child.communicate(timeout=120)
    assert child.returncode == 0


LOST = """
import signal, sys, time
from rnnspike.cli.terminal.signals import ending_by_signals

class Held:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)  # what the handler raises is lost here, as Python does in destructors

with ending_by_signals(lambda why: print(why)) as stop:
    try:
        Held()
        time.sleep(60)
    finally:
        print("unwound", flush=True)
        stop.leave(stop.ending)
"""


def test_an_interruption_that_python_loses_comes_again() -> None:
    child = subprocess.run([sys.executable, "-c", LOST], capture_output=True, text=True, timeout=60, check=False)
    assert (child.returncode, child.stdout, child.stderr) == (143, "unwound\nterminated\n", "")


EARLY = """
import os, signal, sys
import rnnspike.__main__

class Interrupting:
    def find_spec(self, name, *_):
        if name == "rnnspike.cli.main":
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
rnnspike.__main__.main()
"""


def test_an_interruption_while_modules_are_imported_leaves_no_traceback() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        child = subprocess.Popen([sys.executable, "-c", EARLY], stderr=subprocess.PIPE, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    _, told = child.communicate()
    assert (child.returncode, told) == (-signal.SIGINT, "")
