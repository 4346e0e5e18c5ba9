import numpy as np
import pytest

from rnnspike.dynamics.cell import Readout, single
from rnnspike.dynamics.cycles import Cycle
from rnnspike.dynamics.loop import free_run
from rnnspike.dynamics.maps import ClosedLoop, HeldInput
from rnnspike.dynamics.rhythm import (
    NetworkRhythm,
    SpikeRhythm,
    compare_rhythms,
    history_reach,
    network_rhythm,
    resonance,
    spike_rhythm,
)
from tests.dynamics.networks import BIN_S, oscillator


def rhythmic(
    period_s: float, rng, *, depth: float = 0.9, rate_hz: float = 30, n_trials: int = 30, n_bins: int = 2000
):
    phase = np.arange(n_bins) * BIN_S / period_s + rng.random((n_trials, 1))
    return rng.random(phase.shape) < BIN_S * rate_hz * (1 + depth * np.cos(2 * np.pi * phase))


@pytest.mark.parametrize("period_s", [0.025, 0.08, 0.2, 0.5])
def test_a_known_period_is_found_within_five_percent(period_s, rng):
    assert spike_rhythm(rhythmic(period_s, rng), BIN_S).period_s == pytest.approx(period_s, rel=0.05)


def test_one_long_row_will_do(rng):
    counts = rhythmic(4.0, rng, n_trials=1, n_bins=90_000)
    assert spike_rhythm(counts, BIN_S).period_s == pytest.approx(4.0, rel=0.05)


def test_poisson_trains_have_no_rhythm(rng):
    found = [spike_rhythm(rng.random((20, 2000)) < 0.02, BIN_S).period_s for _ in range(20)]
    assert sum(period is not None for period in found) <= 1


def test_a_renewal_train_with_a_short_preferred_interval_has_no_rhythm(rng):
    """One peak after the refractory period that does not return: a flat tail is not taken for its return."""
    found = 0
    for _ in range(20):
        spikes = np.zeros((40, 1500), np.uint8)
        for row in spikes:
            short = rng.random(600) < 0.3
            intervals = 4 + np.where(short, rng.poisson(2, 600), rng.geometric(0.04, 600))
            at = np.cumsum(intervals) - int(intervals[:20].sum())
            row[at[(at >= 0) & (at < 1500)]] = 1
        found += spike_rhythm(spikes, BIN_S).period_s is not None
    assert found <= 2


def test_gaps_are_not_silence(rng):
    """Unobserved every 100 ms for 30 ms: a rhythm of the mask, not of the spikes."""
    counts = rng.random((30, 2000)) < 0.03
    observed = np.broadcast_to(np.arange(2000) % 100 >= 30, counts.shape)
    assert spike_rhythm(counts * observed, BIN_S).period_s == pytest.approx(0.1, rel=0.05)
    assert spike_rhythm(counts * observed, BIN_S, observed=observed).period_s is None


def test_too_little_has_none(rng):
    assert spike_rhythm(np.zeros((3, 2000)), BIN_S).period_s is None
    assert spike_rhythm(np.ones((3, 5)), BIN_S).period_s is None


def test_history_reaches_as_far_as_it_was_made(rng):
    """Refractory for 20 bins: no memory beyond that."""
    spikes = np.zeros((40, 2000))
    last = np.full(40, -1000)
    for k in range(2000):
        now = (k - last > 20) & (rng.random(40) < 0.05)
        spikes[now, k], last[now] = 1, k
    assert 0.015 <= history_reach(spikes, BIN_S) <= 0.06
    assert history_reach(rng.random((40, 2000)) < 0.03, BIN_S) <= 0.002


def test_a_slow_gain_between_trials_is_no_history(rng):
    rate = 0.02 * rng.gamma(4, 1 / 4, size=(40, 1))
    assert history_reach(rng.random((40, 1000)) < rate, BIN_S) <= 0.005


def test_resonance_of_a_damped_oscillator(rng):
    network = oscillator(40, 200)
    system = HeldInput(network, np.zeros(2))
    period_s, height = resonance(network, system.jacobian(np.zeros(2)), np.array([1.0, 0.0]))
    assert period_s == pytest.approx(0.040, rel=0.01) and height > 10


def test_a_leak_does_not_resonate():
    network = single("linear", [np.ones((1, 1)), np.full((1, 1), 0.9)], BIN_S)
    assert resonance(network, np.full((1, 1), 0.9), np.ones(1)) is None


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
