"""Compiled loops over steps that are slow in numpy and torch (numba).

Such functions stand in files named ``*_loops.py``, each beside the file that calls it. They fill arrays of their
caller and check no shapes. They are compiled when first called, and the machine code is kept on disk until a compiled
source changes (``machine_code.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
import numpy as np
import numpy.typing as npt

from rnnspike.models.numerics import machine_code

Function = TypeVar("Function", bound=Callable[..., Any])

Single = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]
#: Of either precision.
Floats = npt.NDArray[np.floating]
Index = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Count = npt.NDArray[np.unsignedinteger]
Bool = npt.NDArray[np.bool_]

_OPTIONS: dict[str, Any] = {
    #: Sums may be reordered and divisions replaced by reciprocals; NaN and infinity keep their meaning.
    "fastmath": {"reassoc", "contract", "arcp", "nsz", "afn"},
    "error_model": "numpy",
    "no_cfunc_wrapper": True,  # nothing is called from C
}


def compiled(function: Function) -> Function:
    """Compile on first use, and keep the machine code on disk for functions of this package."""
    dispatcher: Any = numba.njit(**_OPTIONS)(function)
    if Path(function.__code__.co_filename).resolve() in machine_code.sources():
        dispatcher._cache = machine_code.MachineCode(function)
        machine_code.tell_when_slow()
    return cast(Function, dispatcher)
