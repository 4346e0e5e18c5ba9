"""Worker processes. Nothing heavy is imported here, so that they can be begun before anything else is."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import BaseContext

from rnnspike.threads import ask_for_one_thread


def begin() -> BaseContext:
    """Begin what workers are forked from, where the system forks, and return how they are started.

    It imports what a worker needs; called early, it does so beside what is done here until there is work.
    """
    ask_for_one_thread()
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["rnnspike.runs.worker"])
    forkserver.ensure_running()
    return context


@contextmanager
def workers(n_workers: int) -> Iterator[Executor | None]:
    """Give an executor of processes with one thread each; None for one worker (work is done here).

    Left by an interruption, running trainings save their checkpoints before their processes end.
    """
    if n_workers <= 1:
        yield None
        return
    pool = ProcessPoolExecutor(n_workers, mp_context=begin(), initializer=_start_worker)
    try:
        yield pool
    except BaseException:
        for process in multiprocessing.active_children():
            process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown()


def _start_worker() -> None:
    import signal

    def stop(signum: int, frame: object) -> None:
        raise SystemExit(143)

    signal.signal(signal.SIGTERM, stop)
