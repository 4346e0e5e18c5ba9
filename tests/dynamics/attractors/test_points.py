import numpy as np
import pytest

from rnnspike.dynamics.attractors.fixed_points import Scale, SearchOptions
from rnnspike.dynamics.attractors.points import Points, distance_to_visited, find_continuum, find_points
from rnnspike.dynamics.maps import FunctionMap, HeldInput
from tests.dynamics.networks import BIN_S, flip_flops, linear_network, oscillator, random_network, ring


def points_of(network, rng, noise: float = 0.3, **kwargs) -> Points:
    inputs = noise * rng.normal(size=(20, 200, network.n_input))
    visited = network.run(rng.normal(size=(20, network.n_state)), inputs).reshape(-1, network.n_state)
    return find_points(HeldInput(network, np.zeros(network.n_input)), visited, network.bin_s, rng, **kwargs)


def test_flip_flops_have_all_their_points(rng):
    points = points_of(flip_flops(3), rng)
    assert (points.n_fixed, points.count("stable"), points.count("saddle"), points.count("unstable")) == (
        27,
        8,
        18,
        1,
    )
    assert points.q.max() < 1e-20 and points.verified.all()
    assert len(set(points.counts_by_tolerance.values())) == 1  # a plateau
    assert points.continuum is None and points.n_rejected == 0


def test_the_bits_of_a_flip_flop_decay_as_their_slope_says(rng):
    points = points_of(flip_flops(1, gain=1.5), rng)
    stable = np.flatnonzero(np.array(points.stability) == "stable")
    state = points.states[stable[0], 0]
    assert np.abs(state) == pytest.approx(0.8586, abs=1e-4)  # s = tanh(1.5 s)
    assert points.modes.eigenvalues[stable[0], 0] == pytest.approx(1.5 * (1 - state**2))


def test_an_oscillator_gives_its_frequency_and_decay(rng):
    points = points_of(oscillator(period_bins=40, tau_bins=100), rng)
    assert points.n_fixed == 1 and points.count("stable") == 1
    assert points.modes.frequency_hz[0] == pytest.approx(25.0)
    assert points.modes.tau_s[0] == pytest.approx(0.1)


def test_an_unstable_focus_has_a_known_frequency(rng):
    """Stuart-Landau: z -> z exp(dt (mu + i omega - |z|^2)), unstable at 0, growing at mu and turning at omega."""
    mu, omega, dt = 20.0, 2 * np.pi * 12.5, 0.001

    def step(s):
        radius_2 = (s**2).sum(axis=-1, keepdims=True)
        turn = np.array([[np.cos(omega * dt), -np.sin(omega * dt)], [np.sin(omega * dt), np.cos(omega * dt)]])
        return np.exp(dt * (mu - 20 * radius_2)) * (s @ turn.T)

    def jacobian(s):
        shifts = 1e-6 * np.eye(2)
        return np.stack([(step(s + d) - step(s - d)) / 2e-6 for d in shifts], axis=-1)

    points = find_points(FunctionMap(2, step, jacobian), rng.normal(size=(200, 2)), dt, rng)
    assert points.n_fixed == 1 and points.count("unstable") == 1
    assert points.modes.frequency_hz[0, 0] == pytest.approx(12.5, rel=1e-4)
    assert points.modes.growth_s[0, 0] == pytest.approx(1 / mu, rel=1e-4)
    assert points.verified.all()


@pytest.mark.parametrize("n_units", [12, 40])
def test_a_ring_is_a_continuum(n_units, rng):
    points = points_of(ring(n_units), rng)
    assert points.continuum is not None and points.continuum.dimension == 1
    assert points.continuum.drift < 1e-3


def test_many_slow_directions_are_no_sheet(rng):
    """Twenty points on a ring of radius 1 cannot fill the six directions more that hardly decay."""
    turn = 2 * np.pi * np.arange(20) / 20
    around = np.column_stack([np.cos(turn), np.sin(turn), 0.01 * rng.normal(size=(20, 6))])
    system = HeldInput(linear_network(np.eye(8)), np.zeros(8))
    assert find_continuum(system, around, Scale.of(around)) is None
    assert find_continuum(system, rng.normal(size=(4**8, 8))[:1000], Scale.of(around)) is None


def test_the_counts_of_a_continuum_slope(rng):
    points = points_of(linear_network(np.diag([1.0, 0.5])), rng)
    counts = list(points.counts_by_tolerance.values())
    assert points.continuum is not None and points.continuum.drift == pytest.approx(0, abs=1e-12)
    assert counts[-1] > 2 * counts[0] and counts == sorted(counts)


def test_a_slow_integrator_is_no_continuum(rng):
    points = points_of(linear_network(np.diag([0.999, 0.5])), rng)
    assert points.n_fixed == 1 and points.continuum is None
    assert points.modes.tau_s[0, 0] == pytest.approx(0.9995, rel=1e-3)


def test_slow_points_with_gaps_are_no_continuum(rng):
    """Nine points, every eighth: no state between them moves by a thousandth of the spread in a bin."""
    wave = 8 * np.pi
    system = FunctionMap(
        1, lambda s: s - 2e-4 * np.sin(wave * s), lambda s: (1 - 2e-4 * wave * np.cos(wave * s))[..., None]
    )
    points = find_points(system, rng.uniform(-0.5, 0.5, size=(300, 1)), BIN_S, rng)
    assert 9 <= points.n_fixed < 12 and points.continuum is None


def test_a_ghost_is_slow_and_dwells_as_long_as_it_takes(rng):
    system = FunctionMap(1, lambda s: s + s**2 + 1e-3, lambda s: (1 + 2 * s)[..., None])
    visited = rng.uniform(-0.5, 0.5, size=(300, 1))
    points = find_points(system, visited, BIN_S, rng)
    assert (points.n_fixed, points.n_slow) == (0, 1)
    assert points.speed_per_s[0] == pytest.approx(1.0, rel=1e-2)
    assert points.dwell_s[0] == pytest.approx(visited.std(), rel=1e-2)


def test_fast_minima_are_rejected(rng):
    system = FunctionMap(1, lambda s: s + s**2 + 0.2, lambda s: (1 + 2 * s)[..., None])
    points = find_points(system, rng.uniform(-0.5, 0.5, size=(300, 1)), BIN_S, rng)
    assert points.n_fixed == points.n_slow == 0
    assert points.n_rejected == SearchOptions().n_starts


def test_distance_is_in_neighbours():
    visited = np.arange(10.0)[:, None]
    assert distance_to_visited(np.array([[9.0], [29.0]]), visited) == pytest.approx([0, 20])


def test_far_points_are_flagged_and_kept(rng):
    network = flip_flops(1)
    visited = np.linspace(0.8, 0.81, 200)[:, None]
    points = find_points(HeldInput(network, np.zeros(1)), visited, BIN_S, rng)
    assert points.outlier[points.states[:, 0] > 0.81].all()


def test_the_same_seed_gives_the_same_points():
    network = random_network("gru", 8, gain=2.0)
    first, second = (points_of(network, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.states, second.states)


def test_states_that_no_orbit_reaches_are_not_points(rng):
    """A GRU far outside of |h| < 1 has z that rounds to 1, where every state stands still."""
    network = random_network("gru", 5)
    far = 1e3 * rng.normal(size=(20, 5))
    assert not network.reachable(far).any() and network.reachable(np.tanh(far)).all()
    assert random_network("linear", 5).reachable(far).all()
    assert network.reachable(np.full((1, 5), np.nan)).tolist() == [False]
