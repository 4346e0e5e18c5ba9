"""Covariates: time series resampled causally onto the bins of the trials.

If samples are denser than bins, bin k holds the mean of the samples within it; otherwise the last sample before its
end. Bin k thus never depends on a sample at or after its end; within a bin, a spike may precede the samples by less
than a bin width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rnnspike.errors import RecordingError
from rnnspike.recording.checks.time_series import (
    REFUSED,
    constant_finding,
    is_constant,
    off_trials_finding,
    sample_findings,
    usable_samples,
)
from rnnspike.recording.data import Covariate, Finding, Recording, Unit
from rnnspike.trials.align import EDGE_TOLERANCE, whole_bins
from rnnspike.trials.data import BoolArray, FloatArray, TrialOptions
from rnnspike.trials.grid import Grid
from rnnspike.trials.masks import Exposure
from rnnspike.trials.rows import TrialRows, did_you_mean

#: A covariate missing in a smaller share of bins and spikes is reported as info, not as a warning.
MIN_GAP_SHARE = 0.01
#: A sample is used for at most this many usual steps of its series (95th percentile); after that, it is missing.
HOLD_STEPS = 3.0


def find_covariates(recording: Recording, names: Sequence[str]) -> list[Covariate]:
    """Return the series with these names; RecordingError with the available names if one is missing."""
    for name in names:
        if name not in recording.covariates:
            known = did_you_mean(name, recording.covariates)
            raise RecordingError(recording.path, f"--covariate {name}: no such time series {known}")
    return [recording.covariates[name] for name in names]


@dataclass(frozen=True)
class Series:
    """The samples of a covariate: ``times_s`` (sample,), ``values`` (sample, channel)."""

    name: str
    times_s: FloatArray
    values: FloatArray

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return int(self.values.shape[1])


def read_series(recording: Recording, names: Sequence[str]) -> list[Series]:
    """Return the samples of the series with these names.

    Raises
    ------
    RecordingError
        If one is missing, or does not have a time for each sample.
    """
    return [_samples(recording, each) for each in find_covariates(recording, names)]


def channel_names(covariates: Sequence[Series]) -> tuple[str, ...]:
    """Return a name per channel: that of the series, or ``name[0]``, ``name[1]``, ... if it has several."""
    names: list[str] = []
    for series in covariates:
        single = series.n_channels == 1
        names += [series.name] if single else [f"{series.name}[{i}]" for i in range(series.n_channels)]
    return tuple(names)


def resample(
    times_s: FloatArray, values: FloatArray, start_s: FloatArray, n_bins: int, bin_s: float, n_before: int = 0
) -> tuple[npt.NDArray[np.float32], BoolArray]:
    """Return a series on the bins of each window, float32 (trial, n_before + bin, channel), and which are known.

    Parameters
    ----------
    times_s, values
        (sample,) seconds and (sample, channel); samples with NaN or infinity in any channel are missing.
    start_s
        (trial,) start of each window; ``n_before`` bins before it are filled too.
    """
    valid = usable_samples(times_s, values)
    order = np.argsort(times_s[valid], kind="stable")
    times_s, values = times_s[valid][order], values[valid][order]
    shape = (len(start_s), n_before + n_bins)
    if len(times_s) == 0:
        return np.zeros((*shape, values.shape[1]), np.float32), np.zeros(shape, bool)
    index = np.arange(-n_before, n_bins + 1) - EDGE_TOLERANCE
    edges_s = start_s[:, None] + index * bin_s  # (trial, bin + 1)
    upto = np.searchsorted(times_s, edges_s)  # samples before each edge
    n = np.diff(upto, axis=1)
    centre = values.mean(axis=0)  # summed around the mean, so that long series lose no precision
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values - centre, axis=0)])
    mean = (total[upto[:, 1:]] - total[upto[:, :-1]]) / np.maximum(n, 1)[..., None] + centre
    last = np.maximum(upto[:, 1:] - 1, 0)
    age_s = edges_s[:, 1:] - times_s[last]
    known = (n > 0) | ((upto[:, 1:] > 0) & (age_s <= _hold_s(times_s, bin_s)))
    filled = np.where((n > 0)[..., None], mean, values[last]) * known[..., None]
    return filled.astype(np.float32), known


def _hold_s(times_s: FloatArray, bin_s: float) -> float:
    steps_s = np.diff(times_s)
    steps_s = steps_s[steps_s > 0]
    return max(HOLD_STEPS * float(np.quantile(steps_s, 0.95)), bin_s) if len(steps_s) else bin_s


@dataclass(frozen=True)
class Resampled:
    """Several series on the bins of each window: ``values`` float32 (trial, bin, channel), all channels.

    ``known`` maps the name of each series to (trial, bin), True where it has a value.
    """

    values: npt.NDArray[np.float32]
    known: dict[str, BoolArray]

    @property
    def all_known(self) -> BoolArray:
        """(trial, bin), True where every series is known."""
        return np.asarray(np.logical_and.reduce([np.ones(self.values.shape[:2], bool), *self.known.values()]))


def resample_all(
    covariates: Sequence[Series], start_s: FloatArray, n_bins: int, bin_s: float, n_before: int
) -> Resampled:
    """Return several series on the bins of each window."""
    parts, known = [np.zeros((len(start_s), n_before + n_bins, 0), np.float32)], {}
    for series in covariates:
        part, known[series.name] = resample(series.times_s, series.values, start_s, n_bins, bin_s, n_before)
        parts.append(part)
    return Resampled(np.concatenate(parts, axis=2), known)


def _samples(recording: Recording, series: Covariate) -> Series:
    times_s, values = series.load()
    if len(times_s) != len(values):
        found = f"time series {series.name} has {len(times_s)} times for {len(values)} samples"
        raise RecordingError(recording.path, found, "another --covariate")
    return Series(series.name, times_s, values[:, None] if values.ndim == 1 else values)


def check_series(recording: Recording, covariates: Sequence[Series], windows: FloatArray) -> list[Finding]:
    """Return the findings about the requested series, over the windows (trial, 2).

    Raises
    ------
    RecordingError
        If one cannot be used: it holds no number, its clock was reset, or it overlaps none of the windows.
    """
    findings = []
    for series in covariates:
        times_s, values = series.times_s, series.values
        found = sample_findings(series.name, times_s, values)
        usable = times_s[usable_samples(times_s, values)]
        off = off_trials_finding(series.name, usable.min(), usable.max(), windows) if len(usable) else None
        for item in [*found, *([off] if off else [])]:
            if item.id in REFUSED:
                remedy = "--event-offset or another --covariate" if item is off else "another --covariate"
                raise RecordingError(recording.path, item.message, remedy, item.id)
        # Whether it is constant is checked within the windows, not over the whole series.
        findings += [item for item in found if item.id != "covariate-constant"]
    return findings


def constant_in_windows(covariates: Sequence[Series], resampled: Resampled) -> list[Finding]:
    """Return a finding for each series with a channel that is constant where it is known."""
    findings, at = [], 0
    for series in covariates:
        values = resampled.values[..., at : at + series.n_channels][resampled.known[series.name]]
        at += series.n_channels
        constant = is_constant(values) if len(values) else np.zeros(series.n_channels, bool)
        if constant.any():
            findings.append(constant_finding(series.name, constant, values[0], "throughout the windows"))
    return findings


def keep_with_covariates(
    recording: Recording,
    rows: TrialRows,
    window_s: tuple[float, float],
    options: TrialOptions,
    series: Sequence[Series],
) -> TrialRows:
    """Drop trials in which a requested covariate is never known; add the findings about the covariates."""
    if not series:
        return rows
    n_bins = whole_bins(window_s[1] - window_s[0], options.bin_s)
    unusual = check_series(recording, series, rows.zero_s[:, None] + np.array(window_s))
    resampled = resample_all(series, rows.zero_s + window_s[0], n_bins, options.bin_s, 0)
    rows = replace(rows, findings=(*rows.findings, *unusual, *constant_in_windows(series, resampled)))
    known: BoolArray = np.any(resampled.all_known, axis=1)
    missing = int((~known).sum())
    names = ", ".join(name for name, bins in resampled.known.items() if not bins.any(axis=1).all())
    if missing == len(known):
        raise RecordingError(
            recording.path,
            f"{names or ', '.join(options.covariates)}: no samples in any window",
            "another --covariate or --window",
        )
    message = f"{missing} of {len(known)} trials without samples of {names or 'all covariates at once'}: dropped"
    return rows.drop(~known, "covariate-absent", message)


def gap_findings(resampled: Resampled, grid: Grid, exposure: Exposure, units: Sequence[Unit]) -> tuple[Finding, ...]:
    """Return a finding for each covariate with missing bins within the trials; these bins are not scored.

    ``resampled`` holds the covariates on the bins of ``grid``, burn-in first.
    """
    n_before, findings = grid.n_before, []
    gaps = {name: ~known for name, known in resampled.known.items()}
    gaps = {name: bins for name, bins in gaps.items() if bins[:, n_before:].any()}
    if not gaps:
        return ()
    n_spikes, n_lost = 0, dict.fromkeys(gaps, 0)
    for unit in units:
        observed, binned = grid.observed(exposure.of(unit)), grid.bin(unit)
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
        few = max(share, n_lost[name] / max(n_spikes, 1)) < MIN_GAP_SHARE
        findings.append(Finding("covariate-gaps", "info" if few else "warning", message, count=n_missing))
    return tuple(findings)
