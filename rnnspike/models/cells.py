"""Recurrent cells as plain float64 arrays: what inference and ``dynamics/`` know of a trained network.

One layer, ``s_t = F(s_(t-1), x_t)`` with the state ``s`` = h, or [h; c] for the LSTM; weights in torch's layout and
gate order (LSTM i, f, g, o; GRU r, z, n with z the retention gate, h' = (1 - z) n + z h; science.md b.8, b.9).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from rnnspike.trials.data import FloatArray, Trials

Single = npt.NDArray[np.float32]
Architecture = Literal["linear", "rnn", "gru", "lstm"]

#: Rows of ``weight_ih`` per hidden unit.
N_GATES: dict[str, int] = {"linear": 1, "rnn": 1, "gru": 3, "lstm": 4}


@dataclass(frozen=True)
class RecurrentCell:
    """One recurrent layer, state -> next state for a given input.

    Attributes
    ----------
    architecture
        ``linear`` h' = W_h h + W_x x + b; ``rnn`` h' = tanh(same); ``gru``; ``lstm``.
    weights
        float64, torch's layout: ``weight_ih`` (gates * hidden, input), ``weight_hh`` (gates * hidden, hidden),
        ``bias`` (gates * hidden,), the sum of torch's two biases; for the GRU the n block of ``bias`` is b_in
        alone and ``bias_hn`` (hidden,) is the one inside the reset, n = tanh(W_in x + b_in + r (W_hn h + b_hn)).
    input_names
        Meaning of each input channel. The models of this package use ``spike`` (own spikes of the bin before),
        ``unknown`` (1 where that bin was not observed, else 0), ``drive`` (standardised log mu of the base) and
        the covariates' names; an ordinary bin without a spike has ``spike`` = ``unknown`` = 0.
    input_mean, input_sd
        A channel's input is (value - mean) / sd; 0 and 1 for ``spike`` and ``unknown``.
    bin_s
        Time of one step, s.
    """

    architecture: Architecture
    weights: Mapping[str, FloatArray]
    input_names: tuple[str, ...]
    input_mean: tuple[float, ...]
    input_sd: tuple[float, ...]
    bin_s: float

    @property
    def n_hidden(self) -> int:
        """Hidden units."""
        return int(self.weights["weight_hh"].shape[1])

    @property
    def n_inputs(self) -> int:
        """Input channels."""
        return int(self.weights["weight_ih"].shape[1])

    @property
    def n_state(self) -> int:
        """Length of the full state: hidden units, twice that for the LSTM ([h; c])."""
        return self.n_hidden * (2 if self.architecture == "lstm" else 1)

    def initial_state(self, n_rows: int) -> FloatArray:
        """Return the state that every sequence starts from, zeros (row, state)."""
        return np.zeros((n_rows, self.n_state))

    def hidden(self, state: FloatArray) -> FloatArray:
        """Return h (..., hidden) of a full state (..., state): what the readout sees."""
        return state[..., : self.n_hidden]

    def project(self, inputs: FloatArray) -> FloatArray:
        """Return W_x x + b (..., gates * hidden) of inputs (..., input)."""
        projected: FloatArray = inputs @ self.weights["weight_ih"].T + self.weights["bias"]
        return projected

    def step(self, state: FloatArray, inputs: FloatArray) -> FloatArray:
        """Return the next state (row, state) from state (row, state) and inputs (row, input)."""
        return self.step_projected(state, self.project(inputs))

    def step_projected(self, state: FloatArray, projected: FloatArray) -> FloatArray:
        """Return the next state (row, state) where W_x x + b (row, gates * hidden) is at hand."""
        recurrent = self.hidden(state) @ self.weights["weight_hh"].T  # (row, gates * hidden)
        if self.architecture == "linear":
            return projected + recurrent
        if self.architecture == "rnn":
            return np.tanh(projected + recurrent)
        if self.architecture == "gru":
            return _gru(state, projected, recurrent, self.weights["bias_hn"])
        return _lstm(state[:, self.n_hidden :], projected + recurrent)

    def run(self, inputs: npt.NDArray[Any], state: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Return the states (time, row, state) visited under inputs (time, row, input), in the inputs' precision."""
        n_bins, n_rows = inputs.shape[:2]
        state = self.initial_state(n_rows) if state is None else state
        if self.architecture == "lstm":
            single = inputs.dtype == np.float32
            return _run_lstm_single(self._single, inputs, state) if single else _run_lstm(self.weights, inputs, state)
        states = np.empty((n_bins, n_rows, self.n_state), inputs.dtype)
        for k, projected in enumerate(self.project(inputs)):
            states[k] = state = self.step_projected(state, projected)
        return states

    @cached_property
    def _single(self) -> Single:
        w_x, w_h, bias = (self.weights[name] for name in ("weight_ih", "weight_hh", "bias"))
        return np.ascontiguousarray(np.concatenate([w_h.T, w_x.T, bias[None]]), np.float32)

    @classmethod
    def from_torch(
        cls,
        architecture: Architecture,
        tensors: Mapping[str, npt.NDArray[np.floating]],
        *,
        input_names: tuple[str, ...],
        bin_s: float,
        input_mean: tuple[float, ...] | None = None,
        input_sd: tuple[float, ...] | None = None,
    ) -> RecurrentCell:
        """Return the cell of a torch layer's arrays (``weight_ih_l0``, ``weight_hh_l0``, biases where there are)."""
        weight_ih, weight_hh = (np.asarray(tensors[f"weight_{of}_l0"], np.float64) for of in ("ih", "hh"))
        no_bias = np.zeros(weight_ih.shape[0])
        bias_ih, bias_hh = (np.asarray(tensors.get(f"bias_{of}_l0", no_bias), np.float64) for of in ("ih", "hh"))
        weights = {"weight_ih": weight_ih, "weight_hh": weight_hh, "bias": bias_ih + bias_hh}
        if architecture == "gru":
            n_hidden = weight_hh.shape[1]
            weights["bias"][2 * n_hidden :] = bias_ih[2 * n_hidden :]
            weights["bias_hn"] = bias_hh[2 * n_hidden :]
        zeros, ones = (0.0,) * len(input_names), (1.0,) * len(input_names)
        return cls(architecture, weights, input_names, input_mean or zeros, input_sd or ones, bin_s)


