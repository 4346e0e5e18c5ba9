"""Single trials of all units together, as the page holds them (``runs.stored.population.TRIALS``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnspike.report.load import Curves
from rnnspike.report.packing import packed, rounded
from rnnspike.report.words import short_labels

#: A gain beyond this, log2, is drawn as this: sixteen times as many spikes, or as few.
MOST_GAIN = 4.0
AS_THEY_ARE = ("bin_s", "window_s", "trial", "condition", "model", "unit", "state.model", "state.explained")


def trials_payload(found: Curves | None) -> dict[str, Any] | None:
    """Return what the raster of a trial and the state space are drawn from; None without single trials.

    Parameters
    ----------
    found
        What ``population.npz`` holds.
    """
    if found is None:
        return None
    kept = {name: rounded(values) if name in AS_THEY_ARE else packed(values) for name, values in found.items()}
    kept["gain"] = packed(np.clip(found["gain"], -MOST_GAIN, MOST_GAIN))
    kept["conditions"] = short_labels(found["conditions"].tolist())
    return kept
