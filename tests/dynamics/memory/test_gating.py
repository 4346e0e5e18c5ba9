import numpy as np
import pytest

from rnnspike.dynamics.memory.gating import measure_gating, split_responses, superposition
from rnnspike.dynamics.network import Network
from tests.dynamics.networks import random_network


def gating_of(network: Network, rng, size: float = 1.0):
    inputs = size * rng.normal(size=(8, 100, network.n_input))
    states = network.run(np.zeros((8, network.n_state)), inputs)
    return measure_gating(network, states, inputs, rng)


def test_a_linear_network_superposes_to_machine_precision(rng):
    gating = gating_of(random_network("linear", 10, gain=0.8), rng)
    assert gating.superposition < 1e-13
    assert gating.gain_variation.max() < 1e-13
    assert np.abs(gating.gain).max() > 0.01


@pytest.mark.parametrize("architecture", ["rnn", "gru", "lstm"])
def test_nonlinear_networks_do_not(architecture, rng):
    gating = gating_of(random_network(architecture, 10), rng)
    assert 0.02 < gating.superposition < 2
    assert (gating.gain_variation > 0.02).all() and gating.gain.shape == (2,)


def test_small_inputs_find_any_network_linear(rng):
    network = random_network("rnn", 10, gain=0.5)
    inputs = rng.normal(size=(4, 50, 2))
    large, small = (superposition(*split_responses(network, s * inputs, np.zeros(2), rng)) for s in (1.0, 1e-3))
    assert small < 0.01 * large


def test_resting_input_counts_as_none(rng):
    network = random_network("rnn", 6)
    resting = np.array([0.5, -1.0])
    held = np.broadcast_to(resting, (3, 40, 2))
    assert superposition(*split_responses(network, held, resting, rng)) == 0.0
