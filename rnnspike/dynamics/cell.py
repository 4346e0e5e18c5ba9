"""A recurrent network as the rest of this room knows it: state -> next state for a given input, and a readout.

Weights are in torch's layout and float64. The state of a layer is h, for the LSTM (h, c); that of a network is
its layers' states side by side. ``Slopes`` are a layer's derivatives with respect to its gates' pre-activations:
every Jacobian and every gradient of this room comes from them (science.md b.9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
from scipy.special import expit

from rnnspike.errors import ModelError
from rnnspike.trials.data import BoolArray, FloatArray

Architecture = Literal["linear", "rnn", "rnn-relu", "gru", "lstm"]
ARCHITECTURES: tuple[Architecture, ...] = get_args(Architecture)
Link = Literal["cloglog", "exp", "logit", "identity"]
#: Gates of each architecture, in torch's order.
GATES: dict[Architecture, tuple[str, ...]] = {
    "linear": ("n",),
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
        """Gates a unit."""
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

    def gates(self, states: FloatArray, inputs: FloatArray) -> dict[str, FloatArray]:
        """Return each gate's value by name, (..., hidden), for states (..., state) and inputs (..., input)."""
        drive, recurrent = self._preactivations(states, inputs)
        if self.architecture == "lstm":
            opened = drive + recurrent
            opened *= _LSTM_HALVED
            np.tanh(opened, out=opened)
            for gates in (opened[..., :2, :], opened[..., 3:, :]):
                gates *= 0.5
                gates += 0.5
            return {name: opened[..., k, :] for k, name in enumerate(GATES["lstm"])}
        if self.architecture == "gru":
            opened = 0.5 * np.tanh(0.5 * (drive[..., :2, :] + recurrent[..., :2, :])) + 0.5
            r, z = opened[..., 0, :], opened[..., 1, :]
            return {"r": r, "z": z, "n": np.tanh(drive[..., 2, :] + r * recurrent[..., 2, :])}
        return {"n": self._activate((drive + recurrent)[..., 0, :])}

    def log_retention(self, states: FloatArray, inputs: FloatArray) -> FloatArray | None:
        """Return ln of the gate that keeps the old state (LSTM f, GRU z), (..., hidden); None without gates.

        Exact where the gate is all but shut, which is what a geometric mean turns on.
        """
        if "f" not in GATES[self.architecture] and "z" not in GATES[self.architecture]:
            return None
        drive, recurrent = self._preactivations(states, inputs)
        kept: FloatArray = -np.logaddexp(0.0, -(drive[..., 1, :] + recurrent[..., 1, :]))  # f and z both come second
        return kept

    def step(self, states: FloatArray, inputs: FloatArray) -> FloatArray:
        """Return the next states (..., state) for states (..., state) and inputs (..., input)."""
        gates = self.gates(states, inputs)
        h = self.hidden(states)
        if self.architecture == "lstm":
            c = gates["f"] * states[..., self.n_hidden :] + gates["i"] * gates["g"]
            return np.concatenate([gates["o"] * np.tanh(c), c], axis=-1)
        if self.architecture == "gru":
            next_h: FloatArray = (1 - gates["z"]) * gates["n"] + gates["z"] * h
            return next_h
        leaked: FloatArray = (1 - self.alpha) * h + self.alpha * gates["n"]
        return leaked

    def slopes(self, states: FloatArray, inputs: FloatArray) -> Slopes:
        """Return the derivatives of ``step`` unit by unit (science.md b.9)."""
        if self.architecture == "lstm":
            return self._slopes_lstm(states, inputs)
        if self.architecture == "gru":
            return self._slopes_gru(states, inputs)
        n = self.gates(states, inputs)["n"]
        slope = {"linear": np.ones_like(n), "rnn": 1 - n**2, "rnn-relu": (n > 0).astype(np.float64)}
        one = (self.alpha * slope[self.architecture])[..., None, None, :]
        return Slopes(one, one, np.full_like(one, 1 - self.alpha))

    def _preactivations(self, states: FloatArray, inputs: FloatArray) -> tuple[FloatArray, FloatArray]:
        drive = inputs @ self.weight_ih.T
        drive += self.bias_ih
        recurrent = self.hidden(states) @ self.weight_hh.T
        recurrent += self.bias_hh
        shape = (self.n_gates, self.n_hidden)
        return drive.reshape(*drive.shape[:-1], *shape), recurrent.reshape(*recurrent.shape[:-1], *shape)

    def _activate(self, v: FloatArray) -> FloatArray:
        if self.architecture == "linear":
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
class Readout:
    """Linear readout of the last layer's h and the link that turns it into an expected spike.

    ``weight`` (output, hidden), ``bias`` (output,). ``eta = weight h + bias`` is the log-rate under ``cloglog``
    (the chance of a spike is 1 - exp(-exp(eta))) and ``exp`` (expected count exp(eta)).
    """

    weight: FloatArray
    bias: FloatArray
    link: Link = "cloglog"

    def eta(self, hidden: FloatArray) -> FloatArray:
        """Return the linear predictor (..., output)."""
        return hidden @ self.weight.T + self.bias

    def expected(self, hidden: FloatArray) -> FloatArray:
        """Return the expected spike of a bin (..., output)."""
        eta = self.eta(hidden)
        if self.link == "identity":
            return eta
        if self.link == "logit":
            p: FloatArray = expit(eta)
            return p
        mu = np.exp(np.minimum(eta, 30.0))
        return mu if self.link == "exp" else -np.expm1(-mu)

    def expected_slope(self, hidden: FloatArray) -> FloatArray:
        """Return d expected / d hidden, (..., output, hidden)."""
        eta = self.eta(hidden)
        if self.link == "identity":
            by_eta = np.ones_like(eta)
        elif self.link == "logit":
            by_eta = expit(eta) * expit(-eta)
        else:
            mu = np.exp(np.minimum(eta, 30.0))
            by_eta = mu if self.link == "exp" else mu * np.exp(-mu)
        slope: FloatArray = by_eta[..., None] * self.weight
        return slope


