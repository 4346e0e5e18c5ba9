"""The bins of all trials: burn-in and window."""

from __future__ import annotations

from dataclasses import dataclass

from rnnspike.recording.data import Unit
from rnnspike.trials.align import BinnedSpikes, bin_spikes
from rnnspike.trials.data import BoolArray, FloatArray
from rnnspike.trials.masks import observed_bins


@dataclass(frozen=True)
class Grid:
    """The bins of every trial: ``n_before`` of burn-in and ``n_bins`` of window from ``start_s`` (trial,)."""

    start_s: FloatArray
    n_bins: int
    n_before: int
    bin_s: float

    @property
    def stop_s(self) -> FloatArray:
        """(trial,) end of the window."""
        return self.start_s + self.n_bins * self.bin_s

    def bin(self, unit: Unit) -> BinnedSpikes:
        """Return a unit's spikes on the bins."""
        return bin_spikes(unit.spike_times_s, self.start_s, self.n_bins, self.bin_s, self.n_before)

    def observed(self, intervals: FloatArray) -> BoolArray:
        """Return which bins lie within intervals, (trial, n_before + bin)."""
        return observed_bins(intervals, self.start_s, self.n_bins, self.bin_s, self.n_before)
