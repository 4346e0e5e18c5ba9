"""From a recording to trials: everything resolved first, counts binned only for the units in hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.errors import ConfigError, RecordingError
from rnnspike.recording.data import Finding, Recording, Unit
from rnnspike.trials.align import MAX_COUNT, BinnedSpikes, bin_spikes, count_bins, to_counts, whole_bins
from rnnspike.trials.covariates import (
    Resampled,
    channel_names,
    check_series,
    constant_in_windows,
    find_covariates,
    resample_all,
)
from rnnspike.trials.data import BoolArray, FloatArray, IntArray, Observation, SessionCounts, TrialOptions, Trials
from rnnspike.trials.masks import (
    EXPECTED_IN_SILENCE,
    SLACK_S,
    Exposure,
    as_intervals,
    exposure,
    intersect,
    observed_bins,
)
from rnnspike.trials.rows import TrialRows, check_window, default_window, label_conditions, trial_rows
from rnnspike.trials.segments import segment_rows
from rnnspike.trials.units import UnitInWindows, leave_out, merged_findings, query_units

#: Bins up to this wide are scored as Bernoulli under ``observation`` auto.
BERNOULLI_UP_TO_S = 0.002
#: Shares of windows that lie in recorded time: below the first nothing is aligned, below the second it is said.
FEWEST_WINDOWS, FEW_WINDOWS = 0.5, 0.95
#: A covariate missing in a smaller share of bins and spikes is no warning.
FEW_GAPS = 0.01
#: What is left over of a window after the last bin and not worth telling: a part of a bin that is small too.
LEFT_OVER, LEFT_OVER_S = 1e-3, 2e-3


@dataclass(frozen=True)
class Grid:
    """The bins of every trial: ``n_before`` of burn-in and ``n_bins`` of window from ``start_s`` (trial,)."""

    start_s: FloatArray
    n_bins: int
    n_before: int
    bin_s: float

    @property
    def stop_s(self) -> FloatArray:
        """(trial,) end of the window."""
        return self.start_s + self.n_bins * self.bin_s

    def bin(self, unit: Unit) -> BinnedSpikes:
        """Return a unit's spikes on the bins."""
        return bin_spikes(unit.spike_times_s, self.start_s, self.n_bins, self.bin_s, self.n_before)

    def observed(self, intervals: FloatArray) -> BoolArray:
        """Return which bins lie within intervals, (trial, n_before + bin)."""
        return observed_bins(intervals, self.start_s, self.n_bins, self.bin_s, self.n_before)


