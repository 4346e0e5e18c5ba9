"""GRU and tanh layers stepped by hand on a CPU: at 8 to 32 rows torch's own take four times as long.

The loops hold only what depends on the step before; all else, the gradients of the weights too, is done for all
steps at once. Names, shapes and values are those of ``nn.GRU`` and ``nn.RNN`` (one layer, time first), which serve
on other devices.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Array = npt.NDArray[np.floating]


class GruLayer(nn.GRU):
    """``nn.GRU``, quicker for few rows on a CPU."""

    weight_ih_l0: torch.Tensor
    weight_hh_l0: torch.Tensor
    bias_ih_l0: torch.Tensor
    bias_hh_l0: torch.Tensor

    def forward(self, inputs: torch.Tensor, state: torch.Tensor | None = None) -> Any:  # type: ignore[override]
        """Return h (time, row, hidden) and the last h (1, row, hidden)."""
        if inputs.device.type != "cpu":
            return super().forward(inputs, state)
        projected = inputs @ self.weight_ih_l0.T + self.bias_ih_l0
        states = _scan(_GruScan, projected, self.weight_hh_l0, self.bias_hh_l0, _begin(self, inputs, state))
        return states, states[-1:]


class TanhLayer(nn.RNN):
    """``nn.RNN`` with tanh, quicker for few rows on a CPU."""

    weight_ih_l0: torch.Tensor
    weight_hh_l0: torch.Tensor
    bias_ih_l0: torch.Tensor
    bias_hh_l0: torch.Tensor

    def forward(self, inputs: torch.Tensor, state: torch.Tensor | None = None) -> Any:  # type: ignore[override]
        """Return h (time, row, hidden) and the last h (1, row, hidden)."""
        if inputs.device.type != "cpu":
            return super().forward(inputs, state)
        projected = inputs @ self.weight_ih_l0.T + (self.bias_ih_l0 + self.bias_hh_l0)
        states = _scan(_TanhScan, projected, self.weight_hh_l0, _begin(self, inputs, state))
        return states, states[-1:]


def _begin(layer: nn.RNNBase, inputs: torch.Tensor, state: torch.Tensor | None) -> torch.Tensor:
    return inputs.new_zeros(inputs.shape[1], layer.hidden_size) if state is None else state[0]


def _scan(function: type[torch.autograd.Function], *tensors: torch.Tensor) -> torch.Tensor:
    states: torch.Tensor = function.apply(*tensors)  # type: ignore[no-untyped-call]
    return states


class _TanhScan(torch.autograd.Function):
    """h_t = tanh(projected_t + W h_(t-1)); projected (time, row, hidden), first h (row, hidden)."""

    @staticmethod
    def forward(ctx: Any, projected: torch.Tensor, weight: torch.Tensor, first: torch.Tensor) -> torch.Tensor:
        states = projected.numpy().copy()
        w, h = np.ascontiguousarray(weight.numpy().T), first.numpy()
        recurrent = np.empty_like(states[0])
        for now in states:
            np.matmul(h, w, out=recurrent)
            now += recurrent
            h = np.tanh(now, out=now)
        result = torch.from_numpy(states)
        ctx.save_for_backward(weight, first, result)
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
        weight, first, result = ctx.saved_tensors
        states, w, along = result.numpy(), weight.numpy(), gradients[0].numpy()
        slope = 1.0 - states**2
        inner = np.empty_like(states)  # d loss / d projected
        back = np.zeros_like(states[0])
        for t in range(len(states) - 1, -1, -1):
            back += along[t]
            np.multiply(back, slope[t], out=inner[t])
            np.matmul(inner[t], w, out=back)
        d_weight = _outer(inner, _before(states, first.numpy()))
        return torch.from_numpy(inner), torch.from_numpy(d_weight), torch.from_numpy(back)


class _GruScan(torch.autograd.Function):
    """The GRU's steps, h' = n + z (h - n); projected (time, row, 3 hidden) holds W_x x + b_ih of r, z, n."""

    @staticmethod
    def forward(
        ctx: Any, projected: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, first: torch.Tensor
    ) -> torch.Tensor:
        n_hidden = weight.shape[1]
        halved = np.asarray([0.5, 0.5, 1.0], projected.numpy().dtype)[:, None, None]  # sigmoid by tanh
        by_gate = projected.numpy().reshape(*projected.shape[:2], 3, n_hidden).transpose(0, 2, 1, 3)
        gates = np.multiply(by_gate, halved, order="C")  # (time, gate, row, hidden), becomes r, z, n
        b_r, b_z, b_n = bias.numpy().reshape(3, n_hidden)
        gates[:, 0] += 0.5 * b_r
        gates[:, 1] += 0.5 * b_z
        w = np.ascontiguousarray(weight.numpy().reshape(3, n_hidden, n_hidden).transpose(0, 2, 1) * halved)
        from_h = np.empty_like(gates)  # W_h h; of n with its bias, before the reset
        states = np.empty_like(gates[:, 0])
        h = first.numpy()
        for (switches, candidate), recurrent, following in zip(_split(gates), from_h, states, strict=True):
            np.matmul(h, w, out=recurrent)
            recurrent[2] += b_n
            switches += recurrent[:2]
            np.tanh(switches, out=switches)
            switches += 1.0
            switches *= 0.5
            np.multiply(switches[0], recurrent[2], out=following)
            candidate += following
            np.tanh(candidate, out=candidate)
            np.subtract(h, candidate, out=following)
            following *= switches[1]
            following += candidate
            h = following
        result = torch.from_numpy(states)
        ctx.save_for_backward(weight, first, result)
        ctx.gates, ctx.before_reset = gates, from_h[:, 2]
        return result

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, ...]:
        weight, first, result = ctx.saved_tensors
        w, along = weight.numpy(), gradients[0].numpy()
        r, z, n = ctx.gates[:, 0], ctx.gates[:, 1], ctx.gates[:, 2]
        before = _before(result.numpy(), first.numpy())
        by_n = (1 - z) * (1 - n**2)  # d h' / d (what n is the tanh of), and so on
        slopes = np.empty((*before.shape[:2], 3, before.shape[2]), before.dtype)  # (time, row, gate, hidden)
        slopes[:, :, 0] = by_n * ctx.before_reset * r * (1 - r)
        slopes[:, :, 1] = (before - n) * z * (1 - z)
        slopes[:, :, 2] = by_n * r
        inner = slopes  # becomes d loss / d (W_h h + b_hh)
        flat = inner.reshape(*inner.shape[:2], -1)
        total = np.empty_like(before)  # d loss / d h'
        back = np.zeros_like(total[0])
        for t in range(len(total) - 1, -1, -1):
            now = np.add(back, along[t], out=total[t])
            inner[t] *= now[:, None]
            np.matmul(flat[t], w, out=back)
            now = now * z[t]
            back += now
        d_weight, d_bias = _outer(flat, before), flat.sum(axis=(0, 1))
        inner[:, :, 2] = total * by_n  # d loss / d projected differs in n alone, which the reset does not touch
        return tuple(torch.from_numpy(array) for array in (flat, d_weight, d_bias, back))


def _split(gates: Array) -> Iterator[tuple[Array, Array]]:
    """Yield r and z (2, row, hidden), and n (row, hidden), of each time."""
    return zip(gates[:, :2], gates[:, 2], strict=True)


def _before(states: Array, first: Array) -> Array:
    """Return h_(t-1) (time, row, hidden) of the states h_t."""
    return np.concatenate([first[None], states[:-1]])


def _outer(gradient: Array, states: Array) -> Array:
    """Return the gradient of a weight, summed over times and rows."""
    product: Array = gradient.reshape(-1, gradient.shape[2]).T @ states.reshape(-1, states.shape[2])
    return product
