"""The network of the spike-clocked LSTM (science.md#spike-clock).

An LSTM makes one step per event, to the state h. Between events, with x the head's inputs::

    log mu = base + a(h).x + b(h) + v.silu(W_h h + W_x x)

a, b and v start at zero, so that an untrained network is its base.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rnnspike.models.networks.layers import Weights, by_name, scan
from rnnspike.models.networks.optimiser import AdamW
from rnnspike.models.networks.parameters import ArrayNet, Arrays, CompiledLoss
from rnnspike.models.networks.spike_clock import event_loops, hazard_loops
from rnnspike.models.networks.training import Loss, Network
from rnnspike.models.numerics.compilation import Single
from rnnspike.models.protocol import LOG_MU_RANGE
from rnnspike.observation import Observation
from rnnspike.trials.data import FloatArray, IntArray


class HazardLoss(Network, Protocol):
    """A network over events as batches and validation see it, here or on a GPU (``torch_net.py``)."""

    n_units: int
    n_hidden: int

    @property
    def n_parameters(self) -> int:
        """Number of values that are trained."""

    def loss(self, batch: Batch, observation: Observation) -> Loss:
        """Return the summed loss of a batch, with its gradient."""

    def losses(self, batch: Batch, observation: Observation) -> FloatArray:
        """Return the loss (interval,) of a batch."""


class HazardNet(ArrayNet):
    """LSTM over events and head between them, for ``n_units`` units told apart by a one-hot code."""

    def __init__(
        self, n_inputs: int, n_head: int, n_units: int, rng: np.random.Generator, n_hidden: int = 32
    ) -> None:
        self.n_units, self.n_hidden = n_units, n_hidden

        def drawn(*shape: int, fan_in: int = n_hidden) -> Single:
            return (rng.uniform(-1.0, 1.0, shape) / math.sqrt(fan_in)).astype(np.float32)

        def zeros(*shape: int) -> Single:
            return np.zeros(shape, np.float32)

        bias = drawn(4 * n_hidden)
        bias[n_hidden : 2 * n_hidden] = 1.0  # forget gate
        super().__init__(
            {
                "lstm.weight_ih_l0": drawn(4 * n_hidden, n_inputs + n_units),
                "lstm.weight_hh_l0": drawn(4 * n_hidden, n_hidden),
                "lstm.bias_ih_l0": bias,
                "lstm.bias_hh_l0": zeros(4 * n_hidden),  # two biases for one, as torch has: they learn twice as fast
                "a.weight": zeros(n_head, n_hidden),
                "a.bias": zeros(n_head),
                "b.weight": zeros(1, n_hidden),
                "b.bias": zeros(1),
                "w_h.weight": drawn(n_hidden, n_hidden),
                "w_h.bias": drawn(n_hidden),
                "w_x.weight": drawn(n_hidden, n_head, fan_in=n_head),
                "v.weight": zeros(1, n_hidden),
                "unit_bias.weight": zeros(n_units, 1),
            }
        )

    def optimiser(self, weight_decay: float, rate_factors: Mapping[str, float]) -> AdamW:
        """Return the optimiser (``training.Network``)."""
        return AdamW(self, weight_decay, rate_factors)

    def loss(self, batch: Batch, observation: Observation) -> CompiledLoss:
        """Return the summed loss of a batch with its gradient."""
        path = _HeadScan(self, batch, observation, backwards=True)
        return CompiledLoss(float(path.loss.sum(dtype=np.float64)), path.gradients)

    def losses(self, batch: Batch, observation: Observation) -> FloatArray:
        """Return the loss (interval,) of a batch."""
        return _HeadScan(self, batch, observation, backwards=False).loss.astype(np.float64)

    def coded(self, batch: Batch) -> Single:
        """Return the inputs of all events with the code of their unit (step, sequence, input)."""
        code = np.eye(self.n_units, dtype=batch.inputs.dtype)[batch.sequence_unit]
        return np.concatenate([batch.inputs, np.broadcast_to(code, (len(batch.inputs), *code.shape))], axis=2)


class _HeadScan:
    """LSTM, head and loss (minus the log-likelihood of intervals), and the gradient, which may be asked for once.

    The likelihood is the exact discrete one in expectation over the points drawn. Bernoulli: ``-log(1 - exp(-mu))``
    in a spike's bin and ``mu`` elsewhere; Poisson: ``mu - n log mu`` (science.md#observation-model, without the term
    that no model changes).
    """

    def __init__(self, net: HazardNet, batch: Batch, observation: Observation, *, backwards: bool) -> None:
        self.lstm = scan("lstm", net.coded(batch), Weights.of(net.arrays, "lstm"), None, backwards=backwards)
        self.net, self.x, self.unit, self.keep = net.arrays, batch.head, batch.unit, batch.keep
        states, own = self.lstm.states, self.net
        self.place = batch.at * states.shape[1] + batch.which
        self.h = states.reshape(-1, states.shape[2])[self.place]
        if self.keep is not None:
            self.h *= self.keep
        bias = (self.h @ own["b.weight"].T)[:, 0] + own["b.bias"] + own["unit_bias.weight"][self.unit, 0]
        n_points = self.x.shape[:2]
        self.hidden = (self.x.reshape(-1, self.x.shape[2]) @ own["w_x.weight"].T).reshape(*n_points, -1)
        self.loss, self.d_gain = np.empty(n_points[0], np.float32), np.empty(n_points, np.float32)
        hazard_loops.hazard_loss(
            self.h @ own["w_h.weight"].T + own["w_h.bias"],
            self.h @ own["a.weight"].T + own["a.bias"],
            bias,
            self.x,
            own["v.weight"][0],
            batch.log_base,
            batch.weight,
            batch.stop_count,
            *LOG_MU_RANGE,
            observation == "bernoulli",
            self.hidden,
            self.loss,
            self.d_gain,
        )

    def gradients(self) -> Arrays:
        """Return the gradient of the summed loss by the parameters' names."""
        own, h, x, d_gain = self.net, self.h, self.x, self.d_gain
        d_state_hidden, d_slope = np.zeros_like(h), np.zeros((len(h), x.shape[2]), np.float32)
        d_v = np.zeros(h.shape[1], np.float32)
        hazard_loops.hazard_backward(d_gain, x, own["v.weight"][0], self.hidden, d_state_hidden, d_slope, d_v)
        d_bias = d_gain.sum(axis=1)
        d_h = d_state_hidden @ own["w_h.weight"] + d_slope @ own["a.weight"] + d_bias[:, None] * own["b.weight"]
        if self.keep is not None:
            d_h *= self.keep
        grad_h = np.zeros_like(self.lstm.states)
        grad_h.reshape(-1, grad_h.shape[2])[self.place] = d_h  # each event begins one interval
        return {
            **by_name(self.lstm.gradients(grad_h), "lstm"),
            "a.weight": d_slope.T @ h,
            "a.bias": d_slope.sum(axis=0),
            "b.weight": d_bias @ h,
            "b.bias": d_bias.sum(keepdims=True),
            "w_h.weight": d_state_hidden.T @ h,
            "w_h.bias": d_state_hidden.sum(axis=0),
            "w_x.weight": self.hidden.reshape(-1, h.shape[1]).T @ x.reshape(-1, x.shape[2]),
            "v.weight": d_v,
            "unit_bias.weight": np.bincount(self.unit, d_bias, len(own["unit_bias.weight"])).astype(np.float32),
        }


