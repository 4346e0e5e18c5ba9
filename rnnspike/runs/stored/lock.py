"""Who fits into a run directory: one process, or several that each do a part of the same fit.

The system holds the lock (flock) and lets go of it when its holder ends, however that is: none is ever stale. On file
systems without flock, runs are not locked.
"""

from __future__ import annotations

import datetime
import json
import logging
import os
import platform
from contextlib import suppress
from pathlib import Path
from typing import Any

from rnnspike.errors import RunError

with suppress(ImportError):  # not on Windows
    import fcntl

CAN_LOCK = hasattr(os, "fork")
log = logging.getLogger(__name__)


def lock_file(folder: Path) -> Path:
    """Return the file of a run directory that is locked."""
    return folder / "work" / "lock"


class RunLock:
    """The right to fit into a run directory, until it is released; ``shared`` with others that do parts of it."""

    def __init__(self, folder: Path, shared: bool = False, wait: bool = False) -> None:
        """Take it.

        Raises
        ------
        RunError
            Where another process holds it and it is not to be waited for; it says who that is.
        """
        self.path, self.shared = lock_file(folder), shared
        self._file: int | None = None
        while self._file is None:
            self._file = self._taken(wait)

    def _taken(self, wait: bool) -> int | None:
        """Return the open file that holds the lock; None where it was removed while it was waited for."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            self._lock(file, wait)
            if not _is_at(file, self.path):
                os.close(file)
                return None
            _write_holder(file)
        except BaseException:
            os.close(file)
            raise
        return file

    def _lock(self, file: int, wait: bool) -> None:
        if not CAN_LOCK:
            return
        how = fcntl.LOCK_SH if self.shared else fcntl.LOCK_EX
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            who = f"{self.path.parent.parent}: is being fitted by {_holder(file)}"
            if not wait:
                raise RunError(f"{who} (try --wait, or another --out)") from None
            log.info("%s: waiting for it", who)
            fcntl.flock(file, how)
        except OSError:
            log.debug("%s: this file system has no locks", self.path)

    def is_alone(self) -> bool:
        """Take it for this process alone; say whether that can be, as no other holds a part of it.

        Where it cannot, the system may have dropped this process's own part too: release it next.
        """
        if self.shared and self._file is not None and CAN_LOCK:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            except OSError:
                return True  # this file system has no locks
            self.shared = False
        return True

    def release(self) -> None:
        """Let others in."""
        if self._file is None:
            return
        with suppress(OSError):
            if self.is_alone() and _is_at(self._file, self.path):
                self.path.unlink()
        os.close(self._file)
        self._file = None
        with suppress(OSError):
            self.path.parent.rmdir()  # not where anything is in it


def _is_at(file: int, path: Path) -> bool:
    """Say whether an open file is still the one of this path."""
    try:
        there = path.stat()
    except OSError:
        return False
    here = os.fstat(file)
    return (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino)


def _write_holder(file: int) -> None:
    since = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    text = json.dumps({"pid": os.getpid(), "host": platform.node(), "since": since})
    os.ftruncate(file, 0)
    os.pwrite(file, text.encode(), 0)


def _holder(file: int) -> str:
    """Return in words who wrote down that it holds the lock."""
    try:
        found: dict[str, Any] = json.loads(os.pread(file, 4096, 0))
        return f"process {found['pid']} on {found['host']} since {found['since']}"
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "another process"
