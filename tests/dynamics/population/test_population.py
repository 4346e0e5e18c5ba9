"""A population network made by hand: its fixed points, time constants, frequencies, phases and patterns are known."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from rnnspike.dynamics.analyse import AnalysisOptions, DynamicsResult, NamedInput, Orbits, analyse
from rnnspike.dynamics.attractors.fixed_points import SearchOptions
from rnnspike.dynamics.attractors.points import Continuum
from rnnspike.dynamics.loop import free_run
from rnnspike.dynamics.maps import ClosedLoop
from rnnspike.dynamics.network import Network
from rnnspike.dynamics.population.case import network_of, untrained_network
from rnnspike.dynamics.population.completion import (
    PatternCompletion,
    _silenced,
    complete_patterns,
    half_way,
    pairs_of_patterns,
    resting_states,
)
from rnnspike.dynamics.population.phases import (
    circular_correlation,
    free_run_phases,
    network_phases,
    phases_in,
    population_rhythm,
    weighted,
)
from rnnspike.dynamics.population.pictures import neighbours
from rnnspike.dynamics.rows import leading_modes, slowest_point
from rnnspike.dynamics.summary import agreement, mean_completion, summarise
from rnnspike.models.combine.bag import PerUnit
from rnnspike.models.networks.cell import Cell, Readout
from rnnspike.models.population.blocks import Clock
from rnnspike.models.population.shared_state import FittedSharedState
from rnnspike.rhythm import first_components

MEAN, BIN_S, WIDTH = 0.2, 0.01, 5


def fitted(cell: Cell, weight: np.ndarray, name: str = "population-gru", warm_up: int = 0) -> FittedSharedState:
    """A fitted shared state of units that fire ``MEAN`` spikes per bin, with blocks of ``WIDTH`` bins."""
    ones = np.ones(len(weight))
    base = PerUnit(tuple(str(unit) for unit in range(len(weight))), ())
    read = 2 * ones, MEAN * ones, weight, 0 * ones, ones, ones
    return FittedSharedState(name, base, cell, *read, Clock(WIDTH, warm_up))


def population(architecture: str, w_x: np.ndarray, w_h: np.ndarray, weight: np.ndarray) -> Network:
    """The network of a fitted shared state."""
    none = np.zeros(len(w_h))
    model = fitted(Cell(architecture, w_x, w_h, none, none), weight)
    return network_of(model, np.full(len(weight), MEAN), "poisson", BIN_S)


def closed(network: Network, visited: np.ndarray) -> DynamicsResult:
    n_units = network.n_input
    loop = NamedInput("closed-loop", np.full(n_units, -MEAN), tuple(range(n_units)))
    options = AnalysisOptions(SearchOptions(n_starts=64), n_orbits=64, max_steps=1000)
    orbits = Orbits(visited[None], np.zeros((1, len(visited), n_units)))
    inputs = [NamedInput("base", np.zeros(n_units)), loop]
    return analyse(network, orbits, inputs, np.random.default_rng(0), signal=np.ones(n_units), options=options)


def completed(result: DynamicsResult) -> PatternCompletion:
    looked = result.inputs[-1]
    loop = looked.input.map_of(result.network)
    assert isinstance(loop, ClosedLoop)
    visited, rng = result.orbits.visited, np.random.default_rng(0)
    return complete_patterns(loop, looked.points, looked.basins, visited, rng)


@pytest.fixture(scope="module")
def rotation() -> DynamicsResult:
    """A turn of 40 blocks that decays over 30, read by eight units at phases that go round; its input is not read."""
    step = np.exp((-1 / 30) + 2j * np.pi / 40)
    w_h = np.array([[step.real, -step.imag], [step.imag, step.real]])
    angle = 2 * np.pi * np.arange(8) / 8
    network = population("linear", np.zeros((2, 8)), w_h, np.stack([np.cos(angle), np.sin(angle)], axis=1))
    return closed(network, np.random.default_rng(0).normal(size=(200, 2)))


@pytest.fixture(scope="module")
def hopfield() -> DynamicsResult:
    """Two patterns, x and -x, kept by the closed loop: half of eight units fire more in one, half in the other."""
    pattern = np.repeat([1.0, -1.0], 4)
    network = population("rnn", 0.6 * pattern[None] / (8 * MEAN * WIDTH), np.zeros((1, 1)), 1.5 * pattern[:, None])
    return closed(network, np.linspace(-0.9, 0.9, 200)[:, None])


@pytest.mark.parametrize("of", [0, 1])
def test_time_constant_and_frequency_of_a_known_rotation(rotation: DynamicsResult, of: int) -> None:
    (mode,) = leading_modes(rotation.inputs[of].points)
    assert mode["tau_ms"] == pytest.approx(30 * WIDTH * BIN_S * 1e3)
    assert mode["frequency_hz"] == pytest.approx(1 / (40 * WIDTH * BIN_S))
    assert rotation.inputs[of].points.count("stable") == 1


def test_units_have_the_phases_at_which_they_read_the_rotation(rotation: DynamicsResult) -> None:
    looked = rotation.inputs[-1]
    found = network_phases(rotation.network, looked.basins, looked.points, slowest_point(looked.points))
    assert found is not None and found.source == "mode" and found.period_s == pytest.approx(40 * WIDTH * BIN_S)
    expected = -2 * np.pi * np.arange(8) / 8  # a unit that reads a later angle fires later
    assert circular_correlation(np.angle(found.phase), expected, np.random.default_rng(0))[0] == pytest.approx(1)


def test_the_phases_of_a_free_run_are_those_of_the_rotation() -> None:
    """Eight units on the rotation, which their own spikes turn: each pushes the state to the angle it reads."""
    step = np.exp((-1 / 30) + 2j * np.pi / 40)
    w_h = np.array([[step.real, -step.imag], [step.imag, step.real]])
    angle = 2 * np.pi * np.arange(8) / 8
    around = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    network = population("linear", 0.02 * around.T, w_h, 0.5 * around)
    loop = ClosedLoop(network, np.full(8, -MEAN), tuple(range(8)))
    found = free_run_phases(loop, around[:, 0], 40 * WIDTH * BIN_S, np.random.default_rng(0))
    correlation, p = circular_correlation(np.angle(found.phase), -angle, np.random.default_rng(0))
    assert correlation > 0.9 and p < 0.01 and found.source == "free run"


def test_the_loop_of_units_that_fire_as_their_bases_say_is_at_rest(hopfield: DynamicsResult) -> None:
    base, loop = (looked.input.map_of(hopfield.network) for looked in hopfield.inputs)
    np.testing.assert_allclose(loop.step(np.zeros((1, 1))), 0, atol=1e-12)
    np.testing.assert_allclose(base.step(np.full((1, 1), 0.3)), 0, atol=1e-12)


def test_the_closed_loop_has_the_patterns_and_the_held_input_has_not(hopfield: DynamicsResult) -> None:
    base, loop = hopfield.inputs
    assert base.points.count("stable") == 1 and loop.points.count("stable") == 2
    assert loop.points.count("unstable", "saddle") == 1
    state = float(loop.points.attractors.max())
    # the loop by hand: the units of the pattern fire MEAN exp(1.5 h), the others MEAN exp(-1.5 h); scale 2
    fed = 0.6 / 8 * 2 * 4 * (np.exp(1.5 * state) - np.exp(-1.5 * state))
    assert state == pytest.approx(np.tanh(fed))


def test_no_rate_passes_the_highest_of_training(hopfield: DynamicsResult) -> None:
    network = hopfield.network
    readout = Readout(network.readout.weight, network.readout.bias, "exp", highest=np.full(8, np.log(0.25)))
    assert readout.expected(np.array([0.9])).max() == pytest.approx(0.25)
    assert not readout.expected_slope(np.array([0.9]))[:4].any() and readout.expected_slope(np.array([0.9]))[4:].any()


def test_a_pattern_comes_back_when_half_of_its_units_are_silenced(hopfield: DynamicsResult) -> None:
    found = completed(hopfield)
    assert found.n_patterns == 2
    by_size = {(each.kind, each.size): each for each in found.by_size}
    assert all(by_size["towards", share].completed == (share < 0.5) for share in (0.1, 0.4, 0.6, 0.9))
    assert 0.4 < found.basin_size < 0.6
    small = by_size["displaced", 0.1]
    assert small.completed == 1 and small.high == 1 and 0.9 < small.low < 1
    # half of the displacements go to the side of the other pattern, and far enough
    assert 0.3 < by_size["displaced", 3.0].completed < 0.7


def test_silenced_units_move_the_state_as_their_missing_spikes_say(hopfield: DynamicsResult) -> None:
    """Without spikes of a unit its residual is -MEAN; with all of them silent the residuals of the halves cancel."""
    looked = hopfield.inputs[-1]
    loop = looked.input.map_of(hopfield.network)
    assert isinstance(loop, ClosedLoop)
    pattern = looked.points.attractors[:1]
    none = _silenced(loop, pattern, 8, np.random.default_rng(0))
    np.testing.assert_allclose(none, 0, atol=1e-12)
    np.testing.assert_allclose(_silenced(loop, pattern, 0, np.random.default_rng(0)), pattern, atol=1e-9)


def test_of_two_patterns_there_are_only_two_ways_and_no_interval(hopfield: DynamicsResult) -> None:
    found = completed(hopfield)
    towards = [each for each in found.by_size if each.kind == "towards"]
    assert {each.completed for each in towards} <= {0.0, 0.5, 1.0}
    assert all(np.isnan([each.low, each.high]).all() for each in towards)
    assert np.isnan([found.basin_low, found.basin_high]).all()
    assert all(each.low < each.high for each in found.by_size if each.kind != "towards")


def test_orbits_that_end_together_are_one_pattern(hopfield: DynamicsResult) -> None:
    looked = hopfield.inputs[-1]
    on_line = replace(looked.points, continuum=Continuum(1.0, 1, 0.0))
    assert len(looked.basins.ends) == 64
    ends = resting_states(on_line, looked.basins)
    np.testing.assert_allclose(np.sort(ends, axis=0), np.sort(looked.points.attractors, axis=0), atol=1e-3)


def test_units_of_one_pattern_are_side_by_side(rng: np.random.Generator) -> None:
    place, centre = 2 * np.pi * rng.permutation(12) / 12, 2 * np.pi * np.arange(5) / 5
    rates_hz = 20 * np.exp(2 * np.cos(place - centre[:, None]))
    steps = np.diff(place[neighbours(rates_hz)]) % (2 * np.pi)
    np.testing.assert_allclose(np.minimum(steps, 2 * np.pi - steps), 2 * np.pi / 12, atol=1e-9)
    assert sorted(neighbours(rates_hz[:1])) == list(range(12))


def test_of_many_patterns_the_interval_is_over_patterns() -> None:
    """Three pairs of patterns that do not touch one another: up to eight states of rest."""
    groups = np.kron(np.eye(3), np.array([[1.0], [1.0], [-1.0], [-1.0]]))  # (unit, pair)
    network = population("rnn", 0.6 * groups.T / (4 * MEAN * WIDTH), np.zeros((3, 3)), 1.5 * groups)
    found = completed(closed(network, np.random.default_rng(0).uniform(-0.9, 0.9, (200, 3))))
    n_pairs = found.n_patterns * (found.n_patterns - 1)
    assert 5 <= found.n_patterns <= 8
    assert found.basin_low <= found.basin_size <= found.basin_high and 0.4 < found.basin_size < 0.6
    towards = next(each for each in found.by_size if each.kind == "towards")
    assert towards.completed == 1
    assert towards.low == pytest.approx(n_pairs / (n_pairs + 1.96**2), abs=1e-3)  # Wilson


@pytest.mark.parametrize("n_patterns", [2, 5, 8, 20, 64])
def test_every_way_from_a_pattern_to_another_comes_before_any_again(n_patterns: int) -> None:
    own, other = pairs_of_patterns(n_patterns, np.random.default_rng(0))
    first = list(zip(own, other, strict=True))[: n_patterns * (n_patterns - 1)]
    assert len(own) == 64 and len(set(first)) == len(first) and (own != other).all() and other.max() < n_patterns


def test_a_quarter_of_two_units_is_one() -> None:
    """The pattern is lost where the unit that fires in it is silenced, and kept where the other one is."""
    pattern = np.array([1.0, -1.0])
    network = population("rnn", 0.6 * pattern[None] / (2 * MEAN * WIDTH), np.zeros((1, 1)), 1.5 * pattern[:, None])
    found = completed(closed(network, np.linspace(-0.9, 0.9, 200)[:, None]))
    quarter = found.silenced(0.25)
    assert quarter is not None and 0.3 < quarter.completed < 0.7


def test_one_state_is_no_pattern(rotation: DynamicsResult) -> None:
    found = completed(rotation)
    assert found.n_patterns == 1 and found.silenced(0.5) is None and np.isnan(found.basin_size)


def test_half_way_is_where_the_share_falls_to_half() -> None:
    assert half_way(np.array([1, 1, 1, 0.5, 0.4, 0.4, 0, 0, 0])) == pytest.approx(0.4)
    assert half_way(np.zeros(9)) == pytest.approx(0.05) and half_way(np.ones(9)) == pytest.approx(0.95)


def test_a_free_run_of_blocks_has_the_mean_and_variance_of_its_bins(rotation: DynamicsResult) -> None:
    loop = rotation.inputs[-1].input.map_of(rotation.network)
    assert isinstance(loop, ClosedLoop)
    spikes, _ = free_run(loop, 2000, np.random.default_rng(0), signal=np.eye(8)[3])
    assert spikes.mean() == pytest.approx(MEAN, rel=0.02)
    assert spikes.var() == pytest.approx(MEAN / WIDTH, rel=0.05)


def turning(n_units: int, period_s: float, seconds: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Counts (1, bin, unit) in bins of 50 ms of units that fire one after the other, and their phases."""
    rng = np.random.default_rng(seed)
    phase = 2 * np.pi * rng.permutation(n_units) / n_units
    time = 0.05 * np.arange(round(seconds / 0.05))
    rate = 0.15 * (1 + 0.8 * np.cos(2 * np.pi * time[:, None] / period_s + phase))
    return rng.poisson(rate)[None].astype(float), phase


