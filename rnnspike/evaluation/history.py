"""What is known of each bin's past, worked out once per unit and used by every stratified statistic.

Time outside observed intervals is unknown, never silence: a lag or a count that reaches over a gap is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from rnnspike.trials.data import BoolArray, CountArray, FloatArray, IntArray, Observation, Trials


@dataclass(frozen=True)
class History:
    """The scored bins of one unit and their past; all dense arrays are (trial, bin).

    ``silent_bins`` is how many bins just before are known to hold no spike; where ``lag_known`` they begin
    with a spike, so that the lag since it is ``silent_bins + 1``. ``previous_interval`` is the interval, in bins,
    that ended with that spike; 0 where it is not known.
    """

    spikes: CountArray
    observed: BoolArray
    silent_bins: npt.NDArray[np.int32]
    lag_known: BoolArray
    previous_interval: npt.NDArray[np.int32]
    past: npt.NDArray[np.int32] = field(repr=False)
    past_known: npt.NDArray[np.int32] = field(repr=False)
    bin_s: float
    observation: Observation

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return int(self.spikes.shape[0])

    @property
    def n_bins(self) -> int:
        """Bins in a window."""
        return int(self.spikes.shape[1])

    @property
    def exposure_bins(self) -> IntArray:
        """Observed bins of each trial, (trial,)."""
        return np.asarray(self.observed.sum(axis=1, dtype=np.int64))

    @property
    def n_spikes(self) -> IntArray:
        """Scored spikes of each trial, (trial,)."""
        return np.asarray(self.spikes.sum(axis=1, dtype=np.int64))

    def in_bins(self, seconds: float) -> int:
        """Return a duration in whole bins, at least one."""
        return max(1, round(seconds / self.bin_s))

    def recent_count(self, n_back: int) -> npt.NDArray[np.int32]:
        """Return the spikes in the ``n_back`` bins before each bin, (trial, bin); -1 where not all are known."""
        n_burn_in = self.past.shape[1] - 1 - self.n_bins
        last = np.arange(n_burn_in, n_burn_in + self.n_bins)  # (bin,) index into past of "before this bin"
        first = last - n_back
        reachable = first >= 0
        first = np.maximum(first, 0)
        known = (self.past_known[:, last] - self.past_known[:, first] == n_back) & reachable & self.observed
        return np.where(known, self.past[:, last] - self.past[:, first], -1).astype(np.int32)

    def spike_index(self) -> npt.NDArray[np.int32]:
        """Return the spikes of the window before each bin, (trial, bin)."""
        n_burn_in = self.past.shape[1] - 1 - self.n_bins
        return np.asarray(self.past[:, n_burn_in:-1] - self.past[:, n_burn_in : n_burn_in + 1])


def history_of(trials: Trials) -> History:
    """Return the history of trials of one unit, reading the recorded burn-in.

    Raises
    ------
    ValueError
        Where the trials hold more or fewer than one unit.
    """
    if trials.n_units != 1:
        raise ValueError(f"one unit at a time is evaluated, these trials hold {trials.n_units}")
    past, past_known = trials.past_and_window()
    spikes, known = past[:, :, 0], past_known[:, :, 0]
    position = np.arange(1, spikes.shape[1] + 1, dtype=np.int32)
    before = np.zeros((len(spikes), 1), np.int32)
    last_spike = _running_last((spikes > 0) & known, position, before)
    last_gap = _running_last(~known, position, before)
    window = slice(trials.n_burn_in, None)
    return History(
        spikes=np.where(trials.observed, trials.spikes, 0)[:, :, 0].astype(np.uint8),
        observed=trials.observed[:, :, 0],
        silent_bins=(position - 1 - np.maximum(last_spike, last_gap))[:, window],
        lag_known=(last_spike > last_gap)[:, window],
        previous_interval=_previous_interval(last_spike, last_gap)[:, window],
        past=_cumulative(np.where(known, spikes, 0), before),
        past_known=_cumulative(known, before),
        bin_s=trials.bin_s,
        observation=trials.observation,
    )


def _running_last(
    event: BoolArray, position: npt.NDArray[np.int32], before: npt.NDArray[np.int32]
) -> npt.NDArray[np.int32]:
    """Return the position (from 1) of the last event strictly before each bin, 0 where there is none."""
    latest = np.maximum.accumulate(event * position, axis=1)
    return np.asarray(np.concatenate([before, latest[:, :-1]], axis=1))


def _previous_interval(last_spike: npt.NDArray[np.int32], last_gap: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the interval that ended with the last spike before each bin, 0 where either end is not known."""
    at_spike = np.maximum(last_spike - 1, 0)  # index of the bin that holds it
    one_before = np.take_along_axis(last_spike, at_spike, axis=1)
    known = (one_before > last_gap) & (last_spike > one_before)
    return np.where(known, last_spike - one_before, 0).astype(np.int32)


def _cumulative(values: npt.NDArray[np.generic], before: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Return the sums of everything before each bin, (trial, bin + 1)."""
    return np.concatenate([before, np.cumsum(values, axis=1, dtype=np.int32)], axis=1)


@dataclass(frozen=True)
class Strata:
    """Bins sorted into strata, for sums per trial and stratum.

    ``where`` (cell,) are flat (trial, bin) positions of the bins that belong to any stratum, ``code`` (cell,)
    is ``trial * n_strata + stratum``.
    """

    where: npt.NDArray[np.integer]
    code: npt.NDArray[np.integer]
    n_strata: int
    n_trials: int

    def by_trial(self, values: npt.NDArray[np.generic]) -> FloatArray:
        """Return sums of dense values (trial, bin) per trial and stratum, float64 (trial, stratum)."""
        picked = values.ravel()[self.where].astype(np.float64, copy=False)
        sums = np.bincount(self.code, weights=picked, minlength=self.n_trials * self.n_strata)
        return np.asarray(sums.reshape(self.n_trials, self.n_strata), dtype=np.float64)

    def size(self) -> FloatArray:
        """Return the number of bins per trial and stratum, (trial, stratum)."""
        count = np.bincount(self.code, minlength=self.n_trials * self.n_strata)
        return np.asarray(count.reshape(self.n_trials, self.n_strata), dtype=np.float64)


def strata_of(stratum: npt.NDArray[np.integer], n_strata: int) -> Strata:
    """Return strata from a dense array (trial, bin) of stratum numbers, negative where a bin belongs to none."""
    n_trials, n_bins = stratum.shape
    flat = stratum.ravel()
    where = np.flatnonzero(flat >= 0)
    code = (where // max(n_bins, 1)) * n_strata + flat[where]
    small = max(flat.size, n_trials * n_strata) < 2**31  # a unit keeps several of these: half the memory
    kind = np.int32 if small else np.int64
    return Strata(where.astype(kind), code.astype(kind), n_strata, n_trials)
