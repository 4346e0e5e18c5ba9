"""Cells with a slow rhythm that their own spikes keep: their intensity given the past is exact.

How long the memory must be is known, so they test what a network has learned of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnspike.neurons.cell import State, is_refractory, lag_at_rest, next_lag
from rnnspike.trials.data import CountArray, FloatArray


@dataclass(frozen=True)
class Relaxation:
    """A relaxation oscillator: active and quiet phases in turn, of which the cell's own spikes keep the time.

    Each spike raises a fatigue that decays with ``tau_s``; at ``up_hz`` it would settle at 1. A phase of ``up_hz``
    ends when the fatigue exceeds ``high``, one of ``down_hz`` when it falls below ``low``. Its period, without noise:

        tau_s (log((1 - low) / (1 - high)) + log((high - r) / (low - r))),  r = down_hz / up_hz.

    State: time since the last spike, fatigue, active (0 or 1).
    """

    period_s: float = 2.0
    up_hz: float = 40.0
    down_hz: float = 2.0
    gain: float = 0.2
    absolute_s: float = 0.002
    low: float = 0.25
    high: float = 0.75

    @property
    def tau_s(self) -> float:
        """Time constant of the fatigue."""
        rest = self.down_hz / self.up_hz
        active, quiet = (1 - self.low) / (1 - self.high), (self.high - rest) / (self.low - rest)
        return self.period_s / float(np.log(active * quiet))

    def start(self, n_rows: int, n_units: int, bin_s: float) -> State:
        """Return the resting state: no fatigue, active."""
        zero = np.zeros((n_rows, n_units))
        return (lag_at_rest(n_rows, n_units), zero, zero + 1.0)

    def intensity_hz(self, state: State, x: FloatArray) -> FloatArray:
        """Return the intensity (row, unit)."""
        lag_s, _, active = state
        rate_hz = np.where(active > 0, self.up_hz, self.down_hz) * np.exp(self.gain * x)
        return np.where(is_refractory(lag_s, self.absolute_s), 0.0, rate_hz)

    def advance(self, state: State, x: FloatArray, spikes: CountArray, bin_s: float) -> State:
        """Return the state at the next bin."""
        lag_s, fatigue, active = state
        fatigue = fatigue * np.exp(-bin_s / self.tau_s) + spikes / (self.up_hz * self.tau_s)
        active = np.where(fatigue > self.high, 0.0, np.where(fatigue < self.low, 1.0, active))
        return (next_lag(lag_s, spikes, bin_s), fatigue, active)


@dataclass(frozen=True)
class Rhythmic:
    """A cell whose spikes carry on a rhythm: each adds a damped oscillation to a trace that saturates.

        log lambda = log rate_hz + gain x + depth tanh(sum over past spikes of k(lag)),
        k(lag) = w exp(-lag / tau) cos(2 pi lag / period_s)

    with ``tau = periods period_s`` and ``w = strength / (rate_hz period_s)``: strong enough to sustain the rhythm.
    State: time since the last spike, real and imaginary part of the trace.
    """

    period_s: float = 2.0
    rate_hz: float = 25.0
    gain: float = 0.2
    absolute_s: float = 0.002
    depth: float = 1.0
    periods: float = 1.0
    strength: float = 6.0

    def start(self, n_rows: int, n_units: int, bin_s: float) -> State:
        """Return the resting state."""
        zero = np.zeros((n_rows, n_units))
        return (lag_at_rest(n_rows, n_units), zero, zero)

    def intensity_hz(self, state: State, x: FloatArray) -> FloatArray:
        """Return the intensity (row, unit)."""
        lag_s, real, _ = state
        rate_hz = self.rate_hz * np.exp(self.gain * x + self.depth * np.tanh(real))
        return np.where(is_refractory(lag_s, self.absolute_s), 0.0, rate_hz)

    def advance(self, state: State, x: FloatArray, spikes: CountArray, bin_s: float) -> State:
        """Return the state at the next bin."""
        lag_s, real, imaginary = state
        step = np.exp((-1.0 / (self.periods * self.period_s) + 2j * np.pi / self.period_s) * bin_s)
        trace = step * (real + 1j * imaginary + spikes * self.strength / (self.rate_hz * self.period_s))
        return (next_lag(lag_s, spikes, bin_s), trace.real, trace.imag)
