"""``decode.jsonl``, ``decode_covariate.jsonl`` and their arrays: what was decoded from a run; their form, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from rnnspike.runs.stored.store import Form, read_arrays, read_jsonl, refuse_other_axes, write_arrays, write_jsonl

ROWS_FILE, ARRAYS_FILE = "decode.jsonl", "decode.npz"
COVARIATE_ROWS_FILE, COVARIATE_ARRAYS_FILE = "decode_covariate.jsonl", "decode_covariate.npz"
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


#: The same of a decoded covariate: ``time_s`` (window,) are middles of windows in the session, ``recorded`` (window,
#: channel), ``decoded`` (model, window, channel) posterior means, ``points`` (point, channel) the values tried.
COVARIATE_ROW: Form = {
    "model": str,
    "covariate": str,
    "window_ms": float,
    "n_windows": int,
    "n_units": int,
    "n_points": int,
    "rms_error": float,
    "rms_error_low": float,
    "rms_error_high": float,
    "prior_rms_error": float,
    "median_error": float,
    "median_error_low": float,
    "median_error_high": float,
    "chance_error": float,
    "error_p": float,
    "information": float,
    "information_low": float | None,
    "information_high": float | None,
    "temperature": float,
    "message": str | None,
}
COVARIATE_ARRAYS = {
    "model": 1,
    "unit": 1,
    "channel": 1,
    "trial": 1,
    "fold": 1,
    "time_s": 1,
    "points": 2,
    "prior": 1,
    "recorded": 2,
    "decoded": 3,
    "log2_posterior": 3,
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


def write_covariate(folder: Path, rows: Sequence[Mapping[str, Any]], arrays: Mapping[str, npt.ArrayLike]) -> None:
    """Write rows and arrays of a decoded covariate into a run directory."""
    write_arrays(folder / COVARIATE_ARRAYS_FILE, arrays)
    write_jsonl(folder / COVARIATE_ROWS_FILE, rows)


def read_decoding(folder: Path) -> Decoding | None:
    """Return the conditions that were decoded from a run; None where none were.

    Parameters
    ----------
    folder
        The run directory.

    Raises
    ------
    RunError
        Where a file is damaged.
    """
    return _read(folder / ROWS_FILE, ROW, folder / ARRAYS_FILE, ARRAYS)


def read_covariate(folder: Path) -> Decoding | None:
    """Return the covariate that was decoded from a run, as ``read_decoding`` does conditions.

    Parameters
    ----------
    folder
        The run directory.

    Raises
    ------
    RunError
        Where a file is damaged.
    """
    return _read(folder / COVARIATE_ROWS_FILE, COVARIATE_ROW, folder / COVARIATE_ARRAYS_FILE, COVARIATE_ARRAYS)


def _read(rows: Path, row: Form, arrays: Path, axes: Mapping[str, int]) -> Decoding | None:
    if not rows.is_file():
        return None
    found = read_arrays(arrays)
    refuse_other_axes(arrays, found, axes)
    return Decoding(read_jsonl(rows, row), found)
