"""Compiling for the processor at hand: loops over steps that neither numpy nor torch take at speed (numba)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])

#: Sums may be reordered and divisions be by reciprocals; what is not finite stays so.
_FAST_MATH = {"reassoc", "contract", "arcp", "nsz", "afn"}


def compiled(function: Function) -> Function:
    """Compile on first use, and keep the result on disk where there is a place for it."""
    try:
        return cast(Function, numba.njit(fastmath=_FAST_MATH, error_model="numpy", cache=True)(function))
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return cast(Function, numba.njit(fastmath=_FAST_MATH, error_model="numpy")(function))