def test_a_rhythm_that_is_not_in_the_sum_is_found_with_its_phases() -> None:
    counts, phase = turning(12, 6.0, 120)
    found = population_rhythm(counts, np.ones(counts.shape[:2], bool), 0.05)
    assert found.rhythm.period_s == pytest.approx(6.0, rel=0.03)
    correlation, p = circular_correlation(np.angle(found.phase), phase, np.random.default_rng(0))
    assert correlation > 0.9 and p < 0.01
    backwards = circular_correlation(-np.angle(found.phase), phase, np.random.default_rng(0))[0]
    assert backwards == pytest.approx(-correlation)


def test_units_that_fire_at_random_have_no_common_rhythm() -> None:
    counts = np.random.default_rng(0).poisson(0.15, (1, 2400, 12)).astype(float)
    assert population_rhythm(counts, np.ones((1, 2400), bool), 0.05).rhythm.period_s is None


def test_what_was_counted_in_unobserved_bins_changes_nothing() -> None:
    counts, phase = turning(12, 6.0, 240)
    observed = np.arange(counts.shape[1])[None] % 500 < 350
    silent, busy = (np.where(observed[..., None], counts, fill) for fill in (0, 9))
    found = [population_rhythm(each, observed, 0.05) for each in (silent, busy)]
    assert found[0].rhythm.period_s == pytest.approx(6.0, rel=0.03)
    np.testing.assert_allclose(found[0].phase, found[1].phase)
    assert circular_correlation(np.angle(found[0].phase), phase, np.random.default_rng(0))[0] > 0.9


