"""Single trials of all units together, as the page holds them (``runs.stored.population.TRIALS``)."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnspike.report.load import Curves, Run
from rnnspike.report.packing import packed, rounded, spread
from rnnspike.report.words import short_labels
from rnnspike.trials.data import IntArray

#: A gain beyond this, log2, is drawn as this: sixteen times as many spikes, or as few.
MOST_GAIN = 4.0
AS_THEY_ARE = ("bin_s", "window_s", "trial", "condition", "model", "unit", "state.model", "state.explained")
#: Trials and units, those with most spikes, that are taken of a run without models that read other units.
MOST_TRIALS, MOST_UNITS = 24, 40


def single_trials(run: Run) -> Curves | None:
    """Return single trials of all units of a run; None where fewer than two were recorded together.

    What ``population.npz`` holds, or without models that read other units the recorded spikes alone.
    """
    return run.single_trials or _recorded(run)


def _recorded(run: Run) -> Curves | None:
    held = {unit: run.per_trial(unit) for unit in run.units}
    together: dict[tuple[int, ...], list[str]] = {}
    for unit, trials in held.items():
        together.setdefault(tuple(trials["trial"]), []).append(unit)
    units = max(together.values(), key=len, default=[])
    most = sorted(units, key=lambda unit: -int(held[unit]["n_spikes"].sum()))[:MOST_UNITS]
    curves = {unit: run.curves(unit) for unit in units if unit in most}
    curves = {unit: each for unit, each in curves.items() if "raster.trial" in each}
    if len(curves) < 2:
        return None
    first, about = held[units[0]], next(iter(curves.values()))
    shown = first.iloc[spread(len(first), MOST_TRIALS)]
    place = {int(trial): k for k, trial in enumerate(shown["trial"])}
    spikes = [_spikes(each, place, k) for k, each in enumerate(curves.values())]
    trial, unit_at, at = (np.concatenate(parts) for parts in zip(*spikes, strict=True))
    codes = range(1 + int(first["condition"].max()))
    return {
        "unit": np.array(list(curves)),
        "bin_s": about["bin_s"],
        "window_s": about["window_s"],
        "conditions": np.array(run.conditions or [str(code) for code in codes]),
        "trial": shown["trial"].to_numpy(),
        "condition": shown["condition"].to_numpy(),
        "spike.trial": trial,
        "spike.unit": unit_at,
        "spike.bin": at,
    }


def _spikes(curves: Curves, place: dict[int, int], unit: int) -> tuple[IntArray, IntArray, IntArray]:
    """Return index of the trial, of the unit, and bin of each spike of these trials."""
    keep = np.isin(curves["raster.trial"], list(place))
    trial = np.array([place[int(each)] for each in curves["raster.trial"][keep]], dtype=np.int64)
    return trial, np.full(len(trial), unit), curves["raster.bin"][keep].astype(np.int64)


def trials_payload(found: Curves | None) -> dict[str, Any] | None:
    """Return what the raster of a trial and the state space are drawn from; None without single trials.

    Parameters
    ----------
    found
        What ``single_trials`` returns.
    """
    if found is None:
        return None
    kept = {name: rounded(values) if name in AS_THEY_ARE else packed(values) for name, values in found.items()}
    if "gain" in found:
        kept["gain"] = packed(np.clip(found["gain"], -MOST_GAIN, MOST_GAIN))
    kept["conditions"] = short_labels(found["conditions"].tolist())
    return kept
