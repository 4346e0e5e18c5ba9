"""Figures for papers: SVG (text stays text) and PNG of publication size, with the numbers behind each as CSV."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from rnnspike.report import words
from rnnspike.report.load import Curves, Run
from rnnspike.runs.store import safe_name

COLOURS = {
    "constant": "#8a8a8a",
    "psth": "#56b4e9",
    "psth-gain": "#2a78c2",
    "renewal": "#009e73",
    "glm": "#e69f00",
    "lstm": "#cc79a7",
    "gru": "#9d8df1",
    "rnn": "#b2837a",
    "linear-rnn": "#a6761d",
    "spike-lstm": "#d55e00",
    "spike-lstm-glm": "#b0408c",
    "stack": "#000000",
    "oracle": "#6aa84f",
}
#: One column of a journal, inches.
SIZE = (3.35, 2.4)
STYLE: Any = {
    "font.size": 8,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "svg.hashsalt": "rnnspike",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 7,
}


@dataclass(frozen=True)
class Picture:
    """One figure and the table behind it."""

    name: str
    figure: Figure
    numbers: pd.DataFrame


def write_figures(run: Run, folder: Path) -> list[Path]:
    """Write every figure of a run as SVG, PNG and CSV, and return the files."""
    written: list[Path] = []
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        written += _write(ladder(run), folder)
        for unit in run.units:
            curves = run.curves(unit)
            models = [str(model) for model in curves["models"]]
            headline = words.headline_model(run)
            shown = headline if headline in models else models[-1]
            for make in UNIT_FIGURES:
                picture = make(curves, models, shown)
                if picture is not None:
                    written += _write(picture, folder / f"unit_{safe_name(unit)}")
    return written


def _write(picture: Picture, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{picture.name}.{suffix}" for suffix in ("svg", "png", "csv")]
    picture.figure.savefig(files[0], metadata={"Date": None})
    picture.figure.savefig(files[1], dpi=300, metadata={"Software": None})
    picture.numbers.to_csv(files[2], index=False, lineterminator="\n")
    return files


def _axes(x: str, y: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    return figure, axes


def ladder(run: Run) -> Picture:
    """Return bits/spike of every unit by rung."""
    columns = ["unit", "model", "bits_per_spike", "bits_per_spike_low", "bits_per_spike_high"]
    table = pd.DataFrame([row for row in run.rows if row["status"] == "ok"], columns=columns)
    figure, axes = _axes("", "bits/spike")
    wide = table.pivot_table(index="model", columns="unit", values="bits_per_spike", sort=False).reindex(run.models)
    at = np.arange(len(wide))
    axes.plot(at, wide.to_numpy(), color="0.65", lw=0.7, marker="o", ms=2.5)
    axes.plot(at, wide.median(axis=1).to_numpy(), color="black", lw=2)
    axes.set_xticks(at, list(wide.index), rotation=35, ha="right")
    return Picture("ladder", figure, table)


def hazard(curves: Curves, models: list[str], shown: str) -> Picture | None:
    """Return the hazard by lag of data and model."""
    if "hazard.lag_ms" not in curves:
        return None
    lag, scale, k = curves["hazard.lag_ms"], 1.0 / float(curves["bin_s"]), models.index(shown)
    data = {name: curves[f"hazard.{name}"] * scale for name in ("data", "low", "high")}
    figure, axes = _axes("time since the last spike (ms)", "hazard (spikes/s)")
    axes.fill_between(lag, data["low"], data["high"], color="0.8", lw=0)
    axes.plot(lag, data["data"], color="black", lw=0.8, label="data")
    axes.plot(lag, curves["hazard.model"][k] * scale, color=COLOURS.get(shown, "C0"), lw=1.5, label=shown)
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.legend()
    every = {f"{model}_hz": curves["hazard.model"][i] * scale for i, model in enumerate(models)}
    names = {"data": "data_hz", "low": "data_low_hz", "high": "data_high_hz"}
    return Picture("hazard", figure, pd.DataFrame({"lag_ms": lag, **{names[n]: v for n, v in data.items()}, **every}))


def ks_plot(curves: Curves, models: list[str], shown: str) -> Picture | None:
    """Return the KS plot: distribution of rescaled intervals minus the uniform."""
    if "ks.pit" not in curves:
        return None
    grid, band, k = curves["ks.grid"], float(curves["ks.band"]), models.index(shown)
    figure, axes = _axes("rescaled interval", "data minus model")
    axes.plot(grid, curves["ks.pit"][k] - grid, color=COLOURS.get(shown, "C0"), lw=1.5, label=shown)
    for level in (-band, band):
        axes.axhline(level, color="0.5", ls="--", lw=0.7)
    axes.legend()
    table = {"u": grid, **{model: curves["ks.pit"][i] for i, model in enumerate(models)}}
    return Picture("ks", figure, pd.DataFrame(table))


def psth(curves: Curves, models: list[str], shown: str) -> Picture | None:
    """Return the rate over the trial of data and model."""
    if "psth.time_s" not in curves:
        return None
    time, k = curves["psth.time_s"], models.index(shown)
    figure, axes = _axes("time (s)", "rate (Hz)")
    axes.plot(time, curves["psth.data_hz"], color="0.5", lw=0.8, label="data")
    axes.plot(time, curves["psth.model_hz"][k], color=COLOURS.get(shown, "C0"), lw=1.5, label=shown)
    axes.set_ylim(bottom=0)
    axes.legend()
    every = {f"{model}_hz": curves["psth.model_hz"][i] for i, model in enumerate(models)}
    return Picture("psth", figure, pd.DataFrame({"time_s": time, "data_hz": curves["psth.data_hz"], **every}))


def raster(curves: Curves, models: list[str], shown: str) -> Picture | None:
    """Return the raster of recorded spikes."""
    if "raster.trial" not in curves:
        return None
    time = float(curves["window_s"][0]) + curves["raster.bin"] * float(curves["bin_s"])
    figure, axes = _axes("time (s)", "trial")
    axes.plot(
        time, curves["raster.trial"], ls="", marker="|", ms=2, mew=0.4, color="black", rasterized=len(time) > 20000
    )
    axes.invert_yaxis()
    return Picture("raster", figure, pd.DataFrame({"trial": curves["raster.trial"], "time_s": time}))


def adaptation(curves: Curves, models: list[str], shown: str) -> Picture | None:
    """Return recorded over expected spikes by number of recent spikes."""
    if "adaptation.observed" not in curves or not len(curves["adaptation.observed"]):
        return None
    windows, observed = curves["adaptation.window_ms"], curves["adaptation.observed"]
    expected = curves["adaptation.expected"]
    figure, axes = _axes("spikes in the window", "recorded / expected")
    for window, marker in zip(np.unique(windows), "osD^v", strict=False):
        here = windows == window
        ratio = observed[here] / np.maximum(expected[models.index(shown)][here], 1e-12)
        axes.plot(curves["adaptation.count_low"][here], ratio, marker=marker, ms=3, lw=1, label=f"last {window:g} ms")
    axes.axhline(1.0, color="0.5", ls="--", lw=0.7)
    axes.legend()
    table = {
        "window_ms": windows,
        "count_low": curves["adaptation.count_low"],
        "count_high": curves["adaptation.count_high"],
        "observed": observed,
        **{f"expected_{model}": expected[i] for i, model in enumerate(models)},
    }
    return Picture("adaptation", figure, pd.DataFrame(table))


UNIT_FIGURES: tuple[Callable[[Curves, list[str], str], Picture | None], ...] = (
    raster,
    psth,
    hazard,
    adaptation,
    ks_plot,
)
