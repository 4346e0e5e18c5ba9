"""Layers of all cells and their gradients on a CPU, by compiled loops (``layer_loops.py``, ``diagonal_loops.py``).

Weights and values are those of ``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` (one layer, time first); on a GPU torch
computes them. On a CPU torch would take several times as long: its graph costs about as much as the steps of a small
network, and its products of long, narrow matrices are up to ten times slower on processors that its library is not
tuned for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rnnspike.models.networks import diagonal, diagonal_loops, layer_loops
from rnnspike.models.networks.cell import Architecture
from rnnspike.models.numerics.compilation import Single

#: h, or h and c of the LSTM, each (row, hidden).
States = tuple[Single, ...]


@dataclass(frozen=True)
class Weights:
    """W_x, W_h, b_x and b_h in torch's layout; memory is shared. b_h is zero where only the sum of both matters."""

    w_x: Single
    w_h: Single
    b_x: Single
    b_h: Single

    @classmethod
    def of(cls, arrays: Mapping[str, Single], layer: str) -> Weights:
        """Return the weights of a layer among a network's parameters (``by_name``)."""
        w_x, w_h, b_x = (arrays[f"{layer}.{name}_l0"] for name in LAYER_NAMES[:3])
        b_h = arrays.get(f"{layer}.{LAYER_NAMES[3]}_l0")
        return cls(w_x, w_h, b_x, np.zeros_like(b_x) if b_h is None else b_h)

    @property
    def n_hidden(self) -> int:
        """Hidden units."""
        return int(self.w_h.shape[1])

    def transposed(self) -> tuple[Single, Single]:
        """Return W_x' and W_h'."""
        return np.ascontiguousarray(self.w_x.T), np.ascontiguousarray(self.w_h.T)

    def together(self) -> Single:
        """Return [W_h, W_x, b_x + b_h]', what multiplies [h, x, 1]."""
        return np.ascontiguousarray(np.concatenate([self.w_h.T, self.w_x.T, (self.b_x + self.b_h)[None]]))


#: The training loop handles gradients that are not finite (``training.py``), so numpy need not warn of them.
_quiet = np.errstate(over="ignore", invalid="ignore")
#: Torch's names of the parts of ``Weights``, in their order.
LAYER_NAMES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Scan(Protocol):
    """The forward pass of a layer: ``states`` h (time, row, hidden), the ``last`` state, and the gradients."""

    states: Single
    last: States

    def gradients(self, grad_h: Single) -> tuple[Single, Single, Single, Single]:
        """Return the gradients of ``Weights`` from d loss / d h (time, row, hidden).

        May be called once: it overwrites what the forward pass kept.
        """


def scan(
    architecture: Architecture, inputs: Single, weights: Weights, state: States | None, *, backwards: bool
) -> Scan:
    """Run a layer over inputs (time, row, channel) from a state (default zeros); ``backwards`` allows gradients."""
    if state is None:
        zeros = np.zeros((inputs.shape[1], weights.n_hidden), np.float32)
        state = (zeros, zeros) if architecture == "lstm" else (zeros,)
    if architecture == "lstm" and not backwards:
        return _LstmRun(inputs, weights, state)
    return _SCANS[architecture](inputs, weights, state)


class _LstmRun:
    def __init__(self, inputs: Single, weights: Weights, state: States) -> None:
        self.states, cells = (_empty(inputs, weights.n_hidden) for _ in range(2))
        h, c = state
        layer_loops.lstm_run(inputs, weights.together(), h, c, self.states, cells)
        self.last: States = (self.states[-1], cells[-1].copy())

    def gradients(self, grad_h: Single) -> tuple[Single, Single, Single, Single]:
        raise RuntimeError("gradients need a scan made with backwards=True")


class _LstmScan:
    def __init__(self, inputs: Single, weights: Weights, state: States) -> None:
        self.w_h, (self.h, self.c) = weights.w_h, state
        together = weights.together()
        self.seen, self.gates = (_empty(inputs, n) for n in together.shape)
        self.cells, self.bounded, self.states = (_empty(inputs, weights.n_hidden) for _ in range(3))
        kept = self.seen, self.gates, self.cells, self.bounded, self.states
        layer_loops.lstm_forward(inputs, together, self.h, self.c, *kept)
        self.last: States = (self.states[-1], self.cells[-1].copy())

    @_quiet
    def gradients(self, grad_h: Single) -> tuple[Single, Single, Single, Single]:
        dh, dc, n = np.zeros_like(self.h), np.zeros_like(self.c), self.h.shape[1]
        layer_loops.lstm_backward(grad_h, self.w_h, self.c, self.gates, self.cells, self.bounded, dh, dc)
        together = self.gates.reshape(-1, 4 * n).T @ self.seen.reshape(-1, self.seen.shape[2])
        return together[:, n:-1], together[:, :n], together[:, -1], together[:, -1]


