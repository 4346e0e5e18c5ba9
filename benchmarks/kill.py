"""Kills short fits at random moments, and says whether anything is lost or reads as what it is not.

    TMPDIR=/dev/shm python -m benchmarks.kill --kills 200

Each fit is the command itself, in turn with one and with two workers, in a child forked from this process: it has
imported everything, so that a kill and the fit after it take two or three seconds. At a moment drawn evenly from the
time that a fit takes undisturbed, all its processes are killed at once (SIGKILL), or one of them: the command, what
workers are forked from, a worker, or a child that reads a file. Then a run must not read as complete unless it is,
nothing may be left running, and the same command must come to the bytes of a fit that nothing disturbed. A killed
worker must not end its command.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import multiprocessing.util
import os
import signal
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

import rnnspike
import rnnspike.cli.batch
import rnnspike.cli.fit
import rnnspike.report.build
import rnnspike.runs.engines.preload
from benchmarks.crash_sweep import contents
from benchmarks.interrupts import make_recording, session_of
from rnnspike.cli.main import main as rnnspike_main

#: Seconds after which nothing may be left of a fit whose command is gone: workers save their checkpoints.
LEFT_S = 25.0
WORKERS = (1, 2)
#: Models with tasks of every unit and pair of folds, and the report: the cheapest fit with something to lose.
MODELS = ("constant", "psth", "renewal")


@dataclass(frozen=True)
class Kill:
    """What was killed in a fit of so many workers, when (a share of its time), what was there, and what was wrong."""

    n_workers: int
    kind: str
    share: float
    run: str
    wrong: str | None


def options_of(recording: Path, out: Path, n_workers: int) -> list[str]:
    models = [word for name in MODELS for word in ("-m", name)]
    options = [*models, "--folds", "3", "--replicates", "2", "--effort", "fast", "-j", str(n_workers)]
    return ["fit", str(recording), "--out", str(out), *options]


def begin(arguments: Sequence[str], messages: Path) -> BaseProcess:
    """Begin a command in a forked child, which leads a session of its own; its stderr goes to a file."""
    child = multiprocessing.get_context("fork").Process(target=_be, args=(list(arguments), messages))
    child.start()
    return child


def _be(arguments: list[str], messages: Path) -> None:
    os.setsid()
    sys.stdout, sys.stderr = Path(os.devnull).open("w"), messages.open("w")  # noqa: SIM115
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        os.dup2(stream.fileno(), number)
    tempfile.tempdir = str(messages.parent)  # for the sockets that a killed process leaves
    multiprocessing.util.spawnv_passfds = _forked  # type: ignore[attr-defined]
    rnnspike_main(arguments)


def _forked(path: str, arguments: Sequence[str], kept: Sequence[int]) -> int:
    """Begin what multiprocessing would begin as a new interpreter, which would import everything once more."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of the thread that waits for signals
        pid = os.fork()
    if pid:
        return pid
    try:
        signal.set_wakeup_fd(-1)
        for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if callable(signal.getsignal(each)):
                signal.signal(each, signal.SIG_DFL)
        for number in map(int, os.listdir("/proc/self/fd")):
            if number > 2 and number not in kept:
                with contextlib.suppress(OSError):
                    os.close(number)
        Path("/proc/self/comm").write_text("tracker" if "resource_tracker" in arguments[-1] else "server")
        exec(arguments[-1], {})
    finally:
        os._exit(0)


