"""Figures of one analysed network: state space and eigenvalues, and memory (matplotlib, without a display)."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnspike.dynamics.analyse import DynamicsResult, InputResult
from rnnspike.dynamics.state_space import Plane
from rnnspike.files import write_file
from rnnspike.names import in_picture
from rnnspike.trials.data import FloatArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette, which is safe for colour-blind readers; shapes differ too
MARKS: dict[str, dict[str, Any]] = {
    "stable": {"marker": "o", "color": "#0072B2", "label": "stable"},
    "neutral": {"marker": "s", "color": "#009E73", "label": "neutral"},
    "saddle": {"marker": "X", "color": "#E69F00", "label": "saddle"},
    "unstable": {"marker": "^", "color": "#D55E00", "label": "unstable"},
    "slow": {"marker": "D", "color": "#999999", "label": "slow"},
}


def draw_state_space(result: DynamicsResult, path: Path, title: str = "", n_most: int = 4) -> None:
    """Draw, for each named input, the plane of the visited states and the eigenvalues at its points."""
    from matplotlib.figure import Figure

    looked = result.inputs[:n_most]
    height = 4.4 * len(looked)
    figure = Figure(figsize=(10.5, height))
    axes = figure.subplots(len(looked), 2, squeeze=False, width_ratios=(1.35, 1))
    # fixed margins: a layout solver takes longer than the drawing
    figure.subplots_adjust(left=0.08, right=0.98, bottom=0.5 / height, top=1 - 0.7 / height, hspace=0.28, wspace=0.16)
    plane = Plane.of(result.orbits.states)
    for row, one in zip(axes, looked, strict=True):
        _draw_plane(row[0], result, one, plane)
        _draw_eigenvalues(row[1], one, result.network.bin_s)
    figure.suptitle(in_picture(title, 100), fontsize=11)
    save_picture(figure, path)


def draw_memory(result: DynamicsResult, path: Path, title: str = "") -> None:
    """Draw gradients through time, the decay of a perturbation in the readout, and the gates' time constants."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.8))
    flow, decay, gates = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.06, right=0.99, bottom=0.14, top=0.84, wspace=0.2)
    _draw_flow(flow, result)
    _draw_decay(decay, result)
    _draw_gates(gates, result)
    figure.suptitle(in_picture(title, 100), fontsize=11)
    save_picture(figure, path)


def save_picture(figure: Any, path: Path) -> None:
    """Write a figure as PNG."""
    buffer = io.BytesIO()
    # no date and no version in the file: the same result gives the same bytes
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+")  # characters that the font lacks
        figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    write_file(path, buffer.getvalue())


def point_kinds(one: InputResult) -> list[str]:
    """Return how each point is drawn: its stability, or ``slow``."""
    points = one.points
    return [kind if fixed else "slow" for kind, fixed in zip(points.stability, points.fixed, strict=True)]


def _draw_plane(axes: Axes, result: DynamicsResult, one: InputResult, plane: Plane) -> None:
    states = result.orbits.states
    visited = plane.project(states)
    low, high = plane.limits(states, one.points.states[~one.points.outlier])
    grid, moved = plane.flow(one.input.map_of(result.network), low, high)
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    # arrows of equal length, speed as shade, so that fast corners do not hide the slow middle
    arrows = moved / np.where(length > 0, length, 1.0)
    speed = np.log10(np.maximum(length[:, 0], 1e-6 * max(float(length.max()), 1e-300)))
    axes.quiver(
        *grid.T, *arrows.T, speed, cmap="Greys", clim=(speed.min() - 2, speed.max()), scale=26, width=0.003, zorder=1
    )
    for trial in visited[np.linspace(0, len(visited) - 1, min(8, len(visited))).astype(int)]:
        axes.plot(*trial[:250].T, color="#56B4E9", lw=0.5, alpha=0.5, zorder=2)
    for cycle in one.basins.cycles:
        closed = np.vstack([cycle.orbit, cycle.orbit[:1]])
        label = f"limit cycle {cycle.period_s * 1e3:.3g} ms"
        axes.plot(*plane.project(closed).T, color="#CC79A7", lw=2, zorder=3, label=label)
    _draw_points(axes, plane.project(one.points.states), point_kinds(one), low, high)
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    shares = [f"{share:.0%}" for share in plane.explained]
    axes.set(xlabel=f"principal component 1 ({shares[0]})", ylabel=f"principal component 2 ({shares[1]})")
    axes.set_title(f"{in_picture(one.input.name)} input: visited states, flow, points", fontsize=10, loc="left")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, loc="upper right", framealpha=0.9)


def _draw_points(axes: Axes, at: FloatArray, kinds: Sequence[str], low: FloatArray, high: FloatArray) -> None:
    """Mark points (point, 2) by kind; the legend gives the number outside the axes."""
    for kind, mark in MARKS.items():
        chosen = at[[k for k, other in enumerate(kinds) if other == kind]]
        if len(chosen):
            size = 45 if len(chosen) < 40 else 14
            outside = int(((chosen < low) | (chosen > high)).any(axis=1).sum())
            label = f"{mark['label']} ({len(chosen)}{f', {outside} outside' if outside else ''})"
            look = {"marker": mark["marker"], "color": mark["color"], "edgecolors": "white", "linewidths": 0.6}
            axes.scatter(chosen[:, 0], chosen[:, 1], s=size, zorder=4, label=label, **look)


