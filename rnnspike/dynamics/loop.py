"""The spiking loop: the network run on its own random spikes, and the modes of these dynamics.

The mean-field loop of ``maps.ClosedLoop`` feeds back the expected spike instead of spikes; where a spike resets the
state, as in a pacemaker, its fixed points are not informative about the rhythm. The modes here are those of the best
linear prediction of the next state from this one over the free run (dynamic mode decomposition; Tu et al. 2014), so
that tau and frequency are those of the average decay of the loop with its spikes. For a linear network with a
constant input they are the eigenvalues of its Jacobian. A network of one or two units has too few modes for a loop
with resets; the loop without noise is used there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnspike.dynamics.eigenvalues import ComplexArray
from rnnspike.dynamics.maps import ClosedLoop
from rnnspike.models.protocol import MU_CEILING
from rnnspike.observation import mu_of_probability
from rnnspike.rhythm import period_of_curve
from rnnspike.trials.data import FloatArray

#: Share of the states' variance below which a direction is left out, because it is dominated by noise.
LEAST_VARIANCE = 1e-6
#: Height of the peak after one turn, over the autocovariance's largest value, that counts as a rhythm.
LEAST_STRENGTH = 0.03


@dataclass(frozen=True)
class LoopModes:
    """Modes of the free run: ``eigenvalues`` (mode,) and the ``share`` (mode,) of each in the spikes' autocovariance.

    That autocovariance at lag k >= 1 is the sum over modes of share * eigenvalue^(k - 1), largest share first.
    """

    eigenvalues: ComplexArray
    share: ComplexArray

    def autocovariance(self, n_lags: int) -> FloatArray:
        """Return the spikes' autocovariance (lag,) at lags 1 to ``n_lags`` as the sum of all modes."""
        modulus = np.abs(self.eigenvalues)
        bounded = self.eigenvalues / np.maximum(modulus, 1.0)  # no mode of a stationary run grows
        return np.asarray((self.share * bounded ** np.arange(n_lags)[:, None]).sum(axis=1).real)

    def period_bins(self, longest: int) -> float | None:
        """Return the period, up to ``longest`` bins, of that autocovariance; None where it has none.

        For modes that decay within one or two turns, as in a pacemaker, this is the period of the autocorrelation,
        which differs from 2 pi / arg lambda.
        """
        curve = self.autocovariance(2 * longest)
        return period_of_curve(np.concatenate([curve[:1], curve]), LEAST_STRENGTH)


def free_run(
    system: ClosedLoop, n_bins: int, rng: np.random.Generator, n_trials: int = 16, signal: FloatArray | None = None
) -> tuple[npt.NDArray[np.float64], LoopModes]:
    """Run the network on its own random spikes; return counts (trial, bin) without the first tenth, and the modes.

    With several outputs, the counts are the sum of theirs, weighted by ``signal`` (output,); default the first.
    """
    network = system.network
    state = np.zeros((n_trials, network.n_state))
    signal = np.eye(len(system.channels))[0] if signal is None else signal
    spikes = np.zeros((n_trials, n_bins))
    run_in = n_bins // 10
    moments = _Moments(network.n_state)
    for k in range(-run_in, n_bins):
        following, drawn = spiking_step(system, state, rng)
        if k >= 0:
            spikes[:, k] = drawn @ signal
            moments.add(state, following, spikes[:, k])
        state = following
    return spikes, moments.modes()


