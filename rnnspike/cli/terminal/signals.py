"""Signals that end a command early: Ctrl-C, a request to terminate, a closed terminal.

The first signal unwinds the command, and trainings save their checkpoints. A watching thread ends this process and
its workers when the time for that is over, or at a second Ctrl-C. All files are written completely or not at all, so
that only the computation in progress is lost.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

from rnnspike.errors import ExitCode


@dataclass(frozen=True)
class Ending:
    """How a signal ends a command: the message, the exit code, and the time (s) to save and exit."""

    text: str
    code: ExitCode
    grace_s: float


ENDINGS = {
    "SIGINT": Ending("interrupted", ExitCode.INTERRUPTED, 1.5),
    "SIGTERM": Ending("terminated", ExitCode.TERMINATED, 20.0),
    "SIGHUP": Ending("the terminal was closed", ExitCode.HUNG_UP, 20.0),
}
#: Seconds between two checks whether the interruption was lost.
LOOK_S = 0.1


@dataclass
class Stop:
    """The first signal received (``ending``, None before); ``say`` reports it once."""

    say: Callable[[str], None]
    ending: Ending | None = None
    _reported: threading.Lock = field(default_factory=threading.Lock)
    _swallowed: threading.Event = field(default_factory=threading.Event)

    def receive(self, signum: int, frame: FrameType | None) -> None:
        """Unwind the command at the first signal; later ones are handled by the watching thread."""
        if self.ending is None or self._swallowed.is_set():
            self.ending = ENDINGS[signal.Signals(signum).name]
            self._swallowed.clear()
            sys.unraisablehook, threading.excepthook = self._ignored, _quiet
            raise KeyboardInterrupt if signum == signal.SIGINT else SystemExit(self.ending.code)

    def watch(self, arrivals: int) -> None:
        """Read signals as they arrive; end the process when the time is over, or at a second Ctrl-C."""
        first = os.read(arrivals, 1)
        if not first:
            os.close(arrivals)
            return
        ending = ENDINGS[signal.Signals(first[0]).name]
        deadline = time.monotonic() + ending.grace_s
        while (left := deadline - time.monotonic()) > 0:
            again = select.select([arrivals], [], [], min(left, LOOK_S))[0] and os.read(arrivals, 1)
            if again and again[0] == signal.SIGINT:
                break
            if self._swallowed.is_set():
                signal.pthread_kill(threading.main_thread().ident or 0, first[0])
                os.read(arrivals, 1)  # its own arrival
        self.leave(ending)

    def _ignored(self, unraisable: sys.UnraisableHookArgs) -> None:
        """Report nothing that an interruption breaks, but note if the interruption itself was lost.

        Python drops exceptions in destructors and in callbacks of weak references, of which each import has one.
        """
        if isinstance(unraisable.exc_value, KeyboardInterrupt | SystemExit):
            self._swallowed.set()

    def leave(self, ending: Ending) -> NoReturn:
        """End this process and its workers immediately.

        Not by ``sys.exit``, since Python would first restore the default handlers of signals.
        """
        self.report(ending)
        end_processes()
        os._exit(ending.code)

    def report(self, ending: Ending) -> None:
        """Report why the command ends, once."""
        if self._reported.acquire(blocking=False):
            if sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h")  # show the cursor, which a progress bar hides
            self.say(ending.text)


@contextmanager
def ending_by_signals(say: Callable[[str], None]) -> Iterator[Stop]:
    """Let signals end what runs within, in the main thread; ignored signals stay ignored."""
    stop = Stop(say)
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    arrivals, arrive = os.pipe()
    os.set_blocking(arrive, False)
    known = [signal.Signals[name] for name in ENDINGS if hasattr(signal, name)]
    wakeup = signal.set_wakeup_fd(arrive, warn_on_full_buffer=False)
    before = {each: signal.signal(each, stop.receive) for each in known if signal.getsignal(each) != signal.SIG_IGN}
    threading.Thread(target=stop.watch, args=(arrivals,), daemon=True).start()
    try:
        yield stop
    finally:
        if stop.ending is None:  # otherwise the thread watches until the process ends
            for each, handler in before.items():
                signal.signal(each, handler)
            signal.set_wakeup_fd(wakeup)
            os.close(arrive)


def end_processes() -> None:
    """End the worker processes of this process, if there are any."""
    pool = sys.modules.get("rnnspike.runs.engines.processes")
    if pool is not None:
        with suppress(OSError, ValueError):
            pool.kill()


def _quiet(*_: object) -> None:
    """Ignore errors caused by the interruption."""
