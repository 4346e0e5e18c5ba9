from dataclasses import replace

import numpy as np
import pytest

from rnnspike.dynamics.loop import LoopModes, free_run, noise_free_period, spiking_step
from rnnspike.dynamics.maps import ClosedLoop
from rnnspike.dynamics.network import Network, single
from rnnspike.models.networks.cell import Readout
from rnnspike.rhythm import spike_rhythm
from tests.dynamics.networks import BIN_S, oscillator


def test_modes_of_a_linear_loop_are_its_eigenvalues(rng):
    """Fed with spikes of a constant chance: noise that does not change how the state forgets."""
    turning = oscillator(50, 80)
    network = Network(turning.layers, BIN_S, Readout(np.zeros((1, 2)), np.log([0.1])))
    _, modes = free_run(ClosedLoop(network, np.zeros(2)), 20_000, rng)
    lead = modes.eigenvalues[np.argmax(modes.eigenvalues.imag)]
    assert np.angle(lead) == pytest.approx(2 * np.pi / 50, rel=0.01)
    assert np.abs(lead) == pytest.approx(np.exp(-1 / 80), rel=0.002)


def pacemaker(period_bins: int) -> ClosedLoop:
    """An LSTM that counts bins since its last spike in c, which a spike empties; the hazard rises at ``period``."""
    forget, write = 12.0, 12.0
    weight_ih = np.array([[0.0], [-2 * forget], [-40.0], [0.0]])  # a spike shuts f and turns g off
    bias = np.array([write, forget, np.arctanh(1 / period_bins), 12.0])
    cell = single("lstm", [weight_ih, np.zeros((4, 1)), bias], BIN_S)
    readout = Readout(np.array([[60.0]]), np.array([-60.0 * np.tanh(1.0) - 1.0]))
    return ClosedLoop(Network(cell.layers, BIN_S, readout), np.zeros(1))


@pytest.mark.parametrize("period", [20, 60])
def test_a_pacemaker_turns_with_its_intervals_though_its_mean_field_does_not(period, rng):
    system = pacemaker(period)
    spikes, _ = free_run(system, 6000, rng)
    own = spike_rhythm(spikes, BIN_S, longest_s=4 * period * BIN_S).period_s
    intervals = np.concatenate([np.diff(np.flatnonzero(row)) for row in spikes])
    assert own / BIN_S == pytest.approx(intervals.mean(), rel=0.1)
    assert noise_free_period(system, 3000) == pytest.approx(intervals.mean(), rel=0.1)


def test_decay_alone_has_no_period():
    assert LoopModes(np.array([0.9 + 0j]), np.array([1.0 + 0j])).period_bins(100) is None
    assert LoopModes(np.zeros(0, complex), np.zeros(0, complex)).period_bins(100) is None


def test_a_damped_turn_peaks_after_a_turn():
    values = np.exp([-1 / 50 + 2j * np.pi / 30, -1 / 50 - 2j * np.pi / 30])
    assert LoopModes(values, np.array([0.5, 0.5])).period_bins(100) == pytest.approx(31, abs=1.5)


@pytest.mark.parametrize(("per_bin", "drawn_of"), [(6.0, 6.0), (1e6, 100.0)])
def test_blocks_hold_as_many_spikes_as_the_network_expects(per_bin, drawn_of, rng):
    """Of 10 bins each; a bin is expected to hold 100 at most."""
    network = Network(oscillator(50, 80).layers, BIN_S, Readout(np.zeros((1, 2)), np.log([per_bin]), "exp"))
    loop = ClosedLoop(replace(network, bins_per_step=10), np.zeros(2))
    _, drawn = spiking_step(loop, np.zeros((500, 2)), rng)
    assert drawn.mean() == pytest.approx(drawn_of, rel=0.05)
