"""All units of a run: the ladder, and what each rung adds."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnspike.report import tallies
from rnnspike.report.colours import on_paper
from rnnspike.report.figures.drawing import Picture, axes, levels
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
    """Return the paired gain of each model over the one that it extends, every unit."""
    table = pd.DataFrame(tallies.steps(run), columns=["unit", "model", "over", "gain", "low", "high"])
    figure, on = axes("", "gain (bits/spike)", (3.35, 2.8))
    pairs = list(dict.fromkeys(zip(table.model, table.over, strict=True)))
    for k, (model, over) in enumerate(pairs):
        mine = table[(table.model == model) & (table.over == over)]
        x = k + (np.linspace(-0.25, 0.25, len(mine)) if len(mine) > 1 else np.zeros(len(mine)))
        on.vlines(x, mine.low, mine.high, color="0.6", lw=0.7)
        sure = (mine.low > 0) | (mine.high < 0)
        colour = on_paper(model)
        on.scatter(x, mine.gain, s=9, c=np.where(sure, colour, "white"), edgecolors=colour, linewidths=0.8, zorder=3)
    levels(on, 0.0)
    on.set_xticks(range(len(pairs)), [f"{model}\nover {over}" for model, over in pairs], rotation=60, ha="right")
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