def kind_of(pid: int, top: int) -> str:
    """Say what a process of a fit is."""
    if pid == top:
        return "command"
    parent = parent_of(pid)
    if parent == top:
        name = Path(f"/proc/{pid}/comm").read_text().strip()
        return name if name in ("tracker", "server") else "reader"
    return "worker" if parent_of(parent) == top else "reader"


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def kill_one(fit: Sequence[str], moment_s: float, rng: np.random.Generator, messages: Path) -> tuple[str, int] | None:
    """Begin a fit, kill it or one of its processes, and return which and the exit code; None if it ended before."""
    child = begin(fit, messages)
    child.join(moment_s)
    pid = child.pid or 0
    there = session_of(pid)
    if not there:
        child.kill()
        child.join()
        return None
    try:
        if rng.random() < 0.5:
            kind = "all"
            os.killpg(pid, signal.SIGKILL)
        else:
            victim = int(rng.choice(there))
            kind = kind_of(victim, pid)
            os.kill(victim, signal.SIGKILL)
    except OSError:  # it has just ended
        child.join()
        return None
    child.join()
    deadline = time.monotonic() + LEFT_S
    while session_of(pid):
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            kind = "left"
        time.sleep(0.02)
    return kind, child.exitcode or 0


def wrong_with(kind: str, code: int, run: Path, whole: dict[str, bytes]) -> str | None:
    """Return what is wrong after a kill, None where nothing is."""
    if kind == "left":
        return "processes are left"
    if kind == "worker" and code != 0:
        return f"a killed worker ended the command with {code}"
    mark = run / "done.json"
    if mark.is_file() and not json.loads(mark.read_text()).get("lost"):
        found = contents(run)
        short = [name for name in whole if name != "report.html" and found.get(name) != whole[name]]
        return f"reads as complete without {short}" if short else None
    return None


def undisturbed(recording: Path, top: Path) -> tuple[dict[str, bytes], dict[int, float]]:
    """Return the bytes of a fit, and the seconds that it takes by the number of workers."""
    rnnspike.fit(recording, out=top / "before", models=MODELS, folds=3, replicates=2, effort="fast")
    found, times_s = [], {}
    for n_workers in WORKERS:
        begun = time.monotonic()
        child = begin(options_of(recording, top / f"whole{n_workers}", n_workers), top / "messages")
        child.join()
        times_s[n_workers] = time.monotonic() - begun
        if child.exitcode != 0:
            raise RuntimeError((top / "messages").read_text())
        found.append(contents(top / f"whole{n_workers}" / recording.stem))
    if any(each != found[0] for each in found):
        raise RuntimeError("fits that nothing disturbed differ")
    return found[0], times_s


def study(top: Path, n_kills: int, seed: int) -> Iterator[Kill]:
    """Yield each kill; fits that end before theirs do not count."""
    rng, recording = np.random.default_rng(seed), make_recording(top / "s.nwb", n_units=2)
    whole, times_s = undisturbed(recording, top)
    print(", ".join(f"-j {n} takes {time_s:.2f} s" for n, time_s in times_s.items()), flush=True)
    n = 0
    for case in range(100 * n_kills):
        n_workers, share, out = WORKERS[n % len(WORKERS)], rng.uniform(), top / str(case)
        fit, messages = options_of(recording, out, n_workers), top / f"{case}.txt"
        killed = kill_one(fit, share * times_s[n_workers], rng, messages)
        if killed is None:
            continue
        run = "complete" if (out / "s" / "done.json").is_file() else "begun" if (out / "s").is_dir() else "no run"
        wrong = wrong_with(*killed, out / "s", whole)
        again = begin(fit, messages)
        again.join()
        if wrong is None and (again.exitcode != 0 or contents(out / "s") != whole):
            wrong = f"the same command ends with {again.exitcode} or other bytes: {messages.read_text()[-200:]}"
        yield Kill(n_workers, killed[0], share, run, wrong)
        n += 1
        if n == n_kills:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    begun, failed, kinds, runs = time.monotonic(), 0, Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as top:
        for each in study(Path(top), options.kills, options.seed):
            kinds[f"-j {each.n_workers} {each.kind}"] += 1
            runs[each.run] += 1
            failed += each.wrong is not None
            print(
                f"-j {each.n_workers} {each.kind:8} {each.share:4.0%}  {each.run:8}  {each.wrong or 'ok'}", flush=True
            )
    print(f"{failed} of {kinds.total()} kills failed ({time.monotonic() - begun:.0f} s)")
    for counts in (kinds, runs):
        print(", ".join(f"{name}: {n}" for name, n in sorted(counts.items())))
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
