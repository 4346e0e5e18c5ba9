"""Loops over steps that neither numpy nor torch take at speed, compiled for the processor at hand (numba).

They fill arrays that they are handed: no shape is checked here, whoever calls them makes the arrays. ``layers`` and
``adamw`` train networks clocked by bins (``scans.py``, ``recurrent_net.py``), ``hazard`` those clocked by spikes
(``spike_net.py``, ``spike_head.py``), ``lags`` are spike histories (``history.py``, ``rows.py``), ``splines``
and ``bands`` Hessians of a drive (``penalised.py``, ``banded.py``), ``runs`` free runs.

What is kept on disk is compiled anew where a function's own file changed, but not where another did that it calls
into: who changes ``functions``, or what ``runs`` takes from ``hazard``, removes ``__pycache__`` (``make clean``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

Function = TypeVar("Function", bound=Callable[..., Any])

Single = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]
#: Of either precision.
Floats = npt.NDArray[np.floating]
Index = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Count = npt.NDArray[np.unsignedinteger]
Bool = npt.NDArray[np.bool_]

#: Sums may be reordered and divisions be by reciprocals; what is not finite stays so.
_FAST_MATH = {"reassoc", "contract", "arcp", "nsz", "afn"}


def compiled(function: Function) -> Function:
    """Compile on first use, and keep the result on disk where there is a place for it."""
    try:
        return cast(Function, numba.njit(fastmath=_FAST_MATH, error_model="numpy", cache=True)(function))
    except RuntimeError:  # neither the package's folder nor the user's cache can be written
        return cast(Function, numba.njit(fastmath=_FAST_MATH, error_model="numpy")(function))
