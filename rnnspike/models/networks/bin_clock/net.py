"""The networks clocked by bins: initialisation, readout and loss (science.md#bin-clock).

h_t = phi(W_h h_(t-1) + W_x x_t + b), log mu_t = log drive_t + W_y h_t + c, or + W_y [h_t; tanh(A h_t + a)] where the
readout bends. W_y and c start at zero, so that an untrained network is its drive. The initial W_x makes each hidden
unit a trace of the spikes, with time constants from one bin to ``longest_bins``, half of them reset by a spike where
there are gates: an LSTM then needs a third of the updates that it needs from torch's initial values with chrono
biases (measured on 26 recorded units).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy.special import expit

from rnnspike.models.networks import diagonal, layer_loops
from rnnspike.models.networks.cell import GATES, Architecture, Cell
from rnnspike.models.networks.layers import States, Weights, by_inputs, by_name, scan, summed
from rnnspike.models.networks.optimiser import AdamW
from rnnspike.models.networks.parameters import ArrayNet, Arrays, CompiledLoss
from rnnspike.models.numerics.compilation import Single
from rnnspike.models.protocol import LOG_MU_RANGE
from rnnspike.observation import Observation
from rnnspike.trials.data import FloatArray

#: W_y and c are this factor times the parameters that AdamW updates, so that they move faster.
READOUT_SCALE = 3.0
#: Spread of A h of the units that bend a readout, at an h of unit variance.
BEND_SCALE = 1.0
#: Names of nu, theta and W of a linear recurrent unit.
MODE_NAMES = ("nu", "theta", "weight_ih_l0")
_SHUT = -12.0  # an input weight that closes a gate


class RecurrentNet(ArrayNet):
    """One recurrent layer and a linear readout; input 0 is the own spike, input 1 the flag ``unknown``.

    Parameters are ``layer.*`` by torch's names (one bias, but for the GRU, whose second stands inside the reset) or
    those of ``diagonal.py``, ``readout.weight`` (1, hidden + bend) and ``readout.bias`` (1,), and A and a of the
    ``n_bends`` units that bend the readout, ``bend.inner`` (bend, hidden) and ``bend.shift`` (bend,).
    """

    def __init__(
        self,
        architecture: Architecture,
        n_inputs: int,
        n_hidden: int,
        longest_bins: float,
        rng: np.random.Generator,
        n_bends: int = 0,
    ) -> None:
        self.architecture, self.n_hidden, self.n_bends = architecture, n_hidden, n_bends
        layer = initial_layer(architecture, n_inputs, n_hidden, longest_bins, rng)
        readout = {"readout.weight": np.zeros((1, n_hidden + n_bends)), "readout.bias": np.zeros(1)}
        if n_bends:
            readout["bend.inner"] = rng.normal(size=(n_bends, n_hidden)) * BEND_SCALE / math.sqrt(n_hidden)
            readout["bend.shift"] = rng.uniform(-1.0, 1.0, n_bends)
        arrays = {f"layer.{name}": each for name, each in layer.items()} | readout
        super().__init__({name: each.astype(np.float32) for name, each in arrays.items()})

    def optimiser(self, weight_decay: float, rate_factors: Mapping[str, float]) -> AdamW:
        """Return the optimiser (``training.Network``)."""
        return AdamW(self, weight_decay, rate_factors)

    def run(self, inputs: Single) -> tuple[Single, States]:
        """Return h (time, row, hidden) and the last state under inputs (time, row, channel), from zeros."""
        path = scan(self.architecture, inputs, self._weights(), None, backwards=False)
        return path.states, path.last

    def log_mu(self, inputs: Single, log_drive: Single) -> Single:
        """Return log mu (time, row) for inputs (time, row, channel) and log drive (time, row), from zeros."""
        weight, bias = self._readout()
        read = self._read(self.run(inputs)[0])
        return np.clip(log_drive + (read @ weight + np.float32(bias)), *LOG_MU_RANGE)

    def _weights(self) -> Weights:
        """Return the weights of the layer."""
        if self.architecture != "lru":
            return Weights.of(self.arrays, "layer")
        w_x, w_h = (each.astype(np.float32) for each in diagonal.linear_layer(*self._modes()))
        none = np.zeros(len(w_h), np.float32)
        return Weights(w_x, w_h, none, none)

    def _modes(self) -> tuple[Single, Single, Single]:
        """Return nu, theta and W of a linear recurrent unit."""
        nu, theta, weight = (self.arrays[f"layer.{name}"] for name in MODE_NAMES)
        return nu, theta, weight

    def _layer_gradients(self, gradients: tuple[Single, Single, Single, Single]) -> Mapping[str, Single]:
        """Return gradients of the layer's parameters by name, from those of its weights."""
        if self.architecture != "lru":
            return by_name(gradients, "layer")
        by_modes = diagonal.layer_gradients(*self._modes(), *gradients[:2])
        return {f"layer.{name}": each.astype(np.float32) for name, each in zip(MODE_NAMES, by_modes, strict=True)}

    def _read(self, states: Single) -> Single:
        """Return what the readout reads of h (time, row, hidden): h, and the units that bend it."""
        if not self.n_bends:
            return states
        return np.concatenate([states, np.tanh(states @ self.arrays["bend.inner"].T + self.arrays["bend.shift"])], 2)

    def _bend_gradients(self, read: Single, grad_read: Single) -> tuple[Single, Arrays]:
        """Return d loss / d h and the gradients of the bend by name, from d loss / d ``_read``."""
        if not self.n_bends:
            return grad_read, {}
        n = self.n_hidden
        inner = np.asarray(grad_read[..., n:] * (1 - read[..., n:] ** 2), np.float32)
        gradients = {"bend.inner": by_inputs(inner, read[..., :n]), "bend.shift": summed(inner)}
        grad_h: Single = inner @ self.arrays["bend.inner"]
        grad_h += grad_read[..., :n]
        return grad_h, gradients

    def _readout(self) -> tuple[Single, float]:
        """Return W_y (hidden + bend,) and c."""
        arrays = self.arrays
        return READOUT_SCALE * arrays["readout.weight"][0], READOUT_SCALE * float(arrays["readout.bias"][0])

    def loss(
        self,
        inputs: Single,
        targets: Single,
        observation: Observation,
        state: States | None = None,
        *,
        backwards: bool = True,
    ) -> tuple[CompiledLoss, States]:
        """Return the summed loss in nats over scored bins and the last state; ``targets`` as in ``Sequences``.

        The gradient stops at the initial state; without ``backwards`` no gradient is available.
        """
        path = scan(self.architecture, inputs, self._weights(), state, backwards=backwards)
        weight, bias = self._readout()
        read = self._read(path.states)
        grad_read, d_weight = np.empty_like(read), np.zeros(len(weight))
        bernoulli = observation == "bernoulli"
        value, d_bias = layer_loops.readout_loss(
            read, weight, bias, targets, *LOG_MU_RANGE, bernoulli, grad_read, d_weight
        )

        def back() -> Arrays:
            grad_h, bend = self._bend_gradients(read, grad_read)
            readout = {"readout.weight": READOUT_SCALE * d_weight, "readout.bias": np.array([READOUT_SCALE * d_bias])}
            return {
                **self._layer_gradients(path.gradients(grad_h)),
                **bend,
                **{name: each.astype(np.float32) for name, each in readout.items()},
            }

        return CompiledLoss(value, back), path.last


