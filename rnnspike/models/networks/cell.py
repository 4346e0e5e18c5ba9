"""A recurrent cell and its readout: state -> next state for a given input, and its derivatives.

Weights are in torch's layout and float64, gates in its order (LSTM i, f, g, o; GRU r, z, n with z the retention gate,
h' = (1 - z) n + z h; science.md#networks); ``lru`` is linear, with the uncoupled modes of ``diagonal.py``. The state
of a layer is h, for the LSTM [h; c]. ``Slopes`` are a layer's derivatives with respect to its gates' pre-activations:
every Jacobian and every gradient of ``dynamics`` comes from them (science.md#jacobians).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from rnnspike.errors import ModelError
from rnnspike.models.networks import diagonal
from rnnspike.models.protocol import FittedModel
from rnnspike.observation import spike_probability
from rnnspike.trials.data import FloatArray, Trials

Architecture = Literal["linear", "lru", "rnn", "rnn-relu", "gru", "lstm"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
Link = Literal["cloglog", "exp", "logit", "identity"]
#: Gates of each architecture, in torch's order.
GATES: dict[Architecture, tuple[str, ...]] = {
    "linear": ("n",),
    "lru": ("n",),
    "rnn": ("n",),
    "rnn-relu": ("n",),
    "gru": ("r", "z", "n"),
    "lstm": ("i", "f", "g", "o"),
}
#: sigmoid(x) = (1 + tanh(x / 2)) / 2: one tanh serves all four gates, at a quarter of the time of expit.
_LSTM_HALVED = np.array([0.5, 0.5, 1.0, 0.5])[:, None]


@dataclass(frozen=True)
class Slopes:
    """Derivatives of one layer's next state, unit by unit (K state blocks: h, or h and c; G gates).

    ``recurrent`` (..., K, G, H) with respect to ``W_hh h + b_hh`` of each gate, ``input`` (..., K, G, H) with
    respect to ``W_ih x + b_ih``, ``carry`` (..., K, K, H) with respect to the unit's own old state directly.
    """

    recurrent: FloatArray
    input: FloatArray
    carry: FloatArray


@dataclass(frozen=True)
class Cell:
    """One recurrent layer.

    Parameters
    ----------
    architecture
        ``rnn`` is tanh; ``gru`` and ``lstm`` are torch's.
    weight_ih, weight_hh
        (gate * hidden, input) and (gate * hidden, hidden), gates in torch's order (r z n; i f g o).
    bias_ih, bias_hh
        (gate * hidden,).
    alpha
        Leak of ``linear`` and ``rnn``: h' = (1 - alpha) h + alpha phi(.), bin width over time constant.

    Raises
    ------
    ModelError
        Where the shapes do not fit the architecture.
    """

    architecture: Architecture
    weight_ih: FloatArray
    weight_hh: FloatArray
    bias_ih: FloatArray
    bias_hh: FloatArray
    alpha: float = 1.0

    def __post_init__(self) -> None:
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            object.__setattr__(self, name, np.ascontiguousarray(getattr(self, name), dtype=np.float64))
        if self.architecture not in GATES:
            raise ModelError(f"{self.architecture}: no such cell (there are {', '.join(ARCHITECTURES)})")
        if self.weight_hh.ndim != 2 or self.weight_ih.ndim != 2:
            raise ModelError(f"{self.architecture}: weights are (gate * hidden, input) and (gate * hidden, hidden)")
        rows = self.n_gates * self.n_hidden
        shapes = [self.weight_hh.shape[:1], self.weight_ih.shape[:1], self.bias_ih.shape, self.bias_hh.shape]
        if any(shape != (rows,) for shape in shapes):
            raise ModelError(f"{self.architecture} of {self.n_hidden} units has {rows} rows of weights, not {shapes}")
        if self.alpha != 1.0 and self.n_gates > 1:
            raise ModelError(f"{self.architecture}: alpha is for leaky rnn and linear cells")
        if self.architecture == "lru" and not np.array_equal(
            self.weight_hh, diagonal.matrix(*diagonal.parts(self.weight_hh))
        ):
            raise ModelError("lru: weight_hh couples modes (it is that of a linear cell)")

    @classmethod
    def from_torch(cls, architecture: Architecture, tensors: Mapping[str, npt.NDArray[np.floating]]) -> Cell:
        """Return the cell of a torch layer's arrays (``weight_ih_l0``, ``weight_hh_l0``, biases where there are).

        All biases are in ``bias_ih``, but for the GRU's inside the reset.
        """
        weight_ih, weight_hh = (np.asarray(tensors[f"weight_{of}_l0"], np.float64) for of in ("ih", "hh"))
        no_bias = np.zeros(len(weight_ih))
        bias_ih, bias_hh = (np.asarray(tensors.get(f"bias_{of}_l0", no_bias), np.float64) for of in ("ih", "hh"))
        inner = np.zeros_like(bias_hh)
        if architecture == "gru":
            begin = 2 * weight_hh.shape[1]
            inner[begin:] = bias_hh[begin:]
        return cls(architecture, weight_ih, weight_hh, bias_ih + (bias_hh - inner), inner)

    @property
    def n_hidden(self) -> int:
        """Hidden units."""
        return int(self.weight_hh.shape[1])

    @property
    def n_input(self) -> int:
        """Input channels."""
        return int(self.weight_ih.shape[1])

    @property
    def n_gates(self) -> int:
        """Gates per unit."""
        return len(GATES[self.architecture])

    @property
    def n_blocks(self) -> int:
        """Blocks of the state: 2 (h, c) for the LSTM, else 1."""
        return 2 if self.architecture == "lstm" else 1

    @property
    def n_state(self) -> int:
        """Length of the state."""
        return self.n_blocks * self.n_hidden

    def hidden(self, states: FloatArray) -> FloatArray:
        """Return h, (..., hidden), of states (..., state)."""
        return states[..., : self.n_hidden]

    def initial_state(self, n_rows: int) -> FloatArray:
        """Return the state that every sequence starts from, zeros (row, state)."""
        return np.zeros((n_rows, self.n_state))

    def gates(self, states: FloatArray, inputs: FloatArray) -> dict[str, FloatArray]:
        """Return each gate's value by name, (..., hidden), for states (..., state) and inputs (..., input)."""
        return self._gates(*self._preactivations(states, self.project(inputs)))

    def _gates(self, drive: FloatArray, recurrent: FloatArray) -> dict[str, FloatArray]:
        """Return each gate's value from ``W_ih x + b_ih`` and ``W_hh h + b_hh``, both (..., gate, hidden)."""
        if self.architecture == "lstm":
            values = drive + recurrent
            values *= _LSTM_HALVED
            np.tanh(values, out=values)
            for gates in (values[..., :2, :], values[..., 3:, :]):
                gates *= 0.5
                gates += 0.5
            return {name: values[..., k, :] for k, name in enumerate(GATES["lstm"])}
        if self.architecture == "gru":
            values = 0.5 * np.tanh(0.5 * (drive[..., :2, :] + recurrent[..., :2, :])) + 0.5
            r, z = values[..., 0, :], values[..., 1, :]
            return {"r": r, "z": z, "n": np.tanh(drive[..., 2, :] + r * recurrent[..., 2, :])}
        return {"n": self._activate((drive + recurrent)[..., 0, :])}

    def log_retention(self, states: FloatArray, inputs: FloatArray) -> FloatArray | None:
        """Return ln of the gate that keeps the old state (LSTM f, GRU z), (..., hidden); None without gates.

        Exact also where the gate is nearly closed, which dominates a geometric mean.
        """
        if "f" not in GATES[self.architecture] and "z" not in GATES[self.architecture]:
            return None
        drive, recurrent = self._preactivations(states, self.project(inputs))
        kept: FloatArray = -np.logaddexp(0.0, -(drive[..., 1, :] + recurrent[..., 1, :]))  # f and z both come second
        return kept

    def project(self, inputs: FloatArray) -> FloatArray:
        """Return ``W_ih x + b_ih``, (..., gate * hidden), of inputs (..., input)."""
        projected: FloatArray = inputs @ self.weight_ih.T
        projected += self.bias_ih
        return projected

    def step(self, states: FloatArray, inputs: FloatArray) -> FloatArray:
        """Return the next states (..., state) for states (..., state) and inputs (..., input)."""
        return self.step_projected(states, self.project(inputs))

    def step_projected(self, states: FloatArray, projected: FloatArray) -> FloatArray:
        """Return the next states (..., state) from ``project`` of the inputs, (..., gate * hidden)."""
        gates = self._gates(*self._preactivations(states, projected))
        if self.architecture == "lstm":
            c = gates["f"] * states[..., self.n_hidden :] + gates["i"] * gates["g"]
            return np.concatenate([gates["o"] * np.tanh(c), c], axis=-1)
        n, h = gates["n"], self.hidden(states)
        if self.architecture == "gru":
            mixed: FloatArray = n + gates["z"] * (h - n)
            return mixed
        if self.alpha == 1.0:
            return n
        leaked: FloatArray = (1 - self.alpha) * h + self.alpha * n
        return leaked

    def run(self, inputs: npt.NDArray[Any], state: npt.NDArray[Any] | None = None) -> npt.NDArray[Any]:
        """Return the states (time, row, state) under inputs (time, row, input), in the inputs' precision."""
        n_steps, n_rows = inputs.shape[:2]
        state = self.initial_state(n_rows) if state is None else state
        if self.architecture == "lstm" and inputs.dtype == np.float32:
            return self._run_lstm_single(inputs, state)
        if self.architecture == "lru":
            return self._run_modes(inputs, state)
        states = np.empty((n_steps, n_rows, self.n_state), inputs.dtype)
        for k, projected in enumerate(self.project(inputs)):
            states[k] = state = self.step_projected(state, projected)
        return states

    @cached_property
    def _together(self) -> npt.NDArray[np.float32]:
        """[W_h, W_x, b]' in single precision, what multiplies [h, x, 1]."""
        parts = self.weight_hh.T, self.weight_ih.T, (self.bias_ih + self.bias_hh)[None]
        return np.ascontiguousarray(np.concatenate(parts), np.float32)

    def _run_lstm_single(self, inputs: npt.NDArray[Any], state: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return the states (time, row, [h; c]) in single precision, compiled."""
        from rnnspike.models.networks import layer_loops  # importing numba takes half a second

        n = self.n_hidden
        h, c = (np.ascontiguousarray(part, np.float32) for part in (state[:, :n], state[:, n:]))
        hidden, cells = (np.empty((*inputs.shape[:2], n), np.float32) for _ in range(2))
        layer_loops.lstm_run(np.ascontiguousarray(inputs), self._together, h, c, hidden, cells)
        return np.concatenate([hidden, cells], axis=2)

    def _run_modes(self, inputs: npt.NDArray[Any], state: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return the states (time, row, state) of uncoupled modes, compiled."""
        from rnnspike.models.networks import diagonal_loops

        states = np.ascontiguousarray(self.project(inputs), inputs.dtype)
        real, imaginary = (each.astype(inputs.dtype) for each in diagonal.parts(self.weight_hh))
        diagonal_loops.diagonal_forward(states, real, imaginary, np.ascontiguousarray(state, inputs.dtype))
        return states

    def slopes(self, states: FloatArray, inputs: FloatArray) -> Slopes:
        """Return the derivatives of ``step`` unit by unit (science.md#jacobians)."""
        if self.architecture == "lstm":
            return self._slopes_lstm(states, inputs)
        if self.architecture == "gru":
            return self._slopes_gru(states, inputs)
        n = self.gates(states, inputs)["n"]
        slope = {"rnn": 1 - n**2, "rnn-relu": (n > 0).astype(np.float64)}.get(self.architecture, np.ones_like(n))
        one = (self.alpha * slope)[..., None, None, :]
        return Slopes(one, one, np.full_like(one, 1 - self.alpha))

    def _preactivations(self, states: FloatArray, projected: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return ``W_ih x + b_ih`` and ``W_hh h + b_hh``, both (..., gate, hidden)."""
        recurrent = self.hidden(states) @ self.weight_hh.T
        recurrent += self.bias_hh
        shape = (self.n_gates, self.n_hidden)
        return projected.reshape(*projected.shape[:-1], *shape), recurrent.reshape(*recurrent.shape[:-1], *shape)

    def _activate(self, v: FloatArray) -> FloatArray:
        if self.architecture in ("linear", "lru"):
            return v
        activated: FloatArray = np.tanh(v) if self.architecture == "rnn" else np.maximum(v, 0.0)
        return activated

    def _slopes_gru(self, states: FloatArray, inputs: FloatArray) -> Slopes:
        gates = self.gates(states, inputs)
        r, z, n, h = gates["r"], gates["z"], gates["n"], self.hidden(states)
        by_n = (1 - z) * (1 - n**2)
        by_z = (h - n) * z * (1 - z)
        recurrent_n = h @ self.weight_hh[2 * self.n_hidden :].T + self.bias_hh[2 * self.n_hidden :]
        by_r = by_n * recurrent_n * r * (1 - r)
        # torch resets after the matmul: only the recurrent half of n is scaled by r
        recurrent = np.stack([by_r, by_z, by_n * r], axis=-2)[..., None, :, :]
        return Slopes(recurrent, np.stack([by_r, by_z, by_n], axis=-2)[..., None, :, :], z[..., None, None, :])

    def _slopes_lstm(self, states: FloatArray, inputs: FloatArray) -> Slopes:
        gates = self.gates(states, inputs)
        i, f, g, o = gates["i"], gates["f"], gates["g"], gates["o"]
        c = states[..., self.n_hidden :]
        squashed = np.tanh(f * c + i * g)
        zero = np.zeros_like(squashed)
        c_by_gates = np.stack([g * i * (1 - i), c * f * (1 - f), i * (1 - g**2), zero], axis=-2)
        h_by_c = o * (1 - squashed**2)
        h_by_gates = h_by_c[..., None, :] * c_by_gates
        h_by_gates[..., 3, :] = squashed * o * (1 - o)
        by_gates = np.stack([h_by_gates, c_by_gates], axis=-3)
        f = np.broadcast_to(f, squashed.shape)
        carry = np.stack([np.stack([zero, h_by_c * f], -2), np.stack([zero, f], -2)], axis=-3)
        return Slopes(by_gates, by_gates, carry)


@dataclass(frozen=True)
class Bend:
    """What bends a readout: ``weight tanh(inner h + shift)``, of (output, unit), (unit, hidden) and (unit,)."""

    weight: FloatArray
    inner: FloatArray
    shift: FloatArray

    def units(self, hidden: npt.NDArray[np.floating]) -> FloatArray:
        """Return ``tanh(inner h + shift)``, (..., unit), of h (..., hidden)."""
        values: FloatArray = np.tanh(hidden @ self.inner.T + self.shift)
        return values

    def slope(self, hidden: FloatArray) -> FloatArray:
        """Return its derivative by h, (..., output, hidden)."""
        inner = (1 - self.units(hidden) ** 2)[..., None] * self.inner
        slope: FloatArray = self.weight @ inner
        return slope


@dataclass(frozen=True)
class Readout:
    """Readout of the last layer's h and the link that turns it into an expected spike.

    ``weight`` (output, hidden), ``bias`` (output,). ``eta = weight h + bias``, with a ``bend`` and its units, is the
    log-rate under ``cloglog`` (the chance of a spike is 1 - exp(-exp(eta))) and ``exp`` (expected count exp(eta)),
    where it counts up to ``highest`` (output,).
    """

    weight: FloatArray
    bias: FloatArray
    link: Link = "cloglog"
    bend: Bend | None = None
    highest: FloatArray | float = 30.0

    def log_gain(self, hidden: npt.NDArray[np.floating]) -> FloatArray:
        """Return the linear predictor (...) of a readout with one output, from h (..., hidden)."""
        gain: FloatArray = hidden @ self.weight[0] + self.bias[0]
        return gain if self.bend is None else gain + self.bend.units(hidden) @ self.bend.weight[0]

    def scaled(self, share: float) -> Readout:
        """Return the readout whose gain is ``share`` of this one's."""
        bend = self.bend and replace(self.bend, weight=share * self.bend.weight)
        return Readout(share * self.weight, share * self.bias, self.link, bend, self.highest)

    def eta(self, hidden: FloatArray) -> FloatArray:
        """Return the linear predictor (..., output)."""
        eta: FloatArray = hidden @ self.weight.T + self.bias
        return eta if self.bend is None else eta + self.bend.units(hidden) @ self.bend.weight.T

    def slope(self, hidden: FloatArray) -> FloatArray:
        """Return d eta / d hidden, (..., output, hidden)."""
        slope = np.broadcast_to(self.weight, (*hidden.shape[:-1], *self.weight.shape))
        return slope if self.bend is None else slope + self.bend.slope(hidden)

    def expected(self, hidden: FloatArray) -> FloatArray:
        """Return the expected spike of a bin (..., output)."""
        eta = self.eta(hidden)
        if self.link == "identity":
            return eta
        if self.link == "logit":
            p: FloatArray = expit(eta)
            return p
        mu = np.exp(np.minimum(eta, self.highest))
        return mu if self.link == "exp" else spike_probability(mu)

    def expected_slope(self, hidden: FloatArray) -> FloatArray:
        """Return d expected / d hidden, (..., output, hidden)."""
        eta = self.eta(hidden)
        if self.link == "identity":
            by_eta = np.ones_like(eta)
        elif self.link == "logit":
            by_eta = expit(eta) * expit(-eta)
        else:
            mu = np.exp(np.minimum(eta, self.highest))
            by_eta = np.where(eta < self.highest, mu if self.link == "exp" else mu * np.exp(-mu), 0.0)
        slope: FloatArray = by_eta[..., None] * self.slope(hidden)
        return slope


class HasCell(Protocol):
    """What ``dynamics/`` needs of a fitted recurrent model.

    Time runs over the burn-in that the model reads (``n_warm_up`` bins, its own choice, at most the trials' burn-in)
    and then the window. The state at index t has taken the input of index t, that is the spike of bin t - 1, and
    gives mu of bin t.
    """

    @property
    def cell(self) -> Cell:
        """The recurrent layer."""

    @property
    def readout(self) -> Readout:
        """Log gain over the drive: log mu_t = log drive_t + W_y h_t + c (+ bend), mu the expected count of a bin."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Meaning of each input channel (``bin_clock.inputs.OWN_INPUTS``, then the covariates)."""

    @property
    def bin_s(self) -> float:
        """Time of one step, s."""

    @property
    def base(self) -> FittedModel:
        """The model to whose log mu the gain is added."""

    def n_warm_up(self, trials: Trials) -> int:
        """Return how many bins of the sequences precede the window."""

    def inputs(self, trials: Trials) -> FloatArray:
        """Return the input sequences, float64 (trial, warm-up + bin, channel)."""

    def states(self, trials: Trials) -> FloatArray:
        """Return the visited states, float64 (trial, warm-up + bin, state), [h; c] for the LSTM."""

    def log_drive(self, trials: Trials) -> FloatArray:
        """Return log mu of the base, float64 (trial, warm-up + bin), constant over the warm-up."""
