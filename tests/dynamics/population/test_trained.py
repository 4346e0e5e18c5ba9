"""A network trained on a population with two states that last: the closed loop keeps them and completes them."""

from __future__ import annotations

import numpy as np

from rnnspike.dynamics.analyse import AnalysisOptions, NamedInput, Orbits, analyse
from rnnspike.dynamics.attractors.fixed_points import SearchOptions
from rnnspike.dynamics.maps import ClosedLoop
from rnnspike.dynamics.population.case import network_of
from rnnspike.dynamics.population.completion import complete_patterns
from rnnspike.models.combine.bag import PerUnit
from rnnspike.models.networks.cell import Cell
from rnnspike.models.population.blocks import Blocks, Clock, delayed
from rnnspike.models.population.shared_state import FittedSharedState
from rnnspike.models.population.train import train_network

N_UNITS, N_BLOCKS, BLOCK_S = 10, 100, 0.02


def two_states(n_trials: int, rng: np.random.Generator) -> np.ndarray:
    """Counts (trial, block, unit): one half of the units fires at 36 Hz in one state, the other half in the other."""
    first = rng.random(n_trials) < 0.5
    switches = rng.random((n_trials, N_BLOCKS)) < 0.004
    state = first[:, None] ^ (np.cumsum(switches, axis=1) % 2 == 1)
    own = np.arange(N_UNITS) < N_UNITS // 2
    rate = np.where(state[..., None] == own, 36.0, 4.0)
    return rng.poisson(rate * BLOCK_S).astype(float)


def test_the_states_of_the_data_are_patterns_that_are_completed() -> None:
    rng = np.random.default_rng(0)
    mean = np.full(N_UNITS, 20 * BLOCK_S)
    counts = [two_states(n, rng) for n in (160, 40)]
    cases = [
        (delayed(each - mean) / np.sqrt(mean), Blocks(each - mean, each, np.broadcast_to(mean, each.shape)))
        for each in counts
    ]
    ((tensors, weight, bias),) = train_network("lstm", 0, cases, rng, "standard", "cpu")
    ones = np.ones(N_UNITS)
    model = FittedSharedState(
        "population-lstm",
        PerUnit(tuple(str(unit) for unit in range(N_UNITS)), ()),
        Cell.from_torch("lstm", tensors),
        1 / np.sqrt(mean),
        mean,
        weight,
        bias,
        ones,
        0.5 * ones,
        Clock(1, 0),
    )
    network = network_of(model, mean, "poisson", BLOCK_S)
    inputs = delayed(counts[1] - mean)
    states = network.run(np.zeros((len(inputs), network.n_state)), inputs)
    loop = NamedInput("closed-loop", -mean, tuple(range(N_UNITS)))
    options = AnalysisOptions(SearchOptions(n_starts=32), n_orbits=16, max_steps=500)
    (looked,) = analyse(network, Orbits(states, inputs), [loop], rng, options=options).inputs
    assert looked.points.count("stable") == 2
    system = looked.input.map_of(network)
    assert isinstance(system, ClosedLoop)
    rates = np.exp(network.log_rate(looked.points.attractors)) / BLOCK_S  # (pattern, unit)
    halves = rates.reshape(2, 2, -1).mean(axis=2)
    assert sorted(halves[0] > 20) == sorted(halves[1] > 20) == [False, True] and (halves.argmax(axis=1).sum() == 1)
    found = complete_patterns(system, looked.points, looked.basins, states.reshape(-1, network.n_state), rng)
    half = found.silenced(0.5)
    assert found.n_patterns == 2 and half is not None and half.low > 0.5
    assert 0.1 < found.basin_size < 0.9
