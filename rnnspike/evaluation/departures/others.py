"""The other units' recent activity: spikes by how much these have fired just before (science.md#shared-calibration).

Each other unit counts by the root of its mean rate, so that one with many spikes does not stand for all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnspike.evaluation.departures.adaptation import MAX_STRATA, MIN_EXPECTED, RecentCounts, joint_strata
from rnnspike.evaluation.history import History, trial_blocks
from rnnspike.trials.data import FloatArray, Trials

#: Windows before a bin in which the others' spikes are counted, s.
WINDOWS_S = (0.050, 0.200)
#: Bins from which the edges of strata are taken.
MOST_SAMPLED = 200_000


@dataclass(frozen=True)
class OthersActivity:
    """Bins sorted by the activity of the other units.

    ``ranks`` (trial, bin) per window, from 0 (least active) on and -1 where the past is not known so far back;
    ``window_s`` (window,); ``strata`` are those of all windows together. ``quantile`` (stratum,) is the share of the
    reference's expected spikes in less active bins.
    """

    window_s: tuple[float, ...]
    ranks: tuple[npt.NDArray[np.int16], ...]
    strata: RecentCounts
    quantile: FloatArray


def others_activity(history: History, trials: Trials, reference: FloatArray) -> OthersActivity | None:
    """Return the strata by the other units' activity; None where there are no others, or they never differ.

    Parameters
    ----------
    history
        Of the unit.
    trials
        Of the unit, with the others.
    reference
        (trial, bin) spikes that the unit's own model expects.
    """
    if trials.others is None or not trials.others.unit_ids:
        return None
    activity = _activity(trials)
    windows, ranks, lowest, shares = [], [], [], []
    for window in WINDOWS_S:
        rank, quantiles = _ranked(history, activity, history.in_bins(window), reference)
        if len(quantiles) > 1:
            windows.append(window)
            ranks.append(rank)
            lowest.append(np.arange(len(quantiles)))
            shares.append(quantiles)
    if not windows:
        return None
    code, sizes = np.zeros(history.spikes.shape, np.int16), [len(each) + 1 for each in lowest]
    for rank, size in zip(ranks, sizes, strict=True):
        code = code * np.int16(size) + rank + np.int16(1)
    each_window = np.repeat(windows, [len(each) for each in lowest])
    strata = joint_strata(code, sizes, np.concatenate(lowest), each_window)
    return OthersActivity(tuple(windows), tuple(ranks), strata, np.concatenate(shares))


def _activity(trials: Trials) -> FloatArray:
    """Return the others' spikes before each bin of burn-in and window, normalised and summed: (trial, bin + 1)."""
    assert trials.others is not None
    shape = trials.n_trials, trials.n_burn_in + trials.n_bins
    total = np.zeros((shape[0], shape[1] + 1))
    for unit_id in trials.others.unit_ids:
        row, at = trials.others.places(unit_id, trials.session_index)
        if len(row):
            np.add.at(total, (row, at + 1), 1 / np.sqrt(len(row) / total.size))
    return np.cumsum(total, axis=1, out=total)


def _ranked(
    history: History, activity: FloatArray, n_back: int, reference: FloatArray
) -> tuple[npt.NDArray[np.int16], FloatArray]:
    """Return the rank (trial, bin) of each bin by the activity in ``n_back`` bins before it, and the quantiles."""
    known = history.recent_count(n_back) >= 0
    n_burn_in = activity.shape[1] - 1 - history.n_bins
    first = max(0, n_back - n_burn_in)
    before = slice(n_burn_in + first, n_burn_in + history.n_bins)
    back = slice(before.start - n_back, before.stop - n_back)
    value = np.zeros(history.spikes.shape, np.float32)
    value[:, first:] = activity[:, before] - activity[:, back]
    edges, quantiles = _edges(value[known], reference[known])
    rank = np.full(value.shape, -1, np.int16)
    for rows in trial_blocks(len(value), history.n_bins):
        found = np.searchsorted(edges, value[rows], side="right").astype(np.int16)
        rank[rows] = np.where(known[rows], found, -1)
    return rank, quantiles


def _edges(value: npt.NDArray[np.float32], expected: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return upper edges of all ranks but the last, and the quantile at which each begins: they expect alike."""
    total = float(expected.sum())
    n = int(np.clip(total // MIN_EXPECTED, 1, MAX_STRATA))
    step = max(1, len(value) // MOST_SAMPLED)
    some = np.argsort(value[::step], kind="stable")
    ordered, share = value[::step][some], np.cumsum(expected[::step][some])
    if n < 2 or not len(share) or not share[-1] > 0:
        return np.zeros(0), np.zeros(1)
    share /= share[-1]
    at = np.searchsorted(share, np.arange(1, n) / n)
    edges = np.unique(ordered[at].astype(np.float64).round(4)) + 1e-3  # sums of like counts differ by rounding
    edges = edges[edges < ordered[-1]]
    starts = share[np.searchsorted(ordered, edges, side="right") - 1] if len(edges) else np.zeros(0)
    return edges, np.concatenate([[0.0], starts])
