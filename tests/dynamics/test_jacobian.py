import numpy as np
import pytest
import torch

from rnnspike.dynamics.jacobian import input_jacobian, pull_back, state_jacobian
from rnnspike.dynamics.maps import ClosedLoop, HeldInput
from rnnspike.dynamics.network import Network
from rnnspike.models.networks.cell import Cell, Readout
from tests.dynamics.networks import random_cell, random_network, torch_module, torch_step

TORCH_CELLS = ["rnn", "rnn-relu", "gru", "lstm"]
ALL_CELLS = ["linear", *TORCH_CELLS]


def autodiff(network: Network, state: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    module = torch_module(network.layers[0])
    step = lambda s, u: torch_step(module, s, u)
    by_state, by_input = torch.autograd.functional.jacobian(step, (torch.from_numpy(state), torch.from_numpy(x)))
    return by_state.numpy(), by_input.numpy()


def numeric(function, at: np.ndarray, width: float = 1e-6) -> np.ndarray:
    shifts = width * np.eye(len(at))
    return np.stack([(function(at + d) - function(at - d)) / (2 * width) for d in shifts], axis=-1)


@pytest.mark.parametrize("architecture", TORCH_CELLS)
def test_jacobians_equal_autodiff(architecture, rng):
    network = random_network(architecture, n_hidden=16, n_input=3)
    states, inputs = rng.normal(size=(5, network.n_state)), rng.normal(size=(5, 3))
    batched, by_input = state_jacobian(network, states, inputs), input_jacobian(network, states, inputs)
    for k in range(5):
        expected, expected_input = autodiff(network, states[k], inputs[k])
        assert np.abs(batched[k] - expected).max() < 1e-10
        assert np.abs(by_input[k] - expected_input).max() < 1e-10


@pytest.mark.parametrize("architecture", TORCH_CELLS)
def test_step_equals_torch(architecture, rng):
    network = random_network(architecture, n_hidden=8, n_input=2)
    state, x = rng.normal(size=network.n_state), rng.normal(size=2)
    expected = torch_step(torch_module(network.layers[0]), torch.from_numpy(state), torch.from_numpy(x))
    assert np.allclose(network.step(state, x), expected.detach().numpy(), atol=1e-14)


@pytest.mark.parametrize("architecture", ["linear", "rnn"])
def test_leak_mixes_the_old_state_in(architecture, rng):
    network = Network((random_cell(architecture, 5, 2, rng, alpha=0.2),), 0.001)
    state, x = rng.normal(size=5), rng.normal(size=2)
    expected = numeric(lambda s: network.step(s, x), state)
    assert np.allclose(state_jacobian(network, state, x), expected, atol=1e-8)
    cell = network.layers[0]
    full = Cell(cell.architecture, cell.weight_ih, cell.weight_hh, cell.bias_ih, cell.bias_hh)
    assert np.allclose(network.step(state, x), 0.8 * state + 0.2 * full.step(state, x))


@pytest.mark.parametrize("architecture", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("n_layers", [2, 3])
def test_layers_equal_torch_stacked(architecture, n_layers, rng):
    cells = [random_cell(architecture, 4, 2 if k == 0 else 4, rng) for k in range(n_layers)]
    network = Network(tuple(cells), 0.001)
    state, x = rng.normal(size=network.n_state), rng.normal(size=2)
    modules = [torch_module(cell) for cell in cells]

    def step(flat: torch.Tensor, signal: torch.Tensor) -> torch.Tensor:
        parts = flat.split(cells[0].n_state)
        new = []
        for module, part in zip(modules, parts, strict=True):
            new.append(torch_step(module, part, signal))
            signal = new[-1][:4]
        return torch.cat(new)

    at = (torch.from_numpy(state), torch.from_numpy(x))
    by_state, by_input = torch.autograd.functional.jacobian(step, at)
    assert np.abs(network.step(state, x) - step(*at).detach().numpy()).max() < 1e-12
    assert np.abs(state_jacobian(network, state, x) - by_state.numpy()).max() < 1e-10
    assert np.abs(input_jacobian(network, state, x) - by_input.numpy()).max() < 1e-10


@pytest.mark.parametrize("architecture", ALL_CELLS)
def test_pull_back_is_a_product_with_the_jacobians(architecture, rng):
    cells = (random_cell(architecture, 4, 2, rng), random_cell(architecture, 3, 4, rng))
    network = Network(cells, 0.001)
    states, inputs = rng.normal(size=(6, network.n_state)), rng.normal(size=(6, 2))
    vectors = rng.normal(size=states.shape)
    by_state, by_input = pull_back(network, states, inputs, vectors)
    full = np.einsum("bi,bij->bj", vectors, state_jacobian(network, states, inputs))
    assert np.allclose(by_state, full, atol=1e-12)
    assert np.allclose(
        by_input, np.einsum("bi,bij->bj", vectors, input_jacobian(network, states, inputs)), atol=1e-12
    )


@pytest.mark.parametrize("architecture", ALL_CELLS)
@pytest.mark.parametrize("link", ["cloglog", "exp", "logit", "identity"])
def test_closed_loop_equals_finite_differences(architecture, link, rng):
    cell = random_cell(architecture, 5, 3, rng)
    network = Network((cell,), 0.001, Readout(0.5 * rng.normal(size=(2, 5)), rng.normal(size=2), link))
    system = ClosedLoop(network, rng.normal(size=3), channels=(2, 0), scale=1.5)
    state, vector = 0.5 * rng.normal(size=network.n_state), rng.normal(size=network.n_state)
    expected = numeric(system.step, state)
    assert np.allclose(system.jacobian(state), expected, atol=1e-7)
    assert np.allclose(system.pull_back(state, vector), vector @ expected, atol=1e-7)


@pytest.mark.parametrize("architecture", ALL_CELLS)
def test_a_held_input_broadcasts_over_states(architecture, rng):
    network = random_network(architecture)
    system = HeldInput(network, rng.normal(size=2))
    states = rng.normal(size=(3, 4, network.n_state))
    assert system.jacobian(states).shape == (3, 4, network.n_state, network.n_state)
    assert np.allclose(system.jacobian(states)[2, 1], system.jacobian(states[2, 1]))


def test_the_cell_block_of_an_lstm_is_where_its_memory_is():
    """science.md#jacobians: forget bias 3, weak recurrence: 29.9 bins from (h, c), .24 from the h block."""
    forget = 1 / (1 + np.exp(-3))
    self_weight = 4 * (np.exp(-1 / 29.9) - forget)  # the mode is forget + weight / 4
    weight_hh = np.zeros((4, 1))
    weight_hh[2] = self_weight
    cell = Cell("lstm", np.zeros((4, 1)), weight_hh, np.array([0.0, 3.0, 0.0, 0.0]), np.zeros(4))
    jacobian = state_jacobian(Network((cell,), 0.001), np.zeros(2), np.zeros(1))
    slowest = np.abs(np.linalg.eigvals(jacobian)).max()
    assert -1 / np.log(slowest) == pytest.approx(29.9, abs=1e-9)
    assert -1 / np.log(jacobian[0, 0]) < 0.3
    assert -1 / np.log(forget) == pytest.approx(20.6, abs=0.05)
