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
from rnnspike.models.compiled import Single, hazard
from rnnspike.models.protocol import LOG_MU_RANGE
from rnnspike.models.scans import LstmLayer, is_ours
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
        h = self.states(batch)[batch.at, batch.which]  # (interval, hidden)
        if batch.keep is not None:
            h = h * batch.keep
        hidden = nn.functional.silu(self.w_h(h)[:, None, :] + self.w_x(batch.head))  # (interval, point, hidden)
        linear = torch.bmm(batch.head, self.a(h)[:, :, None])[:, :, 0]
        bias = self.b(h) + self.unit_bias(batch.unit)
        log_mu = batch.log_base + linear + bias + self.v(hidden)[:, :, 0]
        bounded: torch.Tensor = log_mu.clamp(*LOG_MU_RANGE)
        return bounded

    def losses(self, batch: Batch, observation: Observation) -> torch.Tensor:
        """Return the loss (interval,) of a batch (``interval_loss``), compiled on a CPU."""
        if not is_ours(batch.inputs):
            return interval_loss(self(batch), batch, observation)
        head = (self.a, self.b, self.w_h)
        weights = [each for linear in head for each in (linear.weight, linear.bias)]
        losses: torch.Tensor = _HeadLoss.apply(  # type: ignore[no-untyped-call]
            self.states(batch), *weights, self.w_x.weight, self.v.weight, self.unit_bias.weight, batch, observation
        )
        return losses

    def states(self, batch: Batch) -> torch.Tensor:
        """Return h after every event (step, sequence, hidden)."""
        code = nn.functional.one_hot(batch.sequence_unit, self.n_units).to(batch.inputs.dtype)
        states: torch.Tensor = self.lstm(torch.cat([batch.inputs, code.expand(len(batch.inputs), -1, -1)], dim=2))[0]
        return states


class _HeadLoss(torch.autograd.Function):
    """Head and loss, compiled: what ``forward`` and ``interval_loss`` say; differentiated once."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> torch.Tensor:
        batch, observation = given[-2:]
        arrays = [each.detach().contiguous().numpy() for each in given[:-2]]
        states, a, a_0, b, b_0, w_h, w_h_0, w_x, v, unit_bias = arrays
        x, unit, keep = batch.head.numpy(), batch.unit.numpy(), None if batch.keep is None else batch.keep.numpy()
        place = (batch.at * states.shape[1] + batch.which).numpy()
        h = states.reshape(-1, states.shape[2])[place]
        if keep is not None:
            h *= keep
        bias = (h @ b.T)[:, 0] + b_0 + unit_bias[unit, 0]
        hidden = (x.reshape(-1, x.shape[2]) @ w_x.T).reshape(*x.shape[:2], len(w_x))
        log_base, weight, stop_count = (each.numpy() for each in (batch.log_base, batch.weight, batch.stop_count))
        loss, d_gain = np.empty(len(x), np.float32), np.empty(x.shape[:2], np.float32)
        hazard.hazard_loss(
            h @ w_h.T + w_h_0,
            h @ a.T + a_0,
            bias,
            x,
            v[0],
            log_base,
            weight,
            stop_count,
            *LOG_MU_RANGE,
            observation == "bernoulli",
            hidden,
            loss,
            d_gain,
        )
        ctx.kept = states.shape, place, keep, h, a, b, w_h, v, x, unit, len(unit_bias), hidden, d_gain
        return torch.from_numpy(loss)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        shape, place, keep, h, a, b, w_h, v, x, unit, n_units, hidden, d_gain = ctx.kept
        d_gain *= gradients[0].numpy()[:, None]
        d_opened, d_slope, d_v = np.zeros_like(h), np.zeros((len(h), len(a)), np.float32), np.zeros_like(v[0])
        hazard.hazard_backward(d_gain, x, v[0], hidden, d_opened, d_slope, d_v)
        d_bias = d_gain.sum(axis=1)
        d_h = d_opened @ w_h + d_slope @ a + d_bias[:, None] * b
        if keep is not None:
            d_h *= keep
        d_states = np.zeros(shape, np.float32)
        d_states.reshape(-1, shape[2])[place] = d_h  # each event opens one interval
        weights = (
            *(d_slope.T @ h, d_slope.sum(axis=0)),
            *((d_bias @ h)[None], d_bias.sum(keepdims=True)),
            *(d_opened.T @ h, d_opened.sum(axis=0)),
            hidden.reshape(-1, hidden.shape[2]).T @ x.reshape(-1, x.shape[2]),
            d_v[None],
            np.bincount(unit, d_bias, n_units).astype(np.float32)[:, None],
        )
        return *(torch.from_numpy(each) for each in (d_states, *weights)), None, None


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

    def single(self, unit: int) -> SingleWeights:
        """Return the weights of a unit in single precision, as compiled steps want them."""
        head, w_x = self.head, self.cell.weights["weight_ih"].T
        n_own = len(w_x) - self.n_units
        bias = head["b.bias"] + head["unit_bias.weight"][unit]

        def cast(array: FloatArray) -> Single:
            return np.ascontiguousarray(array, np.float32)

        return SingleWeights(
            w_x=cast(w_x[:n_own]),
            w_h=cast(self.cell.weights["weight_hh"].T),
            bias=cast(self.cell.weights["bias"] + w_x[n_own + unit]),
            head=cast(np.concatenate([head[f"{name}.weight"] for name in ("a", "b", "w_h")]).T),
            head_bias=cast(np.concatenate([head["a.bias"], bias, head["w_h.bias"]])),
            n_slopes=len(head["a.bias"]),
        )

    def opened(self, hidden: FloatArray, unit: IntArray) -> Opened:
        """Return what the head knows of an interval when it opens, from h (event, hidden)."""
        head = self.head
        return Opened(
            slope=hidden @ head["a.weight"].T + head["a.bias"],
            bias=(hidden @ head["b.weight"].T)[:, 0] + head["b.bias"] + head["unit_bias.weight"][unit, 0],
            hidden=hidden @ head["w_h.weight"].T + head["w_h.bias"],
        )


@dataclass(frozen=True)
class SingleWeights:
    """A unit's network for compiled steps: ``w_x`` (input, gates), ``w_h`` (hidden, gates), ``bias`` (gates,).

    ``head`` (hidden, column) and ``head_bias`` (column,) give what an interval opens with: slopes, bias, hidden.
    """

    w_x: Single
    w_h: Single
    bias: Single
    head: Single
    head_bias: Single
    n_slopes: int


@dataclass(frozen=True)
class Opened:
    """Per interval: ``slope`` (interval, column), ``bias`` (interval,), ``hidden`` (interval, hidden)."""

    slope: FloatArray
    bias: FloatArray
    hidden: FloatArray

    @classmethod
    def of_columns(cls, columns: npt.NDArray[Any], n_slopes: int) -> Opened:
        """Return intervals given as (interval, column): slopes, bias, hidden."""
        return cls(columns[:, :n_slopes], columns[:, n_slopes], columns[:, n_slopes + 1 :])

    def at(self, index: IntArray) -> Opened:
        """Return these intervals, repeated as the index says."""
        return Opened(self.slope[index], self.bias[index], self.hidden[index])
