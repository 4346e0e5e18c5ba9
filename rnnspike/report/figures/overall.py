"""All units of a run: the ladder, and what each rung adds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.ticker import NullLocator

from rnnspike.report import tallies
from rnnspike.report.colours import on_paper
from rnnspike.report.figures.drawing import Picture, axes
from rnnspike.report.load import Run
from rnnspike.report.population.pairs import captured_models


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
    """Return the paired gain of each model over the one that it extends, every unit, with its number beside it.

    Where one gain is many times the others, the axis is linear around 0 and logarithmic beyond.
    """
    found = tallies.steps(run)
    table = pd.DataFrame(found, columns=["unit", "model", "over", "gain", "low", "high"])
    pairs = list(dict.fromkeys(zip(table.model, table.over, strict=True)))
    figure, on = axes("gain (bits/spike)", "", (5.0, 0.8 + 0.3 * max(len(pairs), 1)))
    place: dict[str, Any] = {"transform": on.get_yaxis_transform(), "va": "center", "fontsize": 7}
    for k, (model, over) in enumerate(pairs):
        mine = table[(table.model == model) & (table.over == over)]
        y = k + (np.linspace(-0.25, 0.25, len(mine)) if len(mine) > 1 else np.zeros(len(mine)))
        on.hlines(y, mine.low, mine.high, color="0.6", lw=0.7)
        sure = (mine.low > 0) | (mine.high < 0)
        colour = on_paper(model)
        on.scatter(mine.gain, y, s=9, c=np.where(sure, colour, "white"), edgecolors=colour, linewidths=0.8, zorder=3)
        on.text(1.02, k, step_words(mine), **place)
    on.axvline(0, color="0.5", ls="--", lw=0.7, zorder=0)
    if unit := tallies.gain_unit(found):
        on.set_xscale("symlog", linthresh=unit)
        on.xaxis.set_minor_locator(NullLocator())
        on.xaxis.set_major_formatter("{x:g}")
        on.set_xlim(min(1.5 * table.low.min(), -0.5 * unit), 1.5 * max(table.high.max(), unit))
    on.set_yticks(range(len(pairs)), [f"{model} over {over}" for model, over in pairs])
    on.set_ylim(len(pairs) - 0.5, -0.5)
    return Picture("steps", figure, table.rename(columns={"low": "gain_low", "high": "gain_high"}))


def captured(run: Run) -> Picture | None:
    """Return what share of each unit's departures each model captures; None where nothing was to be captured."""
    columns = [(departure, model) for departure, models in captured_models(run).items() for model in models]
    if not columns or len(run.units) < 2:
        return None
    rows = {(row["unit"], row["model"]): row for row in run.rows}
    names = ("verdict", "capture", "capture_low", "capture_high")
    table = pd.DataFrame(
        [
            {"unit": unit, "model": model, "departure": departure}
            | {name: rows.get((unit, model), {}).get(f"{departure}_{name}") for name in names}
            for departure, model in columns
            for unit in run.units
        ]
    )
    judged = ~table.verdict.isin(["nothing to capture", "cannot be judged"])
    share = table.capture.astype(float).where(judged).clip(0, 1).to_numpy().reshape(len(columns), -1).T
    figure, on = axes("", "unit", (6.9, 1.4 + 0.16 * min(len(run.units), 40)))
    figure.colorbar(on.imshow(share, cmap="PuOr", vmin=0, vmax=1, aspect="auto"), label="share captured")
    on.set_xticks(range(len(columns)), [f"{model}\n{departure}" for departure, model in columns], rotation=60)
    step = max(1, len(run.units) // 20)
    on.set_yticks(range(0, len(run.units), step), run.units[::step])
    return Picture("captured", figure, table)


def step_words(gains: pd.DataFrame) -> str:
    """Return the gain of one unit with its interval, or of several the median, lowest and highest."""
    if len(gains) == 1:
        (one,) = gains.to_dict("records")
        return f"{one['gain']:+.3f} ({one['low']:+.3f} to {one['high']:+.3f})"
    return f"{gains.gain.median():+.3f}, units {gains.gain.min():+.3f} to {gains.gain.max():+.3f}"
