"""Cells whose memory is a discrete state: the effect of past spikes depends on their order and number.

Each is a deterministic automaton over the recorded spikes, so the intensity given the past is exact. Its log is not a
sum over past spikes, so no history GLM can represent it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnspike.neurons.cell import State, is_refractory, lag_at_rest, next_lag
from rnnspike.trials.data import CountArray, FloatArray


@dataclass(frozen=True)
class BurstCounter:
    """A cell that counts the spikes of the current burst.

    Spikes at most ``burst_gap_s`` apart are one burst. While it has fewer than ``full`` spikes the intensity is
    ``burst_hz`` (after the absolute refractory time), until the gap has passed. A full burst is followed by a pause
    of ``full_pause_s``, a shorter one by ``broken_pause_s``; then the intensity is ``rate_hz exp(gain x)``.
    State: time since the last spike, spikes in its burst.
    """

    rate_hz: float = 25.0
    gain: float = 0.5
    absolute_s: float = 0.002
    burst_gap_s: float = 0.012
    burst_hz: float = 150.0
    full: int = 4
    full_pause_s: float = 0.12
    broken_pause_s: float = 0.02

    def start(self, n_rows: int, n_units: int, bin_s: float) -> State:
        """Return the resting state."""
        return (lag_at_rest(n_rows, n_units), np.zeros((n_rows, n_units)))

    def intensity_hz(self, state: State, x: FloatArray) -> FloatArray:
        """Return the intensity (row, unit)."""
        lag_s, n_in_burst = state
        is_full = n_in_burst >= self.full
        in_burst = (lag_s <= self.burst_gap_s + 1e-9) & ~is_full
        in_pause = lag_s <= np.where(is_full, self.full_pause_s, self.broken_pause_s) + 1e-9
        base_hz = self.rate_hz * np.exp(self.gain * x)
        rate_hz = np.where(in_burst, self.burst_hz, np.where(in_pause, 0.05 * base_hz, base_hz))
        return np.where(is_refractory(lag_s, self.absolute_s), 0.0, rate_hz)

    def advance(self, state: State, x: FloatArray, spikes: CountArray, bin_s: float) -> State:
        """Return the state at the next bin."""
        lag_s, n_in_burst = state
        in_burst = (lag_s <= self.burst_gap_s + 1e-9) & (n_in_burst < self.full)
        count = np.where(spikes > 0, np.where(in_burst, n_in_burst + 1, 1.0), n_in_burst)
        return (next_lag(lag_s, spikes, bin_s), count)


@dataclass(frozen=True)
class Bistable:
    """A cell with an up and a down state, switched by doublets (two spikes at most ``doublet_s`` apart).

    Up: ``up_hz``, regular, with a relative refractory time ``recovery_s``. Down: ``down_hz``. The second spike of a
    doublet switches the state and cannot start another doublet. The state is thus the parity of the number of all
    doublets since rest.
    State: time since the last spike, up (0 or 1), last spike can start a doublet (0 or 1).
    """

    up_hz: float = 70.0
    down_hz: float = 14.0
    gain: float = 0.4
    absolute_s: float = 0.002
    recovery_s: float = 0.012
    doublet_s: float = 0.006

    def start(self, n_rows: int, n_units: int, bin_s: float) -> State:
        """Return the resting state, down."""
        zero = np.zeros((n_rows, n_units))
        return (lag_at_rest(n_rows, n_units), zero, zero)

    def intensity_hz(self, state: State, x: FloatArray) -> FloatArray:
        """Return the intensity (row, unit)."""
        lag_s, up, _ = state
        up_hz = self.up_hz * -np.expm1(-((lag_s / self.recovery_s) ** 2))
        rate_hz = np.where(up > 0, up_hz, self.down_hz) * np.exp(self.gain * x)
        return np.where(is_refractory(lag_s, self.absolute_s), 0.0, rate_hz)

    def advance(self, state: State, x: FloatArray, spikes: CountArray, bin_s: float) -> State:
        """Return the state at the next bin."""
        lag_s, up, may_open = state
        spiked = spikes > 0
        closes = spiked & (may_open > 0) & (lag_s <= self.doublet_s + 1e-9)
        up = np.where(closes, 1.0 - up, up)
        may_open = np.where(spiked, np.where(closes, 0.0, 1.0), may_open)
        return (next_lag(lag_s, spikes, bin_s), up, may_open)