def initial_layer(
    architecture: Architecture, n_inputs: int, n_hidden: int, longest_bins: float, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Return a layer's parameters by name: orthogonal per gate, chrono biases, units that trace the spikes."""
    if architecture == "lru":
        return _initial_lru(n_inputs, n_hidden, longest_bins, rng)
    n_gates = len(GATES[architecture])
    w_x = rng.uniform(-1.0, 1.0, (n_gates * n_hidden, n_inputs)) / math.sqrt(n_hidden)
    w_h = np.concatenate([0.3 * _orthogonal(n_hidden, rng) for _ in range(n_gates)])
    bias = np.zeros(n_gates * n_hidden)
    chrono = chrono_biases(n_hidden, longest_bins, rng)
    sign = np.where(rng.random(n_hidden) < 0.5, -1.5, 1.5)
    gates = [slice(k * n_hidden, (k + 1) * n_hidden) for k in range(n_gates)]
    if architecture == "lstm":
        _trace_lstm(w_x, bias, gates, chrono, sign)
    elif architecture == "gru":
        _trace_gru(w_x, bias, gates, chrono, sign)
    else:
        _trace_plain(w_x, w_h, chrono, sign)
    layer = {"weight_ih_l0": w_x, "weight_hh_l0": w_h, "bias_ih_l0": bias}
    return layer | ({"bias_hh_l0": np.zeros_like(bias)} if architecture == "gru" else {})


def _initial_lru(
    n_inputs: int, n_hidden: int, longest_bins: float, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Return nu, theta and W: a spike sets the real part of every mode to its gain."""
    nu, theta = diagonal.initial_modes(n_hidden, longest_bins)
    weight = rng.uniform(-1.0, 1.0, (n_hidden, n_inputs)) / math.sqrt(n_hidden)
    weight[: len(nu), 0], weight[len(nu) :, 0] = 1.0, 0.0
    gain = diagonal.linear_layer(nu, theta, np.ones((n_hidden, 1)))[0]
    weight[:, 2:] *= gain / 2  # a constant input settles near its weight, whatever the time constant
    return dict(zip(MODE_NAMES, (nu, theta, weight), strict=True))


def layer_cell(architecture: Architecture, layer: Mapping[str, FloatArray]) -> Cell:
    """Return the cell of a layer's parameters by name (``initial_layer``)."""
    if architecture != "lru":
        return Cell.from_torch(architecture, layer)
    w_x, w_h = diagonal.linear_layer(*(layer[name] for name in MODE_NAMES))
    none = np.zeros(len(w_h))
    return Cell("lru", w_x, w_h, none, none)


def _orthogonal(n: int, rng: np.random.Generator) -> FloatArray:
    """Return a random orthogonal matrix, uniformly distributed (Haar measure; Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.normal(size=(n, n)))
    return np.asarray(q * np.sign(np.diag(r)))


def chrono_biases(n_hidden: int, longest_bins: float, rng: np.random.Generator) -> FloatArray:
    """Return the biases (hidden,) of gates that forget over 1 to ``longest_bins`` - 1 bins (Tallec & Ollivier 2018).

    Time constants are evenly spaced in log time, in random order: drawn uniformly, nearly all would be long (which
    cost .06 bits/spike on a cell with slow memory).
    """
    even = (rng.permutation(n_hidden) + 0.5) / n_hidden
    return np.asarray(even * math.log(max(longest_bins - 1, 2.0)))


def _trace_lstm(w_x: FloatArray, bias: FloatArray, gates: list[slice], chrono: FloatArray, sign: FloatArray) -> None:
    i, f, g = gates[:3]
    bias[f], bias[i] = chrono, -chrono
    w_x[i, 0] = chrono + 1  # a spike opens the input gate,
    w_x[f, 0] = np.where(_every_second(chrono), -chrono - 2, 0.0)  # half forget by it,
    w_x[g, 0] = sign  # and writes this
    w_x[i, 1] = w_x[f, 1] = _SHUT  # an unknown bin empties the cell


def _trace_gru(w_x: FloatArray, bias: FloatArray, gates: list[slice], chrono: FloatArray, sign: FloatArray) -> None:
    r, z, n = gates
    bias[z] = chrono  # retention
    w_x[z, 0] = np.where(_every_second(chrono), -chrono - 2, -chrono)  # a spike replaces h, or half of it,
    w_x[n, 0] = sign  # by this
    w_x[r, 1] = w_x[z, 1] = _SHUT  # an unknown bin replaces all of it


def _trace_plain(w_x: FloatArray, w_h: FloatArray, chrono: FloatArray, sign: FloatArray) -> None:
    decay = expit(chrono)  # h' = decay h: leaky units
    w_h[:] = np.diag(decay)
    w_x[:, 0] = sign / 3
    w_x[:, 2:] *= (1 - decay)[:, None]  # a constant input settles at its weight, whatever the leak


def _every_second(values: FloatArray) -> FloatArray:
    return np.asarray(np.argsort(np.argsort(values)) % 2 == 0)