@dataclass(frozen=True)
class Network:
    """Layers of cells on a common clock, with their readout.

    Parameters
    ----------
    layers
        First layer first; each takes the h that the one below has just computed.
    bin_s
        Width of a step, in seconds.
    readout
        None where it is not known; figures of the readout are then those of h itself.
    input_names
        One a channel.

    Raises
    ------
    ModelError
        Where the layers do not fit together.
    """

    layers: tuple[Cell, ...]
    bin_s: float
    readout: Readout | None = None
    input_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.layers:
            raise ModelError("a network needs at least one layer")
        if not self.bin_s > 0:
            raise ModelError(f"the step's width is {self.bin_s} s (--dt must be above 0)")
        for below, above in pairwise(self.layers):
            if above.n_input != below.n_hidden:
                raise ModelError(f"a layer takes {above.n_input} inputs, the one below has {below.n_hidden} units")
        if self.readout is not None and self.readout.weight.shape[1] != self.layers[-1].n_hidden:
            raise ModelError(
                f"the readout takes {self.readout.weight.shape[1]} units, the last layer has "
                f"{self.layers[-1].n_hidden}"
            )
        if not self.input_names:
            object.__setattr__(self, "input_names", tuple(f"input{k}" for k in range(self.n_input)))

    @property
    def architecture(self) -> str:
        """The architecture, layers joined by a plus where they differ."""
        names = list(dict.fromkeys(layer.architecture for layer in self.layers))
        return "+".join(names)

    @property
    def n_input(self) -> int:
        """Input channels."""
        return self.layers[0].n_input

    @cached_property
    def n_state(self) -> int:
        """Length of the state, all layers."""
        return sum(layer.n_state for layer in self.layers)

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each layer's state starts, and the end."""
        return tuple(int(k) for k in np.cumsum([0, *(layer.n_state for layer in self.layers)]))

    @cached_property
    def hidden_columns(self) -> slice:
        """Where the h that is read out lies in the state."""
        start = self.offsets[-2]
        return slice(start, start + self.layers[-1].n_hidden)

    def split(self, states: FloatArray) -> list[FloatArray]:
        """Return each layer's part of states (..., state)."""
        ends = self.offsets
        return [states[..., a:b] for a, b in pairwise(ends)]

    def step(self, states: FloatArray, inputs: FloatArray) -> FloatArray:
        """Return the next states (..., state) for states (..., state) and inputs (..., input)."""
        parts: list[FloatArray] = []
        signal = inputs
        for layer, part in zip(self.layers, self.split(states), strict=True):
            parts.append(layer.step(part, signal))
            signal = layer.hidden(parts[-1])
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def run(self, initial: FloatArray, inputs: FloatArray) -> FloatArray:
        """Return states (trial, time, state) after each input (trial, time, input), from (trial, state)."""
        states = np.empty((*inputs.shape[:2], self.n_state))
        state = initial
        for t in range(inputs.shape[1]):
            state = states[:, t] = self.step(state, inputs[:, t])
        return states

    def reachable(self, states: FloatArray) -> BoolArray:
        """Return whether an orbit can come near states (..., state), bool (...): no h of these cells passes 1.

        Beyond, a gate that rounds to 1 makes every state look fixed.
        """
        inside = np.isfinite(states).all(axis=-1)
        for layer, part in zip(self.layers, self.split(states), strict=True):
            if layer.architecture in ("rnn", "gru", "lstm"):
                inside &= (np.abs(layer.hidden(part)) < 1 + 1e-6).all(axis=-1)
        return np.asarray(inside)

    def log_rate(self, states: FloatArray) -> FloatArray:
        """Return the readout's linear predictor (..., output); h itself where there is no readout."""
        hidden = states[..., self.hidden_columns]
        return hidden if self.readout is None else self.readout.eta(hidden)


def single(
    architecture: Architecture,
    weights: Sequence[FloatArray],
    bin_s: float,
    *,
    readout: Readout | None = None,
    alpha: float = 1.0,
) -> Network:
    """Return a network of one layer from (weight_ih, weight_hh[, bias_ih[, bias_hh]]); biases absent are zero."""
    no_bias = np.zeros(np.shape(weights[0])[0])
    weight_ih, weight_hh, bias_ih, bias_hh = [*weights, no_bias, no_bias][:4]
    return Network((Cell(architecture, weight_ih, weight_hh, bias_ih, bias_hh, alpha=alpha),), bin_s, readout)
