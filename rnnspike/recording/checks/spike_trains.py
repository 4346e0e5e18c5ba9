"""Checks of one spike train: each returns how many spikes (or pairs) it concerns. Nothing here changes a train."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rnnspike.recording.checks.times import CLOCK_RESET_S, MAX_TIME_S, TIME_ROUNDING_S
from rnnspike.recording.checks.violations import VIOLATION_S, Violations, pairs_within
from rnnspike.recording.data import FloatArray

#: Intervals shorter than this are reported as short.
SHORT_ISI_S = 0.001


class Train:
    """One spike train (spike,) float64, with values that several checks share, computed once.

    ``shortest_isi`` is the smallest step between successive stored times: NaN if a time is missing, infinity if there
    are fewer than two. ``is_clean`` is True if times are finite, ascending and without padding; most trains are, and
    need no further checks of stored times.
    """

    def __init__(self, times: FloatArray, observed: FloatArray | None = None, span_s: float | None = None) -> None:
        self.times, self.observed, self._span_s = times, observed, span_s
        with np.errstate(invalid="ignore"):
            self.shortest_isi = float((times[1:] - times[:-1]).min()) if len(times) > 1 else np.inf
        self.is_clean = len(times) == 0 or (
            self.shortest_isi >= 0
            and bool(times[0] > -MAX_TIME_S and times[-1] < MAX_TIME_S)
            and not (self.shortest_isi == 0 and times[0] == times[1] == -1.0)
        )

    @cached_property
    def isi(self) -> FloatArray:
        """Steps between successive stored times (spike - 1,)."""
        return self.times[1:] - self.times[:-1]

    @cached_property
    def duration_s(self) -> float:
        """Observed time, or the time from the first to the last spike if that is not known."""
        if self.observed is not None and len(self.observed):
            return float(np.sum(self.observed[:, 1] - self.observed[:, 0]))
        if self._span_s:
            return self._span_s
        return float(self.times[-1] - self.times[0]) if len(self.times) > 1 else 0.0

    @cached_property
    def n_short(self) -> int:
        """Intervals under 1 ms, including exact duplicates; an interval of 1 ms on a 1 ms grid does not count."""
        if self.shortest_isi >= SHORT_ISI_S - TIME_ROUNDING_S:
            return 0
        return int(np.count_nonzero(self.isi < SHORT_ISI_S - TIME_ROUNDING_S))

    @cached_property
    def violations(self) -> Violations:
        """Pairs of spikes within 1.5 ms of each other, in observed time."""
        tau_s = VIOLATION_S - TIME_ROUNDING_S
        n_pairs = pairs_within(self.times, tau_s) if self.shortest_isi < tau_s else 0
        return Violations(n_pairs, len(self.times), self.duration_s)


def nan_times(train: Train) -> int:
    """Return how many times are NaN."""
    return 0 if train.is_clean else int(np.count_nonzero(np.isnan(train.times)))


def infinite_times(train: Train) -> int:
    """Return how many times are infinite, or too large to be times (damage)."""
    return 0 if train.is_clean else int(np.count_nonzero(np.abs(train.times) > MAX_TIME_S))


def sentinel_times(train: Train) -> int:
    """Return how many times are padding: -1 out of order or repeated, zeros at the end."""
    return 0 if train.is_clean else int(np.count_nonzero(sentinels(train.times)))


def sentinels(times: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which times (spike,) are padding, not spikes."""
    is_sentinel: npt.NDArray[np.bool_] = np.asarray(times == -1.0)
    if is_sentinel.sum() == 1:
        place = int(np.flatnonzero(is_sentinel)[0])
        is_sentinel[place] = place > 0 and bool(np.any(times[:place] > -1.0))
    spikes = np.flatnonzero((times != 0.0) & ~is_sentinel & np.isfinite(times))
    if len(spikes) and times[spikes[-1]] > 0:
        is_sentinel[spikes[-1] + 1 :] |= times[spikes[-1] + 1 :] == 0.0
    return is_sentinel


def clock_resets(train: Train) -> int:
    """Return how often time steps back by more than 1 s, without padding."""
    return 0 if train.is_clean else int(np.count_nonzero(_steps(train) < -CLOCK_RESET_S))


def jitter(train: Train) -> int:
    """Return how often time steps back by up to 1 s, without padding."""
    if train.is_clean:
        return 0
    steps = _steps(train)
    return int(np.count_nonzero((steps < 0) & (steps >= -CLOCK_RESET_S)))


def _steps(train: Train) -> FloatArray:
    return np.diff(train.times[np.isfinite(train.times) & ~sentinels(train.times)])


def duplicates(train: Train) -> int:
    """Return how many spikes have the same time as the previous one."""
    return 0 if train.shortest_isi > 0 else int(np.count_nonzero(train.isi == 0))


def short_isis(train: Train) -> int:
    """Return how many intervals are under 1 ms, without exact duplicates (counted separately)."""
    return train.n_short - duplicates(train)


def refractory_violations(train: Train) -> int:
    """Return the number of pairs of spikes within 1.5 ms if they indicate 10 % foreign spikes or more, else 0."""
    return train.violations.n_pairs if train.violations.gate in ("doubtful", "contaminated") else 0


def spikes_outside_observed(train: Train) -> int:
    """Return how many spikes lie outside the (merged) observed intervals."""
    if train.observed is None:
        return 0
    edges = train.observed + np.array([-TIME_ROUNDING_S, TIME_ROUNDING_S])
    inside = np.diff(np.searchsorted(train.times, edges), axis=1).sum()
    return int(len(train.times) - inside)


def silent(train: Train) -> int:
    """Return 1 if there are no spikes, else 0."""
    return int(len(train.times) == 0)


def negative_times(train: Train) -> int:
    """Return how many spikes lie before the session's time zero."""
    return int(np.searchsorted(train.times, 0.0)) if len(train.times) and train.times[0] < 0 else 0


TrainCheck = Callable[[Train], int]
#: Checks of spike times as stored, by finding id.
STORED_CHECKS: dict[str, TrainCheck] = {
    "spike-times-nan": nan_times,
    "spike-times-infinite": infinite_times,
    "spike-times-sentinel": sentinel_times,
    "clock-reset": clock_resets,
    "spike-times-unsorted": jitter,
}
#: Checks of short intervals, by finding id.
ISI_CHECKS: dict[str, TrainCheck] = {
    "duplicate-spikes": duplicates,
    "short-isis": short_isis,
    "contaminated-unit": refractory_violations,
}
#: Checks of every cleaned train, by finding id.
TRAIN_CHECKS: dict[str, TrainCheck] = {
    "spikes-outside-observed": spikes_outside_observed,
    "silent-unit": silent,
    "negative-times": negative_times,
}


def train_counts(as_stored: Train, cleaned: Train) -> Iterator[tuple[str, int]]:
    """Yield (finding id, count) of every check with a count above 0, for a train as stored and as cleaned.

    Clean trains without short intervals (most trains) skip the checks that would find nothing.
    """
    if not as_stored.is_clean:
        yield from _counts(STORED_CHECKS, as_stored)
    if cleaned.shortest_isi < VIOLATION_S:
        yield from _counts(ISI_CHECKS, cleaned)
    yield from _counts(TRAIN_CHECKS, cleaned)


def _counts(registry: Mapping[str, TrainCheck], train: Train) -> Iterator[tuple[str, int]]:
    for finding_id, check in registry.items():
        count = check(train)
        if count:
            yield finding_id, count
