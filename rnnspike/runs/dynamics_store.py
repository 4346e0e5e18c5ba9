"""The ``dynamics/`` folder: rows, arrays of points and curves, pictures.

rows.jsonl                      one row a network and input (``dynamics.rows.COLUMNS``)
summary.jsonl                   one row a unit, model and input over its seeds, with the range
<unit>/<model>/<seed>/*.npz     by input: points, q, eigenvalues, Jacobians, ...; memory.npz: curves
<unit>/<model>/<seed>/*.png     pictures
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from rnnspike.dynamics.analyse import DynamicsResult, InputResult
from rnnspike.runs.store import safe_name, write_arrays


def write_network(folder: Path, result: DynamicsResult, title: str = "", pictures: bool = True) -> None:
    """Write the arrays and pictures of one network into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for looked in result.inputs:
        write_arrays(folder / f"{safe_name(looked.input.name.replace(' ', '-'))}.npz", input_arrays(looked))
    write_arrays(folder / "memory.npz", network_arrays(result))
    if pictures:
        from rnnspike.dynamics.pictures import draw_memory, draw_state_space

        draw_state_space(result, folder / "state_space.png", title)
        draw_memory(result, folder / "memory.png", title)


def input_arrays(looked: InputResult) -> dict[str, Any]:
    """Return the arrays of one network under one input, by name."""
    points, basins = looked.points, looked.basins
    cycles = {f"cycle{k}": cycle.orbit for k, cycle in enumerate(basins.cycles)}
    return {
        "input": looked.input.value,
        "feedback": np.array(looked.input.feedback, dtype=np.int64),
        "points": points.states,
        "fixed": points.fixed,
        "stability": np.array(points.stability, dtype="<U8"),
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
        "departure_from_normality": looked.departure,
        "merge_tolerance": np.array(list(points.counts_by_tolerance)),
        "n_at_tolerance": np.array(list(points.counts_by_tolerance.values())),
        "attractors": basins.attractors,
        "basin_shares": basins.share,
        "orbit_ends": basins.ends,
        **cycles,
    }


def network_arrays(result: DynamicsResult) -> dict[str, Any]:
    """Return the curves of one network as a whole, by name."""
    memory, flow = result.timescales, result.flow
    before = result.untrained
    untrained = {"untrained_lag_s": before.lag_s, "untrained_gradient": before.gradient} if before else {}
    return {
        "gate_tau_s": memory.gate_s,
        "decay_lag_s": memory.decay_lag_s,
        "decay": memory.decay,
        "gradient_lag_s": flow.lag_s,
        "gradient": flow.gradient,
        "product_lag_s": flow.product_lag_s,
        "product": flow.product,
        "bound": flow.bound,
        "input_gain": result.gating.gain,
        "input_gain_variation": result.gating.gain_variation,
        **untrained,
    }