@dataclass(frozen=True)
class TrialPlan:
    """Trials of a recording, resolved but not yet binned.

    ``table`` holds the trials' rows in order of time, ``zero_s`` (trial,) their time zero in session seconds;
    ``unit_ids`` the units that will be modelled and ``left_out`` the others with the reason; ``n_spikes`` what each
    modelled unit has in the windows. ``findings`` concern the trials (the recording has its own).
    """

    recording: Recording
    options: TrialOptions
    table_name: str
    table: pd.DataFrame
    zero_s: FloatArray
    grid: Grid
    window_s: tuple[float, float]
    condition: IntArray
    conditions: tuple[str, ...]
    group: IntArray
    observation: Observation
    has_repeats: bool
    covariate_names: tuple[str, ...]
    exposure: Exposure
    unit_ids: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    n_spikes: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.zero_s)

    @property
    def bin_s(self) -> float:
        """Bin width in seconds."""
        return self.grid.bin_s

    @property
    def start_s(self) -> FloatArray:
        """(trial,) start of each window in session seconds."""
        return self.grid.start_s

    @cached_property
    def covariate_bins(self) -> Resampled:
        """Requested covariates on the bins, burn-in first."""
        series = find_covariates(self.recording, self.options.covariates)
        grid = self.grid
        return resample_all(self.recording, series, grid.start_s, grid.n_bins, grid.bin_s, grid.n_before)

    def observed(self, unit: Unit) -> BoolArray:
        """Return the observed bins of a unit, burn-in first: bool (trial, n_before + bin)."""
        return self.grid.observed(self.exposure.of(unit)) & self.covariate_bins.all_known

    def trials(self, unit_ids: Sequence[str] | None = None) -> Trials:
        """Bin these units (default: all that will be modelled).

        Arrays lie unit by unit in memory, so that one unit of many is contiguous.

        Raises
        ------
        RecordingError
            Where a bin holds more spikes than a count can.
        """
        ids = self.unit_ids if unit_ids is None else tuple(unit_ids)
        n_before, width = self.grid.n_before, self.grid.n_before + self.grid.n_bins
        counts = np.zeros((len(ids), self.n_trials, width), np.uint8)
        observed = np.empty(counts.shape, bool)
        seen: dict[bytes, int] = {}
        for u, unit_id in enumerate(ids):
            unit = self.recording.unit(unit_id)
            key = b"" if unit.observed_s is None else unit.observed_s.tobytes() + b"observed"
            same = seen.setdefault(key, u)
            observed[u] = observed[same] if same != u else self.observed(unit)
            self._count(unit, observed[u], counts[u])
        counts, observed = np.moveaxis(counts, 0, 2), np.moveaxis(observed, 0, 2)  # (trial, bin, unit)
        window = slice(n_before, None)
        values = self.covariate_bins.values
        return Trials(
            counts=counts[:, window],
            observed=observed[:, window],
            burn_in=counts[:, :n_before],
            burn_in_observed=observed[:, :n_before],
            covariates=values[:, window],
            covariates_burn_in=values[:, :n_before],
            covariate_names=self.covariate_names,
            condition=self.condition,
            conditions=self.conditions,
            start_s=self.start_s,
            group=self.group,
            session=self._session(counts[:, window], observed[:, window]),
            session_table=self.table,
            session_index=np.arange(self.n_trials),
            unit_ids=ids,
            bin_s=self.bin_s,
            window_s=self.window_s,
            observation=self.observation,
            has_repeats=self.has_repeats,
        )

    def _count(self, unit: Unit, observed: BoolArray, out: npt.NDArray[np.uint8]) -> None:
        binned = self.grid.bin(unit)
        to_counts(binned.where(observed[binned.trial, binned.bin + self.grid.n_before]), out, self.grid.n_before)

    def _session(self, counts: npt.NDArray[np.uint8], observed: BoolArray) -> SessionCounts:
        return SessionCounts(
            start_s=self.grid.start_s,
            stop_s=self.grid.stop_s,
            counts=counts.sum(axis=1, dtype=np.int64),
            exposure_bins=observed.sum(axis=1, dtype=np.int64),
            condition=self.condition,
        )


def plan_trials(recording: Recording, options: TrialOptions | None = None) -> TrialPlan:
    """Resolve trials, windows, conditions and units of a recording; nothing is binned yet but to count.

    Parameters
    ----------
    recording
        As ``read_recording`` returns it.
    options
        Which trials, aligned how (``TrialOptions``); everything has a default.

    Raises
    ------
    RecordingError
        Where a table, column, series or unit is not there, the windows miss the recording, or a bin overflows.
    ConfigError
        Where options contradict each other.
    """
    options = options or TrialOptions()
    if options.burn_in_s < 0:
        raise ConfigError(f"--burn-in {options.burn_in_s:g}: it cannot be negative")
    rows, window_s = _rows_and_window(recording, options)
    found = exposure(recording, rows.intervals_s)
    n_before = count_bins(options.burn_in_s, options.bin_s)
    rows = _within_recording(recording, rows, window_s, options, found)
    rows = _with_covariates(recording, rows, window_s, options)
    condition, conditions, rows = label_conditions(recording, rows, options.condition)
    n_bins = whole_bins(window_s[1] - window_s[0], options.bin_s)
    grid = Grid(rows.zero_s + window_s[0], n_bins, n_before, options.bin_s)
    group = overlap_groups(grid.start_s, grid.stop_s)
    plan = TrialPlan(
        recording=recording,
        options=options,
        table_name=rows.name,
        table=rows.table,
        zero_s=rows.zero_s,
        grid=grid,
        window_s=(window_s[0], window_s[0] + n_bins * options.bin_s),
        condition=condition,
        conditions=conditions,
        group=group,
        observation=_observation(options),
        has_repeats=options.segment_s is None,
        covariate_names=channel_names(find_covariates(recording, options.covariates)),
        exposure=found,
        findings=(*rows.findings, *found.findings, *_overlap_finding(group)),
    )
    return _with_units(plan)


