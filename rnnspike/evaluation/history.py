"""What is known of each bin's past, worked out once per unit and used by every stratified statistic.

Time outside observed intervals is unknown, never silence: a lag or a count that reaches over a gap is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.evaluation.sum_loops import sum_by_stratum
from rnnspike.observation import Observation
from rnnspike.trials.data import BoolArray, CountArray, FloatArray, IntArray, Trials

#: Bins of all trials that are looked at together.
BLOCK_BINS = 1 << 18


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The scored bins of one unit, (trial, bin)."""

    spikes: CountArray
    observed: BoolArray
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


@dataclass(frozen=True, kw_only=True)
class History(Scored):
    """The scored bins of one unit and their past; all dense arrays are (trial, bin).

    ``silent_bins`` is how many bins just before are known to hold no spike; where ``lag_known`` they begin
    with a spike, so that the lag since it is ``silent_bins + 1``. ``previous_interval`` is the interval, in bins,
    that ended with that spike; 0 where it is not known. Numbers of bins and spikes take two bytes where these do.
    """

    silent_bins: npt.NDArray[np.signedinteger]
    lag_known: BoolArray
    previous_interval: npt.NDArray[np.signedinteger]
    past: npt.NDArray[np.signedinteger] = field(repr=False)
    past_known: npt.NDArray[np.signedinteger] = field(repr=False)

    @property
    def scored(self) -> Scored:
        """Return it without the past, which takes ten times the memory."""
        return Scored(spikes=self.spikes, observed=self.observed, bin_s=self.bin_s, observation=self.observation)

    def recent_count(self, n_back: int) -> npt.NDArray[np.signedinteger]:
        """Return the spikes in the ``n_back`` bins before each bin, (trial, bin); -1 where not all are known."""
        n_burn_in = self.past.shape[1] - 1 - self.n_bins
        first = max(0, n_back - n_burn_in)  # bin from which on the recorded past reaches so far back
        before = slice(n_burn_in + first, n_burn_in + self.n_bins)  # index into past of "before this bin"
        back = slice(before.start - n_back, before.stop - n_back)
        result = np.full(self.spikes.shape, -1, self.past.dtype)
        if first < self.n_bins:
            for rows in trial_blocks(self.n_trials, self.n_bins):
                past, seen = self.past[rows], self.past_known[rows]
                known = (seen[:, before] - seen[:, back] == n_back) & self.observed[rows, first:]
                result[rows, first:] = np.where(known, past[:, before] - past[:, back], -1)
        return result

    def spike_index(self) -> npt.NDArray[np.signedinteger]:
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
    arrays: dict[str, npt.NDArray[Any]] = {}
    most = max(past.shape[1], int(past.sum(axis=1, dtype=np.int64).max(initial=0)))
    kind = np.dtype(np.int16 if most < 2**15 - 2 else np.int32)
    for rows in trial_blocks(trials.n_trials, past.shape[1]):
        for name, values in _known_past(past[rows, :, 0], past_known[rows, :, 0], trials.n_burn_in, kind).items():
            arrays.setdefault(name, np.empty((trials.n_trials, values.shape[1]), values.dtype))[rows] = values
    return History(
        spikes=np.where(trials.observed, trials.spikes, 0)[:, :, 0].astype(np.uint8),
        observed=trials.observed[:, :, 0],
        **arrays,
        bin_s=trials.bin_s,
        observation=trials.observation,
    )


def _known_past(
    spikes: CountArray, known: BoolArray, n_burn_in: int, kind: np.dtype[Any]
) -> dict[str, npt.NDArray[Any]]:
    """Return the dense arrays of ``History`` for some trials, burn-in and window (trial, burn_bin + bin)."""
    position = np.arange(1, spikes.shape[1] + 1, dtype=kind)
    before = np.zeros((len(spikes), 1), kind)
    last_spike = _running_last((spikes > 0) & known, position, before)
    last_gap = _running_last(~known, position, before)
    window = slice(n_burn_in, None)
    return {
        "silent_bins": (position - 1 - np.maximum(last_spike, last_gap))[:, window],
        "lag_known": (last_spike > last_gap)[:, window],
        "previous_interval": _previous_interval(last_spike, last_gap)[:, window],
        "past": _cumulative(np.where(known, spikes, 0), before),
        "past_known": _cumulative(known, before),
    }


