"""``population.json``: what the units of a recording share, and what joint free runs make of it; its form, once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rnnspike.errors import damage_errors
from rnnspike.runs.stored.store import Form, read_json, refuse_other_form

POPULATION_FILE = "population.json"
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
