"""Rows and window of the trials, and which windows lie in recorded time."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from rnnspike.errors import RecordingError
from rnnspike.recording.data import Finding, Recording
from rnnspike.trials.align import whole_bins
from rnnspike.trials.data import BoolArray, FloatArray, TrialOptions
from rnnspike.trials.masks import EXPECTED_IN_SILENCE, SLACK_S, Exposure, as_intervals, intersect, observed_bins
from rnnspike.trials.rows import TrialRows, check_size, check_window, default_window, trial_rows
from rnnspike.trials.segments import segment_rows

#: Shares of windows in recorded time below which the fit is refused, and below which a warning is given.
MIN_WINDOWS, WARN_WINDOWS = 0.5, 0.95
#: Unused time after the last bin that is too short to report: share of a bin, and seconds.
UNUSED_BIN_SHARE, UNUSED_S = 1e-3, 2e-3


def rows_and_window(recording: Recording, options: TrialOptions) -> tuple[TrialRows, tuple[float, float]]:
    """Return the rows of the trials, and the window (s) relative to time zero, in whole bins."""
    window_s = options.window_s
    if options.segment_s is not None:
        rows, window_s = segment_rows(recording, options), (0.0, options.segment_s)
    else:
        rows = trial_rows(recording, options)
        if window_s is None:
            window_s, rows = default_window(recording, rows)
            if options.bin_s > 0 and whole_bins(window_s[1], options.bin_s) < 1:
                message = f"a bin must fit into the trials, the shortest of which lasts {window_s[1]:.4g} s"
                option = f"--bin {window_s[1] / 10:.1g}s"
                raise RecordingError(recording.path, f"--bin {options.bin_s:g}: {message}", option)
    check_window(window_s, options.bin_s)
    check_size(recording, len(rows.zero_s), options.burn_in_s + window_s[1] - window_s[0], options.bin_s)
    # Whole bins only: the last bin must not extend beyond the window, or beyond the end of the shortest trial.
    n_bins = whole_bins(window_s[1] - window_s[0], options.bin_s)
    used_s = (window_s[0], window_s[0] + n_bins * options.bin_s)
    unused_s = window_s[1] - used_s[1]
    if unused_s > max(UNUSED_BIN_SHARE * options.bin_s, UNUSED_S):
        message = (
            f"the window of {window_s[1] - window_s[0]:.6g} s is cut to {n_bins} bins of {options.bin_s:g} s: "
            f"its last {unused_s:.3g} s are not used"
        )
        finding = Finding("window-cut", "info", message, count=n_bins, option="--bin")
        rows = replace(rows, findings=(*rows.findings, finding))
    return rows, used_s


def keep_recorded(
    recording: Recording, rows: TrialRows, window_s: tuple[float, float], options: TrialOptions, found: Exposure
) -> TrialRows:
    """Drop trials whose window holds no recorded bin of any unit; refuse if these are most of the trials."""
    n_bins = whole_bins(window_s[1] - window_s[0], options.bin_s)
    recorded = as_intervals(np.concatenate([np.empty((0, 2)), *_recorded_intervals(recording, found)]))
    inside: BoolArray = np.any(observed_bins(recorded, rows.zero_s + window_s[0], n_bins, options.bin_s), axis=1)
    share = float(inside.mean())
    missed = int((~inside).sum())
    if share < MIN_WINDOWS:
        why, option = _explain_missed(rows, window_s, options, recorded)
        message = f"{missed} of {len(inside)} windows {why}"
        raise RecordingError(recording.path, message, option, "windows-miss-recording")
    level: Literal["warning", "info"] = "warning" if share < WARN_WINDOWS else "info"
    message = f"{missed} of {len(inside)} windows lie outside the recorded time: dropped"
    return rows.drop(~inside, "windows-miss-recording", message, level=level, option="--event-offset")


def _explain_missed(
    rows: TrialRows, window_s: tuple[float, float], options: TrialOptions, recorded: FloatArray
) -> tuple[str, str]:
    """Return why windows have no recorded bin, and the option that corrects it."""
    windows = rows.zero_s[:, None] + np.array(window_s)
    if _overlap(windows, recorded).mean() >= MIN_WINDOWS:
        longest_s = float((recorded[:, 1] - recorded[:, 0]).max())
        why = (
            f"hold no whole bin of {options.bin_s:g} s of recorded time, whose longest interval is {longest_s:.4g} s"
        )
        return why, "a narrower --bin"
    trials = rows.intervals_s + np.array([-SLACK_S, SLACK_S])
    near = _overlap(trials, recorded)
    if near.mean() < MIN_WINDOWS:
        why = "lie outside the recorded time: the clock of the events differs"
        return why, "--event-offset SECONDS or another --align"
    first = np.searchsorted(recorded[:, 1], trials[near, 0], side="right")
    low, high = np.median(recorded[first] - rows.zero_s[near, None], axis=0) + 0.0
    asked = f"--window {window_s[0]:g} {window_s[1]:g}"
    why = f"lie outside the recorded time, from {low:.4g} to {high:.4g} s around time zero: {asked} is too far"
    return why, "another --window"


def _overlap(windows: FloatArray, intervals: FloatArray) -> BoolArray:
    """Return which windows (trial, 2) overlap with merged intervals."""
    low = np.searchsorted(intervals[:, 1], windows[:, 0], side="right")
    return np.asarray(np.searchsorted(intervals[:, 0], windows[:, 1], side="left") > low)


def _recorded_intervals(recording: Recording, found: Exposure) -> list[FloatArray]:
    """Return when each unit was recorded; if not stated, up to shortly before and after the spikes of all units."""
    firsts = [unit.spike_times_s[0] for unit in recording.units if len(unit.spike_times_s)]
    if not firsts:
        return [found.of(unit) for unit in recording.units]
    lasts = [unit.spike_times_s[-1] for unit in recording.units if len(unit.spike_times_s)]
    n_spikes = sum(len(unit.spike_times_s) for unit in recording.units)
    low, high = min(firsts), max(lasts)
    slack_s = EXPECTED_IN_SILENCE * (high - low) / n_spikes if high > low else np.inf
    reach = as_intervals([low - slack_s, high + slack_s])
    return [
        found.of(unit) if unit.observed_s is not None else intersect(found.of(unit), reach)
        for unit in recording.units
    ]
