"""Memory that a process no longer needs."""

from __future__ import annotations

import ctypes
import gc
import mmap
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Bytes in memory up to which a process keeps what it freed: to ask for it again takes a hundredth of a fit.
MAY_HOLD = 500_000_000


def give_back() -> None:
    """Return freed memory to the system: glibc keeps what it freed between two pieces in use, hundreds of MB here."""
    if sys.platform == "linux" and _resident() > MAY_HOLD:
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _resident() -> int:
    """Return the bytes of this process that are in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * mmap.PAGESIZE


@contextmanager
def importing() -> Iterator[None]:
    """Import without a search for garbage: libraries make hundreds of thousands of objects, and all of them stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
