import numpy as np
import pytest
import torch

from rnnspike.dynamics.memory.gradient_flow import history_warning, measure_gradient_flow
from rnnspike.dynamics.network import Network
from rnnspike.models.networks.cell import Cell, Readout
from tests.dynamics.networks import BIN_S, linear_network, random_network, torch_module


def flow_of(network: Network, rng, noise: float = 0.3, n_times: int = 400, **kwargs):
    inputs = noise * rng.normal(size=(6, n_times, network.n_input))
    states = network.run(np.zeros((6, network.n_state)), inputs)
    return measure_gradient_flow(network, states, inputs, rng, **kwargs)


def one_unit(weight: float) -> Network:
    return linear_network(np.array([[weight]]), readout=Readout(np.ones((1, 1)), np.zeros(1)))


@pytest.mark.parametrize(
    ("weight", "flow", "horizon_bins"),
    [(0.9, "vanishing", 44), (1.0, "preserved", np.inf), (1.05, "exploding", np.inf)],
)
def test_one_linear_unit_flows_as_its_weight(weight, flow, horizon_bins, rng):
    result = flow_of(one_unit(weight), rng)
    assert result.flow == flow
    assert result.horizon_s / BIN_S == pytest.approx(horizon_bins)
    assert result.gradient[:50] == pytest.approx(weight ** np.arange(50.0))
    assert result.product == pytest.approx(weight ** (result.product_lag_s / BIN_S))
    assert result.bound == pytest.approx(result.product)


@pytest.mark.parametrize("architecture", ["rnn", "gru", "lstm"])
def test_gradients_equal_autodiff(architecture, rng):
    """One probe, the loss at the last bin: d loss / d h_(t - j), and for the LSTM (h, c)."""
    network = random_network(architecture, n_hidden=4)
    n_times, n = 21, 4
    inputs = rng.normal(size=(1, n_times, 2))
    states = network.run(np.zeros((1, network.n_state)), inputs)
    result = measure_gradient_flow(network, states, inputs, rng, n_probes=10**6)
    module = torch_module(network.layers[0])
    expected = np.zeros(len(result.gradient))
    for t in range(len(expected) - 1, n_times):
        for lag in range(len(expected)):
            state = torch.from_numpy(states[0, t - lag])[None, None].requires_grad_()
            at = (state[..., :n].contiguous(), state[..., n:].contiguous()) if architecture == "lstm" else state
            hidden = state[0, 0, :n]
            if lag:
                hidden = module(torch.from_numpy(inputs[:, t - lag + 1 : t + 1]), at)[0][0, -1]
            (torch.from_numpy(network.readout.weight[0]) @ hidden).backward()
            expected[lag] += state.grad.norm().item()
    assert result.gradient == pytest.approx(expected / expected[0], rel=1e-9)


@pytest.mark.parametrize("architecture", ["rnn", "gru", "lstm"])
def test_the_product_stays_under_its_bound(architecture, rng):
    result = flow_of(random_network(architecture, 12), rng)
    assert (result.product <= 1.2 * result.bound).all() and result.product[-1] < result.bound[-1]


def test_a_forget_gate_keeps_what_a_tanh_unit_loses(rng):
    forget = Cell("lstm", 0.1 * np.ones((4, 1)), np.zeros((4, 1)), np.array([0, 8.0, 0, 0]), np.zeros(4))
    tanh = Cell("rnn", np.ones((1, 1)), np.full((1, 1), 0.9), np.zeros(1), np.zeros(1))
    readout = Readout(np.ones((1, 1)), np.zeros(1))
    assert flow_of(Network((forget,), BIN_S, readout), rng).flow == "preserved"
    lost = flow_of(Network((tanh,), BIN_S, readout), rng)
    assert lost.flow == "vanishing" and lost.horizon_s < 0.045


def test_the_loss_weights_its_bins(rng):
    network = one_unit(0.9)
    inputs = np.zeros((4, 100, 1))
    states = network.run(np.ones((4, 1)), inputs)
    slope = rng.normal(size=(4, 100, 1))
    result = measure_gradient_flow(network, states, inputs, rng, loss_slope=slope)
    assert result.gradient[:20] == pytest.approx(0.9 ** np.arange(20.0))


def test_a_warning_where_the_data_reach_further(rng):
    result = flow_of(one_unit(0.9), rng)
    assert "history reaches 300 ms, gradients only 44 ms" in history_warning(0.3, result.horizon_s)
    assert history_warning(0.01, result.horizon_s) is None and history_warning(None, 0.044) is None
    assert history_warning(10.0, flow_of(one_unit(1.0), rng).horizon_s) is None


def test_no_readout_is_followed_from_random_directions(rng):
    network = linear_network(np.diag([0.9, 0.9]))
    assert flow_of(network, rng).gradient[10] == pytest.approx(0.9**10)


def test_a_readout_of_zeros_has_no_gradient(rng):
    network = random_network("lstm")
    blind = Network(network.layers, BIN_S, Readout(np.zeros((1, 6)), np.zeros(1)))
    inputs = rng.normal(size=(4, 60, 2))
    flow = measure_gradient_flow(blind, blind.run(np.zeros((4, 12)), inputs), inputs, rng)
    assert flow.horizon_s == 0 and flow.flow == "vanishing" and not flow.gradient.any()