def _gru(h: FloatArray, projected: FloatArray, recurrent: FloatArray, bias_hn: FloatArray) -> FloatArray:
    n_hidden = h.shape[1]
    gates = expit(projected[:, : 2 * n_hidden] + recurrent[:, : 2 * n_hidden])
    reset, retention = gates[:, :n_hidden], gates[:, n_hidden:]
    candidate = np.tanh(projected[:, 2 * n_hidden :] + reset * (recurrent[:, 2 * n_hidden :] + bias_hn))
    following: FloatArray = candidate + retention * (h - candidate)
    return following


def _lstm(c: FloatArray, gates: FloatArray) -> FloatArray:
    n_hidden = c.shape[1]
    i, f, o = (expit(gates[:, k * n_hidden : (k + 1) * n_hidden]) for k in (0, 1, 3))
    c = f * c + i * np.tanh(gates[:, 2 * n_hidden : 3 * n_hidden])
    return np.concatenate([o * np.tanh(c), c], axis=1)


def _run_lstm(
    weights: Mapping[str, FloatArray], inputs: npt.NDArray[Any], state: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Return the states (time, row, [h; c]): ``step`` in few calls, sigmoid(x) being (1 + tanh(x / 2)) / 2.

    Rows run along the last axis meanwhile, so that each gate is one block of memory.
    """
    dtype, n_hidden = inputs.dtype, weights["weight_hh"].shape[1]
    gate = np.arange(4 * n_hidden).reshape(4, n_hidden)[[0, 1, 3, 2]].ravel()  # i, f, o, g
    halved = np.repeat([0.5, 0.5, 0.5, 1.0], n_hidden)[:, None]
    w_x, w_h = ((weights[f"weight_{of}"][gate] * halved).astype(dtype) for of in ("ih", "hh"))
    projected = w_x @ inputs.swapaxes(1, 2)  # (time, 4 hidden, row)
    projected += (weights["bias"][gate, None] * halved).astype(dtype)
    states = np.empty((len(inputs), 2 * n_hidden, inputs.shape[1]), dtype)
    recurrent = np.empty(projected.shape[1:], dtype)
    h, c = (np.ascontiguousarray(part.T, dtype) for part in (state[:, :n_hidden], state[:, n_hidden:]))
    for gates, following in zip(projected, states, strict=True):
        np.matmul(w_h, h, out=recurrent)
        gates += recurrent
        np.tanh(gates, out=gates)
        sigmoids = gates[: 3 * n_hidden]
        sigmoids += 1.0
        sigmoids *= 0.5
        i, f, o, g = gates.reshape(4, n_hidden, -1)
        c = np.multiply(c, f, out=following[n_hidden:])
        i *= g
        c += i
        h = np.tanh(c, out=following[:n_hidden])
        h *= o
    return states.swapaxes(1, 2)


def _run_lstm_single(together: Single, inputs: Single, state: npt.NDArray[Any]) -> Single:
    """Return the states (time, row, [h; c]) in single precision, compiled; ``together`` are [W_h, W_x, b]'."""
    from rnnspike.models.compiled import layers  # numba takes half a second to begin

    n_hidden = together.shape[1] // 4
    h, c = (np.ascontiguousarray(part, np.float32) for part in (state[:, :n_hidden], state[:, n_hidden:]))
    hidden, cells = (np.empty((*inputs.shape[:2], n_hidden), np.float32) for _ in range(2))
    layers.lstm_run(np.ascontiguousarray(inputs), together, h, c, hidden, cells)
    return np.concatenate([hidden, cells], axis=2)


@dataclass(frozen=True)
class Readout:
    """Log gain over the drive: log mu_t = log drive_t + W_y h_t + c, mu the expected count of a bin.

    ``weight`` (hidden,), ``bias`` scalar. In closed loop E[spike_t] = 1 - exp(-mu_t) under Bernoulli bins and mu_t
    under Poisson, and enters the step of the next bin.
    """

    weight: FloatArray
    bias: float

    def log_gain(self, hidden: FloatArray) -> FloatArray:
        """Return W_y h + c (...) of hidden states (..., hidden)."""
        gain: FloatArray = hidden @ self.weight + self.bias
        return gain


class HasCell(Protocol):
    """What ``dynamics/`` needs of a fitted recurrent model.

    Time runs over the burn-in that the model reads (``n_warm_up`` bins, its own choice, at most the trials' burn-in)
    and then the window. The state at index t has taken the input of index t, that is the spike of bin t - 1, and
    gives mu of bin t.
    """

    cell: RecurrentCell
    readout: Readout

    def n_warm_up(self, trials: Trials) -> int:
        """Return how many bins of the sequences precede the window."""

    def inputs(self, trials: Trials) -> FloatArray:
        """Return the input sequences, float64 (trial, warm-up + bin, channel)."""

    def states(self, trials: Trials) -> FloatArray:
        """Return the visited states, float64 (trial, warm-up + bin, state), [h; c] for the LSTM."""

    def log_drive(self, trials: Trials) -> FloatArray:
        """Return log mu of the base, float64 (trial, warm-up + bin), constant over the warm-up."""