def _rows_and_window(recording: Recording, options: TrialOptions) -> tuple[TrialRows, tuple[float, float]]:
    window_s = options.window_s
    if options.segment_s is not None:
        rows, window_s = segment_rows(recording, options), (0.0, options.segment_s)
    else:
        rows = trial_rows(recording, options)
        if window_s is None:
            window_s, rows = default_window(recording, rows)
            if options.bin_s > 0 and whole_bins(window_s[1], options.bin_s) < 1:
                message = f"a bin must fit the trials, of which the shortest lasts {window_s[1]:.4g} s"
                cure = f"--bin {window_s[1] / 10:.1g}s"
                raise RecordingError(recording.path, f"--bin {options.bin_s:g}: {message}", cure)
    check_window(window_s, options.bin_s)
    # Whole bins only: the last bin must not reach beyond what was asked for, or over the shortest trial's end.
    n_bins = whole_bins(window_s[1] - window_s[0], options.bin_s)
    used_s = (window_s[0], window_s[0] + n_bins * options.bin_s)
    left_over_s = window_s[1] - used_s[1]
    if left_over_s > max(LEFT_OVER * options.bin_s, LEFT_OVER_S):
        message = (
            f"the window of {window_s[1] - window_s[0]:.6g} s is cut to {n_bins} bins of {options.bin_s:g} s: "
            f"its last {left_over_s:.3g} s are not used"
        )
        finding = Finding("window-cut", "info", message, count=n_bins, option="--bin")
        rows = replace(rows, findings=(*rows.findings, finding))
    return rows, used_s


def _observation(options: TrialOptions) -> Observation:
    if options.observation != "auto":
        return options.observation
    return "bernoulli" if options.bin_s <= BERNOULLI_UP_TO_S * (1 + 1e-9) else "poisson"


def _within_recording(
    recording: Recording, rows: TrialRows, window_s: tuple[float, float], options: TrialOptions, found: Exposure
) -> TrialRows:
    """Drop trials whose window holds no recorded bin of any unit; refuse where they are most of them."""
    n_bins = whole_bins(window_s[1] - window_s[0], options.bin_s)
    heard = as_intervals(np.concatenate([np.empty((0, 2)), *_heard(recording, found)]))
    inside: BoolArray = np.any(observed_bins(heard, rows.zero_s + window_s[0], n_bins, options.bin_s), axis=1)
    share = float(inside.mean())
    missed = int((~inside).sum())
    if share < FEWEST_WINDOWS:
        why, cure = _why_missed(rows, window_s, options, heard)
        message = f"{missed} of {len(inside)} windows {why}"
        raise RecordingError(recording.path, message, cure, "windows-miss-recording")
    if missed == 0:
        return rows
    level: Literal["warning", "info"] = "warning" if share < FEW_WINDOWS else "info"
    message = f"{missed} of {len(inside)} windows lie outside the recorded time: dropped"
    finding = Finding("windows-miss-recording", level, message, count=missed, option="--event-offset")
    return rows.keep(inside, finding)


