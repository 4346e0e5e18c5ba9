"""The engine of an existing dask cluster: its scheduler is given by address or file, its workers come and go.

``distributed`` looks after lost workers: their tasks are done elsewhere, and one that was running when several of
them died is given up. Checked first: that workers have the same versions, and that they see the same files. One that
joins later and fails these checks is told of, and its tasks go to the others.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import platform
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from rnnspike._version import __version__
from rnnspike.errors import ConfigError, EngineLost, TaskLost
from rnnspike.wording import counted

if TYPE_CHECKING:
    import distributed

T = TypeVar("T")
#: Seconds to reach the scheduler; seconds that a new file may take to be seen on another machine.
CONNECT_S, SEEN_S = 10.0, 5.0
#: Seconds between two looks at how many workers there are.
LOOK_S = 2.0
#: What to do where a worker does not see a file.
SHARE = "put recordings and --out on a file system that all machines share"
#: Exit code of a worker process whose task took too long; its nanny begins another.
TOOK_TOO_LONG = 75

log = logging.getLogger(__name__)


class UnfitWorker(Exception):
    """A worker, by its ``address``, that has other versions or does not see the files, and ``why`` in words."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(address, why)
        self.address, self.why = address, why


class Cluster:
    """An engine whose calls are done by the workers of a dask scheduler."""

    look_again_s: float | None = LOOK_S

    def __init__(self, scheduler: str | Path, task_timeout_s: float, out: Path, inputs: Sequence[Path] = ()) -> None:
        """Connect to a scheduler, by its address or file; workers must see ``out`` and ``inputs`` as they are here.

        Raises
        ------
        ConfigError
            Where no scheduler answers, versions differ, or a worker does not see the same files.
        """
        self._name = f"--scheduler{'-file' if isinstance(scheduler, Path) else ''} {scheduler}"
        self._client = _connect(self._name, scheduler)
        self._timeout_s, self._versions, self._folder = task_timeout_s, versions(), str(Path.cwd())
        self._n_threads, self._counted_s = dict[str, int](), -LOOK_S
        self._seen: dict[str, int | None] = {}
        self._unfit: set[str] = set()
        try:
            if "dashboard" in self._client.scheduler_info().get("services", {}):
                log.info("dashboard: %s", self._client.dashboard_link)
            self._check_versions()
            self._check_out(out)
            self._check_inputs(inputs)
        except BaseException:
            self._client.close()
            raise

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        """Take back what is not begun, and disconnect."""
        with suppress(Exception):
            self._client.close()

    def end(self) -> None:
        """Nothing goes on here; what cluster workers are doing, they finish."""

    @property
    def capacity(self) -> int:
        """Twice the threads of the cluster: none waits, and a cluster that adapts sees that there is more to do."""
        return 2 * max(1, sum(self._fit_workers().values()))

    def _fit_workers(self) -> dict[str, int]:
        """Return the workers that tasks are meant for, by address, and the threads of each; as of ``LOOK_S`` ago."""
        if time.monotonic() - self._counted_s >= LOOK_S:
            with self._connection():
                self._n_threads = dict(self._client.nthreads())
            self._counted_s = time.monotonic()
        return {address: n for address, n in self._n_threads.items() if address not in self._unfit}

    def submit(self, fn: Callable[..., T], /, *args: Any) -> Future[T]:
        """Hand over a call."""
        future: Future[T] = Future()
        self._hand_over(future, fn, args)
        return future

    def _hand_over(self, future: Future[T], fn: Callable[..., T], args: tuple[Any, ...]) -> None:
        name = f"{getattr(fn, '__name__', 'call')}-{secrets.token_hex(8)}"
        # Where none of these is left, any other may try: a task must not wait for workers that do not come back.
        only = {"workers": list(self._fit_workers()), "allow_other_workers": True} if self._unfit else {}
        with self._connection():
            theirs = self._client.submit(
                call_here,
                self._versions,
                self._seen,
                self._folder,
                self._timeout_s,
                fn,
                args,
                key=name,
                pure=False,
                **only,
            )
        future.add_done_callback(lambda ours: theirs.cancel() if ours.cancelled() else None)
        theirs.add_done_callback(lambda done: self._take(done, future, fn, args))

    def _take(
        self, theirs: distributed.Future, future: Future[Any], fn: Callable[..., Any], args: tuple[Any, ...]
    ) -> None:
        """Pass on what a call came to; where a worker was not fit for it, hand it over again."""
        from distributed.scheduler import KilledWorker

        if theirs.status == "error" and isinstance(unfit := theirs.exception(), UnfitWorker) and self._others(unfit):
            try:
                return None if future.cancelled() else self._hand_over(future, fn, args)
            except EngineLost as lost:
                if future.set_running_or_notify_cancel():
                    future.set_exception(lost)
                return None
        if not future.set_running_or_notify_cancel():
            return None
        try:
            future.set_result(theirs.result())
        except UnfitWorker as alone:
            future.set_exception(ConfigError(f"{self._name}: worker {alone.address} {alone.why}"))
        except KilledWorker as killed:
            future.set_exception(TaskLost(_why_lost(killed)))
        except (CancelledError, TimeoutError, OSError) as error:
            future.set_exception(self._gone() if theirs.status in ("cancelled", "lost", "pending") else error)
        except Exception as error:
            future.set_exception(error)
        return None

    def _others(self, unfit: UnfitWorker) -> bool:
        """Return whether there are other workers than an unfit one, of which is told once."""
        is_new = unfit.address not in self._unfit
        self._unfit.add(unfit.address)
        self._counted_s = -LOOK_S  # those of a moment ago may be gone, or others have come
        try:
            found = bool(self._fit_workers())
        except EngineLost:
            return False
        if is_new and found:
            log.warning("%s: worker %s %s: its tasks go to others", self._name, unfit.address, unfit.why)
        return found

    @contextmanager
    def _connection(self) -> Iterator[None]:
        try:
            yield
        except (OSError, TimeoutError, RuntimeError, ValueError, CancelledError) as error:
            raise self._gone() from error

    def _gone(self) -> EngineLost:
        lost = f"{self._name}: the connection to the scheduler was lost"
        return EngineLost(f"{lost} (run the same command again to continue)")

    def _check_versions(self) -> None:
        """Raise ConfigError where a worker has other versions than this process."""
        for worker, found in self._on_workers(versions).items():
            if why := other_version(found, self._versions):
                raise ConfigError(f"{self._name}: worker {worker} {why}")

    def _check_out(self, folder: Path) -> None:
        """Raise ConfigError where a worker does not see a file that was just written to a folder."""
        token = secrets.token_hex(8)
        probe = Path(os.path.abspath(folder)) / f".rnnspike-probe-{token}"
        try:
            probe.parent.mkdir(parents=True, exist_ok=True)
            probe.write_text(token)
            self._refuse_unseen({str(probe): len(token)})
            self._seen[str(probe.parent)] = None
        except OSError as error:
            raise ConfigError(f"{probe.parent}: cannot be written: {error.strerror} (try another --out)") from error
        finally:
            with suppress(OSError):
                probe.unlink()

    def _check_inputs(self, paths: Sequence[Path]) -> None:
        """Raise ConfigError where a worker does not see the first recording of each folder as it is here."""
        first = {path.absolute().parent: path.absolute() for path in reversed(paths) if path.exists()}
        sizes = {str(path): path.stat().st_size if path.is_file() else None for path in first.values()}
        self._refuse_unseen(sizes)
        self._seen |= sizes

    def _refuse_unseen(self, sizes: Mapping[str, int | None]) -> None:
        for worker, unseen in self._on_workers(unseen_files, sizes).items():
            if unseen:
                raise ConfigError(f"{self._name}: worker {worker} {_unseen(unseen)}")

    def _on_workers(self, function: Callable[..., Any], *args: Any) -> dict[str, Any]:
        """Return what a function returns on each worker; ConfigError where rnnspike is not there."""
        with self._connection():
            found: dict[str, Any] = self._client.run(function, *args, on_error="return")
        for worker, result in found.items():
            if isinstance(result, BaseException):
                what = " ".join(f"{type(result).__name__}: {result}".split())[:160]
                raise ConfigError(f"{self._name}: worker {worker} cannot run rnnspike ({what})") from result
        return found


