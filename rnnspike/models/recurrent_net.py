"""The networks clocked by bins: initialisation, readout and loss (science.md b.8).

h_t = phi(W_h h_(t-1) + W_x x_t + b), log mu_t = log drive_t + W_y h_t + c. W_y and c start at zero, so that an
untrained network is its drive. The initial W_x makes each hidden unit a trace of the spikes, with time constants from
one bin to ``longest_bins``, half of them reset by a spike: from there an LSTM needs a third of the updates that it
needs from torch's initial values with chrono biases (measured on the recordings of science.md d).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy.special import expit

from rnnspike.models.adamw import AdamW
from rnnspike.models.cells import N_GATES, Architecture
from rnnspike.models.compiled import Single, layers
from rnnspike.models.net import ArrayNet, Arrays, CompiledLoss
from rnnspike.models.protocol import LOG_MU_RANGE
from rnnspike.models.scans import States, Weights, by_name, scan
from rnnspike.trials.data import FloatArray, Observation

#: W_y and c are this much larger than the parameters that AdamW moves, which need not travel as far.
READOUT_SCALE = 3.0
_SHUT = -12.0  # what a gate's input weight takes to shut it


class RecurrentNet(ArrayNet):
    """One recurrent layer and a linear readout; input 0 is the own spike, input 1 the flag ``unknown``.

    Parameters are ``layer.*`` by torch's names (one bias, but for the GRU, whose second stands inside the reset),
    ``readout.weight`` (1, hidden) and ``readout.bias`` (1,).
    """

    def __init__(
        self,
        architecture: Architecture,
        n_inputs: int,
        n_hidden: int,
        longest_bins: float,
        rng: np.random.Generator,
    ) -> None:
        self.architecture = architecture
        layer = initial_layer(architecture, n_inputs, n_hidden, longest_bins, rng)
        readout = {"readout.weight": np.zeros((1, n_hidden)), "readout.bias": np.zeros(1)}
        arrays = {f"layer.{name}": each for name, each in layer.items()} | readout
        super().__init__({name: each.astype(np.float32) for name, each in arrays.items()})

    def optimiser(self, weight_decay: float, rate_factors: Mapping[str, float]) -> AdamW:
        """Return what moves the parameters (``training.Network``)."""
        return AdamW(self, weight_decay, rate_factors)

    def run(self, inputs: Single) -> tuple[Single, States]:
        """Return h (time, row, hidden) and the last state under inputs (time, row, channel), from zeros."""
        path = scan(self.architecture, inputs, Weights.of(self.arrays, "layer"), None, backwards=False)
        return path.states, path.last

    def log_mu(self, inputs: Single, log_drive: Single) -> Single:
        """Return log mu (time, row) for inputs (time, row, channel) and log drive (time, row), from zeros."""
        weight, bias = self._readout()
        return np.clip(log_drive + (self.run(inputs)[0] @ weight + np.float32(bias)), *LOG_MU_RANGE)

    def _readout(self) -> tuple[Single, float]:
        """Return W_y (hidden,) and c."""
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

        No gradient goes through the state that it starts from; without ``backwards`` there is none at all.
        """
        path = scan(self.architecture, inputs, Weights.of(self.arrays, "layer"), state, backwards=backwards)
        weight, bias = self._readout()
        along, d_weight = np.empty_like(path.states), np.zeros(len(weight))
        bernoulli = observation == "bernoulli"
        value, d_bias = layers.bin_loss(path.states, weight, bias, targets, *LOG_MU_RANGE, bernoulli, along, d_weight)

        def back() -> Arrays:
            readout = {"readout.weight": READOUT_SCALE * d_weight, "readout.bias": np.array([READOUT_SCALE * d_bias])}
            return {
                **by_name(path.gradients(along), "layer"),
                **{name: each.astype(np.float32) for name, each in readout.items()},
            }

        return CompiledLoss(value, back), path.last


def initial_layer(
    architecture: Architecture, n_inputs: int, n_hidden: int, longest_bins: float, rng: np.random.Generator
) -> dict[str, FloatArray]:
    """Return a layer's weights by torch's names: orthogonal per gate, chrono biases, units that trace the spikes."""
    n_gates = N_GATES[architecture]
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


def _orthogonal(n: int, rng: np.random.Generator) -> FloatArray:
    """Return an orthogonal matrix, any as likely as any other (Mezzadri 2007)."""
    q, r = np.linalg.qr(rng.normal(size=(n, n)))
    return np.asarray(q * np.sign(np.diag(r)))


def chrono_biases(n_hidden: int, longest_bins: float, rng: np.random.Generator) -> FloatArray:
    """Return the biases (hidden,) of gates that forget over 1 to ``longest_bins`` - 1 bins (Tallec & Ollivier 2018).

    Time constants are spread evenly in their logarithm, in random order: drawn uniformly, nearly all would be long
    (a cell whose slow memory matters lost .06 bits/spike by that).
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
