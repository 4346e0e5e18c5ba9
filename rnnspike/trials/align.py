"""Spikes to bins: per unit one searchsorted of the window ends, floor to bin, count (science.md b.14).

Bins are half-open ``[ , )`` with edges ``start + index * width``; a spike within ``EDGE_TOLERANCE`` of a bin
below an edge belongs to the bin above it, so that spikes on a decimal grid fall where arithmetic on paper puts
them. Overlapping windows are independent rows: a spike may be counted in several.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnspike.trials.data import CountArray, FloatArray, IntArray

#: How far below an edge, in bins, a spike still counts as on it: rounding of decimal times, no more.
EDGE_TOLERANCE = 1e-6
#: Most spikes that a bin of ``Trials.counts`` (uint8) can hold.
MAX_COUNT = 255


@dataclass(frozen=True)
class BinnedSpikes:
    """Spikes of one unit in the windows, sparse: only the bins that hold any.

    ``trial``, ``bin`` (entry,) say which bin, counted from the window's start (burn-in bins are negative);
    ``n`` (entry,) how many spikes it holds. Ascending in trial, then bin.
    """

    trial: IntArray
    bin: IntArray
    n: IntArray

    def where(self, keep: npt.NDArray[np.bool_]) -> BinnedSpikes:
        """Return the entries kept by a mask (entry,)."""
        return BinnedSpikes(self.trial[keep], self.bin[keep], self.n[keep])


def count_bins(duration_s: float, bin_s: float) -> int:
    """Return how many bins a duration is, to the nearest.

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
        Bins from the start on, and bins before it (the burn-in).
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
    """Join entries of one bin (neighbours, since spikes ascend)."""
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
        Where a bin holds more than ``MAX_COUNT`` spikes.
    """
    if len(binned.n) and int(binned.n.max()) > MAX_COUNT:
        raise OverflowError(f"a bin holds {int(binned.n.max())} spikes, more than {MAX_COUNT}")
    out[binned.trial, binned.bin + n_before] = binned.n


def align(spike_times_s: FloatArray, start_s: FloatArray, n_bins: int, bin_s: float) -> CountArray:
    """Return counts uint8 (trial, bin) of one unit: the plain case of ``bin_spikes``.

    Examples
    --------
    >>> align(np.array([0.1, 0.25, 1.0]), np.array([0.0, 0.2]), 3, 0.1)
    array([[0, 1, 1],
           [1, 0, 0]], dtype=uint8)
    """
    counts = np.zeros((len(start_s), n_bins), np.uint8)
    to_counts(bin_spikes(spike_times_s, start_s, n_bins, bin_s), counts)
    return counts
