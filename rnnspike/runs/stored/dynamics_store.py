"""The arrays and pictures of one network in a ``dynamics/`` folder; docs/dynamics_files.md says what each holds.

<input>.npz     points, Jacobians, eigenvalues, ends of orbits under one named input
memory.npz      what belongs to the network whatever the input
*.png           pictures
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnspike.dynamics.analyse import DynamicsResult, InputResult, NamedInput, Orbits
from rnnspike.dynamics.attractors.points import Points
from rnnspike.dynamics.brief import BriefReading
from rnnspike.dynamics.memory.gradient_flow import GradientFlow
from rnnspike.dynamics.memory.modes import ReadModes
from rnnspike.dynamics.memory.timescales import Timescales
from rnnspike.dynamics.network import Network
from rnnspike.dynamics.rows import Row
from rnnspike.dynamics.state_space import Plane
from rnnspike.dynamics.summary import summarise
from rnnspike.runs.stored.store import safe_name, write_arrays, write_jsonl

#: Trials whose trajectories are kept on the plane.
N_TRAJECTORIES = 8


def write_network(folder: Path, result: DynamicsResult, title: str = "", pictures: bool = True) -> None:
    """Write the arrays and pictures of one network into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    plane = Plane.of(result.orbits.states)
    for looked in result.inputs:
        cycles = {f"plane_cycle{k}": plane.project(cycle.orbit) for k, cycle in enumerate(looked.basins.cycles)}
        arrays = point_arrays(looked.input, looked.points) | input_arrays(looked) | orbit_arrays(looked)
        arrays |= plane_arrays(result.network, result.orbits, looked.input, looked.points, plane) | cycles
        write_arrays(folder / file_of(looked.input), arrays)
    write_arrays(folder / "memory.npz", network_arrays(result, plane))
    if pictures:
        from rnnspike.dynamics.pictures import draw_memory, draw_state_space

        draw_state_space(result, folder / "state_space.png", title)
        draw_memory(result, folder / "memory.png", title)
        if result.population is not None:
            from rnnspike.dynamics.population.pictures import draw_patterns, draw_trials

            draw_trials(result.population, plane, result.network.bin_s, folder / "trials.png", title)
            rates_hz = result.population.completion.rates_hz
            if len(rates_hz) > 1:
                draw_patterns(rates_hz, result.network.input_names, folder / "patterns.png", title)


def write_rows(folder: Path, rows: Sequence[Row]) -> list[Row]:
    """Write the rows of networks and those over them into a ``dynamics/`` folder; return the latter."""
    summary = summarise(rows)
    write_jsonl(folder / "rows.jsonl", rows)
    write_jsonl(folder / "summary.jsonl", summary)
    return summary


