"""Cells with a membrane voltage, escape noise and reset; the voltage given the past spikes is known.

lambda = escape_hz exp((V - threshold) / softness) (Gerstner & Kistler 2002, ch. 5). Voltages in mV.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnspike.neurons.cell import CEILING_HZ, State, is_refractory, lag_at_rest, next_lag
from rnnspike.trials.data import CountArray, FloatArray

_SUBSTEP_S = 0.00025


def escape_hz(distance_mv: FloatArray, softness_mv: float, at_threshold_hz: float) -> FloatArray:
    """Return the intensity at a distance above threshold, at most the upper limit of all cells."""
    highest = np.log(CEILING_HZ / at_threshold_hz)
    rate_hz: FloatArray = at_threshold_hz * np.exp(np.minimum(distance_mv / softness_mv, highest))
    return rate_hz


class MovingThreshold:
    """Common part of cells with a membrane and a moving threshold; the state is lag, V and rise of the threshold."""

    current_mv: float
    threshold_mv: float
    softness_mv: float
    at_threshold_hz: float
    absolute_s: float

    def start(self, n_rows: int, n_units: int, bin_s: float) -> State:
        """Return the resting state, with V at the mean current."""
        zero = np.zeros((n_rows, n_units))
        return (lag_at_rest(n_rows, n_units), zero + self.current_mv, zero)

    def intensity_hz(self, state: State, x: FloatArray) -> FloatArray:
        """Return the intensity (row, unit)."""
        lag_s, v, raised = state
        rate_hz = escape_hz(v - self.threshold_mv - raised, self.softness_mv, self.at_threshold_hz)
        return np.where(is_refractory(lag_s, self.absolute_s), 0.0, rate_hz)


@dataclass(frozen=True)
class IntegrateAndFire(MovingThreshold):
    """Leaky integrate-and-fire with a threshold that is raised by every spike and decays.

    V relaxes with ``membrane_s`` to ``current_mv + gain x`` from the reset at 0; the threshold is
    ``threshold_mv`` plus ``jump_mv exp(-lag / threshold_s)`` for each past spike.
    State: time since the last spike, V, rise of the threshold.
    """

    current_mv: float = 17.0
    gain: float = 2.5
    membrane_s: float = 0.015
    threshold_mv: float = 13.0
    jump_mv: float = 2.5
    threshold_s: float = 0.1
    softness_mv: float = 2.0
    at_threshold_hz: float = 60.0
    absolute_s: float = 0.002

    def advance(self, state: State, x: FloatArray, spikes: CountArray, bin_s: float) -> State:
        """Return the state at the next bin."""
        lag_s, v, raised = state
        spiked = spikes > 0
        target = self.current_mv + self.gain * x
        v = np.where(spiked, 0.0, target + (v - target) * np.exp(-bin_s / self.membrane_s))
        raised = (raised + self.jump_mv * spiked) * np.exp(-bin_s / self.threshold_s)
        return (next_lag(lag_s, spikes, bin_s), v, raised)


@dataclass(frozen=True)
class ThresholdAdapting(MovingThreshold):
    """Integrate-and-fire whose threshold saturates, and recovers faster the higher it is.

    A spike changes the threshold's rise r to ``r + jump (1 - r/highest_mv)``, so that spikes within a train add less
    than a first one; r decays by ``r/slow_s`` below ``knee_mv`` and by ``(r - knee)/fast_s`` more above it. The reset
    retains the share ``kept`` of V. The effect of a past spike thus depends on the spikes around it.
    State: time since the last spike, V, r.
    """

    current_mv: float = 15.0
    gain: float = 2.5
    membrane_s: float = 0.02
    kept: float = 0.3
    threshold_mv: float = 9.0
    jump_mv: float = 9.0
    highest_mv: float = 12.0
    knee_mv: float = 5.0
    slow_s: float = 0.5
    fast_s: float = 0.02
    softness_mv: float = 1.0
    at_threshold_hz: float = 60.0
    absolute_s: float = 0.002

    def advance(self, state: State, x: FloatArray, spikes: CountArray, bin_s: float) -> State:
        """Return the state at the next bin."""
        lag_s, v, raised = state
        spiked = spikes > 0
        target = self.current_mv + self.gain * x
        v = np.where(spiked, self.kept * v, target + (v - target) * np.exp(-bin_s / self.membrane_s))
        raised = np.where(spiked, raised + self.jump_mv * (1.0 - raised / self.highest_mv), raised)
        fall = raised / self.slow_s + np.maximum(raised - self.knee_mv, 0.0) / self.fast_s
        return (next_lag(lag_s, spikes, bin_s), v, raised - fall * bin_s)


@dataclass(frozen=True)
class Izhikevich:
    """Izhikevich's quadratic membrane with recovery u (Izhikevich 2003), with escape noise.

    v' = .04 v^2 + 5 v + 140 - u + current + gain x and u' = a (b v - u), per ms; a spike sets v to ``c`` and adds
    ``d`` to u. v is limited to the peak, where a spike is almost certain.
    State: time since the last spike, v, u.
    """

    a: float = 0.02
    b: float = 0.2
    c: float = -65.0
    d: float = 8.0
    current: float = 8.0
    gain: float = 1.5
    threshold_mv: float = -45.0
    softness_mv: float = 8.0
    at_threshold_hz: float = 100.0
    peak_mv: float = 30.0
    rest_mv: float = -65.0
    absolute_s: float = 0.002

    def start(self, n_rows: int, n_units: int, bin_s: float) -> State:
        """Return the resting state."""
        v = np.full((n_rows, n_units), self.rest_mv)
        return (lag_at_rest(n_rows, n_units), v, self.b * v)

    def intensity_hz(self, state: State, x: FloatArray) -> FloatArray:
        """Return the intensity (row, unit)."""
        lag_s, v, _ = state
        rate_hz = escape_hz(v - self.threshold_mv, self.softness_mv, self.at_threshold_hz)
        return np.where(is_refractory(lag_s, self.absolute_s), 0.0, rate_hz)

    def advance(self, state: State, x: FloatArray, spikes: CountArray, bin_s: float) -> State:
        """Return the state at the next bin: Euler steps of at most .25 ms, then the reset."""
        lag_s, v, u = state
        n_steps = max(1, int(np.ceil(bin_s / _SUBSTEP_S - 1e-9)))
        step_ms = 1000.0 * bin_s / n_steps
        current = self.current + self.gain * x
        for _ in range(n_steps):
            u_slope = self.a * (self.b * v - u)
            v = np.clip(v + step_ms * (0.04 * v * v + 5.0 * v + 140.0 - u + current), -100.0, self.peak_mv)
            u = u + step_ms * u_slope
        spiked = spikes > 0
        return (next_lag(lag_s, spikes, bin_s), np.where(spiked, self.c, v), np.where(spiked, u + self.d, u))
