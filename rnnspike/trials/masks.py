"""Exposure: when a unit was observed, as intervals and as a mask of bins (science.md#exposure)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnspike.recording.checks.clean import clean_intervals
from rnnspike.recording.data import Finding, Recording, Unit
from rnnspike.trials.align import EDGE_TOLERANCE
from rnnspike.trials.data import BoolArray, FloatArray

#: Intervals closer than this are merged: rounding of adjacent times.
TOUCHING_S = 1e-9
#: A silence is taken as unrecorded if, at the rate of the rest, it should hold this many spikes of all units.
EXPECTED_IN_SILENCE = 40.0
#: Around events, which have no end, a silence must also last this long (s) and be this share of the time between
#: events: all units may be silent for a short time after a stimulus.
EVENT_SILENCE_S, EVENT_SILENCE_SHARE = 1.0, 0.1
#: Tolerance of interval ends: resolution of stored times.
SLACK_S = 1e-3


def as_intervals(intervals: object) -> FloatArray:
    """Return (interval, 2) float64, ascending, without empty ones; overlapping and adjacent ones are merged."""
    return clean_intervals(np.asarray(intervals, dtype=np.float64).reshape(-1, 2), TOUCHING_S)


def complement(intervals: FloatArray) -> FloatArray:
    """Return the time before, between and after merged intervals, to infinity."""
    ends = np.concatenate([[-np.inf], intervals.ravel(), [np.inf]])
    return as_intervals(ends.reshape(-1, 2))


def intersect(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the intersection of two sets of merged intervals."""
    low = np.searchsorted(b[:, 1], a[:, 0], side="right")
    high = np.searchsorted(b[:, 0], a[:, 1], side="left")
    n = np.maximum(high - low, 0)
    left = np.repeat(np.arange(len(a)), n)
    right = np.arange(n.sum()) + np.repeat(low - np.concatenate([[0], np.cumsum(n)[:-1]]), n) if len(a) else left
    rows = np.stack([np.maximum(a[left, 0], b[right, 0]), np.minimum(a[left, 1], b[right, 1])], axis=1)
    return as_intervals(rows)


def duration_s(intervals: FloatArray) -> float:
    """Return the total length of merged intervals."""
    return float((intervals[:, 1] - intervals[:, 0]).sum())


def observed_bins(
    intervals: FloatArray, start_s: FloatArray, n_bins: int, bin_s: float, n_before: int = 0
) -> BoolArray:
    """Return which bins of each window lie entirely within the intervals: bool (trial, n_before + bin).

    Parameters
    ----------
    intervals
        (interval, 2) merged, seconds.
    start_s
        (trial,) start of each window; ``n_before`` bins before it are covered too.
    """
    n_trials, width = len(start_s), n_before + n_bins
    low = np.searchsorted(intervals[:, 1], start_s - n_before * bin_s, side="right")
    high = np.searchsorted(intervals[:, 0], start_s + n_bins * bin_s, side="left")
    n = np.maximum(high - low, 0)
    trial = np.repeat(np.arange(n_trials), n)
    which = np.arange(len(trial)) + np.repeat(low - (np.cumsum(n) - n), n)
    ends = (intervals[which] - start_s[trial, None]) / bin_s  # (pair, 2) in bins from the window's start
    ends = np.clip(ends, -n_before, n_bins)
    first = np.ceil(ends[:, 0] - EDGE_TOLERANCE).astype(np.int64) + n_before
    stop = np.floor(ends[:, 1] + EDGE_TOLERANCE).astype(np.int64) + n_before
    whole = stop > first
    change = np.zeros((n_trials, width + 1), np.int32)
    np.add.at(change, (trial[whole], first[whole]), 1)
    np.add.at(change, (trial[whole], stop[whole]), -1)
    return np.asarray(np.cumsum(change[:, :width], axis=1) > 0)


@dataclass(frozen=True)
class Exposure:
    """When each unit was observed, in intervals; assumptions are reported as findings.

    ``assumed_s`` (interval, 2) is used for units without observed intervals; ``allowed_s`` is the recording's span
    without its invalid times.
    """

    assumed_s: FloatArray
    allowed_s: FloatArray
    findings: tuple[Finding, ...] = ()

    def of(self, unit: Unit) -> FloatArray:
        """Return the observed intervals of one unit, merged."""
        own = self.assumed_s if unit.observed_s is None else as_intervals(unit.observed_s)
        return intersect(own, self.allowed_s)

    @staticmethod
    def key(unit: Unit) -> bytes:
        """Return what is equal for units that were observed at the same times."""
        return b"" if unit.observed_s is None else b"observed" + unit.observed_s.tobytes()


