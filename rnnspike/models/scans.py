"""LSTM, GRU and tanh layers for few rows on a CPU, by compiled loops (``compiled.layers``).

Names, shapes and values are those of ``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` (one layer, time first), which serve on
other devices and in other precisions. At 8 rows of 16 units a layer and its gradient take half the time of torch's
LSTM. Products over all steps at once are numpy's: of such long and narrow matrices torch's take up to ten times as
long where its library does not know the processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from rnnspike.models.cells import Architecture
from rnnspike.models.compiled import Single, layers

#: h, or h and c of the LSTM, each (row, hidden).
States = tuple[torch.Tensor, ...]


class LstmLayer(nn.LSTM):
    """``nn.LSTM``, quicker on a CPU."""

    def forward(self, inputs: torch.Tensor, state: Any = None) -> Any:  # type: ignore[override]
        """Return h (time, row, hidden) and the last (h, c), each (1, row, hidden)."""
        if not is_ours(inputs):
            return super().forward(inputs, state)
        states, last = scan("lstm", inputs, _weights(self), None if state is None else (state[0][0], state[1][0]))
        return states, tuple(each[None] for each in last)


class GruLayer(nn.GRU):
    """``nn.GRU``, quicker on a CPU."""

    def forward(self, inputs: torch.Tensor, state: torch.Tensor | None = None) -> Any:  # type: ignore[override]
        """Return h (time, row, hidden) and the last h (1, row, hidden)."""
        if not is_ours(inputs):
            return super().forward(inputs, state)
        states, last = scan("gru", inputs, _weights(self), None if state is None else (state[0],))
        return states, last[0][None]


class TanhLayer(nn.RNN):
    """``nn.RNN`` with tanh, quicker on a CPU."""

    def forward(self, inputs: torch.Tensor, state: torch.Tensor | None = None) -> Any:  # type: ignore[override]
        """Return h (time, row, hidden) and the last h (1, row, hidden)."""
        if not is_ours(inputs):
            return super().forward(inputs, state)
        states, last = scan("rnn", inputs, _weights(self), None if state is None else (state[0],))
        return states, last[0][None]


def is_ours(inputs: torch.Tensor) -> bool:
    """Say whether inputs (time, ...) are of the kind that is compiled: on a CPU, in single precision, and some."""
    return inputs.device.type == "cpu" and inputs.dtype == torch.float32 and len(inputs) > 0


def _weights(layer: nn.Module) -> list[torch.Tensor]:
    named = dict(layer.named_parameters())
    return [named[f"{what}_{of}_l0"] for what in ("weight", "bias") for of in ("ih", "hh")]


def scan(
    architecture: Architecture, inputs: torch.Tensor, weights: Sequence[torch.Tensor], state: States | None = None
) -> tuple[torch.Tensor, States]:
    """Return h of all steps (time, row, hidden) and the last state, compiled.

    ``weights`` are W_x, W_h, b_x and b_h in torch's layout; the state begins as zeros where there is none.
    """
    if state is None:
        zeros = inputs.new_zeros(inputs.shape[1], weights[1].shape[1])
        state = (zeros, zeros) if architecture == "lstm" else (zeros,)
    if architecture == "lstm" and not torch.is_grad_enabled():
        return _run_lstm(*map(_array, (inputs, *weights, *state)))
    states, *last = _SCANS[architecture].apply(inputs, *weights, *state)  # type: ignore[no-untyped-call]
    return states, (states[-1], *last)


def _run_lstm(
    inputs: Single, w_x: Single, w_h: Single, b_x: Single, b_h: Single, h: Single, c: Single
) -> tuple[torch.Tensor, States]:
    states, cells = (_empty(inputs, h.shape[1]) for _ in range(2))
    layers.lstm_run(inputs, _transposed(w_x), _transposed(w_h), b_x + b_h, h, c, states, cells)
    hidden = torch.from_numpy(states)
    return hidden, (hidden[-1], torch.from_numpy(cells[-1].copy()))


class _LstmScan(torch.autograd.Function):
    """(inputs, W_x, W_h, b_x, b_h, first h, first c) -> h of all steps, last c; like the others, differentiated once.

    The way back turns what was kept of the way there into gradients.
    """

    @staticmethod
    def forward(ctx: Any, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        inputs, w_x, w_h, b_x, b_h, h, c = map(_array, tensors)
        gates, (cells, bounded, states) = _empty(inputs, len(w_h)), (_empty(inputs, h.shape[1]) for _ in range(3))
        transposed = _transposed(w_x), _transposed(w_h)
        layers.lstm_forward(inputs, *transposed, b_x + b_h, h, c, gates, cells, bounded, states)
        ctx.kept = inputs, w_x, w_h, h, c, gates, cells, bounded, states
        return torch.from_numpy(states), torch.from_numpy(cells[-1].copy())

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, w_x, w_h, h, c, gates, cells, bounded, states = ctx.kept
        along, dc = (_array(each) for each in gradients)
        dh, dc = np.zeros_like(h), dc.copy()
        layers.lstm_backward(along, w_h, c, gates, cells, bounded, dh, dc)
        bias = _by_bias(gates)
        return _gradients(ctx, inputs, w_x, gates, _by_states(gates, h, states), bias, bias, dh, dc)


class _GruScan(torch.autograd.Function):
    """(inputs, W_x, W_h, b_x, b_h, first h) -> h of all steps."""

    @staticmethod
    def forward(ctx: Any, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        inputs, w_x, w_h, b_x, b_h, h = map(_array, tensors)
        (gates, own), states = (_empty(inputs, len(w_h)) for _ in range(2)), _empty(inputs, h.shape[1])
        layers.gru_forward(inputs, _transposed(w_x), _transposed(w_h), b_x, b_h, h, gates, own, states)
        ctx.kept = inputs, w_x, w_h, h, gates, own, states
        return (torch.from_numpy(states),)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, w_x, w_h, h, gates, own, states = ctx.kept
        dh = np.zeros_like(h)
        layers.gru_backward(_array(gradients[0]), w_h, h, gates, own, states, dh)
        return _gradients(ctx, inputs, w_x, gates, _by_states(own, h, states), _by_bias(gates), _by_bias(own), dh)


class _TanhScan(torch.autograd.Function):
    """(inputs, W_x, W_h, b_x, b_h, first h) -> h of all steps."""

    @staticmethod
    def forward(ctx: Any, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        inputs, w_x, w_h, b_x, b_h, h = map(_array, tensors)
        states = _empty(inputs, h.shape[1])
        layers.tanh_forward(inputs, _transposed(w_x), _transposed(w_h), b_x + b_h, h, states)
        ctx.kept = inputs, w_x, w_h, h, states
        return (torch.from_numpy(states),)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, w_x, w_h, h, states = ctx.kept
        inner, dh = np.empty_like(states), np.zeros_like(h)
        layers.tanh_backward(_array(gradients[0]), w_h, states, inner, dh)
        bias = _by_bias(inner)
        return _gradients(ctx, inputs, w_x, inner, _by_states(inner, h, states), bias, bias, dh)


_SCANS: dict[Architecture, type[torch.autograd.Function]] = {"lstm": _LstmScan, "gru": _GruScan, "rnn": _TanhScan}


#: A gradient that is not finite is the training loop's to see (``training.py``).
_quiet = np.errstate(over="ignore", invalid="ignore")


def _array(tensor: torch.Tensor) -> Single:
    """Return a tensor's own memory, in C order."""
    array: Single = tensor.detach().contiguous().numpy()
    return array


