"""What a unit's recorded past says about each bin: age since the last spike, known stretches, convolved history.

Time runs over burn-in and window; time before a gap in the observed time is not taken for silence: the age is then
unknown (``UNKNOWN``) and the expected spikes of a gap stand in for the recorded ones (science.md#glm).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnspike.models.numerics import lag_loops
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
        before = np.empty((len(mark), self.n_time - first), np.int32)
        lag_loops.last_before(mark, first, before)
        return before

    def ages(self, longest: int, first: int | None = None) -> tuple[Int32Array, Int32Array]:
        """Return age and known stretch of each bin from ``first`` (default: the window) on.

        The age is the number of bins since the last spike, at least 1; ``longest + 1`` where none fell in the last
        ``longest`` bins; ``UNKNOWN`` where that is not known. ``known`` is the number of bins before the bin that
        were observed without a break.
        """
        first = self.n_burn_in if first is None else first
        age, known = (np.empty((len(self.spikes), self.n_time - first), np.int32) for _ in range(2))
        lag_loops.ages(self.spikes, self.observed, first, longest, UNKNOWN, age, known)
        return age, known


def marked(mark: BoolArray) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return row and column of what is marked, in order; ``np.nonzero`` takes ten times as long on two axes."""
    row, column = np.divmod(np.flatnonzero(mark), mark.shape[1])
    return row, column


def gap_edges(past: Past, n_lags: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the unobserved stretches: trial, first bin, bin after the last (gap,).

    Time before the burn-in counts as unobserved as far back as ``n_lags`` bins reach: bins there are negative.
    """
    closed = np.pad(~past.observed, ((0, 0), (1, 1)), constant_values=False)
    closed[:, 0] = True
    padded = np.pad(closed, ((0, 0), (1, 1)), constant_values=False)
    trial, edge = marked(padded[:, 1:] != padded[:, :-1])
    first, last = edge[::2], edge[1::2]
    return trial[::2], np.where(first == 0, -n_lags, first - 1), last - 1


def convolve_history(past: Past, kernel: FloatArray, gap_kernel: FloatArray | None = None) -> FloatArray:
    """Return sum over past spikes of ``kernel`` at their lag, (trial, bin) of the window.

    ``kernel`` (lag,) starts at lag 1. ``gap_kernel``, of the same shape, is what an unobserved bin contributes.
    Summed spike by spike in order of time: so a later spike changes no earlier bin, not even by rounding.
    """
    out = np.zeros((len(past.spikes), past.n_time - past.n_burn_in))
    lag_loops.convolve(past.spikes, np.ascontiguousarray(kernel, np.float64), past.n_burn_in, out)
    if gap_kernel is not None and gap_kernel.any():
        _add_gaps(out, past, gap_kernel)
    return out


def _add_gaps(out: FloatArray, past: Past, gap_kernel: FloatArray) -> None:
    n_lags = len(gap_kernel)
    total = np.concatenate([[0.0], np.cumsum(gap_kernel)])  # (lag + 1,)
    trial, start, stop = gap_edges(past, n_lags)
    reaches = stop + n_lags > past.n_burn_in
    trial, start, stop = trial[reaches], start[reaches], stop[reaches]
    code, which = np.unique(start * (past.n_time + 1) + stop, return_inverse=True)  # most trials have the same
    for i, (first, after) in enumerate(zip(*np.divmod(code, past.n_time + 1), strict=True)):
        low, high = max(first + 1, past.n_burn_in), min(after + n_lags, past.n_time)
        bins = np.arange(low, high)
        # Lags start at 1; the gap's bins first..after-1 lie bin - first down to bin - after + 1 bins back.
        far = np.clip(bins - first, 0, n_lags)
        near = np.clip(bins - after, 0, n_lags)
        here = slice(low - past.n_burn_in, max(high, low) - past.n_burn_in)
        out[trial[which == i], here] += total[far] - total[near]


def leaky_traces(past: Past, taus_bins: Sequence[float], fill: float) -> FloatArray:
    """Return leaky counts of spikes before each bin of the window, (time constant, trial, bin).

    A spike l bins back counts exp(-(l - 1) / tau); an unobserved bin counts as ``fill`` spikes, and so does all time
    before the burn-in.
    """
    traces = np.empty((len(taus_bins), len(past.spikes), past.n_time - past.n_burn_in))
    leaks = np.exp(-1.0 / np.asarray(taus_bins, np.float64))
    if len(leaks):  # saves a pass over all bins
        lag_loops.leaky_traces(past.spikes, past.observed, past.n_burn_in, leaks, float(fill), traces)
    return traces
