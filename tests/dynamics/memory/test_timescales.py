import numpy as np
import pytest

from rnnspike.dynamics.memory.timescales import (
    fit_decay,
    gate_timescales,
    measure_timescales,
    perturbation_decay,
    reconcile,
    slowest_decay,
    visited_modes,
)
from rnnspike.dynamics.network import Network
from rnnspike.models.networks.cell import Cell, Readout
from tests.dynamics.networks import BIN_S, linear_network, random_network

FORGET = 1 / (1 + np.exp(-3.0))


def weak_lstm(forget_bias: float = 3.0, self_weight: float = 0.0) -> Network:
    """One LSTM unit; with no input its slowest mode is forget + self_weight / 4 (science.md#memory)."""
    weight_hh = np.array([[0.0], [0.0], [self_weight], [0.0]])
    cell = Cell("lstm", np.zeros((4, 1)), weight_hh, np.array([0.0, forget_bias, 0.0, 0.0]), np.zeros(4))
    return Network((cell,), BIN_S, Readout(np.ones((1, 1)), np.zeros(1)))


def orbits(network: Network, rng, noise: float = 0.0, n_times: int = 400):
    inputs = noise * rng.normal(size=(6, n_times, network.n_input))
    return network.run(np.zeros((6, network.n_state)), inputs), inputs


def test_lstm_time_constants_three_ways(rng):
    network = weak_lstm(self_weight=4 * (np.exp(-1 / 29.9) - FORGET))
    result = measure_timescales(network, *orbits(network, rng), rng)
    assert result.gate_s / BIN_S == pytest.approx([20.6], abs=0.05)
    assert result.eigenvalue_s / BIN_S == pytest.approx(29.9, abs=1e-6)
    assert result.measured_s / BIN_S == pytest.approx(29.9, rel=0.05)
    assert "some mode lasts longer than the typical gate" in result.reconciled and "29.9 ms" in result.reconciled


def test_gates_are_averaged_geometrically(rng):
    """A forget gate that is shut every tenth bin holds nothing, whatever its arithmetic mean."""
    cell = Cell(
        "lstm", np.array([[0.0], [-40.0], [0.0], [0.0]]), np.zeros((4, 1)), np.array([0, 5.0, 0, 0]), np.zeros(4)
    )
    network = Network((cell,), BIN_S)
    inputs = np.zeros((2, 401, 1))
    inputs[:, ::10] = 1.0
    tau = gate_timescales(network, network.run(np.zeros((2, 2)), inputs), inputs)
    expected = -1 / (0.9 * np.log(1 / (1 + np.exp(-5))) + 0.1 * np.log(1 / (1 + np.exp(35))))
    assert tau / BIN_S == pytest.approx([expected], rel=1e-6)


def test_gru_and_leak_have_gates_and_vanilla_none(rng):
    z_bias = np.array([0.0, 2.0, 0.0])
    gru = Network((Cell("gru", np.zeros((3, 1)), np.zeros((3, 1)), z_bias, np.zeros(3)),), BIN_S)
    assert gate_timescales(gru, *orbits(gru, rng)) / BIN_S == pytest.approx([-1 / np.log(1 / (1 + np.exp(-2)))])
    leaky = Network((Cell("rnn", np.zeros((1, 1)), np.zeros((1, 1)), np.zeros(1), np.zeros(1), alpha=0.1),), BIN_S)
    assert gate_timescales(leaky, *orbits(leaky, rng)) / BIN_S == pytest.approx([-1 / np.log(0.9)])
    vanilla = random_network("rnn")
    assert np.isnan(gate_timescales(vanilla, *orbits(vanilla, rng))).all()


def test_a_linear_network_forgets_as_its_eigenvalue_says(rng):
    network = linear_network(np.diag([0.95, 0.5]), readout=Readout(np.ones((1, 2)), np.zeros(1)))
    result = measure_timescales(network, *orbits(network, rng, 0.1), rng)
    assert result.eigenvalue_s / BIN_S == pytest.approx(-1 / np.log(0.95))
    assert result.measured_s == pytest.approx(result.eigenvalue_s, rel=0.1)
    assert "they agree" in result.reconciled


def test_memory_that_is_not_read_is_said(rng):
    network = linear_network(np.diag([0.99, 0.3]), readout=Readout(np.array([[0.0, 1.0]]), np.zeros(1)))
    result = measure_timescales(network, *orbits(network, rng, 0.1), rng)
    assert result.eigenvalue_s / BIN_S > 99 and result.measured_s < 2 * BIN_S
    assert "does not show" in result.reconciled


def test_growing_directions_are_counted(rng):
    network = linear_network(np.diag([1.01, 0.9]))
    states = rng.normal(size=(3, 50, 2))
    modes = visited_modes(network, states, np.zeros((3, 50, 2)), rng)
    tau_s, growing = slowest_decay(modes), (modes.n_unstable > 0).mean()
    assert growing == 1 and tau_s / BIN_S == pytest.approx(-1 / np.log(0.9))


def test_layers_each_have_their_gates(rng):
    low = weak_lstm(3.0).layers[0]
    network = Network((low, weak_lstm(1.0).layers[0]), BIN_S)
    tau = gate_timescales(network, *orbits(network, rng)) / BIN_S
    assert tau == pytest.approx([-1 / np.log(1 / (1 + np.exp(-b))) for b in (3.0, 1.0)])


def test_a_perturbation_that_stays_is_infinite(rng):
    network = linear_network(np.eye(1))
    lags_s, decay = perturbation_decay(network, *orbits(network, rng), rng)
    assert np.allclose(decay, 1) and fit_decay(lags_s, decay) == np.inf


@pytest.mark.parametrize("tau", [0.005, 0.05])
def test_fit_of_an_exponential(tau):
    lags = np.arange(1000) * 1e-3
    assert fit_decay(lags, np.exp(-lags / tau)) == pytest.approx(tau, rel=1e-6)


def test_gone_at_once_is_under_a_bin():
    assert fit_decay(np.arange(5) * 1e-3, np.array([1.0, 0, 0, 0, 0])) < 1e-3


def test_guards_reach_the_sentence():
    sentence = reconcile(np.nan, 5.0, 0.0005, 0.001, 1.0, 0.0)
    assert "> window" in sentence and "< 2 bins" in sentence and "gates" not in sentence.split(":")[0]
