"""Binning of spikes in windows around each trial's time zero (science.md#exposure).

Bins are half-open ``[ , )`` with edges ``start + index * width``; a spike within ``EDGE_TOLERANCE`` of a bin
below an edge belongs to the bin above it, so that spikes on a decimal grid are binned as in exact arithmetic.
Overlapping windows are independent rows: a spike may be counted in several.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnspike.trials.data import CountArray, FloatArray, IntArray

#: Distance below an edge, in bins, within which a spike counts as on the edge (rounding of decimal times).
EDGE_TOLERANCE = 1e-6
#: Most spikes that a bin of ``Trials.counts`` (uint8) can hold.
MAX_COUNT = 255


@dataclass(frozen=True)
class BinnedSpikes:
    """Spikes of one unit in the windows, sparse: only bins with spikes.

    ``trial``, ``bin`` (entry,) are the indices of the bin, from the window's start (burn-in bins are negative);
    ``n`` (entry,) is its number of spikes. Ascending in trial, then bin.
    """

    trial: IntArray
    bin: IntArray
    n: IntArray

    def where(self, keep: npt.NDArray[np.bool_]) -> BinnedSpikes:
        """Return the entries kept by a mask (entry,)."""
        return BinnedSpikes(self.trial[keep], self.bin[keep], self.n[keep])


def count_bins(duration_s: float, bin_s: float) -> int:
    """Return a duration in bins, rounded to the nearest.

    Examples
    --------
    >>> count_bins(0.3, 0.001), count_bins(0.3, 0.1)
    (300, 3)
    """
    return round(duration_s / bin_s)


def whole_bins(duration_s: float, bin_s: float) -> int:
    """Return how many whole bins fit a duration.

    Examples
    --------
    >>> whole_bins(0.3, 0.1), whole_bins(1.0, 0.38)
    (3, 2)
    """
    return int(np.floor(duration_s / bin_s + EDGE_TOLERANCE))


def bin_spikes(
    spike_times_s: FloatArray, start_s: FloatArray, n_bins: int, bin_s: float, n_before: int = 0
) -> BinnedSpikes:
    """Bin the spikes of one unit in windows around each start.

    Parameters
    ----------
    spike_times_s
        (spike,) ascending, session seconds.
    start_s
        (trial,) start of each window, any order; windows may overlap.
    n_bins, n_before
        Bins after the start, and bins before it (the burn-in).
    bin_s
        Bin width in seconds.
    """
    slack_s = 2 * EDGE_TOLERANCE * bin_s
    low = np.searchsorted(spike_times_s, start_s - n_before * bin_s - slack_s)  # (trial,)
    high = np.searchsorted(spike_times_s, start_s + n_bins * bin_s + slack_s)
    n_spikes = high - low
    trial = np.repeat(np.arange(len(start_s)), n_spikes)  # (entry,), a spike in two windows is two entries
    offset = np.repeat(low - np.concatenate([[0], np.cumsum(n_spikes)[:-1]]), n_spikes)
    spike = np.arange(len(trial)) + offset
    position = (spike_times_s[spike] - start_s[trial]) / bin_s
    index = np.floor(position + EDGE_TOLERANCE).astype(np.int64)
    inside = (index >= -n_before) & (index < n_bins)
    return _merge(trial[inside], index[inside])


def _merge(trial: IntArray, index: IntArray) -> BinnedSpikes:
    """Merge entries of the same bin (adjacent, since spikes ascend)."""
    if len(trial) == 0:
        return BinnedSpikes(trial, index, index)
    new = np.concatenate([[True], (np.diff(index) != 0) | (np.diff(trial) != 0)])
    first = np.flatnonzero(new)
    n = np.diff(np.concatenate([first, [len(trial)]]))
    return BinnedSpikes(trial[first], index[first], n)


def to_counts(binned: BinnedSpikes, out: CountArray, n_before: int = 0) -> None:
    """Write binned spikes into a zeroed array ``out`` (trial, n_before + bin) of uint8.

    Raises
    ------
    OverflowError
        If a bin holds more than ``MAX_COUNT`` spikes.
    """
    if len(binned.n) and int(binned.n.max()) > MAX_COUNT:
        raise OverflowError(f"a bin holds {int(binned.n.max())} spikes, more than {MAX_COUNT}")
    out[binned.trial, binned.bin + n_before] = binned.n
