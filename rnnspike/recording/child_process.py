"""Reading in a child process with limits: a crash of a parser on a damaged file becomes a one-line error.

Some damaged bytes make C parsers (of HDF5, MATLAB and other files) crash, hang or exhaust memory. Each file is read
in a forked child with limits, which sends the result through a pipe; the parent never parses the file itself.
"""

from __future__ import annotations

import ctypes
import faulthandler
import gc
import io
import os
import pickle
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from rnnspike.errors import RecordingError, RnnspikeError

with suppress(ImportError):  # not on Windows, where nothing is forked
    import fcntl
    import resource

T = TypeVar("T")

#: macOS's system libraries do not survive a fork; there, files are read in this process.
CAN_FORK = hasattr(os, "fork") and sys.platform != "darwin"
#: Suffixes of files that are read together with others in their folder.
WITH_COMPANIONS = frozenset({".tsq", ".tev", ".tbk", ".tdx", ".mpx", ".nev"})
#: Limits for reading any file, and the increments per byte (or megabyte) of the file.
MEMORY_BYTES, MEMORY_PER_BYTE = 4 * 2**30, 64
CPU_S, CPU_S_PER_MB = 8.0, 5.0
#: Elapsed time allowed per second of CPU time, for slow disks and other processes.
WALL_PER_CPU = 3.0
#: Size of the pipe's buffer; when it is full, the child waits for the parent.
_PIPE_BYTES = 2**20
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl


@dataclass(frozen=True)
class Limits:
    """Limits of a child: bytes of memory beyond its parent's, seconds of CPU time, seconds of elapsed time."""

    memory_bytes: int
    cpu_s: float
    wall_s: float


@dataclass(frozen=True)
class _Outcome:
    """What a child sends: a value, or an error with its traceback as text."""

    value: Any = None
    error: BaseException | None = None
    traceback: str = ""


class ReaderTraceback(Exception):
    """The cause of an error raised in a child; its text is the child's traceback."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass(frozen=True)
class ChildCall:
    """A function without arguments that runs in a child process each time it is called."""

    path: Path
    work: Callable[[], Any]

    def __call__(self) -> Any:
        """Return what ``work`` returns."""
        return run_in_child(self.path, self.work)


def run_in_child(path: Path, work: Callable[[], T], limits: Limits | None = None) -> T:
    """Return what ``work`` returns, called in a forked child; it reads ``path``, and its result must be picklable.

    A child that the system kills, as it does when memory runs out, is followed by one more.

    Raises
    ------
    RecordingError
        If it raises anything, crashes or exceeds its limits (by default ``limits_of`` the path).
    """
    if not CAN_FORK:
        with errors_on_one_line(path):
            return work()
    limits = limits or limits_of(path)
    outcome, status, in_time = _attempt(path, work, limits)
    if outcome is None and in_time and os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        outcome, status, in_time = _attempt(path, work, limits)
    if outcome is None:
        raise RecordingError(path, _crash_message(status) if in_time else _timeout_message())
    if outcome.error is not None:
        raise outcome.error from ReaderTraceback(outcome.traceback)
    value: T = outcome.value
    return value


def _attempt(path: Path, work: Callable[[], Any], limits: Limits) -> tuple[_Outcome | None, int, bool]:
    """Return what a child sent (None if it did not), its exit status, and whether it was in time."""
    receiving, sending = _pipe()
    pid = _fork()
    if pid == 0:
        _work(sending, path, work, limits)
    os.close(sending)
    outcome, in_time = None, True
    try:
        with _Pipe(receiving, time.monotonic() + limits.wall_s) as pipe:
            outcome = pickle.load(io.BufferedReader(pipe))
    except TimeoutError:
        in_time = False
    except (EOFError, pickle.UnpicklingError):  # the child ended before it had sent everything
        pass
    finally:
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    return outcome, status, in_time


def limits_of(path: Path) -> Limits:
    """Return generous limits by the size of what is read: a file, those that belong to it, or a folder's."""
    folder = path if path.is_dir() else path.parent if path.suffix.lower() in WITH_COMPANIONS else None
    files = folder.iterdir() if folder else [path]
    n_bytes = sum(file.stat().st_size for file in files if file.is_file())
    cpu_s = CPU_S + CPU_S_PER_MB * n_bytes / 1e6
    return Limits(MEMORY_BYTES + MEMORY_PER_BYTE * n_bytes, cpu_s, WALL_PER_CPU * cpu_s)


