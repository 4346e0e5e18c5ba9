"""Rasters of a unit: recorded, and as each model makes them, over the same trials."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnspike.report.load import Curves
from rnnspike.report.packing import spread
from rnnspike.trials.data import IntArray

#: A raster shows trials that were run free where these are so many at the least, else recorded ones alone.
FEWEST_ROWS = 5


def shown_trials(curves: Curves, held: IntArray, most_spikes: int) -> IntArray:
    """Return which of the trials held a raster shows: whole ones, evenly spaced, and run free if a few are."""
    free = np.intersect1d(held, curves.get("free_raster.trials", curves.get("free_run.trials", ())))
    chosen = held if len(free) < min(FEWEST_ROWS, len(held)) else free.astype(np.int64)
    n_spikes = max(1, int(np.isin(curves["raster.trial"], chosen).sum()))
    return np.asarray(chosen[spread(len(chosen), max(1, len(chosen) * most_spikes // n_spikes))])


def rasters(curves: Curves, trials: pd.DataFrame, most_spikes: int) -> Curves:
    """Return the recorded raster and one of each model run free, over the same trials.

    ``raster.row`` (row,) numbers the trials shown, ordered by condition, ``raster.condition`` (row,) is that of each;
    ``raster.data`` and ``raster.<model>`` are pairs of lists, spikes in each row and the bin of each spike.
    """
    if "raster.trial" not in curves:
        return {}
    shown = trials[trials["trial"].isin(shown_trials(curves, trials["trial"].to_numpy(), most_spikes))]
    shown = shown.sort_values("condition", kind="stable")
    rows = shown["trial"].to_numpy()
    found = {"raster.row": rows, "raster.condition": shown["condition"].to_numpy()}
    sources = {"data": ("raster.trial", "raster.bin")}
    for model in curves.get("free_run.models", ()):
        sources[str(model)] = (f"free_raster.{model}.trial", f"free_raster.{model}.bin")
    simulated = set(np.asarray(curves.get("free_raster.trials", curves.get("free_run.trials", ()))).tolist())
    for name, (trial, at) in sources.items():
        if trial in curves and (name == "data" or set(rows.tolist()) <= simulated):
            found[f"raster.{name}.count"], found[f"raster.{name}.bin"] = _by_row(curves[trial], curves[at], rows)
    return found


def _by_row(trial: IntArray, at: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Return the number of spikes in each of these trials, and the bins of them all in that order."""
    place = {int(row): k for k, row in enumerate(rows)}
    keep = np.isin(trial, rows)
    row = np.array([place[int(each)] for each in trial[keep]], dtype=np.int64)
    order = np.lexsort((at[keep], row))
    return np.bincount(row, minlength=len(rows)), np.asarray(at[keep][order])
