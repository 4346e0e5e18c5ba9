"""``population.json``: what the units of a recording share, and what joint free runs make of it; its form, once.

``population.npz`` holds single trials of all units (``runs.fitting.single_trials``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt

from rnnspike.errors import damage_errors
from rnnspike.runs.stored.store import Form, read_arrays, read_json, refuse_other_axes, refuse_other_form

POPULATION_FILE, TRIALS_FILE = "population.json", "population.npz"
SCHEMA = 1
Numbers = list[float | None]
#: A recorded statistic's replicates, by window or lag.
_CHECK: Form = {"mean": Numbers, "low": Numbers, "high": Numbers, "p": Numbers}
#: Of the file as a whole; where ``status`` is skipped or failed, ``message`` says why and the rest is missing.
WHOLE: Form = {"schema": int, "status": str, "message": str | None}
#: Of a recording that was run: its units and trials, the recorded statistics, and p of nothing shared.
RECORDED: Form = {
    "units": list[str],
    "left_out": dict[str, str],
    "n_trials": int,
    "n_runs": int,
    "window_ms": list[float],
    "lag_ms": list[float],
    "pairs": list[list[str]],
    "recorded": {
        "noise_correlation": Numbers,
        "variance_ratio": Numbers,
        "correlogram": Numbers,
        "pairs": list[Numbers],
    },
    "shared": {
        "deviance": float,
        "compared": int,
        "p": float,
        "p_side_by_side": float,
        "p_shuffled": float,
    },
    "models": list[dict[str, Any]],
}
#: Of one model, single-unit models side by side first.
MODEL: Form = {
    "model": str,
    "joint": bool,
    "noise_correlation": _CHECK,
    "variance_ratio": _CHECK,
    "correlogram": _CHECK,
    "pairs": list[Numbers],
    "deviance": float,
    "p": float,
    "capture": float | None,
    "capture_low": float | None,
    "capture_high": float | None,
    "verdict": str | None,
    "rate_ratio": float | None,
    "rate_ratio_low": float | None,
    "rate_ratio_high": float | None,
    "stability": str,
    "runaway": float,
    "unstable_units": list[str],
    "marks": dict[str, float | int | None] | None,
}


def read_population(folder: Path) -> dict[str, Any] | None:
    """Return what joint runs of a recording came to; None where there were none.

    Parameters
    ----------
    folder
        The run directory.

    Raises
    ------
    RunError
        Where the file is damaged.
    """
    file = folder / POPULATION_FILE
    if not file.is_file():
        return None
    found = read_json(file, WHOLE)
    if found["status"] != "ok":
        return found
    found = read_json(file, {**WHOLE, **RECORDED})
    with damage_errors(file):
        for model in found["models"]:
            refuse_other_form(model, MODEL)
    return found


#: Arrays of ``population.npz``, each with its number of axes; those of ``STATES`` where a network of all units was
#: fitted. ``trial`` are numbers of the recording's trials, ``condition`` index into ``conditions``; ``spike.trial``
#: (spike,) index into ``trial``, ``spike.unit`` into ``unit``; ``gain`` (model, trial, piece, unit) is log2 of the
#: spikes that a model expects over those of the GLM in the pieces of the window that begin at ``piece_s``;
#: ``state.component`` (trial, step, component) are principal components of a network's hidden units.
TRIALS = {
    "unit": 1,
    "bin_s": 0,
    "window_s": 1,
    "conditions": 1,
    "trial": 1,
    "condition": 1,
    "spike.trial": 1,
    "spike.unit": 1,
    "spike.bin": 1,
    "model": 1,
    "piece_s": 1,
    "gain": 4,
}
STATES = {
    "state.model": 0,
    "state.trial": 1,
    "state.condition": 1,
    "state.time_s": 1,
    "state.component": 3,
    "state.explained": 1,
}


def read_single_trials(folder: Path) -> dict[str, npt.NDArray[Any]] | None:
    """Return single trials of all units (``TRIALS``, ``STATES``); None where there are none.

    Parameters
    ----------
    folder
        The run directory.

    Raises
    ------
    RunError
        Where the file is damaged.
    """
    file = folder / TRIALS_FILE
    if not file.is_file():
        return None
    found = read_arrays(file)
    refuse_other_axes(file, found, {**TRIALS, **(STATES if "state.model" in found else {})})
    return found
