"""The linear recurrent unit against complex arithmetic in double precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rnnspike.errors import ModelError
from rnnspike.models.networks import diagonal, diagonal_loops
from rnnspike.models.networks.bin_clock.net import READOUT_SCALE, RecurrentNet, layer_cell
from rnnspike.models.networks.cell import Bend, Cell, Readout
from rnnspike.models.networks.torch_training import loss_by_bin
from rnnspike.models.protocol import LOG_MU_RANGE

N_HIDDEN, N_INPUTS = 9, 3
REAL, OSCILLATING = diagonal.n_modes(N_HIDDEN)


def drawn(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return nu, theta and W at random, time constants of some 1 to 50 bins."""
    nu = rng.uniform(-4.0, 0.0, REAL + OSCILLATING)
    return nu, rng.uniform(-3.0, 0.9, OSCILLATING), rng.normal(size=(N_HIDDEN, N_INPUTS))


def by_complex(
    nu: torch.Tensor, theta: torch.Tensor, weight: torch.Tensor, inputs: torch.Tensor, first: torch.Tensor
) -> torch.Tensor:
    """Return h (time, row, hidden) by the equation of ``diagonal.py`` as it stands, one complex state per mode."""
    angle = torch.cat([torch.zeros(REAL, dtype=torch.float64), theta.exp()])
    values = torch.exp(torch.complex(-nu.exp(), angle))
    still, turning = weight[:REAL], weight[REAL : REAL + OSCILLATING]
    imaginary = torch.cat([torch.zeros_like(still), weight[REAL + OSCILLATING :]])
    into = torch.complex(torch.cat([still, turning]), imaginary) * (1 - values.abs() ** 2).sqrt()[:, None]
    none = torch.zeros_like(first[:, :REAL])
    z = torch.complex(first[:, : REAL + OSCILLATING], torch.cat([none, first[:, REAL + OSCILLATING :]], 1))
    steps = []
    for x in inputs:
        z = values * z + x.to(torch.complex128) @ into.T
        steps.append(torch.cat([z.real, z.imag[:, REAL:]], dim=1))
    return torch.stack(steps)


def test_the_layer_is_the_complex_recurrence(rng):
    nu, theta, weight = drawn(rng)
    inputs, first = rng.normal(size=(40, 5, N_INPUTS)), rng.normal(size=(5, N_HIDDEN))
    cell = layer_cell("lru", {"nu": nu, "theta": theta, "weight_ih_l0": weight})
    expected = by_complex(*(torch.from_numpy(each) for each in (nu, theta, weight, inputs, first))).numpy()
    np.testing.assert_allclose(cell.run(inputs, first), expected, atol=1e-12)
    state = first
    for x, wanted in zip(inputs, expected, strict=True):
        state = cell.step(state, x)
        np.testing.assert_allclose(state, wanted, atol=1e-12)
    single = cell.run(inputs.astype(np.float32), first.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, atol=2e-5)


def test_gradients_in_double_precision_equal_torchs(rng):
    nu, theta, weight = drawn(rng)
    inputs, first, along = rng.normal(size=(40, 5, N_INPUTS)), rng.normal(size=(5, N_HIDDEN)), None
    leaves = [torch.from_numpy(each).requires_grad_() for each in (nu, theta, weight)]
    h = by_complex(*leaves, torch.from_numpy(inputs), torch.from_numpy(first))
    along = rng.normal(size=h.shape)
    wanted = torch.autograd.grad((h * torch.from_numpy(along)).sum(), leaves)

    w_x, w_h = diagonal.linear_layer(nu, theta, weight)
    parts, states = diagonal.parts(w_h), inputs @ w_x.T
    diagonal_loops.diagonal_forward(states, *parts, first)
    inner, by_parts = np.empty_like(states), [np.zeros_like(each) for each in parts]
    diagonal_loops.diagonal_backward(along, *parts, states, first, inner, *by_parts)
    by_w_x = inner.reshape(-1, N_HIDDEN).T @ inputs.reshape(-1, N_INPUTS)
    found = diagonal.layer_gradients(nu, theta, weight, by_w_x, diagonal.gradient_matrix(*by_parts))
    for each, expected in zip(found, wanted, strict=True):
        np.testing.assert_allclose(each, expected.numpy(), rtol=1e-9, atol=1e-9 * np.abs(expected.numpy()).max())


