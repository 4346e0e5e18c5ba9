"""Tests of fit on the rescaled clock."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnspike.report.colours import on_paper
from rnnspike.report.figures.drawing import Picture, axes, levels, row_of_axes
from rnnspike.report.figures.shown import Shown

#: Pieces of the PIT histogram.
PIT_PIECES = 20


def ks(shown: Shown) -> Picture | None:
    """Return the KS plot: distribution of rescaled intervals minus the uniform."""
    if "ks.pit" not in shown.curves:
        return None
    grid, band = shown.curves["ks.grid"], float(shown.curves["ks.band"])
    figure, on = axes("rescaled interval", "data minus model")
    for name, k in shown.drawn:
        on.plot(grid, shown.curves["ks.pit"][k] - grid, color=on_paper(name), label=name)
    levels(on, -band, band)
    on.legend()
    return Picture("ks", figure, pd.DataFrame({"u": grid, **shown.by_model("ks.pit")}))


def pit(shown: Shown) -> Picture | None:
    """Return the histogram of rescaled intervals; 1 is calibrated."""
    if "ks.pit" not in shown.curves:
        return None
    edges = np.linspace(0, 1, PIT_PIECES + 1)
    grid = shown.curves["ks.grid"]
    every = {n: PIT_PIECES * np.diff(np.interp(edges, grid, cdf)) for n, cdf in shown.by_model("ks.pit").items()}
    figure, on = axes("rescaled interval", "density")
    for name, _ in shown.drawn:
        on.stairs(every[name], edges, color=on_paper(name), label=name)
    spread = 1.96 * np.sqrt((PIT_PIECES - 1) / float(shown.curves["ks.n"]))
    levels(on, 1 - spread, 1.0, 1 + spread)
    on.legend()
    return Picture("pit", figure, pd.DataFrame({"u_low": edges[:-1], "u_high": edges[1:], **every}))


def independence(shown: Shown) -> Picture | None:
    """Return the autocorrelation of the rescaled intervals' normal scores."""
    if "independence.autocorrelation" not in shown.curves:
        return None
    lag, band = shown.curves["independence.lag"], float(shown.curves["independence.band"])
    figure, on = axes("lag (intervals)", "autocorrelation")
    width = 0.8 / len(shown.drawn)
    for place, (name, k) in enumerate(shown.drawn):
        values = shown.curves["independence.autocorrelation"][k]
        on.bar(lag + (place - (len(shown.drawn) - 1) / 2) * width, values, width, color=on_paper(name), label=name)
    levels(on, -band, band)
    on.legend()
    table = {"lag": lag, **shown.by_model("independence.autocorrelation")}
    return Picture("independence", figure, pd.DataFrame(table))


def ogata(shown: Shown) -> Picture | None:
    """Return the Wiener process test and the variance-time curve of the rescaled train."""
    c = shown.curves
    if "ogata.wiener" not in c:
        return None
    figure, (wiener, variance) = row_of_axes(2)
    for sign in (-1, 1):
        wiener.plot(c["ogata.time"], sign * c["ogata.wiener_band"], color="0.5", ls="--", lw=0.7)
    for name, k in shown.drawn:
        wiener.plot(c["ogata.time"], c["ogata.wiener"][k], color=on_paper(name), label=name)
        variance.plot(c["ogata.window"][k], c["ogata.variance"][k] / c["ogata.window"][k], color=on_paper(name))
    window = c["ogata.window"][shown.models.index(shown.model)]
    low, high = (c[f"ogata.variance_{end}"][shown.models.index(shown.model)] / window for end in ("low", "high"))
    variance.fill_between(window, low, high, color="0.85", lw=0)
    wiener.set(xlabel="share of the spikes", ylabel="Wiener process")
    variance.set(xlabel="window (expected spikes)", ylabel="variance / window", xscale="log")
    wiener.legend()
    k = shown.models.index(shown.model)
    boundary, y = c["ogata.wiener_band"], c["ogata.wiener"][k]
    of_wiener = pd.DataFrame({"test": "wiener", "x": c["ogata.time"], "y": y, "low": -boundary, "high": boundary})
    of_variance = pd.DataFrame(
        {"test": "variance / window", "x": window, "y": c["ogata.variance"][k] / window, "low": low, "high": high}
    )
    return Picture("ogata", figure, pd.concat([of_wiener, of_variance], ignore_index=True))
