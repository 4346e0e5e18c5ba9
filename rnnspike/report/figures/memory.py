"""What a spike leaves behind: hazard, rate by recent spikes, calibration by what came before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rnnspike.observation import garwood
from rnnspike.report import words
from rnnspike.report.colours import on_paper
from rnnspike.report.figures.drawing import Picture, axes, levels, row_of_axes
from rnnspike.report.figures.shown import Shown
from rnnspike.report.load import Curves
from rnnspike.report.payload import pooled_hazard

#: Calibration beyond this many standard errors is marked at the edge.
MOST_Z = 12.0


def hazard(shown: Shown) -> Picture | None:
    """Return the hazard by lag of data (95 % interval) and models."""
    found = pooled_hazard(shown.curves)
    if not found:
        return None
    lag, scale = found["hazard.lag_ms"], 1.0 / float(shown.curves["bin_s"])
    data, low, high = (found[f"hazard.{name}"] * scale for name in ("data", "low", "high"))
    figure, on = axes("time since the last spike (ms)", "hazard (spikes/s)")
    on.errorbar(lag, data, [data - low, high - data], fmt="o", ms=2.2, color="black", elinewidth=0.6, label="data")
    for name, k in shown.drawn:
        on.plot(lag, found["hazard.model"][k] * scale, color=on_paper(name), label=name, zorder=3)
    on.set(
        xscale="log", ylim=(0, 1.25 * max(float(np.nanmax(data)), scale * float(np.nanmax(found["hazard.model"]))))
    )
    on.legend()
    every = {f"{name}_hz": found["hazard.model"][k] * scale for k, name in enumerate(shown.models)}
    table = {"lag_ms": lag, "data_hz": data, "data_low_hz": low, "data_high_hz": high, **every}
    return Picture("hazard", figure, pd.DataFrame(table))


def adaptation(shown: Shown) -> Picture | None:
    """Return recorded over expected spikes by number of recent spikes."""
    strata = {name: shown.curves.get(f"adaptation.{name}") for name in ("count_low", "count_high")}
    drawn = _by_window(shown, "adaptation", "spikes in the window", "count_low", strata)
    return drawn and Picture("adaptation", *drawn)


def others(shown: Shown) -> Picture | None:
    """Return recorded over expected spikes by the other units' activity."""
    strata = {"quantile": shown.curves.get("shared.quantile")}
    drawn = _by_window(shown, "shared", "others' activity (quantile)", "quantile", strata)
    return drawn and Picture("others", *drawn)


def _by_window(
    shown: Shown, departure: str, label: str, at: str, strata: Mapping[str, Any]
) -> tuple[Figure, pd.DataFrame] | None:
    """Draw recorded over expected spikes in the strata of each window; ``at`` names the place of a stratum."""
    c = shown.curves
    if not len(c.get(f"{departure}.observed", ())):
        return None
    windows, observed, expected = (c[f"{departure}.{name}"] for name in ("window_ms", "observed", "expected"))
    low, high = garwood(observed)
    figure, on = row_of_axes(len(np.unique(windows)), sharey=True)
    for each, window in zip(on, np.unique(windows), strict=True):
        here = windows == window
        for name, k in shown.drawn:
            e = np.maximum(expected[k][here], 1e-12)
            ratio, error = observed[here] / e, [(observed - low)[here] / e, (high - observed)[here] / e]
            each.errorbar(strata[at][here], ratio, error, marker="o", ms=3, color=on_paper(name), label=name)
        each.set(xlabel=label, title=f"last {window:g} ms")
        levels(each, 1.0)
        each.axhspan(0, 1, color="0.5", alpha=0.08, lw=0)
    on[0].set_ylabel("recorded / expected")
    on[0].legend()
    table = {"window_ms": windows, **strata, "observed": observed}
    table |= {f"expected_{name}": values for name, values in shown.by_model(f"{departure}.expected").items()}
    return figure, pd.DataFrame(table)


def calibration(shown: Shown) -> Picture | None:
    """Return (O - E)/sqrt(E) by strata of what came before."""
    c = shown.curves
    kinds = [str(kind) for kind in c.get("calibration.kinds", ())]
    if not kinds:
        return None
    figure, on = row_of_axes(len(kinds), sharey=True)
    z = {kind: c[f"calibration.{kind}.z"] for kind in kinds}  # (model, stratum)
    worst = max(float(np.nanmax(np.abs(values[k]))) for values in z.values() for _, k in shown.drawn)
    reach = 1.08 * np.clip(worst, 4.0, MOST_Z)
    tables = []
    for each, kind in zip(on, kinds, strict=True):
        names, labels = stratum_names(c, kind), f"calibration.{kind}.label" in c
        for name, k in shown.drawn:
            look: dict[str, Any] = {"color": on_paper(name), "lw": 0 if labels else 0.8}
            each.plot(np.clip(z[kind][k], -MOST_Z, MOST_Z), marker=".", ms=3, **look)
            for marker, sign in (("^", 1), ("v", -1)):
                beyond = np.flatnonzero(sign * z[kind][k] > MOST_Z)
                each.plot(beyond, np.full(len(beyond), sign * MOST_Z), marker, ms=3.5, **look)
        ticks = np.arange(0, len(names), -(-len(names) // (6 if labels else 3)))
        each.set_xticks(ticks, [names[i] for i in ticks], rotation=35 if labels else 0)
        x = "time (s)" if kind == "position" else str(c[f"calibration.{kind}.unit"])
        each.set(xlabel=x, ylim=(-reach, reach), xlim=(-0.5, len(names) - 0.5))
        each.set_title(kind.replace("_", " "), fontsize=7)
        levels(each, -3.0, 3.0)
        part = {"kind": kind, "stratum": names, "lowest": c[f"calibration.{kind}.lowest"]}
        part |= {"observed": c[f"calibration.{kind}.observed"]}
        part |= {f"z_{model}": z[kind][k] for k, model in enumerate(shown.models)}
        tables.append(pd.DataFrame(part))
    on[0].set_ylabel(r"(O - E) / $\sqrt{E}$")
    return Picture("calibration", figure, pd.concat(tables, ignore_index=True))


def stratum_names(curves: Curves, kind: str) -> list[str]:
    """Return the labels of a kind's strata, or their lower edges."""
    if f"calibration.{kind}.label" in curves:
        return words.short_labels(curves[f"calibration.{kind}.label"].tolist())
    return [f"{edge:.3g}" for edge in curves[f"calibration.{kind}.lowest"]]
