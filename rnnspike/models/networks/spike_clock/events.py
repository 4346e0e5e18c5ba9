"""Spike trains as sequences of events: what the spike-clocked LSTM reads (science.md#spike-clock).

Known time is cut into *runs*, maximal stretches of observed bins of one trial and unit, burn-in included. A run
begins with a *start* event, one bin before its first bin: the time of the last spike is then unknown, which is not
the same as long ago. Then each spike is an event. An event begins an *interval* of bins that lasts to the next spike
(that bin included) or to the end of the run (censored); so every observed bin lies in exactly one interval.

Bins count from the window's start; bins of the burn-in are negative. A *row* is a trial and a unit, numbered
``trial * n_units + unit``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnspike.models.networks.spike_clock import event_loops
from rnnspike.models.numerics.basis import leaky_sum
from rnnspike.trials.data import BoolArray, FloatArray, IntArray, Trials

#: Time constants of the leaky traces of past spikes, s.
TRACE_S = (0.02, 0.1, 0.5, 2.0)
#: Memory of the slow gains, in trials of the session.
GAIN_TRIALS = (2.0, 8.0)
#: Spikes added to observed and to expected counts before their log ratio is taken.
PRIOR_SPIKES = 0.5


@dataclass(frozen=True)
class Events:
    """Starts and spikes of all rows in order of row and time; every array is (event,).

    ``count`` is 0 for a start. The interval that the event begins has bins ``bin + 1 .. stop``; its last bin
    holds ``stop_count`` spikes (0: censored). ``interval`` is the bins since the event before it in its run (0 for
    a start), ``known_bins`` and ``masked_bins`` the observed and the masked bins since the event before it in its
    row. ``is_first`` marks the first spike of a run.
    """

    row: IntArray
    unit: IntArray
    run: IntArray
    bin: IntArray
    count: IntArray
    is_start: BoolArray
    is_first: BoolArray
    interval: IntArray
    known_bins: IntArray
    masked_bins: IntArray
    stop: IntArray
    stop_count: IntArray

    @property
    def n_events(self) -> int:
        """Number of events."""
        return len(self.bin)

    @property
    def first_scored(self) -> IntArray:
        """First bin of each interval that lies in the window (beyond ``stop`` where none does)."""
        return np.maximum(self.bin + 1, 0)

    @property
    def is_scored(self) -> BoolArray:
        """Whether any bin of the interval lies in the window."""
        return self.stop >= self.first_scored


def read_events(trials: Trials) -> Events:
    """Return the events of all trials and units, in O(bins) time."""
    spikes, observed = trials.past_and_window()
    n_bins = spikes.shape[1]
    counts = np.ascontiguousarray(spikes.transpose(0, 2, 1)).reshape(-1, n_bins)  # (row, burn_bin + bin)
    known = np.ascontiguousarray(observed.transpose(0, 2, 1)).reshape(-1, n_bins)
    edge = np.zeros((len(known), 1), dtype=bool)
    start_row, start_bin = np.nonzero(known & ~np.concatenate([edge, known[:, :-1]], axis=1))
    _, run_last = np.nonzero(known & ~np.concatenate([known[:, 1:], edge], axis=1))
    spike_row, spike_bin = np.nonzero((counts > 0) & known)

    row = np.concatenate([start_row, spike_row])
    bins = np.concatenate([start_bin - 1, spike_bin])
    count = np.concatenate([np.zeros(len(start_row), np.int64), counts[spike_row, spike_bin].astype(np.int64)])
    order = np.lexsort((bins, row))
    row, bins, count = row[order], bins[order], count[order]
    return _link(row, bins, count, run_last, trials.n_units, trials.n_burn_in)


def _link(row: IntArray, bins: IntArray, count: IntArray, run_last: IntArray, n_units: int, n_burn_in: int) -> Events:
    """Return events with their intervals, from rows, bins (from the burn-in's start) and the last bin of each run."""
    is_start = count == 0
    run = np.cumsum(is_start) - 1
    same_run = np.zeros(len(row), dtype=bool)
    same_run[1:] = ~is_start[1:]
    before = np.concatenate([bins[:1], bins[:-1]])
    interval = np.where(same_run, bins - before, 0)
    after_gap = np.zeros(len(row), dtype=bool)
    after_gap[1:] = is_start[1:] & (row[1:] == row[:-1])
    last_known = run_last[np.maximum(run - 1, 0)]
    followed = np.append(same_run[1:], False)
    following_bin, following_count = np.append(bins[1:], 0), np.append(count[1:], 0)
    return Events(
        row=row,
        unit=row % n_units,
        run=run,
        bin=bins - n_burn_in,
        count=count,
        is_start=is_start,
        is_first=same_run & np.concatenate([[False], is_start[:-1]])[: len(row)],
        interval=interval,
        known_bins=np.where(after_gap, last_known - before, interval),
        masked_bins=np.where(after_gap, bins - last_known, 0),
        stop=np.where(followed, following_bin, run_last[run] if len(run_last) else run) - n_burn_in,
        stop_count=np.where(followed, following_count, 0),
    )


@dataclass(frozen=True)
class Traces:
    """Leaky sums of past spikes, and of observed time in s, each (row, time constant)."""

    spikes: FloatArray
    known_s: FloatArray

    @classmethod
    def empty(cls, n_rows: int) -> Traces:
        """Return traces of rows before any recorded time."""
        return cls(np.zeros((n_rows, len(TRACE_S))), np.zeros((n_rows, len(TRACE_S))))


def traces_at(events: Events, bin_s: float) -> Traces:
    """Return the traces just after each event (event, time constant), carried over masked gaps."""
    result = Traces.empty(events.n_events)
    known_s, masked_s = (np.asarray(bins * bin_s, np.float64) for bins in (events.known_bins, events.masked_bins))
    event_loops.traces(
        events.row,
        known_s,
        masked_s,
        events.count.astype(np.float64),
        np.asarray(TRACE_S),
        result.spikes,
        result.known_s,
    )
    return result


def session_gains(trials: Trials, rates_hz: FloatArray) -> FloatArray:
    """Return slow gains (trial, unit, memory): log of observed over expected spikes of the session's past trials.

    Exponentially weighted over the trials that ended before this one began (memory 2 and 8 trials, science.md#glm);
    ``rates_hz`` (condition, unit) is what is expected.
    """
    session = trials.session
    order = np.argsort(session.stop_s, kind="stable")
    expected = session.exposure_bins * trials.bin_s * rates_hz[np.minimum(session.condition, len(rates_hz) - 1)]
    ended = np.searchsorted(session.stop_s[order], session.start_s[trials.session_index] + 1e-9, side="right")
    gains = np.empty((trials.n_trials, trials.n_units, len(GAIN_TRIALS)))
    for i, memory in enumerate(GAIN_TRIALS):
        leak = float(np.exp(-1.0 / memory))
        past, past_expected = (
            np.concatenate([np.zeros((1, trials.n_units)), leaky_sum(values[order].T, leak).T])[ended]
            for values in (session.counts.astype(float), expected)
        )
        gains[:, :, i] = np.log((past + 1.0) / (past_expected + 1.0))
    return gains