def _draw_eigenvalues(axes: Axes, one: InputResult, bin_s: float, n_most: int = 40) -> None:
    angle = np.linspace(0, 2 * np.pi, 400)
    axes.plot(np.cos(angle), np.sin(angle), color="black", lw=0.8)
    for tau_bins, turn in ((3, -0.5), (10, -0.42), (30, -0.34)):
        radius = np.exp(-1 / tau_bins)
        at = (radius * np.cos(turn * np.pi), radius * np.sin(turn * np.pi))
        axes.plot(radius * np.cos(angle), radius * np.sin(angle), color="#bbbbbb", lw=0.5)
        axes.annotate(f"{tau_bins * bin_s * 1e3:.3g} ms", at, fontsize=6, color="#777777", ha="right", va="bottom")
    kinds = point_kinds(one)
    for kind, mark in MARKS.items():
        chosen = [k for k, other in enumerate(kinds) if other == kind][:n_most]
        values = one.points.modes.eigenvalues[chosen].ravel()
        if len(values):
            axes.scatter(values.real, values.imag, s=12, marker=mark["marker"], color=mark["color"], alpha=0.6, lw=0)
    reach = max(1.1, float(np.abs(one.points.modes.eigenvalues).max(initial=0.0)) * 1.08)
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="real", ylabel="imaginary")
    axes.set_title("eigenvalues at the points; grey rings: decay times", fontsize=10, loc="left")


def _draw_flow(axes: Axes, result: DynamicsResult) -> None:
    flow = result.flow
    axes.semilogy(flow.lag_s * 1e3, np.maximum(flow.gradient, 1e-12), color="#0072B2", label="gradient, trained")
    if result.untrained is not None:
        before = result.untrained
        axes.semilogy(
            before.lag_s * 1e3, np.maximum(before.gradient, 1e-12), color="#999999", label="before training"
        )
    axes.semilogy(
        flow.product_lag_s * 1e3, np.maximum(flow.product, 1e-12), "--", color="#E69F00", label="|product of J|"
    )
    bound = np.clip(flow.bound, 1e-12, 1e6)
    axes.semilogy(flow.product_lag_s * 1e3, bound, ":", color="#D55E00", label="product of |J| (bound, to 1e6)")
    axes.axhline(0.01, color="black", lw=0.6)
    if np.isfinite(flow.horizon_s):
        axes.axvline(flow.horizon_s * 1e3, color="#0072B2", lw=0.6)
    axes.set(xlabel="lag (ms)", ylabel="norm over lag 0", ylim=(1e-9, max(30, float(bound.max()) * 2)))
    axes.set_title(f"gradient: {flow.flow}", fontsize=10, loc="left")
    axes.legend(fontsize=7)


def _draw_decay(axes: Axes, result: DynamicsResult) -> None:
    memory = result.timescales
    axes.semilogy(
        memory.decay_lag_s * 1e3, np.maximum(memory.decay, 1e-8), color="#0072B2", label="readout, measured"
    )
    lags = memory.decay_lag_s
    for tau_s, label, colour in (
        (memory.measured_s, "fitted", "#56B4E9"),
        (memory.eigenvalue_s, "slowest mode", "#E69F00"),
        (memory.gate_median_s, "gates, median", "#009E73"),
    ):
        if np.isfinite(tau_s) and tau_s > 0:
            curve = np.maximum(np.exp(-lags / tau_s), 1e-8)
            axes.semilogy(lags * 1e3, curve, "--", lw=1, color=colour, label=f"{label} {tau_s * 1e3:.3g} ms")
    axes.set(xlabel="lag (ms)", ylabel="change of the log-rate", ylim=(1e-6, 3))
    axes.set_title("a perturbation of the state, in the readout", fontsize=10, loc="left")
    axes.legend(fontsize=7)


def _draw_gates(axes: Axes, result: DynamicsResult) -> None:
    gates = result.timescales.gate_s
    gates = gates[np.isfinite(gates) & (gates > 0)] * 1e3
    if not len(gates):
        axes.text(0.5, 0.5, "no gates", ha="center", va="center", color="#777777", transform=axes.transAxes)
        axes.set_axis_off()
        return
    low, high = gates.min() / 1.1, gates.max() * 1.1
    axes.hist(gates, bins=np.geomspace(low, high, 20).tolist(), color="#009E73")
    axes.set(xscale="log", xlabel="time constant of the gate (ms)", ylabel="hidden units")
    for which in (axes.xaxis.set_major_formatter, axes.xaxis.set_minor_formatter):
        which(lambda value, _: f"{value:.3g}")
    axes.tick_params(axis="x", which="both", labelsize=7)
    axes.set_title("gates", fontsize=10, loc="left")