@contextmanager
def errors_on_one_line(path: Path) -> Iterator[None]:
    """Turn any error raised within into a one-line error that names the path."""
    try:
        yield
    except RnnspikeError:
        raise
    except Exception as error:
        raise as_reading_error(path, error) from error


def as_reading_error(path: Path, error: BaseException) -> RnnspikeError:
    """Return an error raised while reading a path as a one-line error."""
    if isinstance(error, RnnspikeError):
        return error
    if isinstance(error, MemoryError):
        return RecordingError(
            path, "not enough memory to read it: the file is damaged, or larger than this machine can hold"
        )
    if isinstance(error, OSError) and error.strerror:
        return RecordingError(error.filename or path, f"cannot be read ({error.strerror})")
    what = " ".join(f"{type(error).__name__}: {error}".split())[:160]
    return RecordingError(path, f"could not be read ({what}); rnnspike --debug shows where")


class _Pipe(io.RawIOBase):
    """The reading end of a pipe; raises TimeoutError after a deadline on ``time.monotonic``."""

    def __init__(self, descriptor: int, deadline_s: float) -> None:
        self._descriptor, self._deadline_s = descriptor, deadline_s
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._poll.poll(max(0.0, self._deadline_s - time.monotonic()) * 1e3):
            raise TimeoutError
        return os.readv(self._descriptor, [buffer])

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _pipe() -> tuple[int, int]:
    receiving, sending = os.pipe()
    if sys.platform == "linux":
        with suppress(OSError):  # more than a user may request
            fcntl.fcntl(sending, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    return receiving, sending


def _fork() -> int:
    """Fork. The child leaves by ``os._exit``, so that buffered output is written once, by the parent."""
    with warnings.catch_warnings():
        # Python warns of other threads: the child uses none of their locks (h5py hands its own lock over).
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _work(sending: int, path: Path, work: Callable[[], Any], limits: Limits) -> NoReturn:
    """Run in the child: do the work, send its outcome, and exit without the parent's clean-up."""
    try:
        _apply_limits(limits)
        try:
            outcome = _Outcome(work())
        except BaseException as error:
            outcome = _Outcome(error=as_reading_error(path, error), traceback=traceback.format_exc())
        pipe = open(sending, "wb")  # noqa: SIM115 - open until this process ends, whose exit code then counts
        pickle.dump(outcome, pipe, protocol=pickle.HIGHEST_PROTOCOL)
        pipe.flush()
        os._exit(0)
    finally:
        os._exit(1)


def _apply_limits(limits: Limits) -> None:
    """Silence this process, let signals and its parent's death end it, and set its limits."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    sys.stdout = sys.stderr = open(nowhere, "w")  # noqa: SIM115
    gc.disable()  # a collection would copy every memory page that it touches
    faulthandler.disable()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
        _limit(resource.RLIMIT_AS, _address_space() + limits.memory_bytes)
    _limit(resource.RLIMIT_CPU, max(1, int(limits.cpu_s)))
    _limit(resource.RLIMIT_CORE, 0)


def _address_space() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _limit(kind: int, most: int) -> None:
    """Lower a limit, unless it is lower already."""
    soft, hard = resource.getrlimit(kind)
    held = [most, *(value for value in (soft, hard) if value != resource.RLIM_INFINITY)]
    with suppress(ValueError, OSError):
        resource.setrlimit(kind, (min(held), hard))


def _crash_message(status: int) -> str:
    """Return the message for a child that ended without sending a result."""
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number == signal.SIGXCPU:
        return _timeout_message()
    if number == signal.SIGKILL:
        return "its reader was killed, probably because memory ran out"
    if number:
        return f"reading it crashed the reader (signal {number}): the file is damaged, copy or download it again"
    return f"its reader ended unexpectedly (exit code {os.waitstatus_to_exitcode(status)}): the file is damaged"


def _timeout_message() -> str:
    return "reading takes far too long for a file of this size: the file is damaged, copy or download it again"
