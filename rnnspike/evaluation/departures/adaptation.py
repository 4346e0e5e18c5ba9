"""Adaptation: spikes by how many there were in the last 100, 500 and 1000 ms (science.md#capture).

Only bins beyond the recovery horizon count, so that refractoriness is not taken for adaptation. Nor is its other
side: a model without it expects too little in all bins beyond it, by one factor, however many spikes came before. So
expectations are first brought to the observed number of spikes in each window, and what counts is how they depend
on the recent spikes. The three windows sort the same bins three ways: their deviances add up, and the tail of the
sum takes the overlap of the strata into account.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnspike.evaluation.departures.capture import correlated_tail
from rnnspike.evaluation.history import History, Strata, strata_of, sums_by_value
from rnnspike.trials.data import FloatArray, IntArray

WINDOWS_S = (0.100, 0.500, 1.000)
#: Strata of one window: at most this many, each with at least this many spikes expected by the reference.
MAX_STRATA = 6
MIN_EXPECTED = 5.0


@dataclass(frozen=True)
class RecentCounts:
    """Strata of recent counts for each window that the recorded past reaches back over.

    ``strata`` are the joint cells of all windows; ``membership`` (cell, stratum) is 1 where a joint cell
    belongs to a stratum; ``window_s`` and ``lowest_count`` (stratum,) say which: counts from ``lowest_count``
    up to the next stratum of that window.
    """

    strata: Strata
    membership: FloatArray
    window_s: FloatArray
    lowest_count: IntArray

    @property
    def n_strata(self) -> int:
        """Number of strata, over all windows."""
        return int(self.membership.shape[1])

    @property
    def n_free(self) -> int:
        """Strata that are free to differ, one less in each window."""
        return self.n_strata - int(self._same.shape[1])

    @property
    def _same(self) -> FloatArray:
        """Which strata are of which window, (stratum, window)."""
        same: FloatArray = (self.window_s[:, None] == np.unique(self.window_s)).astype(np.float64)
        return same

    def levelled(self, expected: FloatArray, observed: FloatArray) -> FloatArray:
        """Return expected counts (..., stratum) brought to the observed number of spikes of each window."""
        factor = (observed @ self._same) / np.maximum(expected @ self._same, 1e-300)
        return np.asarray(expected * (factor @ self._same.T))

    def by_trial(self, values: np.ndarray) -> tuple[FloatArray, FloatArray]:
        """Return sums per trial and stratum (trial, stratum), and totals per joint cell (cell,)."""
        cells = self.strata.by_trial(values)
        return cells @ self.membership, cells.sum(axis=0)

    def tail(self, deviance: float, cell_expected: FloatArray) -> float:
        """Return the tail probability of a summed deviance under the model that expects these joint cells.

        The deviance is of levelled expectations: O - E f has the covariance of O with its window's share taken out.
        """
        expected = cell_expected @ self.membership
        share = expected / np.maximum((expected @ self._same) @ self._same.T, 1e-300)
        inside = (self.membership @ self._same) @ self._same.T  # cell is of the stratum's window
        centred = self.membership - inside * share
        covariance = centred.T @ (cell_expected[:, None] * centred)  # (stratum, stratum)
        scale = np.sqrt(np.maximum(expected, 1e-300))
        return correlated_tail(deviance, covariance / np.outer(scale, scale))


def recent_counts(history: History, reference: FloatArray, horizon: int) -> RecentCounts:
    """Return the strata of the adaptation score; ``reference`` is dense expected counts (trial, bin).

    A window gives no strata where the past before every bin is shorter, or where there is just one stratum.
    """
    eligible = history.observed & (history.silent_bins >= horizon)
    code = np.zeros(history.spikes.shape, dtype=np.int16)  # at most 7 ** 3 joint cells
    lowest, window_s, sizes = [], [], []
    for window in WINDOWS_S:
        n_back = history.in_bins(window)
        if n_back <= horizon:
            continue
        count = np.where(eligible, history.recent_count(n_back), -1)
        edges = count_edges(sums_by_value(count, reference))
        if len(edges) < 2:
            continue
        table = np.searchsorted(edges, np.arange(int(count.max()) + 1), side="right").astype(np.int16)
        code *= len(edges) + 1
        code += np.where(count >= 0, table[np.maximum(count, 0)], 0)  # 0: past not known this far back
        sizes.append(len(edges) + 1)
        lowest += [int(edge) for edge in edges]
        window_s += [window] * len(edges)
    return joint_strata(code, sizes, np.array(lowest, dtype=np.int64), np.array(window_s))


def count_edges(expected: FloatArray) -> IntArray:
    """Return the lowest count of each stratum of about equal expectation, from expected spikes by count (count,)."""
    if not len(expected):
        return np.empty(0, np.int64)
    least = max(MIN_EXPECTED, float(expected.sum()) / MAX_STRATA)
    edges, running = [0], 0.0
    for value, amount in enumerate(expected[:-1]):
        running += float(amount)
        if running >= least and float(expected[value + 1 :].sum()) >= MIN_EXPECTED:
            edges.append(value + 1)
            running = 0.0
    return np.array(edges, dtype=np.int64)


def joint_strata(code: np.ndarray, sizes: list[int], lowest: IntArray, window_s: FloatArray) -> RecentCounts:
    """Return the cells of all windows together; the cell in which no window is known is left out.

    ``code`` (trial, bin) has a digit per window, of base ``sizes``: 0 where it is not known, else the stratum from 1.
    """
    n_cells = int(np.prod(sizes)) if sizes else 1
    digits = np.array(np.unravel_index(np.arange(n_cells), sizes)) if sizes else np.zeros((0, 1), np.int64)
    columns = [digits[i] == stratum for i, size in enumerate(sizes) for stratum in range(1, size)]
    membership = np.stack(columns, axis=1).astype(np.float64) if columns else np.zeros((n_cells, 0))
    cells = strata_of(np.where(code > 0, code, -1), n_cells)
    return RecentCounts(cells, membership, window_s, lowest)
