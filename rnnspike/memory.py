"""Memory that a process no longer needs."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def give_back() -> None:
    """Return freed memory to the system: glibc keeps what it freed between two pieces in use, hundreds of MB here."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


@contextmanager
def importing() -> Iterator[None]:
    """Import without a search for garbage: libraries make hundreds of thousands of objects, and all of them stay."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
