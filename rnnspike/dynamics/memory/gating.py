"""How far a network is from linear: superposition and the gain of its input by state.

A linear network's response to A + B is the sum of its responses, and a spike changes its log-rate equally in every
state. Departures from that are state-dependent gating, which no linear filter has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnspike.dynamics.jacobian import input_jacobian
from rnnspike.dynamics.memory.timescales import visited_pairs
from rnnspike.dynamics.network import Network
from rnnspike.trials.data import FloatArray

#: Bins whose responses are stored for the figure.
N_SAMPLES = 2000


@dataclass(frozen=True)
class Gating:
    """State-dependent gating of a network.

    Attributes
    ----------
    superposition
        |R(A + B) - R(A) - R(B)| over |R(A)| + |R(B)|, root mean squares of the log-rate's response R: 0 where linear.
    of_sum, sum_of
        (sample,) R(A + B) and R(A) + R(B) of single bins, first output.
    input_names, gain, gain_variation
        By input channel: mean over visited states of the change of the log-rate per unit of input one bin later, and
        its standard deviation over its root mean square (0 where the same in every state).
    log_rate, gain_by_state
        (visited,) log-rate of a visited state, and the gain there (visited, input), first output.
    """

    superposition: float
    of_sum: FloatArray
    sum_of: FloatArray
    input_names: tuple[str, ...]
    gain: FloatArray
    gain_variation: FloatArray
    log_rate: FloatArray
    gain_by_state: FloatArray


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
        (input,) the input that counts as silence; default zeros.
    """
    resting = np.zeros(network.n_input) if resting is None else resting
    trials = np.sort(rng.permutation(len(inputs))[:n_trials])
    log_rate, gains = input_gains(network, states, inputs, rng, n_states)
    mean, variation = _over_states(gains)
    both, a, b = split_responses(network, inputs[trials], resting, rng)
    some = np.linspace(0, both[..., 0].size - 1, min(both[..., 0].size, N_SAMPLES)).astype(int)
    return Gating(
        superposition=superposition(both, a, b),
        of_sum=both[..., 0].ravel()[some],
        sum_of=(a + b)[..., 0].ravel()[some],
        input_names=network.input_names,
        gain=mean,
        gain_variation=variation,
        log_rate=log_rate[:, 0],
        gain_by_state=gains[:, 0],
    )


def split_responses(
    network: Network, inputs: FloatArray, resting: FloatArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the log-rate's responses (trial, time, output) to A + B, A and B, against those to ``resting``.

    A and B each have the deviation of inputs (trial, time, input) from ``resting`` (input,) in a random half of the
    bins, so that A + B is the input itself.
    """
    departure = inputs - resting
    half = rng.random(inputs.shape[:2])[..., None] < 0.5
    parts = np.stack([np.zeros_like(departure), departure * half, departure * ~half, departure])
    stacked = (resting + parts).reshape(-1, *inputs.shape[1:])
    start = np.zeros((len(stacked), network.n_state))
    with np.errstate(over="ignore", invalid="ignore"):
        rates = network.log_rate(network.run(start, stacked)).reshape(4, *inputs.shape[:2], -1)
    a, b, both = rates[1:] - rates[0]
    return both, a, b


def superposition(both: FloatArray, a: FloatArray, b: FloatArray) -> float:
    """Return the superposition index of the responses to A + B, A and B: 0 where they add, at most about 1."""
    responses = _rms(a) + _rms(b)
    return _rms(both - a - b) / responses if responses > 0 else 0.0


def input_gains(
    network: Network, states: FloatArray, inputs: FloatArray, rng: np.random.Generator, n_states: int = 512
) -> tuple[FloatArray, FloatArray]:
    """Return log-rate (visited, output) of visited states, and its gain one bin later (visited, output, input)."""
    trials, times = visited_pairs(states, n_states, rng)
    before, columns = states[trials, times - 1], network.hidden_columns
    by_input = input_jacobian(network, before, inputs[trials, times])[:, columns]
    after = states[trials, times][:, columns]
    weight = np.eye(by_input.shape[1]) if network.readout is None else network.readout.slope(after)
    gains: FloatArray = weight @ by_input
    return network.log_rate(before), gains


def _over_states(gains: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return by channel the mean of gains (visited, output, input), and their variation (0 where constant)."""
    root = np.sqrt((gains**2).mean(axis=(0, 1)))
    variation = np.sqrt(gains.var(axis=0).mean(axis=0))
    return gains.mean(axis=(0, 1)), np.divide(variation, root, out=np.zeros_like(root), where=root > 0)


def _rms(values: FloatArray) -> float:
    return float(np.sqrt((values**2).mean()))
