"""From a recording to trials: windows, conditions and units first, then binning per unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.errors import ConfigError, RecordingError
from rnnspike.observation import Observation
from rnnspike.recording.data import Finding, Recording, Unit
from rnnspike.trials.align import MAX_COUNT, count_bins, to_counts, whole_bins
from rnnspike.trials.covariates import (
    Resampled,
    channel_names,
    gap_findings,
    keep_with_covariates,
    read_series,
    resample_all,
)
from rnnspike.trials.data import BoolArray, FloatArray, IntArray, SessionCounts, TrialOptions, Trials
from rnnspike.trials.grid import Grid
from rnnspike.trials.masks import Exposure, exposure
from rnnspike.trials.rows import label_conditions
from rnnspike.trials.units import UnitInWindows, leave_out, merged_findings, query_units
from rnnspike.trials.windows import keep_recorded, rows_and_window

#: Bins up to this wide are scored as Bernoulli under ``observation`` auto.
BERNOULLI_UP_TO_S = 0.002


@dataclass(frozen=True, repr=False)
class TrialPlan:
    """Trials of a recording, resolved but not yet binned.

    ``table`` holds the rows of the trials in order of time, ``zero_s`` (trial,) their time zero in session seconds,
    ``unit_ids`` the units to be modelled, ``left_out`` the others with the reason, ``n_spikes`` the number of spikes
    of each modelled unit in the windows, ``covariate_bins`` the requested covariates on the bins, burn-in first.
    ``findings`` are about the trials (the recording has its own).
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
    covariate_bins: Resampled
    exposure: Exposure
    unit_ids: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    n_spikes: Mapping[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def __repr__(self) -> str:
        low, high = self.window_s
        parts = f"{self.n_trials} trials of {self.table_name}, {low:g} to {high:g} s, bins of {1e3 * self.bin_s:g} ms"
        units = f"{len(self.unit_ids)} units, {len(self.left_out)} left out"
        return f"<TrialPlan: {parts}, {len(self.conditions)} conditions; {units}; {len(self.findings)} findings>"

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

    def observed(self, unit: Unit) -> BoolArray:
        """Return the observed bins of a unit, burn-in first: bool (trial, n_before + bin)."""
        return self.grid.observed(self.exposure.of(unit)) & self.covariate_bins.all_known

    def trials(self, unit_ids: Sequence[str] | None = None) -> Trials:
        """Bin these units (default: all units to be modelled).

        The memory layout of the arrays is by unit, so that each unit is contiguous.

        Raises
        ------
        RecordingError
            If a bin holds more than ``MAX_COUNT`` spikes.
        """
        ids = self.unit_ids if unit_ids is None else tuple(unit_ids)
        n_before, width = self.grid.n_before, self.grid.n_before + self.grid.n_bins
        counts = np.zeros((len(ids), self.n_trials, width), np.uint8)
        observed = np.empty(counts.shape, bool)
        seen: dict[bytes, int] = {}
        for u, unit_id in enumerate(ids):
            unit = self.recording.unit(unit_id)
            same = seen.setdefault(self.exposure.key(unit), u)
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

    def spikes(self, unit: Unit, observed: BoolArray) -> tuple[IntArray, IntArray, IntArray]:
        """Return trial, bin (from the start of the burn-in) and spikes, as scored, of bins that hold any (entry,).

        Parameters
        ----------
        unit
            A unit of the recording.
        observed
            Its observed bins (``observed``), outside which no spike is returned.
        """
        binned = self.grid.bin(unit)
        at = binned.bin + self.grid.n_before
        keep = observed[binned.trial, at]
        n = np.minimum(binned.n, 1) if self.observation == "bernoulli" else binned.n
        return binned.trial[keep], at[keep], n[keep]

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
    """Determine trials, windows, conditions and units of a recording, without binning.

    Parameters
    ----------
    recording
        As returned by ``read_recording``.
    options
        How trials are chosen, aligned and binned (``TrialOptions``); everything has a default.

    Returns
    -------
    TrialPlan
        Windows, conditions and units; ``trials()`` bins them.

    Raises
    ------
    RecordingError
        If a table, column, series or unit is missing, the windows miss the recording, or a bin overflows.
    ConfigError
        If options contradict each other.
    """
    options = options or TrialOptions()
    if not 0 <= options.burn_in_s < np.inf:
        raise ConfigError(f"--burn-in {options.burn_in_s:g}: it cannot be negative or infinite")
    rows, window_s = rows_and_window(recording, options)
    found = exposure(recording, rows.intervals_s)
    n_before = count_bins(options.burn_in_s, options.bin_s)
    rows = keep_recorded(recording, rows, window_s, options, found)
    series = read_series(recording, options.covariates)
    rows = keep_with_covariates(recording, rows, window_s, options, series)
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
        covariate_names=channel_names(series),
        covariate_bins=resample_all(series, grid.start_s, n_bins, options.bin_s, n_before),
        exposure=found,
        findings=(*rows.findings, *found.findings, *_overlap_finding(group)),
    )
    return _with_units(plan)


def _observation(options: TrialOptions) -> Observation:
    if options.observation != "auto":
        return options.observation
    return "bernoulli" if options.bin_s <= BERNOULLI_UP_TO_S * (1 + 1e-9) else "poisson"


def overlap_groups(start_s: FloatArray, stop_s: FloatArray) -> IntArray:
    """Return the group (trial,) of each window; overlapping windows are in one group. Starts ascend.

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
    message = (
        f"the windows of {n} trials overlap with those of neighbouring trials: overlapping trials go into one fold"
    )
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
        findings=(*plan.findings, *_covariate_gaps(plan, kept or queried), *merged),
    )


def _covariate_gaps(plan: TrialPlan, unit_ids: Sequence[str]) -> tuple[Finding, ...]:
    if not plan.options.covariates:
        return ()
    units = [plan.recording.unit(unit_id) for unit_id in unit_ids]
    return gap_findings(plan.covariate_bins, plan.grid, plan.exposure, units)


def _in_windows(plan: TrialPlan, unit: Unit, seen: dict[bytes, BoolArray]) -> UnitInWindows:
    key = plan.exposure.key(unit)
    if key not in seen:
        seen.clear()  # keep only one mask: most units share it
        seen[key] = plan.observed(unit)
    observed, n_before = seen[key], plan.grid.n_before
    binned = plan.grid.bin(unit)
    inside = (binned.bin >= 0) & observed[binned.trial, binned.bin + n_before]
    n = binned.n[inside]
    if len(n) and int(n.max()) > MAX_COUNT:
        raise RecordingError(
            plan.recording.path,
            f"unit {unit.id}: a bin holds {int(n.max())} spikes, more than {MAX_COUNT}",
            "a narrower --bin",
        )
    n_repeats = 0
    if bool(np.any(np.diff(unit.spike_times_s) == 0)):
        once = plan.grid.bin(replace(unit, spike_times_s=np.unique(unit.spike_times_s)))
        n_repeats = int((n - once.n[inside]).sum())  # in the same bins
    return UnitInWindows(int(n.sum()), int((n - 1).sum()), int(observed[:, n_before:].sum()), n_repeats)