def exposure(recording: Recording, trial_intervals: FloatArray) -> Exposure:
    """Return when the units of a recording were observed.

    Units without observed intervals are assumed to be observed in the trials (``trial_intervals`` (trial, 2); events
    have no duration) and between the first and last spike of all units, except in times between trials in which no
    unit ever fires although many spikes are expected.
    """
    allowed = complement(as_intervals(recording.invalid_s))
    if recording.span_s is not None:
        allowed = intersect(allowed, as_intervals(recording.span_s))
    silent = [unit for unit in recording.units if unit.observed_s is None]
    if not silent:
        return Exposure(np.empty((0, 2)), allowed)
    spikes = np.sort(np.concatenate([unit.spike_times_s for unit in silent]))
    ends = np.concatenate([spikes[[0, -1]] if len(spikes) else [], trial_intervals.ravel(), recording.span_s or ()])
    whole = as_intervals([ends.min(), ends.max()]) if len(ends) else np.empty((0, 2))
    extent_s = recorded_beyond_trials(spikes, trial_intervals)
    stated = any(finding.id == "no-obs-intervals" for finding in recording.findings)
    findings = [] if stated else [_assumed(len(silent))]
    if extent_s is not None:
        before_s, after_s = extent_s
        whole = intersect(whole, as_intervals(trial_intervals + np.array([-before_s, after_s])))
        findings.append(_gaps(before_s, after_s))
    return Exposure(whole, allowed, tuple(findings))


def recorded_beyond_trials(spike_times_s: FloatArray, trials: FloatArray) -> tuple[float, float] | None:
    """Return how long before and after trials (or events) spikes were stored; None if recording was continuous.

    Some files hold only the spikes of trials, so that time between trials is not silent but unrecorded. Spikes of all
    units between trials are superposed by their time since the last and until the next trial, to find the longest
    time that is empty between all trials. It was not recorded if, at the rate of the rest, it should hold
    ``EXPECTED_IN_SILENCE`` spikes.
    """
    trials = trials[np.argsort(trials[:, 0], kind="stable")]
    reach = np.maximum.accumulate(trials[:, 1])
    gaps = np.stack([reach[:-1] + SLACK_S, trials[1:, 0] - SLACK_S], axis=1)
    gaps = gaps[gaps[:, 1] > gaps[:, 0]]
    if len(gaps) == 0 or len(spike_times_s) == 0:
        return None
    which = np.searchsorted(gaps[:, 0], spike_times_s, side="right") - 1
    between = (which >= 0) & (spike_times_s < gaps[which, 1])
    since = spike_times_s[between] - gaps[which[between], 0]
    until = gaps[which[between], 1] - spike_times_s[between]
    after_s, before_s = _narrowest(since, until)
    length_s = gaps[:, 1] - gaps[:, 0]
    silence_s = np.maximum(length_s - after_s - before_s, 0.0)
    recorded_s = reach[-1] - trials[0, 0] - silence_s.sum()
    inside = (spike_times_s >= trials[0, 0] - SLACK_S) & (spike_times_s <= reach[-1] + SLACK_S)
    expected = inside.sum() / max(recorded_s, SLACK_S) * silence_s.sum()
    typical_s = float(np.median(silence_s))
    events = bool((trials[:, 1] <= trials[:, 0]).all())
    momentary = typical_s < max(EVENT_SILENCE_S, EVENT_SILENCE_SHARE * float(np.median(length_s)))
    if expected < EXPECTED_IN_SILENCE or (events and momentary):
        return None
    return before_s + SLACK_S, after_s + SLACK_S


def _narrowest(since: FloatArray, until: FloatArray) -> tuple[float, float]:
    """Return A, B with the least sum such that each spike lies within A after a trial or within B before the next."""
    if len(since) == 0:
        return 0.0, 0.0
    order = np.argsort(since)
    after = np.concatenate([[0.0], since[order]])  # A up to each spike in turn, or zero
    latest = np.maximum.accumulate(until[order][::-1])[::-1]  # B needed by the spikes beyond A
    before = np.concatenate([latest, [0.0]])
    best = int(np.argmin(after + before))
    return float(after[best]), float(before[best])


def _assumed(n_units: int) -> Finding:
    return Finding(
        "no-obs-intervals",
        "info",
        f"{n_units} units have no observed intervals: exposure is assumed to be the trials",
        count=n_units,
    )


def _gaps(before_s: float, after_s: float) -> Finding:
    close = before_s <= 2 * SLACK_S and after_s <= 2 * SLACK_S
    where = "between trials" if close else f"from {after_s:.3g} s after a trial to {before_s:.3g} s before the next"
    return Finding(
        "gaps-not-recorded",
        "warning",
        f"no unit ever fires {where}: this time is assumed to be unrecorded, not silent",
    )
