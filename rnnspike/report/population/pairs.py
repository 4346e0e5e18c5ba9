"""Across units: which departures the models of a run were judged on, and noise correlations of all pairs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnspike.models.registry import has_memory, is_population
from rnnspike.report.load import Run
from rnnspike.report.packing import packed
from rnnspike.report.population.shared import told_window

DEPARTURES = ("refractory", "adaptation", "shared")


def captured_models(run: Run) -> dict[str, list[str]]:
    """Return, for each departure that is shown on some unit, the models that could capture it and were judged.

    Those that know spike history, and of the others' activity those that read other units.
    """
    return {departure: _judged(run, departure) for departure in DEPARTURES}


def _judged(run: Run, departure: str) -> list[str]:
    verdicts = [
        (row["model"], row[f"{departure}_verdict"]) for row in run.rows if row.get(f"{departure}_verdict") is not None
    ]
    if all(verdict == "nothing to capture" for _, verdict in verdicts):
        return []
    can = is_population if departure == "shared" else has_memory
    return [model for model in run.models if can(model) and model in {name for name, _ in verdicts}]


def correlations_payload(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return noise correlations of all pairs by window, recorded and of models run free; None where there are none.

    ``index`` are the pairs as positions in ``units``, ``told`` is the window that is shown at first.

    Parameters
    ----------
    found
        What ``population.json`` holds.
    """
    if found is None or found["status"] != "ok":
        return None
    place = {unit: k for k, unit in enumerate(found["units"])}
    return {
        "units": found["units"],
        "n_trials": found["n_trials"],
        "window_ms": found["window_ms"],
        "told": told_window(found),
        "index": [[place[a], place[b]] for a, b in found["pairs"]],
        "recorded": packed(np.array(found["recorded"]["pairs"], np.float64)),
        "models": [
            {
                "model": model["model"],
                "joint": model["joint"],
                "pairs": packed(np.array(model["pairs"], np.float64)),
            }
            for model in found["models"]
        ],
    }
