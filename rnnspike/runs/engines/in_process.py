"""The engine of one worker: calls are done here, one after the other, when they are handed over."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class InProcess:
    """Does a call at once."""

    capacity, look_again_s = 1, None

    def end(self) -> None:
        """Nothing goes on here beside the caller."""

    def submit(self, fn: Callable[..., T], /, *args: Any) -> Future[T]:
        """Do a call; an interruption is raised here, any other error by the future."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args))
        except Exception as error:
            future.set_exception(error)
        return future