def _connect(name: str, scheduler: str | Path) -> distributed.Client:
    try:
        import distributed
    except ImportError:
        raise ConfigError(f"{name}: needs distributed (pip install 'rnnspike[dask]')") from None
    for each in [each for each in logging.root.manager.loggerDict if each.split(".")[0] == "distributed"]:
        logging.getLogger(each).setLevel(logging.CRITICAL + 1)  # what it says is said here, in one line
    if isinstance(scheduler, Path) and not scheduler.is_file():
        raise ConfigError(f"{name}: no such file (dask scheduler --scheduler-file writes it)")
    address = _address_in(name, scheduler) if isinstance(scheduler, Path) else scheduler
    try:
        with ThreadPoolExecutor(1) as thread:  # a notebook has an event loop of its own in this one
            thread.submit(asyncio.run, asyncio.wait_for(_identity(address), CONNECT_S)).result()
        return distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError, ImportError, KeyError, TypeError) as error:
        raise ConfigError(f"{name}: no scheduler answers there (start one with: dask scheduler)") from error


def _address_in(name: str, file: Path) -> str:
    try:
        return str(json.loads(file.read_bytes())["address"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{name}: holds no address (dask scheduler --scheduler-file writes it)") from error


async def _identity(address: str) -> Any:
    """Ask a scheduler who it is: what else listens at an address keeps a client waiting without end."""
    from distributed.core import rpc
    from distributed.security import Security

    scheduler = rpc(address, timeout=CONNECT_S, connection_args=Security().get_connection_args("client"))
    try:
        return await scheduler.identity()
    finally:
        await scheduler.close_rpc()


def versions() -> dict[str, str]:
    """Return what must be the same on all machines for results to be."""
    return {
        "rnnspike": __version__,
        "Python": ".".join(platform.python_version_tuple()[:2]),
        "numpy": metadata.version("numpy"),
    }


def other_version(found: Mapping[str, str], wanted: Mapping[str, str]) -> str | None:
    """Return what a worker has in another version than this process wants, in words; None where all are the same."""
    for name, version in wanted.items():
        if found.get(name) != version:
            return f"has {name} {found.get(name)}, this process {version} (install the same there)"
    return None


def _unseen(files: Sequence[str]) -> str:
    return f"does not see {files[0]} ({SHARE})"


def unseen_files(sizes: Mapping[str, int | None]) -> list[str]:
    """Return which paths are not there on a worker, files with these sizes; it may take a moment until they are."""
    deadline = time.monotonic() + SEEN_S
    while True:
        unseen = [name for name, size in sizes.items() if not _is_seen(name, size)]
        if not unseen or time.monotonic() > deadline:
            return unseen
        time.sleep(0.1)


def _is_seen(name: str, size: int | None) -> bool:
    try:
        return os.stat(name).st_size == size if size is not None else Path(name).is_dir()
    except OSError:
        return False


def _why_lost(killed: Any) -> str:
    worker = getattr(getattr(killed, "last_worker", None), "address", "unknown")
    n = getattr(killed, "allowed_failures", 0) + 1
    died = f"{counted(n, 'worker{s}')} died during this task, the last at {worker}"
    return f"{died}: out of memory, or longer than --task-timeout?"


def call_here(
    wanted: Mapping[str, str],
    seen: Mapping[str, int | None],
    folder: str,
    timeout_s: float,
    fn: Callable[..., T],
    args: Any,
) -> T:
    """Do a call on a worker, in the folder of the process that asked for it, within a time limit.

    A worker that joined late is checked here: its versions, and once whether it sees what the others have ``seen``;
    UnfitWorker says what is wrong. Past the limit the process ends; its nanny begins another.
    """
    from distributed import get_worker

    if why := other_version(versions(), wanted) or _not_seen_here(seen):
        raise UnfitWorker(get_worker().address, why)
    watch = threading.Timer(min(timeout_s, threading.TIMEOUT_MAX), os._exit, (TOOK_TOO_LONG,))
    watch.daemon = True
    watch.start()
    try:
        with _IN_FOLDER.at(folder):
            return fn(*args)
    finally:
        watch.cancel()


#: Of files that this process, as a worker, has looked for: what it does not see, in words, or None.
_LOOKED_FOR: dict[tuple[str, ...], str | None] = {}


def _not_seen_here(seen: Mapping[str, int | None]) -> str | None:
    files = tuple(sorted(seen))
    if files not in _LOOKED_FOR:
        unseen = unseen_files(seen)
        _LOOKED_FOR[files] = _unseen(unseen) if unseen else None
    return _LOOKED_FOR[files]


class _InFolder:
    """The working directory of a process whose threads may do calls of several clients: one folder at a time."""

    def __init__(self) -> None:
        self._free, self._n, self._folder = threading.Condition(), 0, ""

    @contextmanager
    def at(self, folder: str) -> Iterator[None]:
        """Work in a folder, beside others who do."""
        with self._free:
            self._free.wait_for(lambda: self._n == 0 or self._folder == folder)
            with suppress(OSError):  # not all machines need have it: paths may be whole
                os.chdir(folder)
            self._n, self._folder = self._n + 1, folder
        try:
            yield
        finally:
            with self._free:
                self._n -= 1
                self._free.notify_all()


_IN_FOLDER = _InFolder()