def test_a_long_session_is_not_copied() -> None:
    """Of 8 million counts in a byte each, no part is held in float64 but a few units and bins at a time."""
    counts = np.random.default_rng(0).poisson(0.1, (1, 400_000, 20)).astype(np.uint8)
    observed = np.ones(counts.shape[:2], bool)
    tracemalloc.start()
    weights = first_components(counts, observed)[-1]
    phases_in(counts, weighted(counts, weights), 200.0, observed)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 8 * counts.size


@pytest.mark.parametrize(("name", "memory"), [("population-lstm", False), ("population-lstm-drive", True)])
def test_the_untrained_network_reads_on_the_scale_of_the_trained_one(name: str, memory: bool) -> None:
    n_hidden, rng = 32, np.random.default_rng(0)
    cell = Cell("lstm", *(np.zeros(shape) for shape in ((128, 3), (128, n_hidden), 128, 128)))
    model = fitted(cell, np.zeros((3, n_hidden)), name, warm_up=100)
    model = replace(model, scale=np.array([1.0, 2.0, 40.0]))
    (found,) = untrained_network(model, network_of(model, np.full(3, MEAN), "poisson", BIN_S), rng).layers
    largest = np.abs(found.weight_ih).max(axis=0) / (model.scale * WIDTH)
    np.testing.assert_allclose(largest, 1 / np.sqrt(n_hidden), rtol=0.1)  # torch's U(-1, 1) / sqrt(hidden)
    kept = found.bias_ih[n_hidden : 2 * n_hidden]  # of the forget gates
    assert (kept.max() > 3) == memory


