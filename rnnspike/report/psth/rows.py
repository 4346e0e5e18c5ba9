"""PSTHs as rows: one per unit and condition, or one per point of a curve."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from rnnspike.errors import RecordingError
from rnnspike.models.baselines.psth_bands import PsthResult
from rnnspike.recording.data import Recording
from rnnspike.trials.data import TrialOptions
from rnnspike.trials.plan import TrialPlan, plan_trials

SCHEMA = 1
#: Columns of the rows of units and conditions.
COLUMNS = (
    "schema",
    "recording",
    "unit",
    "condition",
    "n_trials",
    "n_spikes",
    "rate_hz",
    "peak_hz",
    "peak_s",
    "modulated",
    "bits_per_spike",
    "bandwidth_ms",
    "level",
)
#: Curves of a row, and columns of the rows of their points.
CURVES = ("time_s", "psth_hz", "low_hz", "high_hz", "band_low_hz", "band_high_hz")
POINT_COLUMNS = ("schema", "recording", "unit", "condition", *CURVES, "level", "bandwidth_ms")


def planned(recording: Recording, options: TrialOptions) -> TrialPlan:
    """Return the trials of a recording: all spikes count, and no past is needed."""
    observation = "poisson" if options.observation == "auto" else options.observation
    try:
        return plan_trials(recording, replace(options, observation=observation, burn_in_s=0.0, most_per_bin=math.inf))
    except RecordingError as error:
        if (error.option or "").startswith("--segment"):  # segments have no average either
            raise RecordingError(error.path, f"{error.finding}, and a PSTH is an average over trials") from None
        raise


def rows(recording: str, result: PsthResult) -> Iterator[dict[str, Any]]:
    """Yield one row per condition, with its curves."""
    for c, condition in enumerate(result.conditions):
        peak_hz, peak_s = result.peak(c)
        yield {
            "schema": SCHEMA,
            "recording": recording,
            "unit": result.unit,
            "condition": condition,
            "n_trials": int(result.n_trials[c]),
            "n_spikes": int(result.n_spikes[c]),
            "rate_hz": float(result.mean_hz[c]),
            "peak_hz": peak_hz,
            "peak_s": peak_s,
            "modulated": result.is_modulated(c),
            "bits_per_spike": result.bits_per_spike,
            "level": result.level,
            "bandwidth_ms": result.bandwidth_s * 1e3,
            **dict(zip(CURVES, _curves(result, c), strict=True)),
        }


def points(recording: str, result: PsthResult) -> Iterator[dict[str, Any]]:
    """Yield one row per condition and point of its curves."""
    for c, condition in enumerate(result.conditions):
        head = {"schema": SCHEMA, "recording": recording, "unit": result.unit, "condition": condition}
        tail = {"level": result.level, "bandwidth_ms": result.bandwidth_s * 1e3}
        for point in zip(*_curves(result, c), strict=True):
            yield {**head, **dict(zip(CURVES, map(float, point), strict=True)), **tail}


def _curves(result: PsthResult, c: int) -> list[Any]:
    curves = (result.rate_hz, result.low_hz, result.high_hz, result.band_low_hz, result.band_high_hz)
    return [result.time_s, *(curve[c] for curve in curves)]
