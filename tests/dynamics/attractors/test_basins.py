import numpy as np
import pytest

from rnnspike.dynamics.attractors.basins import Basins, find_basins
from rnnspike.dynamics.attractors.points import find_points
from rnnspike.dynamics.maps import FunctionMap, HeldInput, Map, iterate
from rnnspike.dynamics.network import single
from tests.dynamics.networks import BIN_S, flip_flops, oscillator, ring


def basins_of(system: Map, visited: np.ndarray, rng) -> Basins:
    return find_basins(system, find_points(system, visited, BIN_S, rng), visited, BIN_S, rng)


def still(network) -> HeldInput:
    return HeldInput(network, np.zeros(network.n_input))


def test_each_corner_of_the_flip_flops_gets_its_octant(rng):
    visited = rng.uniform(-1, 1, size=(4000, 3))
    basins = basins_of(still(flip_flops(3)), visited, rng)
    assert basins.share.sum() == 1 and len(basins.share) == 8
    assert basins.share.min() > 0.04  # an eighth each, 128 orbits
    assert basins.irregular == basins.settled == 0 and not basins.cycles
    assert basins.lyapunov_per_s * BIN_S == pytest.approx(np.log(1.5 * (1 - 0.8586**2)), abs=0.02)


def test_small_disturbances_are_completed_and_large_ones_are_not(rng):
    corners = 0.8586 * rng.choice([-1, 1], size=(300, 3)) + 0.01 * rng.normal(size=(300, 3))
    completion = {c.size: c for c in basins_of(still(flip_flops(3)), corners, rng).completion}
    assert completion[0.1].returned == completion[0.3].returned == 1
    assert completion[1.0].returned < 0.9
    assert 0 < completion[0.1].return_s < 0.005


def test_a_decaying_rotation_has_one_basin(rng):
    basins = basins_of(still(oscillator(40, 20)), rng.normal(size=(500, 2)), rng)
    assert basins.share.tolist() == [1.0]
    assert basins.lyapunov_per_s == pytest.approx(-1 / 0.02, rel=0.01)
    assert [c.returned for c in basins.completion] == [1, 1, 1]


@pytest.mark.parametrize("period", [25.0, 111.3])
def test_a_limit_cycle_has_its_period(period, rng):
    """Stuart-Landau: every orbit ends on the unit circle and turns once a period."""
    angle = 2 * np.pi / period

    def step(s):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        return np.exp(0.05 * (1 - (s**2).sum(axis=-1, keepdims=True))) * (s @ turn.T)

    def jacobian(s):
        return np.stack([(step(s + d) - step(s - d)) / 2e-6 for d in 1e-6 * np.eye(2)], axis=-1)

    basins = basins_of(FunctionMap(2, step, jacobian), rng.normal(size=(500, 2)), rng)
    assert len(basins.cycles) == 1 and basins.cycle_share[0] > 0.98
    assert basins.cycles[0].period_s / BIN_S == pytest.approx(period, rel=0.01)
    assert basins.lyapunov_per_s * BIN_S == pytest.approx(0, abs=0.01)


def test_orbits_on_a_ring_settle_without_an_isolated_attractor(rng):
    network = ring(24)
    visited = network.run(rng.normal(size=(20, 24)), 0.3 * rng.normal(size=(20, 200, 2))).reshape(-1, 24)
    basins = basins_of(still(network), visited, rng)
    assert basins.settled + basins.share.sum() > 0.95
    assert abs(basins.lyapunov_per_s * BIN_S) < 0.01


def test_chaos_is_neither_settled_nor_a_cycle(rng):
    system = FunctionMap(1, lambda y: 2 * y**2 - 1, lambda y: 4 * y[..., None])
    basins = basins_of(system, rng.uniform(-1, 1, size=(400, 1)), rng)
    assert basins.irregular > 0.9
    assert basins.lyapunov_per_s * BIN_S == pytest.approx(np.log(2), rel=0.1)


def test_orbits_that_run_away_are_irregular(rng):
    system = FunctionMap(1, lambda s: 3 * s, lambda s: np.full((*s.shape, 1), 3.0))
    basins = basins_of(system, rng.normal(size=(100, 1)), rng)
    assert basins.irregular == 1


@pytest.mark.parametrize("period", [40, 400])
def test_the_exponent_along_a_cycle_is_zero(period, rng):
    """Over whole turns; a turn of 400 bins is longer than what a fixed point needs."""
    angle = 2 * np.pi / period
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    network = single("rnn", [0.3 * np.eye(2), 1.02 * turn], BIN_S)
    visited = network.run(rng.normal(size=(6, 2)), rng.normal(size=(6, 300, 2))).reshape(-1, 2)
    basins = basins_of(still(network), visited, rng)
    orbit = iterate(still(network), basins.ends[:1], 3 * period + 200, keep_every=1)[:, 0]
    back = np.linalg.norm(orbit[20:] - orbit[0], axis=1)[: 2 * period].argmin() + 20
    assert len(basins.cycles) == 1 and basins.cycles[0].period_s / BIN_S == pytest.approx(back, rel=0.02)
    assert abs(basins.lyapunov_per_s * BIN_S) < 2e-4


def test_a_slow_spiral_is_no_cycle(rng):
    """It turns forty times while it dies away."""
    basins = basins_of(still(oscillator(25, 1000)), rng.normal(size=(200, 2)), rng)
    assert not basins.cycles and basins.share.tolist() == [1.0]
