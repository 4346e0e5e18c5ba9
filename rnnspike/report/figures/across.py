"""Several recordings: their ladders, and the gain from spike history."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from rnnspike.names import in_picture
from rnnspike.report import tallies
from rnnspike.report.comparison import common_pair, hierarchical
from rnnspike.report.figures.drawing import Picture, axes
from rnnspike.report.load import Run, distinct_names


def ladders(runs: Sequence[Run]) -> Picture:
    """Return the median bits/spike by rung of each recording."""
    models = list(dict.fromkeys(model for run in runs for model in run.models))
    medians = [{model: tallies.median_bits(run, model) for model in models} for run in runs]
    figure, on = axes("", "median bits/spike", (4.6, 2.6))
    names = distinct_names((run.name, run) for run in runs)
    for name, bits in zip(names, medians, strict=True):
        there = [(k, bits[model]) for k, model in enumerate(models) if np.isfinite(bits[model])]
        on.plot(*zip(*there, strict=True), marker="o", ms=3, label=in_picture(name))
    on.set_xticks(range(len(models)), models, rotation=35, ha="right")
    if len(runs) <= 12:
        on.legend()
    table = pd.DataFrame(medians)
    table.insert(0, "recording", names)
    return Picture("ladders", figure, table)


def forest(runs: Sequence[Run]) -> Picture:
    """Return the gain of the common model by unit, and its hierarchical mean by recording and over all."""
    model, base = common_pair(runs)
    names, rows = distinct_names((run.name, run) for run in runs), []
    for run, recording in zip(runs, names, strict=True):
        for unit, gain, low, high in tallies.gains_over(run, model, base):
            rows.append({"recording": recording, "unit": unit, "gain": gain, "low": low, "high": high})
    found_means = hierarchical(runs, names, model, base)
    alone = sum(found["recording"] is None for found in found_means) == 1
    for found in found_means:
        everywhere = "all recordings" if alone else f"{found['n_recordings']} scored alike"
        name = found["recording"] or everywhere
        ends = {"low": found["gain_low"], "high": found["gain_high"]}
        rows.append({"recording": name, "unit": "mean", "gain": found["gain"], **ends})
    table = pd.DataFrame(rows, columns=["recording", "unit", "gain", "low", "high"])
    figure, on = axes(f"gain of {model} over {base} (bits/spike)", "", (4.6, max(2.0, 0.6 + 0.14 * len(table))))
    y, mean = np.arange(len(table)), (table.unit == "mean").to_numpy()
    on.hlines(y, table.low, table.high, color="0.5", lw=0.9)
    on.scatter(table.gain, y, s=np.where(mean, 26, 9), c=np.where(mean, "black", "#1d5fa6"), zorder=3)
    on.axvline(0, color="0.5", lw=0.7, ls="--")
    on.set_yticks(y, [f"{r.recording}, {r.unit}" for r in table.itertuples()], fontsize=6)
    on.invert_yaxis()
    return Picture("forest", figure, table)