def _why_missed(
    rows: TrialRows, window_s: tuple[float, float], options: TrialOptions, heard: FloatArray
) -> tuple[str, str]:
    """Return what is wrong with windows without a recorded bin, and the option that mends it."""
    windows = rows.zero_s[:, None] + np.array(window_s)
    if _touched(windows, heard).mean() >= FEWEST_WINDOWS:
        longest_s = float((heard[:, 1] - heard[:, 0]).max())
        why = f"hold no whole bin of {options.bin_s:g} s of recorded time, whose longest stretch is {longest_s:.4g} s"
        return why, "a finer --bin"
    trials = rows.intervals_s + np.array([-SLACK_S, SLACK_S])
    near = _touched(trials, heard)
    if near.mean() < FEWEST_WINDOWS:
        why = "lie outside the recorded time: the clock of the events differs"
        return why, "--event-offset SECONDS or another --align"
    first = np.searchsorted(heard[:, 1], trials[near, 0], side="right")
    low, high = np.median(heard[first] - rows.zero_s[near, None], axis=0) + 0.0
    asked = f"--window {window_s[0]:g} {window_s[1]:g}"
    why = f"lie outside the recorded time, from {low:.4g} to {high:.4g} s about time zero: {asked} is too far"
    return why, "another --window"


def _touched(windows: FloatArray, intervals: FloatArray) -> BoolArray:
    """Return which windows (trial, 2) share time with joined intervals."""
    low = np.searchsorted(intervals[:, 1], windows[:, 0], side="right")
    return np.asarray(np.searchsorted(intervals[:, 0], windows[:, 1], side="left") > low)


def _heard(recording: Recording, found: Exposure) -> list[FloatArray]:
    """Return when each unit was recorded; where the file does not say, not much beyond the spikes of all units."""
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


def _with_covariates(
    recording: Recording, rows: TrialRows, window_s: tuple[float, float], options: TrialOptions
) -> TrialRows:
    """Drop trials in which a requested covariate is nowhere known, and say what is odd in the covariates."""
    series = find_covariates(recording, options.covariates)
    if not series:
        return rows
    n_bins = whole_bins(window_s[1] - window_s[0], options.bin_s)
    odd = check_series(recording, series, rows.zero_s[:, None] + np.array(window_s))
    resampled = resample_all(recording, series, rows.zero_s + window_s[0], n_bins, options.bin_s, 0)
    rows = replace(rows, findings=(*rows.findings, *odd, *constant_in_windows(series, resampled)))
    known: BoolArray = np.any(resampled.all_known, axis=1)
    missing = int((~known).sum())
    names = ", ".join(name for name, bins in resampled.known.items() if not bins.any(axis=1).all())
    if missing == len(known):
        raise RecordingError(
            recording.path,
            f"{names or ', '.join(options.covariates)}: no samples in any window",
            "another --covariate or --window",
        )
    if missing == 0:
        return rows
    message = f"{missing} of {len(known)} trials without samples of {names or 'all covariates at once'}: dropped"
    return rows.keep(known, Finding("covariate-absent", "warning", message, count=missing))


def _gap_findings(plan: TrialPlan, unit_ids: Sequence[str]) -> tuple[Finding, ...]:
    """Return a finding for each covariate that is missing in bins of the trials: these are not scored."""
    n_before, findings = plan.grid.n_before, []
    series = find_covariates(plan.recording, plan.options.covariates)
    gaps = {each.name: ~plan.covariate_bins.known[each.name] for each in series}
    gaps = {name: bins for name, bins in gaps.items() if bins[:, n_before:].any()}
    if not gaps:
        return ()
    n_spikes, n_lost = 0, dict.fromkeys(gaps, 0)
    for unit in map(plan.recording.unit, unit_ids):
        observed, binned = plan.grid.observed(plan.exposure.of(unit)), plan.grid.bin(unit)
        inside = binned.where((binned.bin >= 0) & observed[binned.trial, binned.bin + n_before])
        n_spikes += int(inside.n.sum())
        for name, missing in gaps.items():
            n_lost[name] += int(inside.n[missing[inside.trial, inside.bin + n_before]].sum())
    for name, missing in gaps.items():
        n_bins, n_missing = missing[:, n_before:].size, int(missing[:, n_before:].sum())
        share = n_missing / n_bins
        message = (
            f"{name} is missing in {n_missing} of {n_bins} bins ({share:.1%} of the trials' time): not scored, "
            f"nor are {n_lost[name]} of {n_spikes} spikes"
        )
        few = max(share, n_lost[name] / max(n_spikes, 1)) < FEW_GAPS
        findings.append(Finding("covariate-gaps", "info" if few else "warning", message, count=n_missing))
    return tuple(findings)


