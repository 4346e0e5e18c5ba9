"""What a unit's recorded past says about each bin: age since the last spike, known stretches, convolved history.

Time runs over burn-in and window; nothing beyond a gap in the observed time is taken for silence: the age is then
unknown (``UNKNOWN``) and the expected spikes of a gap stand in for the recorded ones (science.md b.4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from rnnspike.trials.data import BoolArray, CountArray, FloatArray, Trials

#: Age of a bin whose last spike lies beyond a gap in the observed time.
UNKNOWN = -1
Int32Array = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Past:
    """Spikes of one unit over burn-in and window.

    ``spikes`` and ``observed`` (trial, burn_bin + bin); ``n_burn_in`` bins come before the window.
    """

    spikes: CountArray
    observed: BoolArray
    n_burn_in: int

    @staticmethod
    def of(trials: Trials, unit: int = 0) -> Past:
        """Take one unit of the trials."""
        spikes, observed = trials.past_and_window()
        return Past(
            np.ascontiguousarray(spikes[:, :, unit]), np.ascontiguousarray(observed[:, :, unit]), trials.n_burn_in
        )

    @property
    def n_time(self) -> int:
        """Bins of burn-in and window together."""
        return int(self.spikes.shape[1])

    def last_before(self, mark: BoolArray, first: int = 0) -> Int32Array:
        """Return for each bin from ``first`` on the last marked bin strictly before it, -1 where none is."""
        index = np.where(mark, np.arange(self.n_time, dtype=np.int32), np.int32(-1))
        np.maximum.accumulate(index, axis=1, out=index)
        before = np.full_like(index, -1)
        before[:, 1:] = index[:, :-1]
        return before[:, first:]

    def ages(self, longest: int, first: int | None = None) -> tuple[Int32Array, Int32Array]:
        """Return age and known stretch of each bin from ``first`` (default: the window) on.

        The age is the number of bins since the last spike, at least 1; ``longest + 1`` where none fell in the last
        ``longest`` bins; ``UNKNOWN`` where that cannot be said. ``known`` is the number of bins before the bin that
        were observed without a break.
        """
        first = self.n_burn_in if first is None else first
        bins = np.arange(first, self.n_time, dtype=np.int32)
        last = self.last_before(self.spikes > 0, first)
        gap = self.last_before(~self.observed, first)
        known = bins - gap - 1
        silent = np.where(known >= longest, longest + 1, UNKNOWN)
        age = np.minimum(np.where(last > gap, bins - last, silent), longest + 1)
        return age.astype(np.int32), known


def gap_edges(past: Past, n_lags: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the unobserved stretches: trial, first bin, bin after the last (gap,).

    Time before the burn-in counts as unobserved as far back as ``n_lags`` bins reach: bins there are negative.
    """
    closed = np.pad(~past.observed, ((0, 0), (1, 1)), constant_values=False)
    closed[:, 0] = True
    padded = np.pad(closed, ((0, 0), (1, 1)), constant_values=False)
    trial, edge = np.nonzero(padded[:, 1:] != padded[:, :-1])
    first, last = edge[::2], edge[1::2]
    return trial[::2], np.where(first == 0, -n_lags, first - 1), last - 1


def convolve_history(past: Past, kernel: FloatArray, gap_kernel: FloatArray | None = None) -> FloatArray:
    """Return sum over past spikes of ``kernel`` at their lag, (trial, bin) of the window.

    ``kernel`` (lag,) starts at lag 1. ``gap_kernel``, of the same shape, is what an unobserved bin contributes.
    Summed spike by spike in order of time: no bin is touched by a later spike, not even in the last digit.
    """
    n_lags, n_time = len(kernel), past.n_time
    out = np.zeros((len(past.spikes), n_time))
    trial, bins = np.nonzero(past.spikes)
    counts = past.spikes[trial, bins]
    for r, k, count in zip(trial.tolist(), bins.tolist(), counts.tolist(), strict=True):
        stop = min(n_time, k + 1 + n_lags)
        if stop > past.n_burn_in:
            out[r, k + 1 : stop] += kernel[: stop - k - 1] if count == 1 else count * kernel[: stop - k - 1]
    if gap_kernel is not None and gap_kernel.any():
        _add_gaps(out, past, gap_kernel)
    return out[:, past.n_burn_in :]


def _add_gaps(out: FloatArray, past: Past, gap_kernel: FloatArray) -> None:
    n_lags = len(gap_kernel)
    total = np.concatenate([[0.0], np.cumsum(gap_kernel)])  # (lag + 1,)
    bins = np.arange(past.n_time)
    trial, start, stop = gap_edges(past, n_lags)
    gaps, which = np.unique(np.stack([start, stop]), axis=1, return_inverse=True)  # most trials have the same
    for i, (first, after) in enumerate(gaps.T):
        # Lags start at 1; the gap's bins first..after-1 lie bin - first down to bin - after + 1 bins back.
        far = np.clip(bins - first, 0, n_lags)
        near = np.clip(bins - after, 0, n_lags)
        out[trial[which == i]] += np.where(bins > first, total[far] - total[near], 0.0)


def leaky_trace(past: Past, tau_bins: float, fill: float) -> FloatArray:
    """Return the leaky count of spikes before each bin of the window, (trial, bin).

    A spike l bins back counts exp(-(l - 1) / tau); an unobserved bin counts as ``fill`` spikes, and so does all time
    before the burn-in.
    """
    leak, n = float(np.exp(-1.0 / tau_bins)), past.n_burn_in
    counts = np.where(past.observed, past.spikes, fill)
    start = counts[:, :n] @ leak ** np.arange(n - 1.0, -1.0, -1.0) + fill * leak**n / (1.0 - leak)
    trace, _ = lfilter([0.0, 1.0], [1.0, -leak], counts[:, n:], axis=1, zi=start[:, None])
    return np.asarray(trace)
