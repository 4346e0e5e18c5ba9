"""How far a network is from linear: superposition and the gain of its input by state.

A linear network's response to A + B is the sum of its responses, and a spike moves its log-rate by as much in every
state. What departs from that is state-dependent gating, which no convolution with a filter can give.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnspike.dynamics.cell import Network
from rnnspike.dynamics.jacobian import input_jacobian
from rnnspike.dynamics.timescales import visited_pairs
from rnnspike.trials.data import FloatArray


@dataclass(frozen=True)
class Gating:
    """State-dependent gating of a network.

    Attributes
    ----------
    superposition
        |R(A + B) - R(A) - R(B)| over |R(A)| + |R(B)|, root mean squares of the log-rate's response R: 0 where linear.
    input_names, gain, gain_variation
        By input channel: mean over visited states of the log-rate's change a unit of input one bin later, and its
        standard deviation over its root mean square (0 where the same in every state).
    """

    superposition: float
    input_names: tuple[str, ...]
    gain: FloatArray
    gain_variation: FloatArray


def measure_gating(
    network: Network,
    states: FloatArray,
    inputs: FloatArray,
    rng: np.random.Generator,
    *,
    resting: FloatArray | None = None,
    n_trials: int = 32,
    n_states: int = 512,
) -> Gating:
    """Measure superposition and input gain.

    Parameters
    ----------
    network
        The network.
    states, inputs
        (trial, time, state) after each input (trial, time, input).
    resting
        (input,) the input that counts as none (silence); zeros where not given.
    """
    resting = np.zeros(network.n_input) if resting is None else resting
    trials = np.sort(rng.permutation(len(inputs))[:n_trials])
    gain, variation = input_gain(network, states, inputs, rng, n_states)
    index = superposition(network, inputs[trials], resting, rng)
    return Gating(index, network.input_names, gain, variation)


def superposition(network: Network, inputs: FloatArray, resting: FloatArray, rng: np.random.Generator) -> float:
    """Return the superposition index of inputs (trial, time, input) split at random in two, bin by bin.

    A and B hold the departures from ``resting`` of half of the bins each, so that A + B is the input itself.
    """
    departure = inputs - resting
    half = rng.random(inputs.shape[:2])[..., None] < 0.5
    parts = np.stack([np.zeros_like(departure), departure * half, departure * ~half, departure])
    stacked = (resting + parts).reshape(-1, *inputs.shape[1:])
    start = np.zeros((len(stacked), network.n_state))
    with np.errstate(over="ignore", invalid="ignore"):
        rates = network.log_rate(network.run(start, stacked)).reshape(4, *inputs.shape[:2], -1)
    a, b, both = rates[1:] - rates[0]
    responses = _rms(a) + _rms(b)
    return _rms(both - a - b) / responses if responses > 0 else 0.0


def input_gain(
    network: Network, states: FloatArray, inputs: FloatArray, rng: np.random.Generator, n_states: int = 512
) -> tuple[FloatArray, FloatArray]:
    """Return by channel the mean gain of the log-rate over visited states, and its variation (0 where constant)."""
    trials, times = visited_pairs(states, n_states, rng)
    by_input = input_jacobian(network, states[trials, times - 1], inputs[trials, times])[:, network.hidden_columns]
    weight = np.eye(by_input.shape[1]) if network.readout is None else network.readout.weight
    gains = weight @ by_input  # (visited, output, input)
    root = np.sqrt((gains**2).mean(axis=(0, 1)))
    variation = np.sqrt(gains.var(axis=0).mean(axis=0))
    return gains.mean(axis=(0, 1)), np.divide(variation, root, out=np.zeros_like(root), where=root > 0)


def _rms(values: FloatArray) -> float:
    return float(np.sqrt((values**2).mean()))