def test_agreement_is_an_interval_over_networks() -> None:
    modes = [[{"tau_ms": tau, "growth_ms": None, "frequency_hz": 2.0}] for tau in (90.0, 100.0, 111.0)]
    (mode,) = agreement(modes)
    assert mode["tau_ms"] == 100 and 65 < mode["tau_ms_low"] < 80 and 125 < mode["tau_ms_high"] < 150
    (few,) = agreement(modes[:2])
    assert few["tau_ms_low"] is None and few["n"] == 2


def test_oscillations_are_compared_with_oscillations() -> None:
    real, oscillates = (
        {"tau_ms": 70.0, "growth_ms": None, "frequency_hz": 0.0},
        {"growth_ms": None, "frequency_hz": 22.0},
    )
    modes = [
        [real, {"tau_ms": 50.0, **oscillates}],
        [{"tau_ms": 90.0, **oscillates}, real],
        [{"tau_ms": 60.0, **oscillates}, real],
    ]
    slowest, oscillation = agreement(modes)
    assert (slowest["tau_ms"], slowest["frequency_hz_high"]) == (70, 0)
    assert (oscillation["tau_ms"], oscillation["frequency_hz_low"]) == (60, 22)


def test_a_network_without_a_point_takes_nothing_from_the_others() -> None:
    """The first of three has no fixed point: no mode, no pattern, no phases."""
    key = {"recording": "s", "unit": "all", "model": "population-gru", "input": "closed-loop"}
    empty = {
        **key,
        "n_fixed": 0,
        "n_patterns": 0,
        "slowest_tau_ms": None,
        "slowest_tau_note": None,
        "growing_share": 0.0,
        "leading_modes": [],
        "pattern_completion": [],
        "phase_source": None,
        "basin_shares": [],
        "completion": [{"size": 0.1, "returned": 0.0, "return_ms": None}],
        "rhythm_learned": False,
    }
    full = {
        **empty,
        "n_fixed": 3,
        "n_patterns": 2,
        "slowest_tau_ms": 100.0,
        "slowest_tau_note": "> window",
        "leading_modes": [{"tau_ms": 100.0, "growth_ms": None, "frequency_hz": 0.0}],
        "pattern_completion": [{"kind": "silenced", "size": 0.5, "completed": 0.8, "low": 0.7, "high": 0.9}],
        "phase_source": "free run",
        "basin_shares": [0.25, 0.75],
        "completion": [{"size": 0.1, "returned": 1.0, "return_ms": 30.0}],
        "rhythm_learned": True,
    }
    for members in ([empty, full, full], [full, full, empty]):
        (found,) = summarise(members)
        assert (found["n_fixed"], found["n_patterns"], found["slowest_tau_ms"]) == (3, 2, 100)
        assert found["slowest_tau_note"] == "> window" and found["phase_source"] == "free run"
        assert [mode["n"] for mode in found["leading_modes"]] == [2]
        assert found["pattern_completion"][0]["completed"] == 0.8 and found["basin_shares"] == [0.75, 0.25]
        assert found["completion"] == [{"size": 0.1, "returned": 1.0, "return_ms": 30.0}]
        assert found["rhythm_learned"] is True
        assert "in 1 of 3 networks no fixed point was found" in found["message"]
    (found,) = summarise([empty])
    assert "no network has two states to come to rest in: no pattern to complete" in found["message"]


def test_completion_over_networks_is_a_mean_and_a_range() -> None:
    rows = [[{"kind": "silenced", "size": 0.5, "completed": c, "low": 0.0, "high": 1.0}] for c in (0.4, 0.8)]
    (found,) = mean_completion([*rows, []])
    assert found["completed"] == pytest.approx(0.6) and (found["low"], found["high"]) == (0.4, 0.8)