def overlap_groups(start_s: FloatArray, stop_s: FloatArray) -> IntArray:
    """Return groups (trial,) of windows that share recorded time, chained; starts ascend.

    Examples
    --------
    >>> overlap_groups(np.array([0.0, 0.5, 2.0]), np.array([1.0, 1.5, 3.0]))
    array([0, 0, 1])
    """
    if len(start_s) == 0:
        return np.empty(0, np.int64)
    reach = np.maximum.accumulate(stop_s)
    apart = start_s[1:] >= reach[:-1] - 1e-9
    return np.concatenate([[0], np.cumsum(apart)]).astype(np.int64)


def _overlap_finding(group: IntArray) -> tuple[Finding, ...]:
    size = np.bincount(group)
    n = int(size[size > 1].sum())
    if n == 0:
        return ()
    message = f"the windows of {n} trials lie over a neighbour's: such neighbours go into one fold"
    return (Finding("window-over-neighbour", "warning", message, count=n, option="--window"),)


def _with_units(plan: TrialPlan) -> TrialPlan:
    recording, options = plan.recording, plan.options
    queried = query_units(recording, plan.exposure, options.units)
    stats: dict[str, UnitInWindows] = {}
    seen: dict[bytes, BoolArray] = {}
    for unit_id in queried:
        unit = recording.unit(unit_id)
        stats[unit_id] = _in_windows(plan, unit, seen)
    left_out = leave_out(recording, queried, stats, options, plan.observation)
    merged = merged_findings(stats, left_out, options.bin_s) if plan.observation == "bernoulli" else ()
    kept = tuple(unit_id for unit_id in queried if unit_id not in left_out)
    return replace(
        plan,
        unit_ids=kept,
        left_out=left_out,
        n_spikes={unit_id: stats[unit_id].n_spikes for unit_id in kept},
        findings=(*plan.findings, *_gap_findings(plan, kept or queried), *merged),
    )


def _in_windows(plan: TrialPlan, unit: Unit, seen: dict[bytes, BoolArray]) -> UnitInWindows:
    key = b"" if unit.observed_s is None else unit.observed_s.tobytes() + b"observed"
    if key not in seen:
        seen.clear()  # one mask at a time: units mostly share theirs
        seen[key] = plan.observed(unit)
    observed, n_before = seen[key], plan.grid.n_before
    binned = plan.grid.bin(unit)
    inside = (binned.bin >= 0) & observed[binned.trial, binned.bin + n_before]
    n = binned.n[inside]
    if len(n) and int(n.max()) > MAX_COUNT:
        raise RecordingError(
            plan.recording.path,
            f"unit {unit.id}: a bin holds {int(n.max())} spikes, more than {MAX_COUNT}",
            "a finer --bin",
        )
    n_repeats = 0
    if bool(np.any(np.diff(unit.spike_times_s) == 0)):
        once = plan.grid.bin(replace(unit, spike_times_s=np.unique(unit.spike_times_s)))
        n_repeats = int((n - once.n[inside]).sum())  # in the same bins
    return UnitInWindows(int(n.sum()), int((n - 1).sum()), int(observed[:, n_before:].sum()), n_repeats)
