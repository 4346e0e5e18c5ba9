import numpy as np
import pytest

from rnnspike.dynamics.attractors.cycles import Cycle
from rnnspike.dynamics.loop import free_run
from rnnspike.dynamics.maps import ClosedLoop, HeldInput
from rnnspike.dynamics.network import single
from rnnspike.dynamics.rhythm import (
    NetworkRhythm,
    SpikeRhythm,
    compare_rhythms,
    network_rhythm,
    resonance,
)
from rnnspike.models.networks.cell import Readout
from tests.dynamics.networks import BIN_S, oscillator


def test_resonance_of_a_damped_oscillator(rng):
    network = oscillator(40, 200)
    system = HeldInput(network, np.zeros(2))
    period_s, height = resonance(network, np.zeros(2), system.jacobian(np.zeros(2)), np.array([1.0, 0.0]))
    assert period_s == pytest.approx(0.040, rel=0.01) and height > 10


def test_a_leak_does_not_resonate():
    network = single("linear", [np.ones((1, 1)), np.full((1, 1), 0.9)], BIN_S)
    assert resonance(network, np.zeros(1), np.full((1, 1), 0.9), np.ones(1)) is None


def test_a_free_run_keeps_the_rate_of_its_readout(rng):
    network = single(
        "linear", [np.zeros((1, 1)), np.zeros((1, 1))], BIN_S, readout=Readout(np.zeros((1, 1)), np.log([0.05]))
    )
    spikes, modes = free_run(ClosedLoop(network, np.zeros(1)), 5000, rng)
    assert modes.period_bins(200) is None
    assert spikes.mean() == pytest.approx(-np.expm1(-0.05), rel=0.05)


def test_limit_cycles_go_before_resonances():
    cycles = [Cycle(0.1, 1.0, np.zeros((1, 1))), Cycle(0.3, 1.0, np.zeros((1, 1)))]
    found = network_rhythm(cycles, [0.2, 0.7], [(0.5, 9.0)], "silent")
    assert found == NetworkRhythm(0.3, "limit cycle, silent input")
    assert network_rhythm([], [], [None, (0.5, 2.0), (0.4, 9.0)], "mean") == NetworkRhythm(
        0.4, "resonance, mean input"
    )
    assert network_rhythm([], [], [None], "mean") is None


def data(period_s: float | None) -> SpikeRhythm:
    return SpikeRhythm(period_s, 0.5, np.zeros(1), np.zeros(1))


@pytest.mark.parametrize(
    ("network_s", "free_run_s", "learned", "said"),
    [
        ([0.52], 0.51, True, "learned"),
        ([0.9, 0.52], 0.51, True, "learned"),
        ([0.52], None, False, "has not learned"),
        ([0.60], None, False, "has not learned"),
        ([], None, False, "has not learned"),
        ([0.60], 0.51, False, "its free run has the rhythm"),
    ],
)
def test_the_verdict_wants_both_within_ten_percent(network_s, free_run_s, learned, said):
    candidates = [NetworkRhythm(period_s, "resonance, closed-loop input") for period_s in network_s]
    verdict = compare_rhythms(data(0.5), candidates, data(free_run_s))
    assert verdict.learned is learned and said in verdict.sentence
    if learned:
        assert verdict.network.period_s == 0.52


def test_without_a_free_run_the_cycle_decides():
    assert compare_rhythms(data(0.5), [NetworkRhythm(0.52, "limit cycle")], None).learned is True


def test_no_rhythm_nothing_to_learn():
    assert compare_rhythms(data(None), [NetworkRhythm(0.1, "limit cycle")], None).learned is None
    assert compare_rhythms(None, [], None).sentence == ""
