"""Interrupts commands at varied moments as a terminal does, and says what is left of them.

    python benchmarks/interrupts.py --repeats 8

Each command runs in a session of its own, and the signal goes to its whole process group: Ctrl-C once, Ctrl-C twice,
SIGTERM, SIGHUP. A case fails where the exit code is not the documented one, a traceback or a complaint of Python's is
on stderr, or a process of the session is there 2 s after the (last) signal, with SIGTERM and SIGHUP 10 s after it.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
NOISE = ("Traceback", "Exception ignored", "resource_tracker", "leaked", "KeyboardInterrupt")
LADDER = ("-m", "glm", "-m", "lstm", "-m", "spike-lstm")


def make_recording(path: Path, n_units: int = 4) -> Path:
    rng, starts = np.random.default_rng(3), np.arange(40) + 1.0
    trains = [np.sort(rng.uniform(0, 42, 840)) for _ in range(n_units)]
    units = tuple(Unit(str(i), train, np.array([[0.0, 42.0]])) for i, train in enumerate(trains))
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 0.5})
    write_nwb(path, Recording(path, "", 0, "nwb", units, intervals={"trials": trials}))
    return path


def session_of(pid: int) -> list[int]:
    """Return the processes of a session (Linux)."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(session) == pid and state != "Z":
                found.append(int(entry.name))
    return found


def interrupt(command: Sequence[str], moment_s: float, signals: Sequence[signal.Signals], folder: Path) -> str | None:
    """Return what is wrong with how a command ends, None where nothing is or it ended before."""
    with (folder / "stderr").open("w+") as stderr, (folder / "stdout").open("w") as stdout:
        child = subprocess.Popen(command, stderr=stderr, stdout=stdout, cwd=folder, start_new_session=True)
        time.sleep(moment_s)
        if child.poll() is not None:
            return None
        for each in signals:
            os.killpg(child.pid, each)
            time.sleep(0.2)
        limit_s = 2.0 if signals[-1] == signal.SIGINT else 10.0
        deadline = time.monotonic() + limit_s - 0.2
        while session_of(child.pid) and time.monotonic() < deadline:
            child.poll()
            time.sleep(0.02)
        left = session_of(child.pid)
        if left:
            os.killpg(child.pid, signal.SIGKILL)
        code = child.wait()
        stderr.seek(0)
        text = stderr.read()
    if left:
        return f"{len(left)} processes are left"
    if code != CODES[signals[0]]:
        return f"exit code {code}: {text[-300:]}"
    noise = [line for line in text.splitlines() if any(word in line for word in NOISE)]
    return f"noise: {noise}" if noise else None


def commands(recording: Path, run: Path) -> dict[str, list[str]]:
    base = [sys.executable, "-m", "rnnspike"]
    return {
        "fit": [*base, "fit", str(recording), "--effort", "fast", *LADDER],
        "fit -j 4": [*base, "fit", str(recording), "--effort", "fast", *LADDER, "-j", "4"],
        "psth": [*base, "psth", str(recording), "--draws", "20000"],
        "dynamics -j 4": [*base, "dynamics", str(run), "-j", "4"],
        "dynamics": [*base, "dynamics", str(run)],
        "simulate": [*base, "simulate", "--neuron", "adapting", "--trials", "20000", "--out", "s.nwb", "--overwrite"],
        "report": [*base, "report", str(run)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=8, help="moments of each command and kind")
    parser.add_argument("--latest", type=float, default=8.0, help="s after the start at the latest")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="these commands only")
    options = parser.parse_args()
    rng, failed, n_cases = np.random.default_rng(options.seed), 0, 0
    top = Path(tempfile.mkdtemp())
    recording, run = make_recording(top / "session.nwb"), top / "runs" / "session"
    fit = [sys.executable, "-m", "rnnspike", "fit", str(recording), "--out", str(run.parent), "--effort", "fast"]
    subprocess.run([*fit, "-q", "-m", "gru", "--replicates", "0"], check=True, stdout=subprocess.DEVNULL)
    kinds = {"once": [signal.SIGINT], "twice": [signal.SIGINT] * 2, "TERM": [signal.SIGTERM], "HUP": [signal.SIGHUP]}
    for name, command in commands(recording, run).items():
        if options.only and name not in options.only:
            continue
        for kind, signals in kinds.items():
            for _ in range(options.repeats):
                moment_s = rng.uniform(0.5, options.latest)
                folder = Path(tempfile.mkdtemp(dir=top))
                wrong = interrupt(command, moment_s, signals, folder)
                n_cases, failed = n_cases + 1, failed + (wrong is not None)
                print(f"{name:14} {kind:6} {moment_s:5.2f} s  {wrong or 'ok'}", flush=True)
    print(f"{failed} of {n_cases} cases failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
