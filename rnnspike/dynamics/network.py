"""A recurrent network: layers on a common clock, and their readout.

The state of a network is the concatenation of its layers' states (``models/networks/cell.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from rnnspike.errors import ModelError
from rnnspike.models.networks.cell import Architecture, Cell, Readout
from rnnspike.trials.data import BoolArray, FloatArray


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
        None where it is not known; results for the readout are then those of h itself.
    input_names
        One per channel.
    bins_per_step
        Bins of the data in one step; outputs are those of a bin.

    Raises
    ------
    ModelError
        Where the layers do not fit together.
    """

    layers: tuple[Cell, ...]
    bin_s: float
    readout: Readout | None = None
    input_names: tuple[str, ...] = ()
    bins_per_step: int = 1

    def __post_init__(self) -> None:
        if not self.layers:
            raise ModelError("a network needs at least one layer")
        if not self.bin_s > 0:
            raise ModelError(f"the step's width is {self.bin_s} s (--dt must be above 0)")
        for below, above in pairwise(self.layers):
            if above.n_input != below.n_hidden:
                raise ModelError(
                    f"a layer needs {above.n_input} inputs, but the layer below has {below.n_hidden} units"
                )
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
        """Columns of the state that hold the h of the last layer."""
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
        """Return whether an orbit can come near states (..., state), bool (...): |h| is at most 1.

        Outside, a gate that rounds to 1 would make every state look fixed.
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
    """Return a network of one layer from (weight_ih, weight_hh[, bias_ih[, bias_hh]]); missing biases are zero."""
    no_bias = np.zeros(np.shape(weights[0])[0])
    weight_ih, weight_hh, bias_ih, bias_hh = [*weights, no_bias, no_bias][:4]
    return Network((Cell(architecture, weight_ih, weight_hh, bias_ih, bias_hh, alpha=alpha),), bin_s, readout)
