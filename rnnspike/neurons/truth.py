"""The true intensity stored with simulated spikes, read back onto the bins of trials."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rnnspike.recording.data import Recording
from rnnspike.trials.data import FloatArray, Trials

_PREFIX = "true_intensity_"


def truth_name(unit_id: str) -> str:
    """Return the name of the time series that holds a unit's true intensity in Hz."""
    return f"{_PREFIX}{unit_id}"


def has_truth(recording: Recording) -> bool:
    """Return whether the recording holds the true intensity of any of its units."""
    return any(is_known(recording, unit.id) for unit in recording.units)


def is_known(recording: Recording, unit_id: str) -> bool:
    """Return whether the recording holds a true intensity of a unit."""
    return _series_name(recording, unit_id) is not None


def true_intensity(recording: Recording, trials: Trials) -> FloatArray | None:
    """Return the true ``mu`` (trial, bin, unit) of these trials, or None if the file does not hold all of it.

    The series holds the intensity (Hz) of each bin of its own grid, constant within a bin. If the trials' bins are
    those of this grid, ``mu`` is exactly the value from which the spike was drawn. On other bins it is the integral
    over the bin, which then also depends on the spikes inside the bin. None if an observed bin has no true value;
    NaN in unobserved bins without one.
    """
    names = [_series_name(recording, unit_id) for unit_id in trials.unit_ids]
    mu = np.full(trials.counts.shape, np.nan)
    for unit, name in enumerate(names):
        if name is None:
            return None
        times_s, values = recording.covariates[name].load()
        mu[:, :, unit] = on_bins(times_s, values.reshape(-1), trials.start_s, trials.n_bins, trials.bin_s)
    return None if np.isnan(mu[trials.observed]).any() else mu


def why_not_exact(recording: Recording, trials: Trials) -> str | None:
    """Return why the spikes of these bins were not drawn from the stored intensity; None if they were, or without.

    On other bins, the intensity would depend on spikes inside a bin; that of Bernoulli bins is not a Poisson mean.
    """
    names = [name for unit_id in trials.unit_ids if (name := _series_name(recording, unit_id)) is not None]
    if not names:
        return None
    times_s, _ = recording.covariates[names[0]].load()
    step_s = _step_s(times_s)
    if not _on_grid(times_s, step_s, trials.start_s, trials.bin_s):
        return f"the true intensity is for bins of {1e3 * step_s:g} ms, not for these (--bin {1e3 * step_s:g}ms)"
    if trials.observation != "bernoulli":
        return "the true intensity is for Bernoulli bins (--observation bernoulli)"
    return None


def _step_s(times_s: FloatArray) -> float:
    return float(times_s[-1] - times_s[0]) / max(len(times_s) - 1, 1)


def _on_grid(times_s: FloatArray, step_s: float, start_s: FloatArray, bin_s: float) -> bool:
    place = (start_s - times_s[0]) / step_s  # (trial,) in samples
    return bool(np.allclose(place, np.rint(place), rtol=0.0, atol=1e-4) and abs(bin_s / step_s - 1.0) < 1e-6)


def on_bins(times_s: FloatArray, lambda_hz: FloatArray, start_s: FloatArray, n_bins: int, bin_s: float) -> FloatArray:
    """Return the integral (trial, bin) of an intensity that is constant between successive, evenly spaced times.

    Parameters
    ----------
    times_s, lambda_hz
        (sample,) starts of the samples and their intensity; NaN where unknown.
    start_s
        (trial,) start of each trial's first bin.
    """
    step_s = _step_s(times_s)
    place = (start_s - times_s[0]) / step_s  # (trial,) in samples
    if _on_grid(times_s, step_s, start_s, bin_s):
        return _at(lambda_hz, np.rint(place).astype(np.int64)[:, None] + np.arange(n_bins)) * bin_s
    edges = place[:, None] + np.arange(n_bins + 1) * (bin_s / step_s)
    known = np.diff(_integral(np.isfinite(lambda_hz).astype(np.float64), edges), axis=1)
    total = np.diff(_integral(np.nan_to_num(lambda_hz), edges), axis=1) * step_s
    whole = known > bin_s / step_s - 1e-6
    return np.where(whole, total, np.nan)


def _at(values: FloatArray, index: npt.NDArray[np.int64]) -> FloatArray:
    """Return values at these indices, NaN outside."""
    inside = (index >= 0) & (index < len(values))
    return np.where(inside, values[np.clip(index, 0, len(values) - 1)], np.nan)


def _integral(values: FloatArray, place: FloatArray) -> FloatArray:
    """Return the integral from 0 to ``place`` (in samples) of a step function, 0 outside."""
    cumulated = np.concatenate([[0.0], np.cumsum(values)])
    result: FloatArray = np.interp(place, np.arange(len(cumulated)), cumulated)
    return result


def _series_name(recording: Recording, unit_id: str) -> str | None:
    """Return the covariate with this unit's true intensity; a reader may prefix its name by a container."""
    wanted = truth_name(unit_id)
    return next((name for name in recording.covariates if name.rsplit("/", 1)[-1] == wanted), None)
