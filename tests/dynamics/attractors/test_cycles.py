import numpy as np
import pytest

from rnnspike.dynamics.attractors.cycles import find_cycle, lyapunov_exponents, lyapunov_of_map
from rnnspike.dynamics.maps import FunctionMap, HeldInput, iterate
from tests.dynamics.networks import BIN_S, linear_network


@pytest.mark.parametrize("period", [7.3, 40.0, 133.7])
def test_period_of_a_circle(period):
    phase = 2 * np.pi * np.arange(2000) / period
    cycle = find_cycle(np.stack([np.cos(phase), np.sin(phase)], axis=1), BIN_S)
    assert cycle.period_s / BIN_S == pytest.approx(period, rel=1e-3)
    assert cycle.amplitude == pytest.approx(1.0, rel=0.01)
    assert len(cycle.orbit) == np.ceil(period)


def test_a_second_bump_does_not_halve_the_period():
    phase = 2 * np.pi * np.arange(3000) / 100.7
    orbit = np.stack([np.cos(phase) + 1.5 * np.cos(2 * phase), np.sin(phase)], axis=1)
    assert find_cycle(orbit, BIN_S).period_s / BIN_S == pytest.approx(100.7, rel=1e-2)


def test_orbits_of_whole_bins_are_exact():
    orbit = np.tile([[0.0, 1.0], [1.0, 0.0], [0.3, 0.3]], (50, 1))
    assert find_cycle(orbit, BIN_S).period_s == pytest.approx(0.003)


def test_what_does_not_come_back_is_no_cycle(rng):
    assert find_cycle(np.ones((100, 2)), BIN_S) is None
    assert find_cycle(rng.normal(size=(1000, 3)), BIN_S) is None
    chaos = iterate(
        FunctionMap(1, lambda s: 4 * s * (1 - s), lambda s: 4 - 8 * s[..., None]), np.array([0.3]), 2000, 1
    )
    assert find_cycle(chaos, BIN_S) is None


def test_exponents_of_a_linear_map_are_its_moduli(rng):
    weight = np.diag([0.9, 0.7, 0.2])
    exponents = lyapunov_exponents(lambda step: weight[None], 400, 3, BIN_S)
    assert exponents * BIN_S == pytest.approx(np.log([0.9, 0.7, 0.2]), abs=1e-3)
    system = HeldInput(linear_network(weight), np.zeros(3))
    assert lyapunov_of_map(system, rng.normal(size=(4, 3)), BIN_S) * BIN_S == pytest.approx(np.log(0.9), abs=1e-3)


def test_the_logistic_map_is_chaotic_by_ln_2(rng):
    """x -> 4 x (1 - x) has exponent ln 2; through y = 1 - 2 x, y -> 1 - 2 (1 - y^2)."""
    system = FunctionMap(1, lambda y: 2 * y**2 - 1, lambda y: 4 * y[..., None])
    exponent = lyapunov_of_map(system, rng.uniform(-1, 1, size=(200, 1)), 1.0, n_steps=400)
    assert exponent == pytest.approx(np.log(2), rel=0.05)
