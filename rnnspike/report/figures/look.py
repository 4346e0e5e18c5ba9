"""What a unit looks like: rasters, PSTH and single trials."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rnnspike.report.colours import on_paper
from rnnspike.report.figures.drawing import WIDE, Picture, axes, row_of_axes
from rnnspike.report.figures.shown import Shown


def raster(shown: Shown) -> Picture | None:
    """Return the recorded raster beside one of the model fed its own spikes."""
    c = shown.curves
    if "raster.trial" not in c:
        return None
    parts = {"recorded": (c["raster.trial"], c["raster.bin"])}
    if f"free_raster.{shown.model}.trial" in c:
        free = f"free_raster.{shown.model}"
        parts[f"{shown.model}, simulated"] = (c[f"{free}.trial"], c[f"{free}.bin"])
    figure, on = row_of_axes(len(parts), sharex=True, sharey=True)
    tables = []
    for each, (title, (trial, at)) in zip(on, parts.items(), strict=True):
        time = float(c["window_s"][0]) + (at + 0.5) * float(c["bin_s"])
        look: dict[str, Any] = {"ls": "", "marker": "|", "ms": 2, "mew": 0.4, "color": "black"}
        each.plot(time, trial, rasterized=len(time) > 500, **look)
        each.set(xlabel="time (s)", title=title)
        tables.append(pd.DataFrame({"raster": title, "trial": trial, "time_s": time}))
    on[0].set_ylabel("trial")
    on[0].invert_yaxis()
    return Picture("raster", figure, pd.concat(tables, ignore_index=True))


def psth(shown: Shown) -> Picture | None:
    """Return the PSTH of the data, with its band where it was stored, and what the models expect."""
    c = shown.curves
    if "psth.time_s" not in c:
        return None
    figure, on = axes("time (s)", "rate (Hz)")
    if "smooth.time_s" in c and len(c["smooth.condition"]) == 1:
        on.fill_between(c["smooth.time_s"], c["smooth.low_hz"][0], c["smooth.high_hz"][0], color="0.85", lw=0)
        on.plot(c["smooth.time_s"], c["smooth.rate_hz"][0], color="black", lw=0.9, label="data")
    else:
        on.plot(c["psth.time_s"], c["psth.data_hz"], color="0.4", lw=0.8, label="data")
    for name, k in shown.drawn:
        on.plot(c["psth.time_s"], c["psth.model_hz"][k], color=on_paper(name), label=name)
    on.set_ylim(bottom=0)
    on.legend()
    table = {"time_s": c["psth.time_s"], "data_hz": c["psth.data_hz"], **shown.by_model("psth.model_hz", "_hz")}
    return Picture("psth", figure, pd.DataFrame(table))


def single_trials(shown: Shown, n_most: int = 4) -> Picture | None:
    """Return the conditional intensity on some held-out trials, over their spikes."""
    c = shown.curves
    if "example.rate_hz" not in c or not len(c["example.trial"]):
        return None
    n, time = min(n_most, len(c["example.trial"])), c["example.time_s"]
    figure = axes("", "", (WIDE[0], 0.8 + 0.7 * n))[0]
    figure.clear()
    rows = np.atleast_1d(figure.subplots(n, 1, sharex=True))
    for i, on in enumerate(rows):
        for name, k in shown.drawn:
            on.plot(time, c["example.rate_hz"][k, i], color=on_paper(name), lw=0.9, label=name if i == 0 else None)
        on.plot(
            time[c["example.spikes"][i] > 0], np.zeros(int((c["example.spikes"][i] > 0).sum())), "|", color="black"
        )
        on.set_ylabel(f"trial {c['example.trial'][i]}\n(Hz)")
    rows[0].legend()
    rows[-1].set_xlabel("time (s)")
    table = {"trial": np.repeat(c["example.trial"][:n], len(time)), "time_s": np.tile(time, n)}
    table["spikes"] = c["example.spikes"][:n].ravel()
    table |= {f"{name}_hz": c["example.rate_hz"][k, :n].ravel() for k, name in enumerate(shown.models)}
    return Picture("single_trials", figure, pd.DataFrame(table))
