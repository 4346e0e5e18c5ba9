"""A brief reading of one network: its points under one input and its memory, for a small part of its training.

The same measures as ``analyse``, from fewer starts, visited states and lags, and without what takes long: the closed
loop, orbits and cycles, superposition, products of Jacobians, the network before training.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from rnnspike.dynamics.analyse import NamedInput, Orbits
from rnnspike.dynamics.attractors.fixed_points import SearchOptions
from rnnspike.dynamics.attractors.points import Points, find_points
from rnnspike.dynamics.fitted import Case
from rnnspike.dynamics.memory.gradient_flow import GradientFlow, measure_gradient_flow
from rnnspike.dynamics.memory.timescales import Timescales, measure_timescales
from rnnspike.dynamics.network import Network
from rnnspike.dynamics.rows import (
    COLUMNS,
    SCHEMA,
    Row,
    memory_figures,
    memory_messages,
    point_figures,
    point_messages,
)

#: The search, which Newton's method takes over early; visited states that it knows; places where memory is measured.
SEARCH, N_VISITED, N_PROBES = SearchOptions(n_starts=16, adam_steps=40), 400, 24
#: Bins of lag at the least and at the most; between them twice the reach of history in the data.
LAGS = (50, 200)


@dataclass(frozen=True)
class BriefReading:
    """One network under its first input, and its memory; attributes as of ``DynamicsResult``."""

    network: Network
    orbits: Orbits
    input: NamedInput
    points: Points
    timescales: Timescales
    flow: GradientFlow
    history_s: float | None
    window_s: float | None


def read_briefly(
    case: Case, rng: np.random.Generator, *, history_s: float | None = None, window_s: float | None = None
) -> BriefReading:
    """Read one network.

    Parameters
    ----------
    case
        The network, its orbits on held-out trials, and its inputs, of which the first is held.
    rng
        Random generator; the same seed gives the same result.
    history_s
        How far back (s) past spikes affect the rate in the data.
    window_s
        Length of the training sequences, s: longer time constants are not identified.
    """
    network, orbits, held = case.network, case.orbits, case.inputs[0]
    visited = orbits.visited
    visited = visited[np.linspace(0, len(visited) - 1, min(N_VISITED, len(visited))).astype(int)]
    max_lag = int(np.clip(round(2 * (history_s or 0.0) / network.bin_s), *LAGS))
    along = network, orbits.states, orbits.inputs, rng
    with threadpool_limits(1, "blas"):
        points = find_points(held.map_of(network), visited, network.bin_s, rng, options=SEARCH, window_s=window_s)
        memory = measure_timescales(*along, n_jacobians=N_PROBES, n_probes=N_PROBES, max_lag=max_lag)
        flow = measure_gradient_flow(
            *along, loss_slope=orbits.loss_slope, n_probes=N_PROBES, max_lag=max_lag, products=False
        )
    return BriefReading(network, orbits, held, points, memory, flow, history_s, window_s)


def brief_row(reading: BriefReading, *, recording: str | None, unit: str | None, model: str, seed: str) -> Row:
    """Return the row of a brief reading, in the columns of ``result_rows``; what was not looked at is null."""
    network, bin_s = reading.network, reading.network.bin_s
    of_network = memory_messages(network, reading.flow, reading.history_s)
    window_s = reading.orbits.states.shape[1] * bin_s
    row: Row = {
        "schema": SCHEMA,
        "recording": recording,
        "unit": unit,
        "model": model,
        "seed": seed,
        "input": reading.input.name,
        **point_figures(reading.points),
        **memory_figures(reading.timescales, reading.flow, window_s, reading.history_s),
        "bin_ms": 1e3 * bin_s,
        "message": "; ".join(point_messages(reading.points, bin_s) + of_network) or None,
        "about_network": "; ".join(of_network) or None,
        "status": "ok",
        "brief": True,
    }
    return {name: row[name] for name in COLUMNS if name in row}


def unread_row(recording: str, unit: str, model: str, seed: str | None, status: str, why: str | None) -> Row:
    """Return the row of a network that was ``skipped`` or ``failed``, which says why."""
    row: Row = {"schema": SCHEMA, "recording": recording, "unit": unit, "model": model, "seed": seed}
    return row | {"message": why, "status": status, "brief": True}
