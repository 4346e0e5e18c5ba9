"""What units tell about each other: gains beside their nulls, the matrix of links, and what joint runs share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from rnnspike.evaluation.links import DIRECTED, SHARED
from rnnspike.report.colours import on_paper
from rnnspike.report.figures.drawing import Picture, axes, levels
from rnnspike.report.load import Run
from rnnspike.report.population.shared import shared_payload, told_window

GAINS = [f"population_{name}{end}" for name in ("gain", "null") for end in ("", "_low", "_high")]


def gains(run: Run) -> Picture | None:
    """Return the gain of population models by unit (filled), and the same on shuffled trials (hollow)."""
    rows = [row for row in run.rows if row.get("population_gain") is not None]
    if not rows:
        return None
    table = pd.DataFrame(rows, columns=["unit", "model", "population_base", *GAINS])
    figure, on = axes("unit", "gain (bits/spike)")
    place = {unit: k for k, unit in enumerate(dict.fromkeys(table.unit))}
    models = list(dict.fromkeys(table.model))
    for k, model in enumerate(models):
        mine = table[table.model == model]
        x = mine.unit.map(place).to_numpy() + 0.28 * (k - (len(models) - 1) / 2)
        for name, shift, fill in (("gain", -0.05, on_paper(model)), ("null", 0.05, "white")):
            on.vlines(x + shift, mine[f"population_{name}_low"], mine[f"population_{name}_high"], color="0.6", lw=0.7)
            on.scatter(x + shift, mine[f"population_{name}"], s=9, c=fill, edgecolors=on_paper(model), zorder=3)
    levels(on, 0.0)
    step = max(1, len(place) // 20)
    on.set_xticks(range(0, len(place), step), list(place)[::step])
    return Picture("population_gains", figure, table)


def links(run: Run) -> Picture | None:
    """Return the matrix of significant links, directed ones dotted."""
    if run.links is None or not run.links["p"].notna().any():
        return None
    shown = run.links[run.links["verdict"].isin([DIRECTED, SHARED])]
    units = list(dict.fromkeys(run.links["target"]))
    place = {unit: k for k, unit in enumerate(units)}
    matrix = np.full((len(units), len(units)), np.nan)
    matrix[shown["target"].map(place), shown["source"].map(place)] = shown["peak"]
    figure, on = axes("source", "target")
    most = max(0.5, float(np.nanmax(np.abs(matrix), initial=0.0)))
    image = on.imshow(matrix, cmap="PuOr_r", vmin=-most, vmax=most)
    figure.colorbar(image, label="log rate")
    directed = shown[shown["verdict"] == DIRECTED]
    on.scatter(directed["source"].map(place), directed["target"].map(place), s=6, c="black")
    step = max(1, len(units) // 15)
    on.set_xticks(range(0, len(units), step), units[::step])
    on.set_yticks(range(0, len(units), step), units[::step])
    return Picture("population_links", figure, run.links)


def noise_correlations(run: Run) -> Picture | None:
    """Return noise correlations by window, recorded and of free runs."""
    found = shared_payload(run.population)
    if found is None or "missing" in found:
        return None
    windows, recorded = np.array(found["window_ms"]), found["recorded"]["noise_correlation"]
    figure, on = axes("window (ms)", "mean correlation of counts")
    x, numbers = np.arange(len(windows), dtype=np.float64), {"window_ms": windows, "recorded": recorded}
    on.scatter(x - 0.2, recorded, s=12, c="black", marker="D", label="recorded", zorder=3)
    for k, model in enumerate(found["models"]):
        check, at = model["noise_correlation"], x + 0.15 * k
        on.vlines(at, check["low"], check["high"], color="0.6", lw=0.7)
        on.scatter(at, check["mean"], s=12, c=on_paper(model["model"]), label=model["model"], zorder=3)
        numbers |= {f"{model['model']}_{part}": check[part] for part in ("mean", "low", "high", "p")}
    levels(on, 0.0)
    on.set_xticks(x, [f"{window:g}" for window in windows])
    on.legend(loc="upper left")
    return Picture("population_noise_correlations", figure, pd.DataFrame(numbers))


def pairs(run: Run) -> Picture | None:
    """Return noise correlations of all pairs: recorded below the diagonal, by the last model above."""
    found = run.population
    if found is None or found["status"] != "ok":
        return None
    w, units, model = told_window(found), found["units"], found["models"][-1]
    place = {unit: k for k, unit in enumerate(units)}
    a, b = (np.array([place[pair[k]] for pair in found["pairs"]]) for k in (0, 1))
    recorded, simulated = (np.array(each["pairs"][w], np.float64) for each in (found["recorded"], model))
    matrix = np.full((len(units), len(units)), np.nan)
    matrix[b, a], matrix[a, b] = recorded, simulated
    figure, on = axes("unit", "unit")
    most = max(0.02, float(np.nanquantile(np.abs(matrix), 0.98))) if np.isfinite(matrix).any() else 0.02
    image = on.imshow(matrix, cmap="PuOr_r", vmin=-most, vmax=most)
    figure.colorbar(image, label=f"correlation of counts, {found['window_ms'][w]:g} ms")
    on.set_title(f"below: recorded; above: {model['model']}", fontsize=8)
    step = max(1, len(units) // 15)
    on.set_xticks(range(0, len(units), step), units[::step])
    on.set_yticks(range(0, len(units), step), units[::step])
    columns = {"unit_a": [pair[0] for pair in found["pairs"]], "unit_b": [pair[1] for pair in found["pairs"]]}
    return Picture(
        "population_pairs", figure, pd.DataFrame({**columns, "recorded": recorded, model["model"]: simulated})
    )


def correlogram(run: Run) -> Picture | None:
    """Return the cross-correlogram over all pairs, recorded and of free runs."""
    found = shared_payload(run.population)
    if found is None or "missing" in found:
        return None
    lag, recorded = np.array(found["lag_ms"]), found["recorded"]["correlogram"]
    figure, on = axes("lag (ms)", "coincidences / shift predictor")
    numbers = {"lag_ms": lag, "recorded": recorded}
    for model in found["models"]:
        check, colour = model["correlogram"], on_paper(model["model"])
        low, high = (np.array(check[end], np.float64) for end in ("low", "high"))
        on.fill_between(lag, low, high, color=colour, alpha=0.18, lw=0)
        on.plot(lag, np.array(check["mean"], np.float64), color=colour, label=model["model"])
        numbers |= {f"{model['model']}_{part}": check[part] for part in ("mean", "low", "high", "p")}
    on.plot(lag, np.array(recorded, np.float64), color="black", lw=0.8, label="recorded")
    levels(on, 1.0)
    on.legend()
    return Picture("population_correlogram", figure, pd.DataFrame(numbers))


def one_trial(run: Run) -> Picture | None:
    """Return the spikes of all units in the first trial kept, over what the last model adds to their rates."""
    found = run.single_trials
    if found is None:
        return None
    figure, on = axes("time (s)", "unit", (6.9, 3.4))
    n_units, (start, end) = len(found["unit"]), found["window_s"]
    gain, mine = found["gain"][-1][0], found["spike.trial"] == 0
    most = max(0.5, float(np.nanquantile(np.abs(found["gain"][-1]), 0.99)))
    image = on.pcolormesh(
        np.append(found["piece_s"], end), np.arange(n_units + 1) - 0.5, gain.T, cmap="PuOr_r", vmin=-most, vmax=most
    )
    figure.colorbar(image, label="log2 over the GLM")
    time_s, unit = start + (found["spike.bin"][mine] + 0.5) * found["bin_s"], found["spike.unit"][mine]
    on.vlines(time_s, unit - 0.42, unit + 0.42, color="black", lw=0.6)
    on.set(ylim=(n_units - 0.5, -0.5), title=f"trial {found['trial'][0]}, {found['model'][-1]}")
    step = max(1, n_units // 20)
    on.set_yticks(range(0, n_units, step), found["unit"][::step])
    table = pd.DataFrame({"trial": found["trial"][0], "unit": found["unit"][unit], "time_s": time_s})
    return Picture("population_trial", figure, table)


def states(run: Run) -> Picture | None:
    """Return the states of a network on the plane of their first components, by condition (line: mean)."""
    found: dict[str, Any] = run.single_trials or {}
    if "state.model" not in found:
        return None
    names = [f"component {k + 1} ({share:.0%})" for k, share in enumerate(found["state.explained"])]
    figure, on = axes(names[0], names[1])
    states, condition = found["state.component"], found["state.condition"]
    for code in np.unique(condition):
        own, colour = states[condition == code], f"C{code % 10}"
        on.plot(*np.moveaxis(own[..., :2], 2, 0).swapaxes(1, 2), color=colour, lw=0.4, alpha=0.35)
        on.plot(*own[..., :2].mean(axis=0).T, color=colour, lw=1.6)
    time = found["state.time_s"]
    table = {
        "trial": np.repeat(found["state.trial"], len(time)),
        "condition": np.repeat(found["conditions"][condition], len(time)),
        "time_s": np.tile(time, len(states)),
        **{f"component_{k + 1}": states[..., k].ravel() for k in range(states.shape[-1])},
    }
    return Picture("population_states", figure, pd.DataFrame(table))