def spiking_step(system: ClosedLoop, state: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Return the states (trial, state) that follow, and the spikes per bin (trial, output) drawn in between.

    A bin is expected to hold at most ``MU_CEILING`` spikes, as in the free run of any model (science.md#free-run).
    """
    network, readout, n = system.network, system.network.readout, system.network.bins_per_step
    assert readout is not None
    chance = readout.expected(state[:, network.hidden_columns])[:, : len(system.channels)]
    if readout.link == "exp":
        drawn: FloatArray = rng.poisson(n * np.minimum(chance, MU_CEILING)) / n
    else:
        drawn = (rng.random((n, *chance.shape)) < chance).mean(axis=0)
    inputs = np.broadcast_to(system.input, (len(state), network.n_input)).copy()
    inputs[:, list(system.channels)] += system.scale * drawn
    return network.step(state, inputs), drawn


def noise_free_period(system: ClosedLoop, n_bins: int, n_most: int = 24) -> float | None:
    """Return the period, in bins, of the loop without the noise of its spikes; None where there is none.

    A spike occurs when the intensity summed since the last one reaches 1, the mean of rescaled intervals
    (science.md#time-rescaling). A pacemaker has one cycle per interval, a burster one per burst: the period is that
    of the smallest number of successive intervals (at most ``n_most``) whose sum is constant.
    """
    network, readout = system.network, system.network.readout
    assert readout is not None
    state, owed = np.zeros(network.n_state), np.zeros(len(system.channels))
    times: list[int] = []
    for k in range(n_bins):
        chance = readout.expected(state[network.hidden_columns])[: len(system.channels)]
        counted = readout.link in ("exp", "identity")
        owed = owed + (chance if counted else mu_of_probability(chance, 1 - 1e-12))
        spikes = np.floor(np.maximum(owed, 0.0))
        owed = owed - spikes if counted else np.where(spikes > 0, 0.0, owed)
        inputs = system.input.copy()
        inputs[list(system.channels)] += system.scale * (spikes if counted else np.minimum(spikes, 1.0))
        state = network.step(state, inputs)
        if spikes[0] > 0:
            times.append(k)
    settled = np.array(times[len(times) // 2 :], dtype=np.float64)
    for n in range(1, min(n_most, len(settled) // 4) + 1):
        turns = settled[n:] - settled[:-n]
        if turns.std() < max(0.02 * turns.mean(), 0.6):
            return float(turns.mean())
    return None


class _Moments:
    """Second moments of successive states and spikes, summed step by step, so that states need not be stored."""

    def __init__(self, n_state: int, block: int = 256) -> None:
        self._block = block
        self._waiting: list[tuple[FloatArray, FloatArray, FloatArray]] = []
        self._n, self._spikes = 0, 0.0
        self._sum, self._sum_after, self._read, self._set = np.zeros((4, n_state))
        self._own, self._across = np.zeros((2, n_state, n_state))

    def add(self, before: FloatArray, after: FloatArray, spikes: FloatArray) -> None:
        """Add states (trial, state), those one bin later, and the spikes (trial,) drawn in between."""
        self._waiting.append((before, after, spikes))
        if len(self._waiting) >= self._block:
            self._flush()

    def _flush(self) -> None:
        if not self._waiting:
            return
        before, after, spikes = (np.concatenate(each) for each in zip(*self._waiting, strict=True))
        self._n += len(before)
        self._spikes += float(spikes.sum())
        self._sum += before.sum(axis=0)
        self._sum_after += after.sum(axis=0)
        self._read += spikes @ before
        self._set += spikes @ after
        self._own += before.T @ before
        self._across += before.T @ after
        self._waiting.clear()

    def modes(self) -> LoopModes:
        """Return the modes of the states, and their shares in the autocovariance of the spikes."""
        self._flush()
        n = max(self._n, 1)
        mean, mean_after, rate = self._sum / n, self._sum_after / n, self._spikes / n
        own = self._own / n - np.outer(mean, mean)
        across = self._across / n - np.outer(mean, mean_after)
        values, axes = np.linalg.eigh(own)
        kept = values > LEAST_VARIANCE * max(float(values.max()), 1e-300)
        if not kept.any():
            return LoopModes(np.zeros(0, complex), np.zeros(0, complex))
        white = axes[:, kept] / np.sqrt(values[kept])  # (state, component): unit variance each
        eigenvalues, vectors = np.linalg.eig((white.T @ across @ white).T)
        read = (self._read / n - rate * mean) @ white  # best linear prediction of a spike from the state
        pushed = (self._set / n - rate * mean_after) @ white  # state after a spike
        share = (read @ vectors) * np.linalg.solve(vectors, pushed.astype(complex))
        order = np.argsort(-np.abs(share), kind="stable")
        return LoopModes(eigenvalues.astype(complex)[order], share.astype(complex)[order])
