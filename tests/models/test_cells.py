import numpy as np
import pytest
import torch

from rnnspike.models.cells import RecurrentCell
from rnnspike.models.recurrent_net import LinearLayer
from rnnspike.models.scans import GruLayer, TanhLayer

NAMES = ("spike", "unknown", "drive")
LAYERS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM, "linear": LinearLayer}


def layer_and_cell(architecture: str, n_hidden: int = 5) -> tuple[torch.nn.Module, RecurrentCell]:
    layer = LAYERS[architecture](len(NAMES), n_hidden).double()
    generator = torch.Generator().manual_seed(1)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    arrays = {name: p.detach().numpy() for name, p in layer.named_parameters()}
    return layer, RecurrentCell.from_torch(architecture, arrays, input_names=NAMES, bin_s=0.001)


@pytest.mark.parametrize("architecture", LAYERS)
def test_states_equal_torch(architecture, rng):
    layer, cell = layer_and_cell(architecture)
    inputs = rng.normal(size=(37, 4, 3))
    expected = layer(torch.from_numpy(inputs))[0].detach().numpy()
    np.testing.assert_allclose(cell.hidden(cell.run(inputs)), expected, atol=1e-12)


@pytest.mark.parametrize("architecture", LAYERS)
def test_run_is_steps(architecture, rng):
    _, cell = layer_and_cell(architecture)
    inputs = rng.normal(size=(11, 3, 3))
    state = rng.normal(size=(3, cell.n_state))
    states = cell.run(inputs, state)
    for k in range(11):
        state = cell.step(state, inputs[k])
        np.testing.assert_allclose(states[k], state, atol=1e-13)


def test_run_does_not_change_the_state_it_starts_from(rng):
    _, cell = layer_and_cell("lstm")
    state = rng.normal(size=(2, cell.n_state))
    before = state.copy()
    cell.run(rng.normal(size=(3, 2, 3)), state)
    np.testing.assert_array_equal(state, before)


@pytest.mark.parametrize("n_bins", [1, 2, 31, 64])
def test_linear_layer_by_doubling_equals_a_loop_with_carried_state(n_bins, rng):
    layer, cell = layer_and_cell("linear")
    inputs, state = rng.normal(size=(n_bins, 2, 3)), rng.normal(size=(2, 5))
    h, last = layer(torch.from_numpy(inputs), torch.from_numpy(state)[None])
    np.testing.assert_allclose(h.detach().numpy(), cell.run(inputs, state), atol=1e-12)
    np.testing.assert_array_equal(last[0].detach().numpy(), h[-1].detach().numpy())


@pytest.mark.parametrize(("ours", "theirs"), [(GruLayer, torch.nn.GRU), (TanhLayer, torch.nn.RNN)])
@pytest.mark.parametrize("carried", [True, False])
def test_layers_stepped_by_hand_equal_torch_and_its_gradients(ours, theirs, carried, rng):
    layer, oracle = ours(3, 5).double(), theirs(3, 5).double()
    oracle.load_state_dict(layer.state_dict())
    inputs, along = (torch.from_numpy(rng.normal(size=(13, 4, n))) for n in (3, 5))
    state = torch.from_numpy(rng.normal(size=(1, 4, 5))).requires_grad_() if carried else None
    wanted = []
    for module in (layer, oracle):
        h, last = module(inputs, state)
        leaves = [*module.parameters(), *([state] if carried else [])]
        wanted.append([h, last, *torch.autograd.grad((h * along).sum() + last.sum(), leaves)])
    for found, expected in zip(*wanted, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-10)
