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

from rnnspike.models.compiled import Single, hazard, runs
from rnnspike.models.loss import CompiledLoss
from rnnspike.models.protocol import LOG_MU_RANGE
from rnnspike.models.scans import Weights, array_of, by_name, is_ours, scan
from rnnspike.trials.data import FloatArray, IntArray, Observation


class HazardNet(nn.Module):
    """LSTM over events and head between them, for ``n_units`` units told apart by a one-hot code."""

    def __init__(self, n_inputs: int, n_head: int, n_units: int, n_hidden: int = 32) -> None:
        super().__init__()
        self.n_units = n_units
        self.lstm = nn.LSTM(n_inputs + n_units, n_hidden)
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
        h = self.states(batch)[batch.at, batch.which]  # (interval, hidden)
        if batch.keep is not None:
            h = h * batch.keep
        hidden = nn.functional.silu(self.w_h(h)[:, None, :] + self.w_x(batch.head))  # (interval, point, hidden)
        linear = torch.bmm(batch.head, self.a(h)[:, :, None])[:, :, 0]
        bias = self.b(h) + self.unit_bias(batch.unit)
        log_mu = batch.log_base + linear + bias + self.v(hidden)[:, :, 0]
        bounded: torch.Tensor = log_mu.clamp(*LOG_MU_RANGE)
        return bounded

    def loss(self, batch: Batch, observation: Observation) -> torch.Tensor | CompiledLoss:
        """Return the summed loss of a batch (``interval_loss``), with its gradient, compiled on a CPU."""
        if not is_ours(batch.inputs):
            return interval_loss(self(batch), batch, observation).sum()
        path = _HeadScan(self, batch, observation, backwards=True)
        return CompiledLoss(float(path.loss.sum(dtype=np.float64)), path.gradients)

    @torch.no_grad()
    def losses(self, batch: Batch, observation: Observation) -> FloatArray:
        """Return the loss (interval,) of a batch."""
        if not is_ours(batch.inputs):
            return np.asarray(interval_loss(self(batch), batch, observation).double().cpu().numpy())
        return _HeadScan(self, batch, observation, backwards=False).loss.astype(np.float64)

    def states(self, batch: Batch) -> torch.Tensor:
        """Return h after every event (step, sequence, hidden)."""
        states: torch.Tensor = self.lstm(self.coded(batch))[0]
        return states

    def coded(self, batch: Batch) -> torch.Tensor:
        """Return the inputs of all events with the code of their unit (step, sequence, input)."""
        code = nn.functional.one_hot(batch.sequence_unit, self.n_units).to(batch.inputs.dtype)
        return torch.cat([batch.inputs, code.expand(len(batch.inputs), -1, -1)], dim=2)


