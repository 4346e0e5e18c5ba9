"""Training sequences of the spike-clocked LSTM and the points at which its likelihood is evaluated.

See science.md#spike-clock-likelihood.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnspike.models.networks.spike_clock import hazard_loops
from rnnspike.models.networks.spike_clock.events import Events
from rnnspike.trials.data import FloatArray, IntArray


@dataclass(frozen=True)
class Sequences:
    """Consecutive events of a run: context ``first .. scored - 1``, scored ``scored .. end - 1``; (sequence,)."""

    first: IntArray
    scored: IntArray
    end: IntArray

    @property
    def n_sequences(self) -> int:
        """Number of sequences."""
        return len(self.first)

    def take(self, index: IntArray) -> Sequences:
        """Return these sequences."""
        return Sequences(self.first[index], self.scored[index], self.end[index])

    def padded(self) -> tuple[IntArray, IntArray, IntArray]:
        """Return event indices (sequence, step), padded at the end, and (sequence, step) of the scored ones."""
        step = np.arange(int((self.end - self.first).max(initial=0)))
        index = self.first[:, None] + step
        which, at = np.nonzero((index >= self.scored[:, None]) & (index < self.end[:, None]))
        return np.minimum(index, self.end[:, None] - 1), which, at


def cut_sequences(events: Events, n_scored: int | None, n_context: int) -> Sequences:
    """Cut every run into sequences of about ``n_scored`` intervals (all where None) after ``n_context`` events.

    Every scored interval is in exactly one sequence.
    """
    scored = np.flatnonzero(events.is_scored)
    run_of = events.run[scored]
    opens = np.flatnonzero(np.diff(run_of, prepend=-1))  # scored intervals of a run follow one another
    first_scored = scored[opens]
    n_in_run = np.diff(np.append(opens, len(scored)))
    n_pieces = np.ones_like(n_in_run) if n_scored is None else -(-n_in_run // n_scored)
    run_first = np.searchsorted(events.run, events.run[first_scored])
    which = np.repeat(np.arange(len(opens)), n_pieces)  # pieces of equal length
    piece = np.arange(len(which)) - np.repeat(np.cumsum(n_pieces) - n_pieces, n_pieces)
    begins = first_scored[which] + piece * n_in_run[which] // n_pieces[which]
    ends = first_scored[which] + (piece + 1) * n_in_run[which] // n_pieces[which]
    return Sequences(np.maximum(begins - n_context, run_first[which]), begins, ends)


@dataclass(frozen=True)
class Points:
    """Bins (interval, point) at which intervals are scored: ``weight`` bins each stands for, the spike's bin last.

    The last point stands for the bin with ``stop_count`` spikes; its ``weight`` is 0 (its likelihood is exact).
    """

    bins: IntArray
    weight: FloatArray
    stop_count: IntArray


def draw_points(events: Events, index: IntArray, n_strata: int, rng: np.random.Generator) -> Points:
    """Draw one bin from each of ``n_strata`` log-spaced strata of the lags without spikes, and the spike's bin.

    The weighted sum over points is an unbiased estimate of the sum over all bins of the interval in the window.
    """
    event_bin, stop, stop_count = events.bin[index], events.stop[index], events.stop_count[index]
    bins, weight = np.empty((len(index), n_strata + 1), np.int64), np.empty((len(index), n_strata + 1))
    hazard_loops.draw_points(event_bin, stop, stop_count, rng.random((len(index), n_strata)), bins, weight)
    return Points(bins, weight, stop_count)