def _transposed(weight: Single) -> Single:
    return np.ascontiguousarray(weight.T)


def _empty(inputs: Single, n: int) -> Single:
    """Return an array (time, row, n) to be filled."""
    return np.empty((*inputs.shape[:2], n), np.float32)


@_quiet
def _by_states(inner: Single, first: Single, states: Single) -> Single:
    """Return the gradient of W_h: d loss / d (W_h h_(t-1)) times h_(t-1), summed over times and rows."""
    gradient: Single = inner[1:].reshape(-1, inner.shape[2]).T @ states[:-1].reshape(-1, states.shape[2])
    gradient += inner[0].T @ first
    return gradient


@_quiet
def _by_bias(inner: Single) -> Single:
    """Return the gradient of a bias; a product of matrices is quicker than a sum."""
    flat = inner.reshape(-1, inner.shape[2])
    gradient: Single = np.ones(len(flat), np.float32) @ flat
    return gradient


@_quiet
def _gradients(
    ctx: Any, inputs: Single, w_x: Single, projected: Single, *others: Single
) -> tuple[torch.Tensor | None, ...]:
    """Return the gradients in the order of the scan's tensors, from that of W_x x + b; of inputs where wanted."""
    flat = projected.reshape(-1, projected.shape[2])
    of_weight = flat.T @ inputs.reshape(-1, inputs.shape[2])
    of_inputs = torch.from_numpy((flat @ w_x).reshape(inputs.shape)) if ctx.needs_input_grad[0] else None
    return of_inputs, *(torch.from_numpy(each) for each in (of_weight, *others))
