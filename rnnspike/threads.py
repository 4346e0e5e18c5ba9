"""One thread a process: the matrices here are small, and threads only wait for one another (science.md#threads).

Processes fill the cores instead, and equal work gives equal bytes on machines with any number of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def ask_for_one_thread() -> None:
    """Have libraries that are loaded from now on, here or in processes begun here, take one thread."""
    for name in _VARIABLES:
        os.environ.setdefault(name, "1")


@contextmanager
def one_thread() -> Iterator[None]:
    """Work with one thread, whatever the libraries that are loaded already were told; afterwards as before."""
    from threadpoolctl import threadpool_limits

    ask_for_one_thread()
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch else 1
    if torch:
        torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        if torch:
            torch.set_num_threads(before)
