"""The engine of local worker processes. Nothing heavy is imported here, so that they can be begun before all else.

A thread of this process drives each worker through a connection of its own, so that a worker that is killed holds no
lock and takes nothing with it: its call is done once more on a fresh worker, and the others never notice.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, TypeVar

from rnnspike.errors import TaskLost, TaskTookTooLong
from rnnspike.runs.engines import worker
from rnnspike.runs.engines.logs import messages_here
from rnnspike.runs.engines.worker import OURS, TOLD_TO_END
from rnnspike.threads import ask_for_one_thread

T = TypeVar("T")
#: How often a call is begun in all before it is given up.
TRIES = 2
#: Seconds after the death of a worker until its call is begun again: where all of them are told to end, none begins.
PAUSE_S = 0.2
#: Longest limit on a task, s (23 days): the system waits for no more milliseconds than fit into an int.
LONGEST_S = 2e6
#: Exit code of a process whose own is lost, with what it was forked from; it may still be there.
UNKNOWN = 255

log = logging.getLogger(__name__)


def begin() -> BaseContext:
    """Begin what workers are forked from, where the system forks, and return how they are started.

    It imports what a worker needs; called early, it does so beside what is done here until there is work.
    """
    ask_for_one_thread()
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver, resource_tracker

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rnnspike.runs.engines.preload"])
    for start in (resource_tracker.ensure_running, forkserver.ensure_running):  # the first unblocks SIGINT
        before = signal.pthread_sigmask(signal.SIG_BLOCK, OURS)  # what is started here inherits it
        try:
            start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def kill() -> None:
    """End all workers and what they are forked from at once."""
    from multiprocessing import forkserver

    for process in multiprocessing.active_children():
        process.kill()
    server = getattr(forkserver, "_forkserver", None)
    if (pid := getattr(server, "_forkserver_pid", None)) is not None:
        os.kill(pid, signal.SIGKILL)


class WorkerTraceback(Exception):
    """The cause of an error raised in a worker; its text is the worker's traceback."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Processes:
    """An engine of worker processes with one thread each, begun when there is work for them."""

    look_again_s = None

    def __init__(self, n_workers: int, task_timeout_s: float) -> None:
        self.capacity = n_workers + 1  # none waits for its next call
        self._timeout_s = min(task_timeout_s, LONGEST_S)
        self._context = begin()
        self._threads = ThreadPoolExecutor(n_workers)
        self._mine = threading.local()
        self._all: list[_Worker] = []
        self._closing = threading.Event()

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the workers; left by an exception, in the middle of their calls."""
        if kind is None:
            self._threads.shutdown()
        self._end(told=kind is not None)

    def end(self) -> None:
        """End the workers in the middle of their calls: they are told to save their checkpoints."""
        self._end(told=True)

    def _end(self, told: bool) -> None:
        self._closing.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
        workers = list(self._all)  # threads may change it meanwhile
        for each in workers:
            each.end(told)
        deadline = time.monotonic() + worker.GRACE_S
        for each in workers:
            each.end_by(deadline)

    def submit(self, fn: Callable[..., T], /, *args: Any) -> Future[T]:
        """Hand over a call."""
        return self._threads.submit(self._do, _in_words(fn, args), pickle.dumps((fn, args)))

    def _do(self, name: str, call: bytes) -> Any:
        """Do a call on this thread's worker, and once more on a fresh one where that dies."""
        lost = TaskLost("the workers were ended")
        for n_tries in range(1, TRIES + 1):
            if self._closing.is_set():
                break
            try:
                return self._worker().do(call, self._timeout_s)
            except TaskLost as error:
                lost = error
            if self._closing.wait(PAUSE_S):
                break
            if n_tries < TRIES:
                log.info("%s: %s; it is tried once more", name, lost)
        raise lost

    def _worker(self) -> _Worker:
        mine: _Worker | None = getattr(self._mine, "worker", None)
        if mine is not None and not mine.process.is_alive():
            self._all.remove(mine)
            mine.end(told=False)
            mine = None
        if mine is None:
            mine = self._mine.worker = self._begun()
            self._all.append(mine)
            if self._closing.is_set():
                mine.end(told=True)
        return mine

    def _begun(self) -> _Worker:
        try:
            return _Worker(self._context)
        except (OSError, EOFError) as error:  # what workers are forked from was killed at this moment
            raise TaskLost(f"no worker could be begun ({error})") from error


def _in_words(fn: Callable[..., Any], args: Sequence[Any]) -> str:
    """Return what a call is of, and what it does: the recording, and the task that it belongs to."""
    files = (each if isinstance(each, Path) else getattr(each, "path", None) for each in args)
    of = next((file.name for file in files if isinstance(file, Path)), None)
    name = getattr(fn, "__name__", "a call").replace("_", " ")  # a partial has none
    does = next((each.label for each in args if hasattr(each, "label")), name)
    return f"{of}: {does}" if of else str(does)


class _Worker:
    """A process and the connection to it."""

    def __init__(self, context: BaseContext) -> None:
        self._calls, theirs = context.Pipe()
        given = (theirs, messages_here())
        self.process: BaseProcess = context.Process(target=worker.serve, args=given, daemon=True)  # type: ignore[attr-defined]
        self.process.start()
        self._pid = self.process.pid or 0
        theirs.close()

    def do(self, call: bytes, timeout_s: float) -> Any:
        """Have a call done and return its result; TaskLost where the process ends, or the time is over, before."""
        try:
            self._calls.send_bytes(call)
            ready = wait([self._calls, self.process.sentinel], timeout_s)
            if not ready:
                self.end(told=True)
                self.end_by(time.monotonic() + worker.GRACE_S)
                raise TaskTookTooLong(f"it took longer than {timeout_s:g} s (--task-timeout)")
            if not self._calls.poll():
                raise EOFError
            value, error, text = pickle.loads(self._calls.recv_bytes())
        except (EOFError, OSError) as error:
            raise TaskLost(self._why_it_ended()) from error
        if error is not None:
            raise error from WorkerTraceback(text)
        return value

    def _why_it_ended(self) -> str:
        self.end_by(time.monotonic() + 1.0)
        return why_it_ended(self.process.exitcode or 0)

    def end(self, told: bool) -> None:
        """Ask the process to end: ``told``, by SIGTERM and in the middle of a call, else when it waits for one."""
        with suppress(OSError):
            if told:
                self.process.terminate()
            else:
                self._calls.close()

    def end_by(self, deadline: float) -> None:
        """Kill the process where it has not ended at that time."""
        self.process.join(max(0.0, deadline - time.monotonic()))
        if self.process.exitcode in (None, UNKNOWN):
            with suppress(OSError):
                self._kill()
            self.process.join()

    def _kill(self) -> None:
        """Kill the process by its id: where what it was forked from is gone, multiprocessing takes it for dead."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)


def why_it_ended(code: int) -> str:
    """Return in words why a process ended with this exit code (negative: by a signal).

    Examples
    --------
    >>> why_it_ended(-9)
    'the worker was killed by signal 9: out of memory?'
    """
    if code == -signal.SIGKILL:
        return "the worker was killed by signal 9: out of memory?"
    if code < 0:
        return f"the worker crashed (signal {-code})"
    if code in (TOLD_TO_END, -signal.SIGTERM):
        return "the worker was told to end (SIGTERM)"
    return f"the worker ended with exit code {code}"
