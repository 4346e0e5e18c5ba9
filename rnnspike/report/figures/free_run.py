"""Models fed their own spikes, against the data of the same trials."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnspike.evaluation.free_running.free_run import least_p
from rnnspike.report.colours import on_paper
from rnnspike.report.figures.drawing import WIDE, Picture, axes
from rnnspike.report.figures.shown import Shown
from rnnspike.report.load import Curves
from rnnspike.trials.data import FloatArray
from rnnspike.wording import p_text


def isi(shown: Shown) -> Picture | None:
    """Return the distribution of intervals, per unit of their logarithm."""
    edge = shown.curves["isi.edge_ms"].astype(np.float64)
    middle, width = np.sqrt(edge[:-1] * edge[1:]), np.diff(np.log(edge))
    return free_curve(shown, "isi", middle, "interval (ms)", "share per log unit", log=True, per=width)


def autocorrelation(shown: Shown) -> Picture | None:
    """Return the rate at each lag after a spike."""
    return free_curve(shown, "autocorrelation", shown.curves["autocorrelation.lag_ms"], "lag (ms)", "spikes/s")


def serial(shown: Shown) -> Picture | None:
    """Return the correlation of intervals by how many lie between."""
    lag = shown.curves["serial.lag"].astype(np.float64)
    return free_curve(shown, "serial", lag, "lag (intervals)", "serial correlation")


def fano(shown: Shown) -> Picture | None:
    """Return the Fano factor by window."""
    return free_curve(shown, "fano", shown.curves["fano.window_ms"], "window (ms)", "Fano factor", log=True)


def free_curve(
    shown: Shown, name: str, x: FloatArray, label: str, ylabel: str, log: bool = False, per: FloatArray | float = 1.0
) -> Picture | None:
    """Draw a statistic of the data, over ``per``, against the free runs, by name of its arrays."""
    c = shown.curves
    if not shown.drawn_free or np.isnan(c[f"{name}.data"]).all():
        return None
    y = {part: c[f"{name}.{part}"] / per for part in ("data", "mean", "low", "high")}
    figure, on = axes(label, ylabel)
    table = {label: x, "data": y["data"]}
    for model, k in shown.drawn_free:
        on.fill_between(x, y["low"][k], y["high"][k], color=on_paper(model), alpha=0.2, lw=0)
        on.plot(x, y["mean"][k], color=on_paper(model), label=model)
        table |= {f"{model}_{part}": y[part][k] for part in ("mean", "low", "high")}
    on.plot(x, y["data"], color="black", lw=0.9, marker="o", ms=2 if len(x) < 60 else 0, label="data")
    if log:
        on.set_xscale("log")
    on.set_title(simulated(c), fontsize=7)
    on.legend()
    return Picture(name, figure, pd.DataFrame(table))


def simulated(c: Curves) -> str:
    """Return on how many trials, runs and replicates figures of free runs rest; empty in runs of an older version."""
    if "free_run.n_runs" not in c:
        return ""
    said = f"{len(c['free_run.trials'])} of {c['free_run.n_trials']} trials, {c['free_run.n_runs']} runs"
    replicates = int(c.get("free_run.n_replicates", 0))
    return f"{said}, {replicates} replicates" if replicates > c["free_run.n_runs"] else said


def predictive(shown: Shown) -> Picture | None:
    """Return z and posterior predictive p of every statistic and model, as a table of colours."""
    c = shown.curves
    if "statistic.z" not in c:
        return None
    models, names = [str(m) for m in c["free_run.models"]], [str(s) for s in c["statistic.names"]]
    least = least_p(shown.run.n_replicates)
    figure, on = axes("", "", (WIDE[0], 0.9 + 0.24 * len(models)))
    image = on.imshow(np.clip(c["statistic.z"], -6, 6), cmap="RdBu_r", vmin=-6, vmax=6, aspect="auto")
    for i in range(len(models)):
        for j in range(len(names)):
            p, z = c["statistic.p"][i, j], c["statistic.z"][i, j]
            ink = "white" if abs(z) > 4 else "black"
            on.text(j, i, p_text(p, least), ha="center", va="center", fontsize=6, color=ink)
    on.set_xticks(range(len(names)), names, rotation=30, ha="right")
    on.set_yticks(range(len(models)), models)
    figure.colorbar(image, ax=on, label="z (colour); p (text)")
    rows = [
        {"model": m, "statistic": s, "data": c["statistic.data"][j],
         **{part: c[f"statistic.{part}"][i, j] for part in ("mean", "low", "high", "z", "p")}}
        for i, m in enumerate(models) for j, s in enumerate(names)
    ]  # fmt: skip
    return Picture("predictive", figure, pd.DataFrame(rows))
