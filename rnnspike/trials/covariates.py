"""Time series resampled onto the bins, causally: what a model may know of the input at each bin.

Where samples come faster than bins, bin k holds the mean of the samples within it; otherwise the last sample
before its end. So bin k never sees a sample at or beyond its own end; within a bin, a spike may precede the
samples by less than a bin width.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnspike.errors import RecordingError
from rnnspike.recording.data import Covariate, Finding, Recording
from rnnspike.recording.series import (
    REFUSED,
    constant_finding,
    is_constant,
    off_trials,
    sample_findings,
    usable_samples,
)
from rnnspike.trials.align import EDGE_TOLERANCE
from rnnspike.trials.data import BoolArray, FloatArray
from rnnspike.trials.rows import did_you_mean

#: A sample is held for at most so many of the series' usual steps (its 95th percentile); older is absent.
HOLD_STEPS = 3.0


def find_covariates(recording: Recording, names: Sequence[str]) -> list[Covariate]:
    """Return the series of these names; RecordingError with the names there are."""
    for name in names:
        if name not in recording.covariates:
            known = did_you_mean(name, recording.covariates)
            raise RecordingError(recording.path, f"--covariate {name}: no such time series {known}")
    return [recording.covariates[name] for name in names]


def channel_names(covariates: Sequence[Covariate]) -> tuple[str, ...]:
    """Return a name a channel: the series' own, or ``name[0]``, ``name[1]``, ... where it has several."""
    names: list[str] = []
    for series in covariates:
        single = series.n_channels == 1
        names += [series.name] if single else [f"{series.name}[{i}]" for i in range(series.n_channels)]
    return tuple(names)


def resample(
    times_s: FloatArray, values: FloatArray, start_s: FloatArray, n_bins: int, bin_s: float, n_before: int = 0
) -> tuple[npt.NDArray[np.float32], BoolArray]:
    """Return a series on the bins of each window, float32 (trial, n_before + bin, channel), and where it is known.

    Parameters
    ----------
    times_s, values
        (sample,) seconds and (sample, channel); samples with NaN or infinity in any channel count as absent.
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
    centre = values.mean(axis=0)  # summed about the mean, so that long series lose no figures
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
    """Several series on the bins of each window: ``values`` float32 (trial, bin, channel), all channels side by side.

    ``known`` (trial, bin) for each series by name.
    """

    values: npt.NDArray[np.float32]
    known: dict[str, BoolArray]

    @property
    def all_known(self) -> BoolArray:
        """(trial, bin) where every series is known."""
        return np.asarray(np.logical_and.reduce([np.ones(self.values.shape[:2], bool), *self.known.values()]))


def resample_all(
    recording: Recording,
    covariates: Sequence[Covariate],
    start_s: FloatArray,
    n_bins: int,
    bin_s: float,
    n_before: int,
) -> Resampled:
    """Return several series on the bins of each window."""
    parts, known = [np.zeros((len(start_s), n_before + n_bins, 0), np.float32)], {}
    for series in covariates:
        times_s, values = _samples(recording, series)
        part, known[series.name] = resample(times_s, values, start_s, n_bins, bin_s, n_before)
        parts.append(part)
    return Resampled(np.concatenate(parts, axis=2), known)


def _samples(recording: Recording, series: Covariate) -> tuple[FloatArray, FloatArray]:
    times_s, values = series.load()
    if len(times_s) != len(values):
        found = f"time series {series.name} has {len(times_s)} times for {len(values)} samples"
        raise RecordingError(recording.path, found, "another --covariate")
    return times_s, values[:, None] if values.ndim == 1 else values


def check_series(recording: Recording, covariates: Sequence[Covariate], windows: FloatArray) -> list[Finding]:
    """Return what is odd in the series asked for, over the windows (trial, 2).

    Raises
    ------
    RecordingError
        Where one cannot be a covariate: it holds no number, two clocks, or runs in none of the windows.
    """
    findings = []
    for series in covariates:
        times_s, values = _samples(recording, series)
        found = sample_findings(series.name, times_s, values)
        usable = times_s[usable_samples(times_s, values)]
        off = off_trials(series.name, usable.min(), usable.max(), windows) if len(usable) else None
        for item in [*found, *([off] if off else [])]:
            if item.id in REFUSED:
                cure = "--event-offset or another --covariate" if item is off else "another --covariate"
                raise RecordingError(recording.path, item.message, cure, item.id)
        # Whether it varies is asked of the windows, not of the whole series.
        findings += [item for item in found if item.id != "covariate-constant"]
    return findings


def constant_in_windows(covariates: Sequence[Covariate], resampled: Resampled) -> list[Finding]:
    """Return a finding for each series with a channel that does not vary where it is known."""
    findings, at = [], 0
    for series in covariates:
        values = resampled.values[..., at : at + series.n_channels][resampled.known[series.name]]
        at += series.n_channels
        constant = is_constant(values) if len(values) else np.zeros(series.n_channels, bool)
        if constant.any():
            findings.append(constant_finding(series.name, constant, values[0], "throughout the windows"))
    return findings
