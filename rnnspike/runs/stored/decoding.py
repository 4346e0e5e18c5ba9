"""``decode.jsonl`` and ``decode.npz``: what can be decoded from a run; their form, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.errors import damage_errors
from rnnspike.runs.stored.store import Form, read_arrays, read_jsonl, write_arrays, write_jsonl

ROWS_FILE, ARRAYS_FILE = "decode.jsonl", "decode.npz"
#: What the page shows of a row.
ROW: Form = {
    "model": str,
    "n_trials": int,
    "n_conditions": int,
    "n_units": int,
    "prior": str,
    "accuracy": float,
    "accuracy_low": float,
    "accuracy_high": float,
    "chance_accuracy": float,
    "accuracy_p": float,
    "information": float,
    "information_low": float | None,
    "information_high": float | None,
    "information_p": float,
    "temperature": float,
    "over": str | None,
    "gain": float | None,
    "gain_low": float | None,
    "gain_high": float | None,
    "gain_p": float | None,
    "message": str | None,
}
#: Arrays, each with its number of axes. ``trial`` are the trials decoded, ``condition`` index into ``conditions``,
#: ``log2_posterior`` (model, trial, condition), ``confusion`` (model, condition, decoded), ``time_s`` (piece,) the
#: ends of pieces of the window, ``time.`` (model, piece) given the spikes until then, ``units.`` (model, size) by
#: number of units: mean, lowest and highest of subsets.
ARRAYS = {
    "model": 1,
    "unit": 1,
    "conditions": 1,
    "trial": 1,
    "condition": 1,
    "fold": 1,
    "log2_posterior": 3,
    "confusion": 3,
    "time_s": 1,
    **{f"time.{name}": 2 for name in ("information", "information_low", "information_high", "accuracy")},
    "units.n": 2,
    **{f"units.{score}_{name}": 2 for score in ("accuracy", "information") for name in ("mean", "lowest", "highest")},
}


@dataclass(frozen=True)
class Decoding:
    """Rows, one per model, and arrays (``ARRAYS``)."""

    rows: list[dict[str, Any]]
    arrays: dict[str, npt.NDArray[Any]]


def write_decoding(folder: Path, rows: Sequence[Mapping[str, Any]], arrays: Mapping[str, npt.ArrayLike]) -> None:
    """Write rows and arrays into a run directory."""
    write_arrays(folder / ARRAYS_FILE, arrays)
    write_jsonl(folder / ROWS_FILE, rows)


def read_decoding(folder: Path) -> Decoding | None:
    """Return what was decoded from a run; None where nothing was.

    Parameters
    ----------
    folder
        The run directory.

    Raises
    ------
    RunError
        Where a file is damaged.
    """
    if not (folder / ROWS_FILE).is_file():
        return None
    file = folder / ARRAYS_FILE
    arrays = read_arrays(file)
    with damage_errors(file):
        for name, n_axes in ARRAYS.items():
            if np.ndim(arrays[name]) != n_axes:
                raise ValueError(f"{name} has {np.ndim(arrays[name])} axes, not {n_axes}")
    return Decoding(read_jsonl(folder / ROWS_FILE, ROW), arrays)