class _HeadScan:
    """LSTM, head and loss, compiled: what ``forward`` and ``interval_loss`` say, and the way back, once."""

    def __init__(self, net: HazardNet, batch: Batch, observation: Observation, *, backwards: bool) -> None:
        weights = Weights.of(net.lstm)
        self.lstm = scan("lstm", array_of(net.coded(batch)), weights, None, backwards=backwards)
        self.net = {name: array_of(p) for name, p in net.named_parameters() if not name.startswith("lstm.")}
        states, own = self.lstm.states, self.net
        self.x, self.unit = batch.head.numpy(), batch.unit.numpy()
        self.keep = None if batch.keep is None else batch.keep.numpy()
        self.place = (batch.at * states.shape[1] + batch.which).numpy()
        self.h = states.reshape(-1, states.shape[2])[self.place]
        if self.keep is not None:
            self.h *= self.keep
        bias = (self.h @ own["b.weight"].T)[:, 0] + own["b.bias"] + own["unit_bias.weight"][self.unit, 0]
        n_points = self.x.shape[:2]
        self.hidden = (self.x.reshape(-1, self.x.shape[2]) @ own["w_x.weight"].T).reshape(*n_points, -1)
        self.loss, self.d_gain = np.empty(n_points[0], np.float32), np.empty(n_points, np.float32)
        hazard.hazard_loss(
            self.h @ own["w_h.weight"].T + own["w_h.bias"],
            self.h @ own["a.weight"].T + own["a.bias"],
            bias,
            self.x,
            own["v.weight"][0],
            batch.log_base.numpy(),
            batch.weight.numpy(),
            batch.stop_count.numpy(),
            *LOG_MU_RANGE,
            observation == "bernoulli",
            self.hidden,
            self.loss,
            self.d_gain,
        )

    def gradients(self) -> dict[str, Single]:
        """Return the gradient of the summed loss by the parameters' names."""
        own, h, x, d_gain = self.net, self.h, self.x, self.d_gain
        d_opened, d_slope = np.zeros_like(h), np.zeros((len(h), x.shape[2]), np.float32)
        d_v = np.zeros(h.shape[1], np.float32)
        hazard.hazard_backward(d_gain, x, own["v.weight"][0], self.hidden, d_opened, d_slope, d_v)
        d_bias = d_gain.sum(axis=1)
        d_h = d_opened @ own["w_h.weight"] + d_slope @ own["a.weight"] + d_bias[:, None] * own["b.weight"]
        if self.keep is not None:
            d_h *= self.keep
        along = np.zeros_like(self.lstm.states)
        along.reshape(-1, along.shape[2])[self.place] = d_h  # each event opens one interval
        return {
            **by_name(self.lstm.gradients(along), "lstm"),
            "a.weight": d_slope.T @ h,
            "a.bias": d_slope.sum(axis=0),
            "b.weight": d_bias @ h,
            "b.bias": d_bias.sum(keepdims=True),
            "w_h.weight": d_opened.T @ h,
            "w_h.bias": d_opened.sum(axis=0),
            "w_x.weight": self.hidden.reshape(-1, h.shape[1]).T @ x.reshape(-1, x.shape[2]),
            "v.weight": d_v,
            "unit_bias.weight": np.bincount(self.unit, d_bias, len(own["unit_bias.weight"])).astype(np.float32),
        }


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
class UnitNet:
    """A trained network as one unit has it, in single precision, as compiled loops want it.

    ``w_x`` (input, gates), ``w_h`` (hidden, gates) and ``bias`` (gates,), which holds the unit's code, step the LSTM.
    ``head`` (hidden, column) and ``head_bias`` (column,) give what an interval opens with: slopes, bias, hidden.
    ``w_point`` (head input, hidden) and ``out`` (hidden,) are W_x and v of the head.
    """

    w_x: Single
    w_h: Single
    bias: Single
    head: Single
    head_bias: Single
    w_point: Single
    out: Single

    @classmethod
    def of(cls, state: Mapping[str, npt.NDArray[Any]], unit: int) -> UnitNet:
        """Return the network of a unit from ``HazardNet.state_dict`` as arrays."""
        by_unit = state["unit_bias.weight"]
        w_x = state["lstm.weight_ih_l0"].T
        n_own = len(w_x) - len(by_unit)
        parts = (
            w_x[:n_own],
            state["lstm.weight_hh_l0"].T,
            state["lstm.bias_ih_l0"] + state["lstm.bias_hh_l0"] + w_x[n_own + unit],
            np.concatenate([state[f"{name}.weight"] for name in ("a", "b", "w_h")]).T,
            np.concatenate([state["a.bias"], state["b.bias"] + by_unit[unit], state["w_h.bias"]]),
            state["w_x.weight"].T,
            state["v.weight"][0],
        )
        return cls(*(np.ascontiguousarray(part, np.float32) for part in parts))

    @property
    def n_hidden(self) -> int:
        """Hidden units of the LSTM."""
        return len(self.w_h)

    @property
    def step(self) -> runs.Network:
        """What a step takes: all but W_x and v of the head."""
        return self.w_x, self.w_h, self.bias, self.head, self.head_bias

    def opened(self, columns: Single) -> Opened:
        """Return intervals from what they open with (interval, column)."""
        n = len(self.w_point)
        return Opened(columns[:, :n], columns[:, n], columns[:, n + 1 :])


@dataclass(frozen=True)
class Opened:
    """Per interval: ``slope`` (interval, column), ``bias`` (interval,), ``hidden`` (interval, hidden)."""

    slope: Single
    bias: Single
    hidden: Single

    def at(self, index: IntArray) -> Opened:
        """Return these intervals, repeated as the index says."""
        return Opened(self.slope[index], self.bias[index], self.hidden[index])
