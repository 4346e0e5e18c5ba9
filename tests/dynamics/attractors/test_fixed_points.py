import numpy as np
import pytest

from rnnspike.dynamics.attractors.fixed_points import Scale, SearchOptions, choose_starts, solve, spread_apart
from rnnspike.dynamics.maps import FunctionMap, HeldInput
from rnnspike.dynamics.network import single
from tests.dynamics.networks import BIN_S, flip_flops, linear_network, random_network


def test_a_linear_map_is_solved_exactly(rng):
    weight = rng.normal(size=(20, 20))
    weight *= 0.95 / np.abs(np.linalg.eigvals(weight)).max()
    drive = rng.normal(size=20)
    system = HeldInput(linear_network(weight), drive)
    visited = rng.normal(size=(100, 20))
    found = solve(system, visited[:16], Scale.of(visited), SearchOptions())
    expected = np.linalg.solve(np.eye(20) - weight, drive)
    assert np.abs(found.states - expected).max() < 1e-9
    assert found.q.max() < 1e-20


def test_a_minimum_above_zero_is_called_one(rng):
    """s -> s + s^2 + .01 never stands still; it is slowest at s = 0."""
    system = FunctionMap(1, lambda s: s + s**2 + 0.01, lambda s: (1 + 2 * s)[..., None])
    visited = rng.uniform(-0.5, 0.5, size=(64, 1))
    found = solve(system, visited, Scale.of(visited), SearchOptions())
    assert found.local_minimum.all()
    assert np.abs(found.states).max() < 1e-3
    assert found.q == pytest.approx(0.5 * 0.01**2, rel=1e-3)


def test_what_overflows_is_never_a_solution(rng):
    system = FunctionMap(1, lambda s: np.exp(np.exp(s + 5)), lambda s: np.exp(np.exp(s + 5) + s + 5)[..., None])
    visited = rng.uniform(0, 10, size=(32, 1))
    assert not (solve(system, visited, Scale.of(visited), SearchOptions()).q < 1e-12).any()


def test_starts_include_rare_states(rng):
    visited = np.concatenate([0.01 * rng.normal(size=(990, 2)), 5 + 0.01 * rng.normal(size=(10, 2))])
    chosen = visited[spread_apart(visited, 8, rng)]
    assert (chosen[:, 0] > 4).sum() >= 1 and len(chosen) == 8


def test_starts_of_one_state_repeat_it(rng):
    system = HeldInput(flip_flops(), np.zeros(3))
    starts = choose_starts(system, np.full((50, 3), 0.3), SearchOptions(n_starts=32), rng)
    assert starts.shape == (32, 3) and np.isfinite(starts).all()


@pytest.mark.parametrize("architecture", ["gru", "lstm"])
def test_each_start_reaches_the_floor_or_a_minimum(architecture, rng):
    network = random_network(architecture, n_hidden=16, gain=2.0)
    visited = network.run(np.zeros((8, network.n_state)), rng.normal(size=(8, 100, 2))).reshape(-1, network.n_state)
    found = solve(HeldInput(network, np.zeros(2)), visited[::12], Scale.of(visited), SearchOptions())
    assert ((found.q < 1e-20) | found.local_minimum).mean() > 0.9


def test_long_valleys_of_a_slow_lstm_are_followed_to_the_end(rng):
    """Forget gates of 1 to 1000 bins: c stands still far from where the orbits are, along curved valleys."""
    n = 16
    weight_hh = 0.05 * rng.normal(size=(4 * n, n))
    bias = np.zeros(4 * n)
    bias[:n], bias[n : 2 * n] = -2.0, np.linspace(0, np.log(1000), n)
    bias[2 * n : 3 * n] = rng.normal(size=n)
    network = single("lstm", [0.3 * rng.normal(size=(4 * n, 1)), weight_hh, bias], BIN_S)
    visited = network.run(np.zeros((8, 2 * n)), rng.normal(size=(8, 300, 1))).reshape(-1, 2 * n)
    system, options = HeldInput(network, np.zeros(1)), SearchOptions(n_starts=64)
    found = solve(system, choose_starts(system, visited, options, rng), Scale.of(visited), options)
    assert (found.q < 1e-20).all() and np.ptp(found.states, axis=0).max() < 1e-6
