"""Kills a small fit at its n-th file operation, for every n, and lets each of them fail; then fits again.

    python benchmarks/crash_sweep.py --stride 1

Every case is a child forked from this process, which has everything imported; in it the functions of ``os`` and
``io`` by which a run is written are counted, and the n-th call kills the process (SIGKILL) or raises ENOSPC, EIO or
EROFS. Afterwards the run must not read as complete unless it is, and the same fit must complete with the bytes of a
fit that nothing disturbed.
"""

from __future__ import annotations

import argparse
import builtins
import errno
import io
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnspike.config import FitSettings
from rnnspike.errors import RnnspikeError, failure_on_one_line
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.report.build import write_report
from rnnspike.runs.batch import fit_recording
from rnnspike.runs.plan import make_job

FAULTS = {"kill": None, "ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EROFS": errno.EROFS}
#: What is counted beside opening for writing: (module, name).
COUNTED = ((os, "replace"), (os, "unlink"), (os, "mkdir"), (os, "rmdir"), (os, "fsync"), (os, "posix_fallocate"))
#: Provenance: the one file that two equal runs do not share.
APART = "run.json"


def make_recording(path: Path) -> Path:
    rng, starts = np.random.default_rng(3), np.arange(12) + 1.0
    unit = Unit("7", np.sort(rng.uniform(0, 14, 300)), np.array([[0.0, 14.0]]))
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 0.3})
    write_nwb(path, Recording(path, "", 0, "nwb", (unit,), intervals={"trials": trials}))
    return path


def fit(path: Path, out: Path, overwrite: bool = False) -> None:
    settings = FitSettings(out=out, models=("psth",), replicates=2, folds=3, effort="fast")
    job, loaded = make_job(path, settings)
    with failure_on_one_line(path):
        fit_recording(job, loaded, overwrite=overwrite)
        write_report(job.folder)


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(file.relative_to(folder)): b"" if file.name == APART else file.read_bytes() for file in files}


def disturb(at: int, fault: str) -> Callable[[], int]:
    """Let the ``at``-th operation of this process fail; return what counts them."""
    n = 0

    def count() -> None:
        nonlocal n
        n += 1
        if n == at:
            if FAULTS[fault] is None:
                os.kill(os.getpid(), signal.SIGKILL)
            raise OSError(FAULTS[fault], os.strerror(FAULTS[fault]))

    def counted(function: Any) -> Any:
        def call(*arguments: Any, **named: Any) -> Any:
            count()
            return function(*arguments, **named)

        return call

    class Counted(io.FileIO):
        def write(self, data: Any) -> int:
            count()
            return super().write(data)

    opened = io.open

    def opening(file: Any, mode: str = "r", *arguments: Any, **named: Any) -> Any:
        if not set(mode) & set("wxa+"):
            return opened(file, mode, *arguments, **named)
        count()
        if mode == "wb" and not arguments:
            return io.BufferedWriter(Counted(file, "w"))
        return opened(file, mode, *arguments, **named)

    for module, name in COUNTED:
        if hasattr(module, name):
            setattr(module, name, counted(getattr(module, name)))
    builtins.open = io.open = opening  # pathlib takes the second
    return lambda: n


def in_child(work: Callable[[], int | None]) -> int:
    """Return the exit code of a forked child: 1 after an expected error, -9 where it was killed."""
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            os._exit(work() or 0)
        except RnnspikeError:
            os._exit(1)
        except BaseException:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def number_of_operations(path: Path, out: Path) -> int:
    reading, writing = os.pipe()

    def work() -> None:
        counter = disturb(0, "kill")
        fit(path, out)
        os.write(writing, str(counter()).encode())

    assert in_child(work) == 0
    return int(os.read(reading, 20))


def sweep(
    top: Path, stride: int = 1, offset: int = 1, overwrite: bool = False
) -> Iterator[tuple[int, str, str | None]]:
    """Yield (operation, fault, what is wrong) of every ``stride``-th operation; ``overwrite``: over another run."""
    path = make_recording(top / "s.nwb")
    fit(path, top / "whole")
    whole, kinds = contents(top / "whole" / "s"), list(FAULTS)
    n_operations = number_of_operations(path, top / "counted")
    for k, at in enumerate(range(offset, n_operations + 1, stride)):
        for fault in kinds if stride == 1 else [kinds[k % len(kinds)]]:
            out = top / f"{at}-{fault}-{overwrite}"
            yield at, fault, case(path, out, at, fault, whole, overwrite)


def case(path: Path, out: Path, at: int, fault: str, whole: dict[str, bytes], overwrite: bool) -> str | None:
    """Return what is wrong after one disturbed fit and the one that follows it; None where nothing is."""
    if overwrite:
        fit(path, out)

    def work() -> None:
        disturb(at, fault)
        fit(path, out, overwrite)

    code = in_child(work)
    if code not in (0, 1, *([-signal.SIGKILL] if fault == "kill" else [])):  # 1: the child that reads was killed
        return f"exit code {code}"
    found = contents(out / "s") if (out / "s" / "done.json").is_file() else {}
    short = [name for name in whole if found and name != "report.html" and found.get(name) != whole[name]]
    if short and not overwrite:
        return f"reads as complete without {short}"
    again = in_child(lambda: fit(path, out, overwrite and not found))
    if again != 0:
        return f"the fit that follows exits with {again}"
    left = contents(out / "s")
    return None if left == whole else f"other files or bytes: {sorted(left.items() ^ whole.items())[:2]}"[:300]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stride", type=int, default=1, help="take every n-th operation")
    parser.add_argument("--offset", type=int, default=1, help="first operation")
    parser.add_argument("--overwrite", action="store_true", help="over a run that lies there, with --overwrite")
    options = parser.parse_args()
    failed = n_cases = 0
    with tempfile.TemporaryDirectory() as top:
        for at, fault, wrong in sweep(Path(top), options.stride, options.offset, options.overwrite):
            n_cases, failed = n_cases + 1, failed + (wrong is not None)
            if wrong:
                print(f"operation {at}, {fault}: {wrong}", flush=True)
    print(f"{failed} of {n_cases} cases failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
