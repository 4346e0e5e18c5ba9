"""The network of the spike-clocked LSTM: trained in torch, read out in numpy (science.md d.2).

An LSTM takes one step an event and leaves h. Between events, with x the head's inputs::

    log mu = base + a(h).x + b(h) + v.silu(W_h h + W_x x)

a, b and v start at zero, so that an untrained network is its base.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from rnnspike.models.cells import RecurrentCell
from rnnspike.models.compiled import hazard
from rnnspike.models.protocol import LOG_MU_RANGE
from rnnspike.models.scans import LstmLayer
from rnnspike.trials.data import FloatArray, IntArray, Observation


class HazardNet(nn.Module):
    """LSTM over events and head between them, for ``n_units`` units told apart by a one-hot code."""

    def __init__(self, n_inputs: int, n_head: int, n_units: int, n_hidden: int = 32) -> None:
        super().__init__()
        self.n_units = n_units
        self.lstm = LstmLayer(n_inputs + n_units, n_hidden)
        self.a = nn.Linear(n_hidden, n_head)
        self.b = nn.Linear(n_hidden, 1)
        self.w_h = nn.Linear(n_hidden, n_hidden)
        self.w_x = nn.Linear(n_head, n_hidden, bias=False)
        self.v = nn.Linear(n_hidden, 1, bias=False)
        self.unit_bias = nn.Embedding(n_units, 1)
        for parameter in (*self.a.parameters(), *self.b.parameters(), self.v.weight, self.unit_bias.weight):
            nn.init.zeros_(parameter)
        nn.init.zeros_(self.lstm.get_parameter("bias_hh_l0"))
        nn.init.ones_(self.lstm.get_parameter("bias_ih_l0").data[n_hidden : 2 * n_hidden])  # forget gate

    def forward(self, batch: Batch) -> torch.Tensor:
        """Return log mu (interval, point) of a batch."""
        n_steps, n_sequences = batch.inputs.shape[:2]
        code = nn.functional.one_hot(batch.sequence_unit, self.n_units).to(batch.inputs.dtype)
        states, _ = self.lstm(torch.cat([batch.inputs, code.expand(n_steps, -1, -1)], dim=2))
        h = states.flatten(0, 1).index_select(0, batch.at * n_sequences + batch.which)  # (interval, hidden)
        if batch.keep is not None:
            h = h * batch.keep
        bias = self.b(h) + self.unit_bias(batch.unit)
        gain = head_gain(self.w_h(h), self.a(h), batch.head, self.w_x.weight, self.v.weight[0])
        log_mu = batch.log_base + bias + gain
        bounded: torch.Tensor = log_mu.clamp(*LOG_MU_RANGE)
        return bounded


def head_gain(
    opened: torch.Tensor, slope: torch.Tensor, x: torch.Tensor, w_x: torch.Tensor, v: torch.Tensor
) -> torch.Tensor:
    """Return slope.x + v.silu(opened + W_x x) (interval, point).

    ``opened`` (interval, hidden), ``slope`` (interval, column), ``x`` (interval, point, column).
    """
    if x.device.type == "cpu" and x.dtype == torch.float32:
        gain: torch.Tensor = _HeadGain.apply(opened, slope, x, w_x, v)  # type: ignore[no-untyped-call]
        return gain
    hidden = nn.functional.silu(opened[:, None, :] + x @ w_x.T)  # (interval, point, hidden)
    return torch.bmm(x, slope[:, :, None])[:, :, 0] + hidden @ v


class _HeadGain(torch.autograd.Function):
    """``head_gain`` compiled, in a fifth of the time; differentiated once, and not by x."""

    @staticmethod
    def forward(ctx: Any, *tensors: torch.Tensor) -> torch.Tensor:
        opened, slope, x, w_x, v = (each.detach().contiguous().numpy() for each in tensors)
        hidden = (x.reshape(-1, x.shape[2]) @ w_x.T).reshape(*x.shape[:2], len(v))
        gain = np.empty(x.shape[:2], np.float32)
        hazard.hazard_forward(opened, slope, x, v, hidden, gain)
        ctx.kept = x, v, hidden
        return torch.from_numpy(gain)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, v, hidden = ctx.kept
        d_opened, d_slope, d_v = (
            np.zeros(shape, np.float32) for shape in ((len(x), len(v)), (len(x), x.shape[2]), v.shape)
        )
        hazard.hazard_backward(gradients[0].contiguous().numpy(), x, v, hidden, d_opened, d_slope, d_v)
        d_w_x = hidden.reshape(-1, len(v)).T @ x.reshape(-1, x.shape[2])
        of = [torch.from_numpy(each) for each in (d_opened, d_slope, d_w_x, d_v)]
        return of[0], of[1], None, of[2], of[3]


@dataclass(frozen=True)
class Batch:
    """Sequences and the points of their scored intervals, as tensors.

    ``inputs`` (step, sequence, input), ``sequence_unit`` (sequence,); ``which`` and ``at`` (interval,) are sequence
    and step of the event that opens an interval, ``unit`` (interval,) its unit; ``head`` (interval, point, column),
    ``log_base`` and ``weight`` (interval, point); ``stop_count`` (interval,) spikes in the last point's bin; ``keep``
    (interval, hidden) is the dropout's mask, 0 or 1 / (1 - rate), None for no dropout.
    """

    inputs: torch.Tensor
    sequence_unit: torch.Tensor
    which: torch.Tensor
    at: torch.Tensor
    unit: torch.Tensor
    head: torch.Tensor
    log_base: torch.Tensor
    weight: torch.Tensor
    stop_count: torch.Tensor
    keep: torch.Tensor | None = None


def interval_loss(log_mu: torch.Tensor, batch: Batch, observation: Observation) -> torch.Tensor:
    """Return the negative log-likelihood (interval,), the exact discrete one in expectation over the points drawn.

    Bernoulli: ``-log(1 - exp(-mu))`` in a spike's bin and ``mu`` elsewhere; Poisson: ``mu - n log mu`` (science.md
    b.2, without the term that no model changes).
    """
    mu = log_mu.exp()
    silent = (mu * batch.weight).sum(dim=1)
    last, count = mu[:, -1], batch.stop_count
    if observation == "bernoulli":
        return silent - torch.log(-torch.expm1(-last)) * (count > 0)
    return silent + (last - count * log_mu[:, -1]) * (count > 0)


@dataclass(frozen=True)
class HazardWeights:
    """A trained network as float64 arrays: the cell, and the head by its parts."""

    cell: RecurrentCell
    head: Mapping[str, FloatArray]
    n_units: int

    @classmethod
    def of(
        cls, state: Mapping[str, npt.NDArray[Any]], names: tuple[str, ...], n_units: int, bin_s: float
    ) -> HazardWeights:
        """Return the weights of ``HazardNet.state_dict`` as arrays; ``names`` are the inputs without the code."""
        lstm = {key.removeprefix("lstm."): value for key, value in state.items() if key.startswith("lstm.")}
        inputs = names + tuple(f"unit_{u}" for u in range(n_units))
        cell = RecurrentCell.from_torch("lstm", lstm, input_names=inputs, bin_s=bin_s)
        head = {key: np.asarray(value, np.float64) for key, value in state.items() if not key.startswith("lstm.")}
        return cls(cell, head, n_units)

    def project(self, inputs: FloatArray, unit: IntArray) -> FloatArray:
        """Return W_x x + b (event, gates) of event inputs (event, input) of these units (event,)."""
        weight, n_own = self.cell.weights["weight_ih"], inputs.shape[1]
        projected: FloatArray = inputs @ weight[:, :n_own].T
        return projected + weight.T[n_own:][unit] + self.cell.weights["bias"]

    def opened(self, hidden: FloatArray, unit: IntArray) -> Opened:
        """Return what the head knows of an interval when it opens, from h (event, hidden)."""
        head = self.head
        return Opened(
            slope=hidden @ head["a.weight"].T + head["a.bias"],
            bias=(hidden @ head["b.weight"].T)[:, 0] + head["b.bias"] + head["unit_bias.weight"][unit, 0],
            hidden=hidden @ head["w_h.weight"].T + head["w_h.bias"],
        )


@dataclass(frozen=True)
class Opened:
    """Per interval: ``slope`` (interval, column), ``bias`` (interval,), ``hidden`` (interval, hidden)."""

    slope: FloatArray
    bias: FloatArray
    hidden: FloatArray

    def astype(self, dtype: Any) -> Opened:
        """Return the intervals in a precision."""
        return Opened(self.slope.astype(dtype), self.bias.astype(dtype), self.hidden.astype(dtype))

    def at(self, index: IntArray) -> Opened:
        """Return these intervals, repeated as the index says."""
        return Opened(self.slope[index], self.bias[index], self.hidden[index])

    def put(self, rows: IntArray, other: Opened) -> None:
        """Replace the intervals of these rows."""
        self.slope[rows], self.bias[rows], self.hidden[rows] = other.slope, other.bias, other.hidden
