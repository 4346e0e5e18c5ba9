import numpy as np
import pytest
import torch

from rnnspike.models.networks.cell import Cell
from rnnspike.models.networks.layers import LAYER_NAMES, Weights, scan
from rnnspike.models.numerics import functions


class LinearLayer(torch.nn.RNN):
    """torch's RNN without its tanh."""

    def forward(self, inputs, state=None):
        projected = inputs @ self.weight_ih_l0.T + self.bias_ih_l0 + self.bias_hh_l0
        h = torch.zeros_like(projected[0, :, :]) if state is None else state[0]
        steps = [h := each + h @ self.weight_hh_l0.T for each in projected]
        return torch.stack(steps), h[None]


LAYERS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM, "linear": LinearLayer}


def weights_of(layer: torch.nn.Module) -> Weights:
    return Weights.of({f"layer.{name}": p.detach().numpy() for name, p in layer.named_parameters()}, "layer")


def layer_and_cell(architecture: str, n_hidden: int = 5) -> tuple[torch.nn.Module, Cell]:
    layer = LAYERS[architecture](3, n_hidden).double()
    generator = torch.Generator().manual_seed(1)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    arrays = {name: p.detach().numpy() for name, p in layer.named_parameters()}
    return layer, Cell.from_torch(architecture, arrays)


@pytest.mark.parametrize("architecture", LAYERS)
def test_states_equal_torch(architecture, rng):
    layer, cell = layer_and_cell(architecture)
    inputs = rng.normal(size=(37, 4, 3))
    expected = layer(torch.from_numpy(inputs))[0].detach().numpy()
    np.testing.assert_allclose(cell.hidden(cell.run(inputs)), expected, atol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-13), (np.float32, 1e-5)])
@pytest.mark.parametrize("architecture", LAYERS)
def test_run_is_steps(architecture, dtype, tolerance, rng):
    _, cell = layer_and_cell(architecture)
    inputs = rng.normal(size=(11, 3, 3)).astype(dtype)
    state = rng.normal(size=(3, cell.n_state)).astype(dtype)
    states = cell.run(inputs, state)
    assert states.dtype == dtype
    for k in range(11):
        state = cell.step(state, inputs[k])
        np.testing.assert_allclose(states[k], state, atol=tolerance)


def test_run_does_not_change_the_state_it_starts_from(rng):
    _, cell = layer_and_cell("lstm")
    state = rng.normal(size=(2, cell.n_state))
    before = state.copy()
    cell.run(rng.normal(size=(3, 2, 3)), state)
    np.testing.assert_array_equal(state, before)


@pytest.mark.parametrize("architecture", LAYERS)
@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize(("n_rows", "n_hidden"), [(4, 5), (19, 16), (1, 1)])
def test_compiled_layers_equal_torch_and_its_gradients(architecture, carried, n_rows, n_hidden, rng):
    layer = LAYERS[architecture](3, n_hidden)

    def drawn(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    inputs, along = drawn(13, n_rows, 3), drawn(13, n_rows, n_hidden)
    first = tuple(drawn(n_rows, n_hidden) for _ in range(2 if architecture == "lstm" else 1)) if carried else None
    path = scan(architecture, inputs, weights_of(layer), first, backwards=True)
    state = tuple(torch.from_numpy(each)[None] for each in first or ())
    h, last = layer(torch.from_numpy(inputs), (state if architecture == "lstm" else state[0]) if carried else None)
    ends = [*last] if isinstance(last, tuple) else [last]
    names = [f"{name}_l0" for name in LAYER_NAMES]
    wanted = torch.autograd.grad((h * torch.from_numpy(along)).sum(), [getattr(layer, name) for name in names])
    found = [path.states, *path.last, *path.gradients(along)]
    for each, expected in zip(found, [h, *(end[0] for end in ends), *wanted], strict=True):
        np.testing.assert_allclose(each, expected.detach().numpy(), atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("n_rows", [1, 16, 40])
def test_states_without_a_way_back_are_those_with_one(n_rows, rng):
    weights = weights_of(torch.nn.LSTM(3, 16))
    inputs = rng.normal(size=(25, n_rows, 3)).astype(np.float32)
    state = tuple(rng.normal(size=(n_rows, 16)).astype(np.float32) for _ in range(2))
    kept, found = (scan("lstm", inputs, weights, state, backwards=backwards) for backwards in (True, False))
    for each, expected in zip((found.states, *found.last), (kept.states, *kept.last), strict=True):
        np.testing.assert_allclose(each, expected, atol=1e-6, rtol=1e-6)
    with pytest.raises(RuntimeError, match="backwards=True"):
        found.gradients(found.states)


@pytest.mark.parametrize("architecture", LAYERS)
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_not_hidden(architecture, value):
    inputs = np.zeros((9, 2, 3), np.float32)
    inputs[4, 1, 0] = value
    path = scan(architecture, inputs, weights_of(LAYERS[architecture](3, 5)), None, backwards=True)
    assert np.isfinite(path.states[:, 0]).all()
    assert not np.isfinite(path.gradients(np.ones_like(path.states))[0]).all()


@pytest.mark.parametrize("x", [-200.0, -12.0, -8.0, -3.0, -1e-3, 0.0, 1e-4, 0.7, 5.0, 7.9, 8.1, 100.0])
def test_tanh_and_sigmoid_are_those_of_single_precision(x):
    assert functions.tanh(np.float32(x)) == pytest.approx(np.tanh(x), rel=1e-6, abs=1e-7)
    assert functions.sigmoid(np.float32(x)) == pytest.approx(1 / (1 + np.exp(-x)), abs=2e-7)
