"""Checks of time series that may be used as covariates: all of them in ``inspect``, those used in ``fit``.

None of these findings prevents a fit; a series with a finding of ``REFUSED`` cannot be used as a covariate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rnnspike.errors import RecordingError
from rnnspike.recording.checks.assemble import alignable_tables
from rnnspike.recording.checks.clean import intervals_of
from rnnspike.recording.checks.times import CLOCK_RESET_S
from rnnspike.recording.data import Covariate, Finding, FloatArray, Recording
from rnnspike.recording.findings import found

#: Findings that exclude a series from use as a covariate.
REFUSED = ("covariate-clock-reset", "covariate-empty", "covariate-off-trials")
#: ``inspect`` does not load series with more values than this (raw signals).
MAX_VALUES = 10_000_000
#: Covariates are stored as float32: larger values become infinite, and smaller relative variation is lost.
LARGEST, SAME = float(np.finfo(np.float32).max), 1e-6


def usable_samples(times_s: FloatArray, values: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which samples have a time and a number in every channel, (sample,); ``values`` (sample, channel)."""
    return np.asarray(np.isfinite(times_s) & (np.abs(values) <= LARGEST).all(axis=1))


def is_constant(values: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Return which channels of ``values`` (sample, channel), at least one sample, are constant, (channel,)."""
    size = np.maximum(np.abs(values).max(axis=0), np.finfo(np.float32).tiny)
    return np.asarray(np.ptp(values, axis=0) <= SAME * size)


def sample_findings(name: str, times_s: FloatArray, values: FloatArray) -> list[Finding]:
    """Return the findings about the samples of a series, ``values`` (sample, channel) or (sample,)."""
    values = values[:, None] if values.ndim == 1 else values
    usable = usable_samples(times_s, values)
    of = f"of {len(times_s)} samples of {name}"
    if not usable.any():
        return [found("covariate-empty", f"none {of} has a time and a number", count=len(times_s))]
    steps_s = np.diff(times_s[np.isfinite(times_s)])
    n_resets = int(np.count_nonzero(steps_s < -CLOCK_RESET_S))
    if n_resets:
        message = (
            f"the times of {name} step back by more than 1 s ({n_resets} times): "
            "the clock was reset; split the series there"
        )
        return [found("covariate-clock-reset", message, count=n_resets)]
    n_back = int(np.count_nonzero(steps_s < 0))
    n_infinite = int((np.isinf(values) | (np.abs(values) > LARGEST)).any(axis=1).sum())
    n_nan = int((~usable).sum()) - n_infinite
    findings = []
    if n_back:
        findings.append(
            found("covariate-unsorted", f"the times of {name} step back {n_back} times: sorted", count=n_back)
        )
    if n_infinite:
        findings.append(
            found("covariate-infinite", f"{n_infinite} {of} are infinite: treated as missing", count=n_infinite)
        )
    if n_nan > 0:
        findings.append(found("covariate-nan", f"{n_nan} {of} are NaN: missing", count=n_nan))
    constant = is_constant(values[usable])
    if constant.any():
        findings.append(constant_finding(name, constant, values[usable][0], "throughout"))
    return findings


def constant_finding(
    name: str, constant: npt.NDArray[np.bool_], first: npt.NDArray[np.floating], where: str
) -> Finding:
    """Return the finding that channels (channel,) of a series are constant; ``first`` (channel,) is their value."""
    at = np.flatnonzero(constant)
    channel = f"{name}[{at[0]}]" if len(constant) > 1 else name
    more = f" (and {len(at) - 1} more channels)" if len(at) > 1 else ""
    message = f"{channel} is {first[at[0]]:g} {where}{more}: not usable as a covariate"
    return found("covariate-constant", message, count=len(at))


def off_trials_finding(name: str, first_s: float, last_s: float, windows: FloatArray) -> Finding | None:
    """Return the finding that a series overlaps none of the windows (trial, 2), or None."""
    if not len(windows) or bool(np.any((windows[:, 1] > first_s) & (windows[:, 0] <= last_s))):
        return None
    low, high = float(windows[:, 0].min()), float(windows[:, 1].max())
    message = f"{name} covers {first_s:.6g} to {last_s:.6g} s, but the trials {low:.6g} to {high:.6g} s"
    return found("covariate-off-trials", message, count=len(windows))


def series_findings(recording: Recording) -> list[Finding]:
    """Return the findings about the series of a recording; very large ones are judged by their header."""
    windows = _trials(recording)
    return [item for series in recording.covariates.values() for item in _findings(series, windows)]


def with_series_findings(recording: Recording) -> Recording:
    """Return a recording with these findings added; its content hash and origin are kept."""
    findings = (*recording.findings, *series_findings(recording))
    found = replace(recording, sha256=recording.__dict__.get("sha256", ""), findings=findings)
    return found.read_from(recording.origin)


def _findings(series: Covariate, windows: FloatArray) -> Sequence[Finding]:
    off = off_trials_finding(series.name, *series.span_s, windows) if series.span_s else None
    findings = [off] if off else []
    if series.n_samples * series.n_channels > MAX_VALUES:
        return findings
    try:
        times_s, values = series.load()
    except (RecordingError, OSError, ValueError) as error:
        why = " ".join(str(getattr(error, "finding", error)).split())[:100]
        return [found("covariate-broken", f"time series {series.name} cannot be read ({why})", count=1)]
    n_samples = min(len(times_s), len(values))
    return findings + sample_findings(series.name, times_s[:n_samples], values[:n_samples])


def _trials(recording: Recording) -> FloatArray:
    """Return the intervals that ``fit`` uses by default, (trial, 2); none if they are events."""
    names = [name for name in alignable_tables(recording.intervals, {}) if len(recording.intervals[name])]
    return intervals_of(recording.intervals[names[0]]) if names else np.empty((0, 2))
