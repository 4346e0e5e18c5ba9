import numba
import numpy as np
import pytest
import torch

from rnnspike.models.cells import RecurrentCell
from rnnspike.models.compiled import compiled, functions
from rnnspike.models.recurrent_net import LinearLayer
from rnnspike.models.scans import GruLayer, LstmLayer, TanhLayer

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


@pytest.mark.parametrize("n_bins", [1, 2, 31, 64])
def test_linear_layer_by_doubling_equals_a_loop_with_carried_state(n_bins, rng):
    layer, cell = layer_and_cell("linear")
    inputs, state = rng.normal(size=(n_bins, 2, 3)), rng.normal(size=(2, 5))
    h, last = layer(torch.from_numpy(inputs), torch.from_numpy(state)[None])
    np.testing.assert_allclose(h.detach().numpy(), cell.run(inputs, state), atol=1e-12)
    np.testing.assert_array_equal(last[0].detach().numpy(), h[-1].detach().numpy())


@pytest.mark.parametrize(
    ("ours", "theirs"), [(LstmLayer, torch.nn.LSTM), (GruLayer, torch.nn.GRU), (TanhLayer, torch.nn.RNN)]
)
@pytest.mark.parametrize("carried", [True, False])
@pytest.mark.parametrize(("n_rows", "n_hidden"), [(4, 5), (19, 16), (1, 1)])
def test_compiled_layers_equal_torch_and_its_gradients(ours, theirs, carried, n_rows, n_hidden, rng):
    layer, oracle = ours(3, n_hidden), theirs(3, n_hidden)
    oracle.load_state_dict(layer.state_dict())

    def drawn(*shape: int) -> torch.Tensor:
        return torch.from_numpy(rng.normal(size=shape).astype(np.float32))

    inputs, along = drawn(13, n_rows, 3).requires_grad_(), drawn(13, n_rows, n_hidden)
    parts = [drawn(1, n_rows, n_hidden).requires_grad_() for _ in range(2 if ours is LstmLayer else 1)]
    state = (tuple(parts) if ours is LstmLayer else parts[0]) if carried else None
    wanted = []
    for module in (layer, oracle):
        h, last = module(inputs, state)
        ends = list(last) if isinstance(last, tuple) else [last]
        leaves = [inputs, *module.parameters(), *(parts if carried else [])]
        loss = (h * along).sum() + sum((k + 1) * end.sum() for k, end in enumerate(ends))
        wanted.append([h, *ends, *torch.autograd.grad(loss, leaves)])
    for found, expected in zip(*wanted, strict=True):
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("n_rows", [1, 16, 40])
def test_states_without_gradient_are_those_with_it(n_rows, rng):
    layer = LstmLayer(3, 16)
    inputs = torch.from_numpy(rng.normal(size=(25, n_rows, 3)).astype(np.float32))
    state = tuple(torch.from_numpy(rng.normal(size=(1, n_rows, 16)).astype(np.float32)) for _ in range(2))
    h, last = layer(inputs, state)
    with torch.no_grad():
        found, found_last = layer(inputs, state)
    for each, expected in zip((found, *found_last), (h, *last), strict=True):
        torch.testing.assert_close(each, expected.detach(), atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("ours", [LstmLayer, GruLayer, TanhLayer])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_not_hidden(ours, value):
    layer, inputs = ours(3, 5), torch.zeros(9, 2, 3)
    inputs[4, 1, 0] = value
    h = layer(inputs)[0]
    loss = (h[:, 1] * torch.nan_to_num(inputs[:, 1, :1], 1.0, 1.0)).sum()
    gradient = torch.autograd.grad(loss + h.sum(), layer.weight_ih_l0)[0]
    assert torch.isfinite(h[:, 0]).all()
    assert not torch.isfinite(gradient).all()


def test_in_double_precision_torch_steps_the_layers(rng):
    layer, oracle = LstmLayer(3, 5).double(), torch.nn.LSTM(3, 5).double()
    oracle.load_state_dict(layer.state_dict())
    inputs = torch.from_numpy(rng.normal(size=(13, 4, 3)))
    torch.testing.assert_close(layer(inputs)[0], oracle(inputs)[0], atol=0, rtol=0)


@pytest.mark.parametrize("x", [-200.0, -12.0, -8.0, -3.0, -1e-3, 0.0, 1e-4, 0.7, 5.0, 7.9, 8.1, 100.0])
def test_tanh_and_sigmoid_are_those_of_single_precision(x):
    assert functions.tanh(np.float32(x)) == pytest.approx(np.tanh(x), rel=1e-6, abs=1e-7)
    assert functions.sigmoid(np.float32(x)) == pytest.approx(1 / (1 + np.exp(-x)), abs=2e-7)


def test_without_a_place_to_keep_it_a_loop_is_compiled_all_the_same(monkeypatch):
    njit = numba.njit

    def nowhere(cache: bool = False, **options: object) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(**options)

    monkeypatch.setattr(numba, "njit", nowhere)

    @compiled
    def twice(x: float) -> float:
        return 2.0 * x

    assert twice(3.0) == 6.0