def _running_last(
    event: BoolArray, position: npt.NDArray[np.signedinteger], before: npt.NDArray[np.signedinteger]
) -> npt.NDArray[np.signedinteger]:
    """Return the position (from 1) of the last event strictly before each bin, 0 where there is none."""
    latest = np.maximum.accumulate(event * position, axis=1)
    return np.asarray(np.concatenate([before, latest[:, :-1]], axis=1))


def _previous_interval(
    last_spike: npt.NDArray[np.signedinteger], last_gap: npt.NDArray[np.signedinteger]
) -> npt.NDArray[np.signedinteger]:
    """Return the interval that ended with the last spike before each bin, 0 where either end is not known."""
    at_spike = np.maximum(last_spike - 1, 0)  # index of the bin that holds it
    one_before = np.take_along_axis(last_spike, at_spike, axis=1)
    known = (one_before > last_gap) & (last_spike > one_before)
    return np.where(known, last_spike - one_before, 0)


def _cumulative(
    values: npt.NDArray[np.generic], before: npt.NDArray[np.signedinteger]
) -> npt.NDArray[np.signedinteger]:
    """Return the sums of everything before each bin, (trial, bin + 1)."""
    return np.concatenate([before, np.cumsum(values, axis=1, dtype=before.dtype)], axis=1)


@dataclass(frozen=True)
class Strata:
    """Bins sorted into strata, for sums per trial and stratum.

    ``stratum`` (trial, bin) is a small whole number, ``n_strata`` where a bin belongs to none: a unit keeps some ten
    of these over all its bins, so each takes a byte or two of a bin.
    """

    stratum: npt.NDArray[np.unsignedinteger]
    n_strata: int

    def by_trial(self, values: npt.NDArray[np.generic]) -> FloatArray:
        """Return sums of dense values (trial, bin) per trial and stratum, float64 (trial, stratum)."""
        sums = np.zeros((len(self.stratum), self.n_strata + 1))
        for rows in trial_blocks(*self.stratum.shape):
            some = np.ascontiguousarray(values[rows], np.float64)
            sum_by_stratum(some, self.stratum[rows], sums[rows])
        return sums[:, :-1]

    def size(self) -> FloatArray:
        """Return the number of bins per trial and stratum, (trial, stratum)."""
        return self.by_trial(np.broadcast_to(np.uint8(1), self.stratum.shape))


def strata_of(stratum: npt.NDArray[np.integer], n_strata: int) -> Strata:
    """Return strata from a dense array (trial, bin) of stratum numbers, negative where a bin belongs to none."""
    kind = np.min_scalar_type(n_strata)
    return Strata(np.where(stratum < 0, n_strata, stratum).astype(kind), n_strata)


def sums_by_value(values: npt.NDArray[np.integer], weights: npt.NDArray[np.floating] | None = None) -> FloatArray:
    """Return sums of weights (trial, bin), or numbers of bins, by values of 0, 1, ...; negative ones are left out."""
    total = np.zeros(max(int(values.max(initial=-1)), -1) + 2)
    for rows in trial_blocks(*values.shape):
        code = np.maximum(values[rows], -1).ravel() + 1
        total += np.bincount(code, None if weights is None else weights[rows].ravel(), len(total))
    return total[1:]


def trial_blocks(n_trials: int, n_bins: int) -> Iterator[slice]:
    """Yield all trials some at a time: what is made of them stays in the cache."""
    step = max(1, BLOCK_BINS // max(n_bins, 1))
    for start in range(0, n_trials, step):
        yield slice(start, start + step)
