"""What an engine is: it takes calls and returns futures, and a task whose worker dies costs nothing but itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from rnnspike.runs.layout import base_of

if TYPE_CHECKING:
    from rnnspike.config import FitSettings

T = TypeVar("T")
K = TypeVar("K")
#: Seconds that a call may take, a file read in it included, where the user says nothing.
TASK_TIMEOUT_S = 24 * 3600.0


class Engine(Protocol):
    """Does calls somewhere; each is a pure function of its arguments and of files, and may be done twice."""

    @property
    def capacity(self) -> int:
        """How many calls to hand over at a time, so that no worker waits."""
        ...

    @property
    def look_again_s(self) -> float | None:
        """After how many seconds the capacity may have changed; None where it stays."""
        ...

    def end(self) -> None:
        """End the calls that are being done here, in the middle; trainings save their checkpoints."""
        ...

    def submit(self, fn: Callable[..., T], /, *args: Any) -> Future[T]:
        """Hand over a call.

        The future raises ``TaskLost`` where the process that did it was killed, crashed or took too long, and was so
        again on a fresh one; ``EngineLost`` where there is nothing left to do it; otherwise what the call raises.
        """
        ...


@contextmanager
def engine_for(
    n_workers: int,
    task_timeout_s: float | None = None,
    scheduler: str | Path | None = None,
    out: Path = Path(),
    inputs: Sequence[Path] = (),
) -> Iterator[Engine]:
    """Give the engine for so many workers: this process for one, unless a time limit is asked for.

    With a ``scheduler`` (address, or path of its file) it is that of a dask cluster, whose machines must share the
    folder ``out`` and the files ``inputs``. Left by an interruption, running trainings save their checkpoints before
    their processes end.
    """
    if scheduler is not None:
        from rnnspike.runs.engines.cluster import Cluster

        with Cluster(scheduler, task_timeout_s or TASK_TIMEOUT_S, out, inputs) as cluster:
            yield cluster
        return
    if n_workers <= 1 and task_timeout_s is None:
        from rnnspike.runs.engines.in_process import InProcess

        yield InProcess()
        return
    from rnnspike.runs.engines.processes import Processes

    with Processes(n_workers, task_timeout_s or TASK_TIMEOUT_S) as engine:
        yield engine


def engine_of(settings: FitSettings, inputs: Sequence[Path] = ()) -> AbstractContextManager[Engine]:
    """Give the engine that settings ask for, as ``engine_for`` does; ``inputs`` are the recordings."""
    scheduler = settings.scheduler_file or settings.scheduler
    return engine_for(settings.workers, settings.task_timeout, scheduler, base_of(settings.out), inputs)


def completed(
    engine: Engine, function: Callable[..., T], arguments: Sequence[tuple[K, Sequence[Any]]]
) -> Iterator[tuple[K, T]]:
    """Call a function for each of some keyed arguments, as many at a time as the engine takes; yield each result."""
    waiting, running = iter(arguments), dict[Future[T], K]()
    try:
        while True:
            for key, args in islice(waiting, engine.capacity - len(running)):
                running[engine.submit(function, *args)] = key
            if not running:
                return
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                yield running.pop(future), future.result()
    finally:
        for future in running:
            future.cancel()
