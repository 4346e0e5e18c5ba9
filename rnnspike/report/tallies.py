"""Counts and gains over the units of a run: what sentences, tiles, tables and figures are made of."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnspike.evaluation.scores.resampling import holm
from rnnspike.models.registry import has_memory, is_given, nearest_extended
from rnnspike.report.load import Run

#: The kinds of departure that the words refractoriness and adaptation are said of.
DIPS, FALLING = ("dip", "dip and excess"), ("falling",)
#: Level of the tests between rungs, corrected over the rungs of a unit.
LEVEL = 0.05
#: A free run keeps the rate where the ratio to the recorded one, interval and all, is within this part of 1.
NEAR_RATE = 0.1
#: A gain so many times the typical one makes the others too small to be seen on a linear axis.
DWARFED = 8.0
#: Gains below this, bits/spike, need not be seen.
LEAST_GAIN = 1e-3


def headline_model(run: Run) -> str:
    """Return the rung that tiles and sentences speak of: the stack, or the best of some models.

    These are the rungs with memory, else the rates that were given, else the last rung.
    """
    if "stack" in run.models:
        return "stack"
    memory = [model for model in run.models if has_memory(model)]
    some = memory or [model for model in run.models if is_given(model)] or run.models[-1:]
    return max(some, key=lambda model: median_bits(run, model))


def scored(run: Run, model: str) -> list[dict[str, Any]]:
    """Return the rows of a model that have a score."""
    return [row for row in run.rows if row["model"] == model and row["bits_per_spike"] is not None]


def median_bits(run: Run, model: str) -> float:
    """Return the median bits/spike over units."""
    values = [row["bits_per_spike"] for row in scored(run, model)]
    return float(np.median(values)) if values else float("nan")


def verdict_counts(run: Run, model: str, departure: str) -> dict[str, Counter[str]]:
    """Return the verdicts on a model by kind of departure (``departure`` is refractory or adaptation).

    Units without a departure are counted under ``none``; those that cannot be judged have that verdict.
    """
    found: dict[str, Counter[str]] = {}
    for row in scored(run, model):
        kind, verdict = row[f"{departure}_kind"], row[f"{departure}_verdict"]
        if verdict is not None:
            found.setdefault("none" if verdict == "nothing to capture" else kind, Counter())[verdict] += 1
    return found


def gains_over(run: Run, model: str, base: str) -> list[tuple[str, float, float, float]]:
    """Return (unit, gain, low, high) of a model over another, from the stored pairs."""
    return [(unit, *found) for (unit, a, b), found in run.gains.items() if (a, b) == (model, base)]


def steps(run: Run, units: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Return the paired gain of each model over the one that it extends, for these units, or for every one.

    Where the unit has no score of that one, the gain is over the nearest that it extends in turn. In the order of the
    figures: by the model extended, then by the model.
    """
    found = []
    for unit in run.units if units is None else units:
        fitted = [row["model"] for row in run.unit_rows(unit) if row["status"] == "ok"]
        for model in fitted:
            over = nearest_extended(model, fitted)
            if over is not None and (unit, model, over) in run.gains:
                gain, low, high = run.gains[unit, model, over]
                found.append({"unit": unit, "model": model, "over": over, "gain": gain, "low": low, "high": high})
    place = {model: k for k, model in enumerate(run.models)}
    return sorted(found, key=lambda step: (place[step["over"]], place[step["model"]]))


def gain_unit(found: Sequence[Mapping[str, Any]]) -> float | None:
    """Return up to where an axis of gains (``steps``) is linear, to be logarithmic beyond; None: linear throughout.

    A power of ten at or below the typical gain, where the largest would hide it.
    """
    gains: dict[tuple[str, str], list[float]] = {}
    for step in found:
        gains.setdefault((step["model"], step["over"]), []).append(step["gain"])
    sizes = [size for each in gains.values() if (size := abs(float(np.median(each)))) > 0]
    typical = max(LEAST_GAIN, float(np.quantile(sizes, 0.4))) if sizes else 0.0
    return float(10.0 ** math.floor(math.log10(typical))) if sizes and max(sizes) > DWARFED * typical else None


def beaten(run: Run, model: str) -> dict[str, set[str]]:
    """Return, for each unit, the rungs that a model beats: sign-flip p below .05, Holm over the unit's rungs.

    The smallest p that 4999 flips can give, .0002, is far below what Holm asks of the first of a dozen rungs
    (.05 / 12); fewer than six trials can show no difference.
    """
    found: dict[str, set[str]] = {unit: set() for unit in run.units}
    mine = run.pairs[((run.pairs.model_a == model) | (run.pairs.model_b == model)) & run.pairs.gain.notna()]
    mine = mine[(mine.model_a != "oracle") & (mine.model_b != "oracle")]
    for unit, pairs in mine.groupby("unit", sort=False):
        ahead = pairs.gain.where(pairs.model_a == model, -pairs.gain) > 0
        won = pairs[ahead & (holm(pairs.p) < LEVEL)]
        found[str(unit)] = set(won.model_b.where(won.model_a == model, won.model_a))
    return found


def rate_kept(row: Mapping[str, Any]) -> bool | None:
    """Say whether a model's free runs keep the recorded rate within 10 %; None where the interval does not tell."""
    low, high = row.get("free_run_rate_ratio_low"), row.get("free_run_rate_ratio_high")
    if low is None or high is None:
        return None
    if low >= 1 - NEAR_RATE and high <= 1 + NEAR_RATE:
        return True
    return False if high < 1 - NEAR_RATE or low > 1 + NEAR_RATE else None


def rungs(run: Run) -> list[str]:
    """Return the models of the ladder with a score: all but the true intensity of a simulated cell."""
    return [model for model in run.models if model != "oracle"]


def scored_rungs(run: Run, unit: str) -> list[str]:
    """Return the rungs with a score for a unit."""
    has = {row["model"] for row in run.unit_rows(unit) if row["status"] == "ok" and row["bits_per_spike"] is not None}
    return [model for model in rungs(run) if model in has]


def sufficient(run: Run, model: str) -> dict[str, str]:
    """Return, for each unit, the first rung that ``model`` does not beat (``beaten``)."""
    lost = beaten(run, model)
    return {
        row["unit"]: next(
            rung for rung in scored_rungs(run, row["unit"]) if rung == model or rung not in lost[row["unit"]]
        )
        for row in scored(run, model)
    }