class _GruScan:
    def __init__(self, inputs: Single, weights: Weights, state: States) -> None:
        self.inputs, self.weights, (self.h,) = inputs, weights, state
        self.gates, self.own = (_empty(inputs, len(weights.w_h)) for _ in range(2))
        self.states = _empty(inputs, weights.n_hidden)
        w_x, w_h = weights.transposed()
        layer_loops.gru_forward(inputs, w_x, w_h, weights.b_x, weights.b_h, self.h, self.gates, self.own, self.states)
        self.last: States = (self.states[-1],)

    def gradients(self, grad_h: Single) -> tuple[Single, Single, Single, Single]:
        dh = np.zeros_like(self.h)
        layer_loops.gru_backward(grad_h, self.weights.w_h, self.h, self.gates, self.own, self.states, dh)
        by_states = _by_states(self.own, self.h, self.states)
        return by_inputs(self.gates, self.inputs), by_states, summed(self.gates), summed(self.own)


class _PlainScan:
    bounded = True  # by tanh

    def __init__(self, inputs: Single, weights: Weights, state: States) -> None:
        self.inputs, self.weights, (self.h,) = inputs, weights, state
        self.states = _empty(inputs, weights.n_hidden)
        w_x, w_h = weights.transposed()
        layer_loops.plain_forward(inputs, w_x, w_h, weights.b_x + weights.b_h, self.h, self.bounded, self.states)
        self.last: States = (self.states[-1],)

    @_quiet
    def gradients(self, grad_h: Single) -> tuple[Single, Single, Single, Single]:
        inner, dh = np.empty_like(self.states), np.zeros_like(self.h)
        layer_loops.plain_backward(grad_h, self.weights.w_h, self.states, self.bounded, inner, dh)
        bias = summed(inner)
        return by_inputs(inner, self.inputs), _by_states(inner, self.h, self.states), bias, bias


class _LinearScan(_PlainScan):
    bounded = False


class _DiagonalScan:
    """Uncoupled modes, without a bias; the gradient of W_h is ``diagonal.gradient_matrix``."""

    def __init__(self, inputs: Single, weights: Weights, state: States) -> None:
        self.inputs, (self.h,) = inputs, state
        self.parts = diagonal.parts(weights.w_h)
        self.states = inputs @ weights.w_x.T
        diagonal_loops.diagonal_forward(self.states, *self.parts, self.h)
        self.last: States = (self.states[-1].copy(),)

    @_quiet
    def gradients(self, grad_h: Single) -> tuple[Single, Single, Single, Single]:
        inner, (by_real, by_imaginary) = np.empty_like(self.states), (np.zeros(len(each)) for each in self.parts)
        diagonal_loops.diagonal_backward(grad_h, *self.parts, self.states, self.h, inner, by_real, by_imaginary)
        by_states = diagonal.gradient_matrix(by_real, by_imaginary).astype(np.float32)
        bias = summed(inner)
        return by_inputs(inner, self.inputs), by_states, bias, bias


_SCANS: dict[Architecture, Callable[[Single, Weights, States], Scan]] = {
    "lstm": _LstmScan,
    "gru": _GruScan,
    "rnn": _PlainScan,
    "linear": _LinearScan,
    "lru": _DiagonalScan,
}


def by_name(gradients: tuple[Single, Single, Single, Single], layer: str) -> Mapping[str, Single]:
    """Return gradients of ``Weights`` by the names of a layer's parameters, which are torch's."""
    return {f"{layer}.{name}_l0": each for name, each in zip(LAYER_NAMES, gradients, strict=True)}


def _empty(inputs: Single, n: int) -> Single:
    """Return an array (time, row, n) to be filled."""
    return np.empty((*inputs.shape[:2], n), np.float32)


@_quiet
def by_inputs(projected: Single, inputs: Single) -> Single:
    """Return the gradient of W_x, from d loss / d (W_x x)."""
    gradient: Single = projected.reshape(-1, projected.shape[2]).T @ inputs.reshape(-1, inputs.shape[2])
    return gradient


@_quiet
def _by_states(inner: Single, first: Single, states: Single) -> Single:
    """Return the gradient of W_h: d loss / d (W_h h_(t-1)) times h_(t-1), summed over times and rows."""
    gradient: Single = inner[1:].reshape(-1, inner.shape[2]).T @ states[:-1].reshape(-1, states.shape[2])
    gradient += inner[0].T @ first
    return gradient


@_quiet
def summed(inner: Single) -> Single:
    """Return the gradient of a bias; a matrix product is faster than a sum."""
    flat = inner.reshape(-1, inner.shape[2])
    gradient: Single = np.ones(len(flat), np.float32) @ flat
    return gradient