def write_brief(folder: Path, reading: BriefReading) -> None:
    """Write the arrays of a brief reading of one network into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    network, orbits = reading.network, reading.orbits
    plane = Plane.of(orbits.states)
    arrays = point_arrays(reading.input, reading.points)
    arrays |= plane_arrays(network, orbits, reading.input, reading.points, plane)
    write_arrays(folder / file_of(reading.input), arrays)
    window_s, history_s = reading.window_s, reading.history_s
    memory = memory_arrays(network, orbits, reading.timescales, reading.flow, window_s, history_s, plane)
    write_arrays(folder / "memory.npz", memory)


def file_of(named: NamedInput) -> str:
    """Return the name of the file of an input."""
    return f"{safe_name(named.name.replace(' ', '-'))}.npz"


def point_arrays(named: NamedInput, points: Points) -> dict[str, Any]:
    """Return the arrays of the points of one network under one input, by name."""
    continuum = points.continuum
    return {
        "input": named.value,
        "feedback": np.array(named.feedback, dtype=np.int64),
        "points": points.states,
        "fixed": points.fixed,
        "stability": np.array(points.stability, dtype="<U8"),
        "n_unstable": points.modes.n_unstable,
        "q": points.q,
        "speed_per_s": points.speed_per_s,
        "dwell_s": points.dwell_s,
        "n_starts": points.n_starts,
        "distance": points.distance,
        "outlier": points.outlier,
        "verified": points.verified,
        "jacobians": points.jacobians,
        "eigenvalues": points.modes.eigenvalues,
        "tau_s": points.modes.tau_s,
        "growth_s": points.modes.growth_s,
        "frequency_hz": points.modes.frequency_hz,
        "damping": points.modes.damping,
        "note": points.modes.note,
        "merge_tolerance": np.array(list(points.counts_by_tolerance)),
        "n_at_tolerance": np.array(list(points.counts_by_tolerance.values())),
        "continuum": np.array([continuum.share, continuum.dimension, continuum.drift] if continuum else [np.nan] * 3),
    }


def input_arrays(looked: InputResult) -> dict[str, Any]:
    """Return what the points of one input do to inputs and disturbances, by name."""
    return {
        "input_jacobians": looked.input_jacobians,
        "departure_from_normality": looked.departure,
        "transient_growth": looked.growth,
        "transient_growth_s": looked.growth_s,
    }


def orbit_arrays(looked: InputResult) -> dict[str, Any]:
    """Return the arrays of where orbits end, by name."""
    basins = looked.basins
    return {
        "attractors": basins.attractors,
        "basin_shares": basins.share,
        "cycle_share": np.array(basins.cycle_share, dtype=np.float64),
        "cycle_period_s": np.array([cycle.period_s for cycle in basins.cycles], dtype=np.float64),
        **{f"cycle{k}": cycle.orbit for k, cycle in enumerate(basins.cycles)},
        "orbit_starts": basins.starts,
        "orbit_ends": basins.ends,
        "orbit_end": basins.labels,
        "orbit_steps": np.int64(basins.n_steps),
        "lyapunov_per_s": np.float64(basins.lyapunov_per_s),
        "completion_size": np.array([c.size for c in basins.completion]),
        "completion_returned": np.array([c.returned for c in basins.completion]),
        "completion_return_s": np.array([c.return_s for c in basins.completion]),
    }


def plane_arrays(network: Network, orbits: Orbits, named: NamedInput, points: Points, plane: Plane) -> dict[str, Any]:
    """Return what is drawn of one input on the plane of the visited states, by name."""
    low, high = plane.limits(orbits.states, points.states[~points.outlier])
    grid, moved = plane.flow(named.map_of(network), low, high)
    return {"plane_points": plane.project(points.states), "plane_grid": grid, "plane_flow": moved}


def memory_arrays(
    network: Network,
    orbits: Orbits,
    memory: Timescales,
    flow: GradientFlow,
    window_s: float | None,
    history_s: float | None,
    plane: Plane,
) -> dict[str, Any]:
    """Return the arrays of the memory of one network and of its visited states, by name."""
    some = np.linspace(0, len(orbits.states) - 1, min(N_TRAJECTORIES, len(orbits.states))).astype(int)
    return {
        "bin_s": np.float64(network.bin_s),
        "window_s": _or_nan(window_s),
        "history_s": _or_nan(history_s),
        "input_names": np.array(network.input_names, dtype=np.str_),
        "gate_tau_s": memory.gate_s,
        "eigenvalue_tau_s": np.float64(memory.eigenvalue_s),
        "measured_tau_s": np.float64(memory.measured_s),
        "visited_eigenvalues": memory.visited_eigenvalues,
        "decay_lag_s": memory.decay_lag_s,
        "decay": memory.decay,
        **flow_arrays(flow),
        "plane_mean": plane.mean,
        "plane_axes": plane.axes,
        "plane_explained": plane.explained,
        "trajectories": plane.project(orbits.states[some]),
    }


def network_arrays(result: DynamicsResult, plane: Plane) -> dict[str, Any]:
    """Return the arrays of one network as a whole, by name."""
    gating, rhythm = result.gating, result.rhythm
    free = (
        {"rhythm_free_lag_s": rhythm.free_run.lag_s, "rhythm_free": rhythm.free_run.curve} if rhythm.free_run else {}
    )
    data = {"rhythm_lag_s": rhythm.data.lag_s, "rhythm_data": rhythm.data.curve} if rhythm.data else {}
    before = result.untrained
    return {
        **memory_arrays(
            result.network,
            result.orbits,
            result.timescales,
            result.flow,
            result.window_s,
            result.history_s,
            plane,
        ),
        **({f"untrained_{name}": array for name, array in flow_arrays(before).items()} if before else {}),
        "superposition": np.float64(gating.superposition),
        "bend_sum": gating.sum_of,
        "bend_both": gating.of_sum,
        "input_gain": gating.gain,
        "input_gain_variation": gating.gain_variation,
        "gain_log_rate": gating.log_rate,
        "gain_by_state": gating.gain_by_state,
        **data,
        **free,
        **mode_arrays(result.modes, result.network.bin_s),
        **population_arrays(result, plane),
    }


def population_arrays(result: DynamicsResult, plane: Plane) -> dict[str, Any]:
    """Return what is known of a population network only, by name; nothing of another network."""
    found = result.population
    if found is None:
        return {}
    phases = {"network_phase": found.phases.phase} if found.phases else {}
    return {
        "trial_plane": plane.project(found.states),
        "trial_condition": np.array([found.conditions[k] for k in found.condition], dtype=np.str_),
        "pattern_hz": found.completion.rates_hz,
        "signal_weights": found.data.weights,
        "data_phase": found.data.phase,
        **phases,
    }


def mode_arrays(modes: ReadModes | None, bin_s: float) -> dict[str, Any]:
    """Return the arrays of the modes of a linear recurrent unit, by name; none of another network."""
    if modes is None:
        return {}
    read = modes.read(bin_s)
    return {
        "mode_eigenvalues": modes.eigenvalues,
        "mode_tau_s": read.tau_s[:, 0],
        "mode_frequency_hz": read.frequency_hz[:, 0],
        "mode_share": modes.share,
    }


def flow_arrays(flow: GradientFlow) -> dict[str, Any]:
    """Return the curves of a gradient flow, by name; those of the products where they were measured."""
    products = {"product_lag_s": flow.product_lag_s, "product": flow.product, "bound": flow.bound}
    return {
        "gradient_lag_s": flow.lag_s,
        "gradient": flow.gradient,
        **(products if len(flow.product) else {}),
        "horizon_s": np.float64(flow.horizon_s),
    }


def _or_nan(value: float | None) -> np.float64:
    return np.float64(np.nan if value is None else value)
