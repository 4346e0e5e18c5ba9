"""Networks whose answers are known, and torch's cells with the same weights."""

from __future__ import annotations

import numpy as np
import torch

from rnnspike.dynamics.network import Network, single
from rnnspike.models.networks.cell import GATES, Architecture, Cell, Readout

BIN_S = 0.001


def random_cell(
    architecture: Architecture, n_hidden: int, n_input: int, rng: np.random.Generator, gain: float = 1.0, **kwargs
) -> Cell:
    rows = len(GATES[architecture]) * n_hidden
    scale = gain / np.sqrt(n_hidden)
    return Cell(
        architecture,
        rng.normal(size=(rows, n_input)),
        scale * rng.normal(size=(rows, n_hidden)),
        0.3 * rng.normal(size=rows),
        0.3 * rng.normal(size=rows),
        **kwargs,
    )


def random_network(
    architecture: Architecture, n_hidden: int = 6, n_input: int = 2, seed: int = 0, **kwargs
) -> Network:
    rng = np.random.default_rng(seed)
    cell = random_cell(architecture, n_hidden, n_input, rng, **kwargs)
    readout = Readout(rng.normal(size=(1, n_hidden)) / np.sqrt(n_hidden), np.array([-2.0]))
    return Network((cell,), BIN_S, readout)


def torch_module(cell: Cell, n_layers: int = 1) -> torch.nn.Module:
    """torch's own module of one layer with the weights of a cell, float64."""
    kinds = {"rnn": torch.nn.RNN, "rnn-relu": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
    extra = {"nonlinearity": "relu"} if cell.architecture == "rnn-relu" else {}
    module = kinds[cell.architecture](cell.n_input, cell.n_hidden, batch_first=True, **extra).double()
    with torch.no_grad():
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            getattr(module, f"{name}_l0").copy_(torch.from_numpy(getattr(cell, name)))
    return module


def torch_step(module: torch.nn.Module, state: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """One step of torch's module on a flat state (state,) with input (input,)."""
    n = module.hidden_size
    if isinstance(module, torch.nn.LSTM):
        _, (h, c) = module(x[None, None], (state[None, None, :n], state[None, None, n:]))
        return torch.cat([h[0, 0], c[0, 0]])
    return module(x[None, None], state[None, None])[1][0, 0]


def linear_network(weight: np.ndarray, bin_s: float = BIN_S, readout: Readout | None = None) -> Network:
    """h' = weight h + x."""
    return single("linear", [np.eye(len(weight)), weight], bin_s, readout=readout)


def oscillator(period_bins: float, tau_bins: float, architecture: Architecture = "linear") -> Network:
    """A two-unit damped oscillator: eigenvalues exp(-1/tau +- 2 pi i / period)."""
    angle = 2 * np.pi / period_bins
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return single(architecture, [np.eye(2), np.exp(-1 / tau_bins) * turn], BIN_S)


def flip_flops(n_bits: int = 3, gain: float = 1.5) -> Network:
    """Bits that hold +-m until a pulse flips them: n independent tanh units, 2^n stable points, 3^n in all."""
    readout = Readout(np.eye(n_bits), np.zeros(n_bits), "identity")
    return single("rnn", [3.0 * np.eye(n_bits), gain * np.eye(n_bits)], BIN_S, readout=readout)


def ring(n_units: int = 64, gain: float = 1.5) -> Network:
    """Cosine connectivity between tanh units around a ring: a bump anywhere is a fixed point."""
    angle = 2 * np.pi * np.arange(n_units) / n_units
    weight = gain * 2 / n_units * np.cos(angle[:, None] - angle[None, :])
    drive = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return single("rnn", [drive, weight], BIN_S)
