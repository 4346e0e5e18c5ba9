"""Figures for papers: SVG (text stays text) and PNG of publication size, with the numbers behind each as CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd

from rnnspike.report import words
from rnnspike.report.colours import on_paper
from rnnspike.report.comparison import common_pair, hierarchical
from rnnspike.report.drawing import STYLE, Picture, axes, levels, write_picture
from rnnspike.report.figures_network import network_figures
from rnnspike.report.figures_unit import UNIT_FIGURES, Shown, session, stack_weights, steps_of_unit, training
from rnnspike.report.load import Run, distinct_names
from rnnspike.runs.store import safe_name


def write_figures(run: Run, folder: Path) -> list[Path]:
    """Write every figure of a run as SVG, PNG and CSV, and return the files."""
    written: list[Path] = []
    with mpl.rc_context(STYLE):
        for picture in (ladder(run), steps(run)):
            written += write_picture(picture, folder)
        for unit in run.units:
            for picture in unit_figures(run, unit):
                written += write_picture(picture, folder / f"unit_{safe_name(unit)}")
        for name, picture in network_figures(run.folder / "dynamics"):
            written += write_picture(picture, folder / "network" / name)
    return written


def write_comparison_figures(runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write the figures of a comparison across recordings, and return the files."""
    with mpl.rc_context(STYLE):
        return [file for picture in (ladders(runs), forest(runs)) for file in write_picture(picture, folder)]


def unit_figures(run: Run, unit: str) -> Iterator[Picture]:
    """Yield the figures of a unit, those that its stored curves allow: of the headline model, or the last one."""
    curves = run.curves(unit)
    if not curves:
        return
    models = [str(model) for model in curves["models"]]
    headline = words.headline_model(run)
    model = headline if headline in models else models[-1]
    base = "psth-gain" if "psth-gain" in models and model != "psth-gain" else None
    shown = Shown(curves, models, model, base)
    made = [make(shown) for make in UNIT_FIGURES]
    made += [
        steps_of_unit(run, unit),
        session(shown, run.per_trial(unit)),
        training(run, unit),
        stack_weights(run, unit),
    ]
    yield from (picture for picture in made if picture is not None)


def ladder(run: Run) -> Picture:
    """Return bits/spike of every unit by rung, with intervals where there are few units."""
    columns = ["unit", "model", "bits_per_spike", "bits_per_spike_low", "bits_per_spike_high"]
    table = pd.DataFrame([row for row in run.rows if row["status"] == "ok"], columns=columns)
    figure, on = axes("", "bits/spike")
    wide = table.pivot_table(index="model", columns="unit", values="bits_per_spike", sort=False).reindex(run.models)
    at = np.arange(len(wide))
    on.plot(at, wide.to_numpy(), color="0.65", lw=0.7, marker="o", ms=2.5)
    if wide.shape[1] <= 12:
        place = {model: k for k, model in enumerate(run.models)}
        x, value = table.model.map(place), table.bits_per_spike
        error = [value - table.bits_per_spike_low, table.bits_per_spike_high - value]
        on.errorbar(x, value, np.abs(np.array(error, dtype=float)), fmt="none", ecolor="0.4", elinewidth=0.7)
    on.plot(at, wide.median(axis=1).to_numpy(), color="black", lw=2)
    on.set_xticks(at, list(wide.index), rotation=35, ha="right")
    return Picture("ladder", figure, table)


def steps(run: Run) -> Picture:
    """Return the paired gain of each rung over the one before it, every unit."""
    rows = [
        {"unit": unit, "model": model, "over": before, "gain": gain, "gain_low": low, "gain_high": high}
        for before, model in zip(run.models, run.models[1:], strict=False)
        for unit, gain, low, high in words.gains_over(run, model, before)
    ]
    table = pd.DataFrame(rows, columns=["unit", "model", "over", "gain", "gain_low", "gain_high"])
    figure, on = axes("", "gain over the rung before\n(bits/spike)")
    for k, model in enumerate(run.models[1:]):
        mine = table[table.model == model]
        x = k + (np.linspace(-0.25, 0.25, len(mine)) if len(mine) > 1 else np.zeros(len(mine)))
        on.vlines(x, mine.gain_low, mine.gain_high, color="0.6", lw=0.7)
        sure = (mine.gain_low > 0) | (mine.gain_high < 0)
        colour = on_paper(model)
        on.scatter(x, mine.gain, s=9, c=np.where(sure, colour, "white"), edgecolors=colour, linewidths=0.8, zorder=3)
    levels(on, 0.0)
    on.set_xticks(range(len(run.models) - 1), run.models[1:], rotation=35, ha="right")
    return Picture("steps", figure, table)


def ladders(runs: Sequence[Run]) -> Picture:
    """Return the median bits/spike by rung of each recording."""
    models = list(dict.fromkeys(model for run in runs for model in run.models))
    medians = [{model: words.median_bits(run, model) for model in models} for run in runs]
    figure, on = axes("", "median bits/spike", (4.6, 2.6))
    names = distinct_names((run.name, run) for run in runs)
    for name, bits in zip(names, medians, strict=True):
        there = [(k, bits[model]) for k, model in enumerate(models) if np.isfinite(bits[model])]
        on.plot(*zip(*there, strict=True), marker="o", ms=3, label=name)
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
        for unit, gain, low, high in words.gains_over(run, model, base):
            rows.append({"recording": recording, "unit": unit, "gain": gain, "low": low, "high": high})
    for found in hierarchical(runs, names, model, base):
        name = found["recording"] or "all recordings"
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