@pytest.mark.parametrize("observation", ["bernoulli", "poisson"])
@pytest.mark.parametrize("n_bends", [0, 3])
def test_the_loss_and_its_gradients_equal_torchs(n_bends, observation, rng):
    net = RecurrentNet("lru", N_INPUTS, N_HIDDEN, 50.0, rng, n_bends)
    net.arrays["readout.weight"][:] = 0.3 * rng.normal(size=(1, N_HIDDEN + n_bends))
    net.arrays["layer.weight_ih_l0"][:] = rng.normal(size=(N_HIDDEN, N_INPUTS))
    inputs = rng.normal(size=(40, 6, N_INPUTS)).astype(np.float32)
    counts = rng.poisson(0.4, size=(40, 6)) if observation == "poisson" else rng.random((40, 6)) < 0.3
    targets = np.stack([counts, rng.normal(-3.0, 1.0, (40, 6)), rng.random((40, 6)) < 0.8], 2).astype(np.float32)
    loss, _ = net.loss(inputs, targets, observation)
    found = loss.back()

    leaves = {name: torch.from_numpy(each).double().requires_grad_() for name, each in net.arrays.items()}
    layer = (leaves[f"layer.{name}"] for name in ("nu", "theta", "weight_ih_l0"))
    h = by_complex(*layer, torch.from_numpy(inputs).double(), torch.zeros(6, N_HIDDEN, dtype=torch.float64))
    if n_bends:
        h = torch.cat([h, torch.tanh(h @ leaves["bend.inner"].T + leaves["bend.shift"])], dim=2)
    spikes, log_drive, scored = torch.from_numpy(targets).double().unbind(dim=2)
    gain = READOUT_SCALE * (h @ leaves["readout.weight"][0] + leaves["readout.bias"])
    wanted = (loss_by_bin((log_drive + gain).clamp(*LOG_MU_RANGE), spikes, observation) * scored).sum()
    assert loss.value == pytest.approx(float(wanted.detach()), rel=1e-5)
    wanted.backward()
    assert set(found) == set(leaves)
    for name, leaf in leaves.items():
        expected = leaf.grad.numpy()
        np.testing.assert_allclose(
            found[name].reshape(expected.shape), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
        )


def test_eigenvalues_are_those_of_the_matrix(rng):
    nu, theta, weight = drawn(rng)
    w_h = diagonal.linear_layer(nu, theta, weight)[1]
    values = diagonal.eigenvalues(w_h)
    np.testing.assert_allclose(np.abs(values), np.exp(-np.exp(nu)))
    np.testing.assert_allclose(np.angle(values), np.concatenate([np.zeros(REAL), np.exp(theta)]), atol=1e-12)
    both = np.concatenate([values, values[REAL:].conj()])
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(w_h)), np.sort_complex(both))


def test_modes_begin_at_time_constants_of_one_bin_to_the_longest():
    nu, theta = diagonal.initial_modes(16, 800.0)
    assert (len(nu), len(theta)) == (12, 4)
    tau, period = np.exp(-nu), 2 * np.pi / np.exp(theta)
    np.testing.assert_allclose([tau[0], tau[7], period[0], period[-1]], [1.0, 800.0, 4.0, 800.0])
    assert (np.diff(tau[:8]) > 0).all() and (np.diff(period) > 0).all()


def test_white_input_gives_every_mode_the_same_variance(rng):
    nu, theta = diagonal.initial_modes(8, 100.0)
    weight = np.concatenate([np.ones((6, 1)), np.zeros((2, 1))])
    cell = layer_cell("lru", {"nu": nu, "theta": theta, "weight_ih_l0": weight})
    states = cell.run(rng.normal(size=(4000, 50, 1)))[1000:]
    variance = states.var(axis=(0, 1))
    np.testing.assert_allclose(variance[:4], 1.0, rtol=0.1)
    np.testing.assert_allclose(variance[4:6] + variance[6:], 1.0, rtol=0.1)  # of both parts together


def test_a_matrix_that_couples_modes_is_refused():
    none = np.zeros(4)
    with pytest.raises(ModelError, match="couples modes"):
        Cell("lru", np.zeros((4, 1)), np.full((4, 4), 0.1), none, none)


def test_the_slope_of_a_bent_readout_is_that_of_its_predictor(rng):
    bend = Bend(rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), rng.normal(size=3))
    readout, h = Readout(rng.normal(size=(2, 4)), rng.normal(size=2), "exp", bend), rng.normal(size=(5, 4))
    step = 1e-6 * np.eye(4)
    for value, slope in ((readout.eta, readout.slope), (readout.expected, readout.expected_slope)):
        ahead, behind = value(h[:, None] + step), value(h[:, None] - step)
        np.testing.assert_allclose(slope(h), ((ahead - behind) / 2e-6).swapaxes(1, 2), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(readout.scaled(0.5).eta(h), 0.5 * readout.eta(h))
    alone = Readout(readout.weight[:1], readout.bias[:1], bend=Bend(bend.weight[:1], bend.inner, bend.shift))
    np.testing.assert_allclose(alone.log_gain(h), alone.eta(h)[:, 0])
