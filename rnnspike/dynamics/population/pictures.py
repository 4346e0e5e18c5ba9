"""A population network in pictures (matplotlib): its patterns, and its states in single trials."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnspike.dynamics.pictures import save_picture
from rnnspike.dynamics.population.result import PopulationResult
from rnnspike.dynamics.state_space import Plane
from rnnspike.names import in_picture
from rnnspike.trials.data import FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Conditions that have a colour of their own, and single trials drawn of each.
N_COLOURS, N_LINES = 10, 12
#: Units up to which each has its name in the map of patterns.
MOST_NAMED = 60


def draw_trials(found: PopulationResult, plane: Plane, bin_s: float, path: Path, title: str = "") -> None:
    """Draw single trials on the plane of the visited states, left by condition with means, right by time."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.8))
    by_condition, by_time = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.06, right=0.98, bottom=0.12, top=0.84, wspace=0.55)
    at = plane.project(found.states)  # (trial, block, 2)
    _draw_conditions(by_condition, at, found)
    _draw_time(by_time, at, bin_s)
    for axes in (by_condition, by_time):
        axes.autoscale_view()
        shares = [f"{share:.0%}" for share in plane.explained]
        axes.set(xlabel=f"principal component 1 ({shares[0]})", ylabel=f"principal component 2 ({shares[1]})")
    figure.suptitle(in_picture(title, 100), fontsize=11)
    save_picture(figure, path)


def draw_patterns(rates_hz: FloatArray, unit_ids: Sequence[str], path: Path, title: str = "") -> None:
    """Draw the rates (pattern, unit) of patterns as a map, with units that fire in the same patterns side by side."""
    from matplotlib.figure import Figure

    n_patterns, n_units = rates_hz.shape
    figure = Figure(figsize=(3.5 + 0.25 * min(n_patterns, 30), 2.2 + 0.18 * min(n_units, 40)), layout="constrained")
    axes = figure.subplots()
    order, columns = map_order(rates_hz)
    image = axes.imshow(rates_hz[columns][:, order].T, aspect="auto", interpolation="nearest", vmin=0.0)
    figure.colorbar(image, ax=axes, label="expected rate (Hz)")
    axes.set_xticks(range(n_patterns), [f"{k + 1}" for k in columns], fontsize=7)
    if n_units <= MOST_NAMED:
        axes.set_yticks(range(n_units), [in_picture(unit_ids[u]) for u in order], fontsize=7)
    axes.set(xlabel="pattern", ylabel="unit")
    axes.set_title("patterns that the closed loop keeps", fontsize=10, loc="left")
    figure.suptitle(in_picture(title, 60), fontsize=10)
    save_picture(figure, path)


def map_order(rates_hz: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the orders of units (unit,) and patterns (pattern,) in a map of the rates (pattern, unit).

    Units by the angle of their loadings on two components of the patterns, patterns by the unit that fires most.
    """
    units = neighbours(rates_hz)
    return units, np.argsort(rates_hz[:, units].argmax(axis=1), kind="stable")


def neighbours(rates_hz: FloatArray) -> IntArray:
    """Return an order of the units (unit,) by the angle of their loadings on two components of the patterns."""
    log_rate = np.log(np.maximum(rates_hz, 1e-3))
    loadings = np.linalg.svd(log_rate - log_rate.mean(axis=0), full_matrices=False)[2][:2]
    if len(loadings) < 2:
        return np.argsort(loadings[0], kind="stable")
    return np.argsort(np.arctan2(loadings[1], loadings[0]), kind="stable")


def _draw_conditions(axes: Axes, at: FloatArray, found: PopulationResult) -> None:
    from matplotlib import colormaps

    present = np.unique(found.condition)
    for k, condition in enumerate(present[:N_COLOURS]):
        colour, own = colormaps["tab10"](k), at[found.condition == condition]
        for trial in own[:N_LINES]:
            axes.plot(*trial.T, color=colour, lw=0.5, alpha=0.4)
        label = f"{in_picture(found.conditions[condition])} ({len(own)})"
        axes.plot(*own.mean(axis=0).T, color=colour, lw=2, label=label)
    shown = f" (the first {N_COLOURS} of {len(present)})" if len(present) > N_COLOURS else ""
    axes.set_title(f"held-out trials by condition{shown}", fontsize=10, loc="left")
    title = "mean (number of trials)"
    axes.legend(fontsize=7, title=title, title_fontsize=7, loc="upper left", bbox_to_anchor=(1.01, 1.0))


def _draw_time(axes: Axes, at: FloatArray, bin_s: float) -> None:
    from matplotlib.collections import LineCollection

    some = at[np.linspace(0, len(at) - 1, min(N_COLOURS * N_LINES // 2, len(at))).astype(int)]
    pieces = np.stack([some[:, :-1], some[:, 1:]], axis=2).reshape(-1, 2, 2)
    time_s = np.tile(bin_s * np.arange(some.shape[1] - 1), len(some))
    lines = axes.add_collection(LineCollection(list(pieces), cmap="viridis", array=time_s, lw=0.6, alpha=0.7))
    axes.figure.colorbar(lines, ax=axes, label="time in the window (s)")
    axes.set_title("held-out trials by time", fontsize=10, loc="left")