@dataclass(frozen=True)
class Batch:
    """Sequences and the points of their scored intervals.

    ``inputs`` (step, sequence, input), ``sequence_unit`` (sequence,); ``which`` and ``at`` (interval,) are sequence
    and step of the event that begins an interval, ``unit`` (interval,) its unit; ``head`` (interval, point, column),
    ``log_base`` and ``weight`` (interval, point); ``stop_count`` (interval,) spikes in the last point's bin; ``keep``
    (interval, hidden) is the dropout mask, 0 or 1 / (1 - rate), None for no dropout.
    """

    inputs: Single
    sequence_unit: IntArray
    which: IntArray
    at: IntArray
    unit: IntArray
    head: Single
    log_base: Single
    weight: Single
    stop_count: Single
    keep: Single | None = None


@dataclass(frozen=True)
class UnitNet:
    """A trained network for one unit, in single precision, in the layout that the compiled loops read.

    ``w_x`` (input, gates), ``w_h`` (hidden, gates) and ``bias`` (gates,), which includes the unit's code, belong to
    the LSTM. ``head`` (hidden, column) and ``head_bias`` (column,) give the state of an interval: slopes, bias,
    hidden. ``w_point`` (head input, hidden) and ``out`` (hidden,) are W_x and v of the head.
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
    def step(self) -> event_loops.Network:
        """The arrays of a step: all but W_x and v of the head."""
        return self.w_x, self.w_h, self.bias, self.head, self.head_bias

    def split_interval_state(self, columns: Single) -> IntervalState:
        """Return the parts of interval states (interval, column)."""
        n = len(self.w_point)
        return IntervalState(columns[:, :n], columns[:, n], columns[:, n + 1 :])


@dataclass(frozen=True)
class IntervalState:
    """What the head reads: ``slope`` (interval, column), ``bias`` (interval,), ``hidden`` (interval, hidden)."""

    slope: Single
    bias: Single
    hidden: Single

    def at(self, index: IntArray) -> IntervalState:
        """Return these intervals, repeated as the index says."""
        return IntervalState(self.slope[index], self.bias[index], self.hidden[index])
