"""Autonomous maps: a network under one named input, which may have fixed points.

See science.md#jacobians, #fixed-points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from rnnspike.dynamics.jacobian import input_jacobian, pull_back, state_jacobian
from rnnspike.dynamics.network import Network
from rnnspike.errors import ModelError
from rnnspike.trials.data import BoolArray, FloatArray


class Map(Protocol):
    """A map from a state to the next one."""

    @property
    def n_state(self) -> int:
        """Length of the state."""

    def step(self, states: FloatArray) -> FloatArray:
        """Return the next states, (..., state)."""

    def reachable(self, states: FloatArray) -> BoolArray:
        """Return whether orbits can come near states (..., state), bool (...)."""

    def jacobian(self, states: FloatArray) -> FloatArray:
        """Return d next state / d state, (..., state, state)."""

    def pull_back(self, states: FloatArray, vectors: FloatArray) -> FloatArray:
        """Return ``vectors @ jacobian(states)``, (..., state)."""


@dataclass(frozen=True)
class HeldInput:
    """The network under a constant input (input,): silent, mean rate, or one condition's covariates."""

    network: Network
    input: FloatArray

    def __post_init__(self) -> None:
        if np.shape(self.input) != (self.network.n_input,):
            raise ModelError(f"the network takes {self.network.n_input} input channels, not {np.shape(self.input)}")

    @property
    def n_state(self) -> int:
        """Length of the state."""
        return self.network.n_state

    def step(self, states: FloatArray) -> FloatArray:
        """Return the next states, (..., state)."""
        return self.network.step(states, self.input)

    def reachable(self, states: FloatArray) -> BoolArray:
        """Return whether orbits can come near states (..., state), bool (...)."""
        return self.network.reachable(states)

    def jacobian(self, states: FloatArray) -> FloatArray:
        """Return d next state / d state, (..., state, state)."""
        return state_jacobian(self.network, states, self.input)

    def pull_back(self, states: FloatArray, vectors: FloatArray) -> FloatArray:
        """Return ``vectors @ jacobian(states)``, (..., state)."""
        return pull_back(self.network, states, self.input, vectors)[0]


@dataclass(frozen=True)
class ClosedLoop:
    """The network fed its own expected spike: s -> F(s, x) with x[channel] = expected(h(s)) (science.md#jacobians).

    ``channels[k]`` is the input channel that takes output k times ``scale`` plus the value of ``input`` there
    (scale and offset of a standardised input). The mean-field map is not the spiking model, which is driven by
    the noise of its spikes; it shows whether the model has a stable firing state.
    """

    network: Network
    input: FloatArray
    channels: tuple[int, ...] = (0,)
    scale: float = 1.0

    def __post_init__(self) -> None:
        readout = self.network.readout
        if readout is None:
            raise ModelError("a closed loop needs the readout of the network (--readout)")
        if len(self.channels) > readout.weight.shape[0] or max(self.channels) >= self.network.n_input:
            raise ModelError(
                f"{readout.weight.shape[0]} outputs cannot feed input channels {list(self.channels)} "
                f"of {self.network.n_input} (--feedback)"
            )

    @property
    def n_state(self) -> int:
        """Length of the state."""
        return self.network.n_state

    def fed(self, states: FloatArray) -> FloatArray:
        """Return the inputs (..., input) that the network gives itself."""
        readout = self.network.readout
        assert readout is not None
        expected = readout.expected(states[..., self.network.hidden_columns])
        inputs = np.broadcast_to(self.input, (*states.shape[:-1], self.network.n_input)).copy()
        inputs[..., list(self.channels)] += self.scale * expected[..., : len(self.channels)]
        return inputs

    def step(self, states: FloatArray) -> FloatArray:
        """Return the next states, (..., state)."""
        return self.network.step(states, self.fed(states))

    def reachable(self, states: FloatArray) -> BoolArray:
        """Return whether orbits can come near states (..., state), bool (...)."""
        return self.network.reachable(states)

    def jacobian(self, states: FloatArray) -> FloatArray:
        """Return dF/ds + dF/dx dx/ds, (..., state, state)."""
        inputs = self.fed(states)
        total = state_jacobian(self.network, states, inputs).copy()
        by_input = input_jacobian(self.network, states, inputs)[..., list(self.channels)]
        total[..., self.network.hidden_columns] += by_input @ self._fed_slope(states)
        return total

    def pull_back(self, states: FloatArray, vectors: FloatArray) -> FloatArray:
        """Return ``vectors @ jacobian(states)``, (..., state)."""
        by_state, by_input = pull_back(self.network, states, self.fed(states), vectors)
        total = by_state.copy()
        fed = by_input[..., None, list(self.channels)] @ self._fed_slope(states)
        total[..., self.network.hidden_columns] += fed[..., 0, :]
        return total

    def _fed_slope(self, states: FloatArray) -> FloatArray:
        readout = self.network.readout
        assert readout is not None
        slope = readout.expected_slope(states[..., self.network.hidden_columns])
        return self.scale * slope[..., : len(self.channels), :]


@dataclass(frozen=True)
class FunctionMap:
    """Any map given as two functions; ``step_function`` and ``jacobian_function`` work on (..., state)."""

    n_state: int
    step_function: Callable[[FloatArray], FloatArray]
    jacobian_function: Callable[[FloatArray], FloatArray]

    def step(self, states: FloatArray) -> FloatArray:
        """Return the next states, (..., state)."""
        return self.step_function(states)

    def reachable(self, states: FloatArray) -> BoolArray:
        """Return whether orbits can come near states (..., state), bool (...)."""
        return np.asarray(np.isfinite(states).all(axis=-1))

    def jacobian(self, states: FloatArray) -> FloatArray:
        """Return d next state / d state, (..., state, state)."""
        return self.jacobian_function(states)

    def pull_back(self, states: FloatArray, vectors: FloatArray) -> FloatArray:
        """Return ``vectors @ jacobian(states)``, (..., state)."""
        pulled: FloatArray = (vectors[..., None, :] @ self.jacobian_function(states))[..., 0, :]
        return pulled


def iterate(system: Map, states: FloatArray, n_steps: int, keep_every: int = 0) -> FloatArray:
    """Return states (..., state) after ``n_steps`` steps, or (kept, ..., state) every ``keep_every`` steps.

    With ``keep_every`` the initial states come first.
    """
    kept = [states]
    for k in range(1, n_steps + 1):
        states = system.step(states)
        if keep_every and k % keep_every == 0:
            kept.append(states)
    return np.stack(kept) if keep_every else states
