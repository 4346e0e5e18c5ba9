"""The figures of each analysed network, drawn from the files of ``rnnspike dynamics``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from rnnspike.dynamics.population.pictures import map_order
from rnnspike.names import in_picture
from rnnspike.report.figures.drawing import Picture, axes, levels
from rnnspike.report.load import Curves
from rnnspike.runs.stored.store import read_arrays

#: Okabe and Ito's palette: told apart by the colour-blind, and by shape besides.
MARKS = {
    "stable": ("o", "#0072B2"),
    "neutral": ("s", "#009E73"),
    "saddle": ("X", "#B07800"),
    "unstable": ("^", "#D55E00"),
    "slow": ("D", "#767676"),
}


@dataclass(frozen=True)
class Analysed:
    """One analysed network: its memory, and its points under each held input."""

    memory: Curves
    inputs: Mapping[str, Curves]

    @classmethod
    def read(cls, file: Path) -> Analysed:
        """Return the network of a ``memory.npz``."""
        inputs = sorted(each for each in file.parent.glob("*.npz") if each != file)
        return cls(read_arrays(file), {each.stem: read_arrays(each) for each in inputs})


def kinds_of(arrays: Curves) -> list[str]:
    """Return how each point is drawn: its stability, or ``slow``."""
    return [str(kind) if fixed else "slow" for kind, fixed in zip(arrays["stability"], arrays["fixed"], strict=True)]


def state_space(network: Analysed) -> Iterator[Picture | None]:
    """Yield the plane of the visited states for each held input."""
    return (_state_space(arrays, network.memory, name) for name, arrays in network.inputs.items())


def eigenvalues(network: Analysed) -> Iterator[Picture | None]:
    """Yield the eigenvalues at the points for each held input."""
    return (_eigenvalues(arrays, network.memory, name) for name, arrays in network.inputs.items())


def _state_space(arrays: Curves, memory: Curves, name: str) -> Picture | None:
    """Return the plane of the visited states with trajectories, flow and points under one input."""
    if "plane_points" not in arrays or "trajectories" not in memory:
        return None
    share = [f"{100 * each:.0f} %" for each in memory["plane_explained"]]
    figure, on = axes(f"principal component 1 ({share[0]})", f"principal component 2 ({share[1]})", (3.35, 3.0))
    length = np.linalg.norm(arrays["plane_flow"], axis=1, keepdims=True)
    on.quiver(
        *arrays["plane_grid"].T,
        *(arrays["plane_flow"] / np.maximum(length, 1e-300)).T,
        color="0.75",
        scale=30,
        rasterized=True,
    )
    for trial in memory["trajectories"]:
        on.plot(*trial[:250].T, color="#56B4E9", lw=0.5, alpha=0.6, rasterized=True)
    kinds = np.array(kinds_of(arrays))
    for kind, (marker, colour) in MARKS.items():
        here = arrays["plane_points"][kinds == kind] if len(kinds) else arrays["plane_points"]
        if len(here):
            on.scatter(*here.T, marker=marker, color=colour, s=22, zorder=3, label=f"{kind} ({len(here)})")
    for cycle in sorted(key for key in arrays if key.startswith("plane_cycle")):
        on.plot(*np.vstack([arrays[cycle], arrays[cycle][:1]]).T, color="#CC79A7", lw=1.6)
    on.set_title(f"input: {in_picture(name)}", fontsize=8)
    if len(kinds):
        on.legend()
    table = {"pc1": arrays["plane_points"][:, 0], "pc2": arrays["plane_points"][:, 1], "kind": kinds}
    table |= {key: arrays[key] for key in ("speed_per_s", "dwell_s", "n_starts")}
    return Picture(f"state_space_{name}", figure, pd.DataFrame(table))


def _eigenvalues(arrays: Curves, memory: Curves, name: str) -> Picture | None:
    """Return the eigenvalues at the points in the unit circle, with rings of decay time."""
    if not len(arrays["eigenvalues"]):
        return None
    bin_s = float(memory["bin_s"]) if "bin_s" in memory else None
    figure, on = axes("real", "imaginary", (3.35, 3.2))
    angle = np.linspace(0, 2 * np.pi, 200)
    on.plot(np.cos(angle), np.sin(angle), color="black", lw=0.8)
    for bins in (2, 5, 20):
        radius = np.exp(-1 / bins)
        on.plot(radius * np.cos(angle), radius * np.sin(angle), color="0.8", lw=0.5)
        label = f"{1e3 * bins * bin_s:g} ms" if bin_s else f"{bins} bins"
        on.annotate(label, (0, -radius), fontsize=5, color="0.4", ha="center")
    if "visited_eigenvalues" in memory:
        visited = memory["visited_eigenvalues"].ravel()[:: max(1, memory["visited_eigenvalues"].size // 400)]
        on.scatter(visited.real, visited.imag, s=1.5, color="0.7", rasterized=True)
    kinds = np.array(kinds_of(arrays))
    for kind, (marker, colour) in MARKS.items():
        values = arrays["eigenvalues"][kinds == kind].ravel()
        if len(values):
            on.scatter(values.real, values.imag, s=7, marker=marker, color=colour, label=kind)
    reach = max(1.1, 1.08 * float(np.abs(arrays["eigenvalues"]).max()))
    on.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    on.set_title(f"input: {in_picture(name)}", fontsize=8)
    on.legend(loc="upper right")
    flat, n = arrays["eigenvalues"].ravel(), arrays["eigenvalues"].shape[1]
    table = {"point": np.repeat(np.arange(len(kinds)), n), "kind": np.repeat(kinds, n), "real": flat.real}
    table |= {"imaginary": flat.imag}
    table |= {key: arrays[key].ravel() for key in ("tau_s", "growth_s", "frequency_hz", "damping", "note")}
    return Picture(f"eigenvalues_{name}", figure, pd.DataFrame(table))


def timescales(network: Analysed) -> Picture | None:
    """Return the three readings of memory: gates, slowest mode, measured in the read-out."""
    memory = network.memory
    if "measured_tau_s" not in memory:
        return None
    gates = 1e3 * memory["gate_tau_s"][np.isfinite(memory["gate_tau_s"])]
    one = {"slowest mode": float(memory["eigenvalue_tau_s"]), "measured": float(memory["measured_tau_s"])}
    figure, on = axes("time constant (ms)", "")
    on.scatter(gates, np.linspace(-0.2, 0.2, len(gates)), s=8, color="#009E73")
    rows = [{"reading": "gate", "tau_ms": tau} for tau in gates]
    for k, (name, tau) in enumerate(one.items(), start=1):
        rows.append({"reading": name, "tau_ms": 1e3 * tau})
        if np.isfinite(tau):
            on.scatter([1e3 * tau], [k], s=30, marker="D", color=("#B07800", "#0072B2")[k - 1])
    on.set_yticks([0, 1, 2], ["gates", *one])
    on.set(xscale="log", ylim=(2.5, -0.5))
    return Picture("timescales", figure, pd.DataFrame(rows))


def decay(network: Analysed) -> Picture | None:
    """Return the decay of a push of the state in the read-out."""
    memory = network.memory
    if "decay" not in memory:
        return None
    figure, on = axes("lag (ms)", "change of the log-rate")
    on.semilogy(1e3 * memory["decay_lag_s"], np.maximum(memory["decay"], 1e-8), color="#0072B2")
    return Picture("decay", figure, pd.DataFrame({"lag_s": memory["decay_lag_s"], "change": memory["decay"]}))


def gradient(network: Analysed) -> Picture | None:
    """Return the norm of the gradient by lag, before and after training, with the horizon."""
    memory = network.memory
    if "gradient" not in memory:
        return None
    figure, on = axes("lag back in time (ms)", "norm over lag 0")
    tables = []
    for prefix, label, colour in (("", "trained", "#0072B2"), ("untrained_", "before training", "0.5")):
        if f"{prefix}gradient_lag_s" in memory:
            lag, norm = memory[f"{prefix}gradient_lag_s"], memory[f"{prefix}gradient"]
            on.semilogy(1e3 * lag, np.maximum(norm, 1e-12), color=colour, label=label)
            tables.append(pd.DataFrame({"network": label, "lag_s": lag, "gradient": norm}))
    levels(on, 0.01)
    if np.isfinite(memory.get("horizon_s", np.nan)):
        on.axvline(1e3 * float(memory["horizon_s"]), color="#0072B2", lw=0.7, ls="--")
    on.legend()
    return Picture("gradient", figure, pd.concat(tables, ignore_index=True))


def bend(network: Analysed) -> Picture | None:
    """Return the response to two inputs against the sum of the single ones."""
    memory = network.memory
    if "bend_sum" not in memory or not len(memory["bend_sum"]):
        return None
    figure, on = axes("R(A) + R(B)", "R(A + B)")
    on.scatter(
        memory["bend_sum"], memory["bend_both"], s=3, color="#0072B2", rasterized=len(memory["bend_sum"]) > 300
    )
    ends = [float(memory["bend_sum"].min()), float(memory["bend_sum"].max())]
    on.plot(ends, ends, color="0.5", ls="--", lw=0.8)
    table = {"sum_of_responses": memory["bend_sum"], "response_to_both": memory["bend_both"]}
    return Picture("bend", figure, pd.DataFrame(table))


def patterns(network: Analysed) -> Picture | None:
    """Return the rates of units in the patterns of a population network's closed loop."""
    rates_hz = network.memory.get("pattern_hz", np.empty((0, 0)))
    if not len(rates_hz):
        return None
    units, order = map_order(rates_hz)
    figure, on = axes("pattern", "unit", (3.35, 3.0))
    image = on.imshow(rates_hz[order][:, units].T, aspect="auto", interpolation="nearest", vmin=0.0)
    figure.colorbar(image, ax=on, label="expected rate (Hz)")
    on.set_xticks(range(len(order)), [f"{k + 1}" for k in order], fontsize=5)
    names = [in_picture(str(network.memory["input_names"][unit])) for unit in units]
    shown = range(0, len(names), -(-len(names) // 24))
    on.set_yticks(shown, [names[k] for k in shown], fontsize=5)
    table = {
        "pattern": np.repeat(order + 1, len(units)),
        "unit": np.tile(network.memory["input_names"][units], len(order)),
        "rate_hz": rates_hz[order][:, units].ravel(),
    }
    return Picture("patterns", figure, pd.DataFrame(table))
