"""PSTHs to look at: smoothed rate per condition, pointwise and simultaneous trial-bootstrap bands (science.md b.3).

The estimate is plain, ``K*spikes / K*exposure``, drawn to nothing. Trials are resampled within each condition, which
keeps the dependence of spikes within a trial; deviations are taken on the scale of the square root, where the spread
of a count hardly depends on the rate, so that a band never reaches below zero::

    sqrt(rate) +- q se,    se = r x (standard error if counts were Poisson)

with r the ratio of the resamplings' spread to Poisson's; q is the normal quantile pointwise, and the resamplings'
quantile of max_k |sqrt(rate*) - sqrt(rate)| / se for the whole curve. The ratio is smoothed in time because the
spread of few trials is itself uncertain, and is taken as no less than 1 where the kernel holds fewer than
``FEW_SPIKES`` spikes, of which resampling knows nothing. Bands are about the smoothed rate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import ndtri

from rnnspike.errors import ModelError
from rnnspike.models.bandwidths import kernel_bandwidth
from rnnspike.models.psth import left_out_mu
from rnnspike.models.smoothing import (
    Binned,
    Kernel,
    binned,
    choose_smoothing,
    conditions_left_out,
    descend,
    mean_rate,
    score,
    summed_by,
    usable_bandwidths,
)
from rnnspike.trials.data import FloatArray, IntArray, Trials

#: Estimates that rest on fewer spikes have at least the spread of a Poisson count.
FEW_SPIKES = 5.0
#: The ratio of spreads is smoothed with a kernel so many times as wide as the PSTH's.
RATIO_SMOOTHING = 6.0
#: Points of a curve, unless a step is asked for.
MIN_POINTS, MAX_POINTS = 200, 1000

Bandwidth = float | Literal["leave-one-out", "shimazaki"]


@dataclass(frozen=True)
class PsthResult:
    """The PSTH of one unit; curves are float64 (condition, point) in Hz, NaN where nothing was observed.

    ``time_s`` (point,) are middles of the steps, from time zero. ``low_hz`` and ``high_hz`` hold each point with
    probability ``level``, ``band_low_hz`` and ``band_high_hz`` the whole curve of a condition.
    ``bits_per_spike`` is the left-out score of the ``psth`` model over the rate of the other trials, where asked for;
    ``n_trials``, ``n_spikes``, ``mean_hz`` are (condition,).
    """

    unit: str
    conditions: tuple[str, ...]
    time_s: FloatArray
    rate_hz: FloatArray
    low_hz: FloatArray
    high_hz: FloatArray
    band_low_hz: FloatArray
    band_high_hz: FloatArray
    level: float
    bandwidth_s: float
    n_trials: IntArray
    n_spikes: IntArray
    mean_hz: FloatArray
    bits_per_spike: float

    def peak(self, condition: int) -> tuple[float, float]:
        """Return the highest rate of a condition (Hz) and its time (s); NaN where nothing was observed."""
        rate = self.rate_hz[condition]
        if np.isnan(rate).all():
            return float("nan"), float("nan")
        k = int(np.nanargmax(rate))
        return float(rate[k]), float(self.time_s[k])

    def is_modulated(self, condition: int) -> bool:
        """Return whether no constant rate fits into a condition's simultaneous band."""
        low, high = self.band_low_hz[condition], self.band_high_hz[condition]
        return bool(not np.isnan(low).all() and np.nanmax(low) > np.nanmin(high))


def psth(
    trials: Trials,
    *,
    rng: np.random.Generator,
    bandwidth: Bandwidth = "leave-one-out",
    level: float = 0.95,
    n_boot: int = 1000,
    step_s: float | None = None,
    scored: bool = True,
) -> PsthResult:
    """Return the PSTH of one unit with its bands.

    Parameters
    ----------
    trials
        Trials of one unit; all spikes are counted, whatever the observation model.
    rng
        Draws the bootstrap.
    bandwidth
        Standard deviation of the Gaussian kernel in seconds, or how to choose it.
    level
        Probability that a band claims to hold the smoothed rate.
    step_s
        Distance of the curve's points; default a quarter of the bandwidth, within the limits of
        ``MIN_POINTS`` and ``MAX_POINTS``.
    scored
        Whether bits/spike are wanted, which cost more than the curve.

    Raises
    ------
    ModelError
        Where the recording was cut into segments, or the unit is observed in no trial.
    """
    if trials.n_units != 1:
        raise ValueError(f"psth takes one unit, not {trials.n_units}")
    if not trials.has_repeats:
        raise ModelError("the recording was cut into segments: nothing to average over")
    data = binned(replace(trials, observation="poisson"))
    if len(data.spikes) == 0:
        raise ModelError(f"unit {trials.unit_ids[0]} is observed in no trial")
    bandwidth_s = _bandwidth_s(data, bandwidth)
    window_s = trials.n_bins * trials.bin_s
    step_s = step_s or max(min(bandwidth_s / 4, window_s / MIN_POINTS), window_s / MAX_POINTS)
    coarse = data.coarser(max(1, min(round(step_s / trials.bin_s), trials.n_bins)))
    curves = [
        _curve(coarse, np.flatnonzero(coarse.condition == c), bandwidth_s, level, n_boot, rng)
        for c in range(data.n_conditions)
    ]
    rate, low, high, band_low, band_high = (np.stack(each) for each in zip(*curves, strict=True))
    exposure = summed_by(data.exposure, data.condition, data.n_conditions).sum(axis=1)
    n_spikes = summed_by(data.spikes, data.condition, data.n_conditions).sum(axis=1)
    return PsthResult(
        unit=trials.unit_ids[0],
        conditions=trials.conditions,
        time_s=_middles(trials, coarse.width),
        rate_hz=rate,
        low_hz=low,
        high_hz=high,
        band_low_hz=band_low,
        band_high_hz=band_high,
        level=level,
        bandwidth_s=bandwidth_s,
        n_trials=np.bincount(data.condition, minlength=data.n_conditions),
        n_spikes=n_spikes.astype(np.int64),
        mean_hz=np.divide(n_spikes, exposure * trials.bin_s, out=np.full(len(exposure), np.nan), where=exposure > 0),
        bits_per_spike=left_out_bits(trials) if scored else float("nan"),
    )


def _middles(trials: Trials, width: int) -> FloatArray:
    starts = np.arange(0, trials.n_bins, width)
    stops = np.minimum(starts + width, trials.n_bins)
    return np.asarray(trials.window_s[0] + (starts + stops) / 2 * trials.bin_s)


def _bandwidth_s(data: Binned, bandwidth: Bandwidth) -> float:
    if isinstance(bandwidth, float):
        return bandwidth
    if bandwidth == "leave-one-out" and len(data.spikes) > 1:
        return display_bandwidth(data)
    found = kernel_bandwidth(data.spikes.sum(axis=0), data.bin_s)  # one trial has no others to be predicted from
    return found if np.isfinite(found) else usable_bandwidths(data)[-1]


def display_bandwidth(data: Binned) -> float:
    """Return the bandwidth (s) of highest left-out likelihood where each condition is smoothed on its own.

    A condition of one trial has no others to be predicted from; where all are such, conditions are pooled.
    """
    size = np.bincount(data.condition, minlength=data.n_conditions)
    repeated = size[data.condition] > 1
    if not repeated.any():
        return choose_smoothing(replace(data, condition=np.zeros_like(data.condition), n_conditions=1)).bandwidth_s
    parts = {key: getattr(data, key)[repeated] for key in ("spikes", "exposure", "condition")}
    data = replace(data, **parts)

    def left_out_score(bandwidth_s: float) -> float:
        coarse = data.for_bandwidth(bandwidth_s)
        n, e = coarse.spikes.sum(axis=1), coarse.exposure.sum(axis=1)
        others = (summed_by(v, data.condition, data.n_conditions)[data.condition] - v for v in (n, e))
        prior = mean_rate(*others)[:, None]
        return score(coarse, conditions_left_out(coarse, prior, bandwidth_s, 1.0))

    return max(descend(data, left_out_score, float), key=lambda each: each[1])[0]


def _curve(
    data: Binned, rows: IntArray, bandwidth_s: float, level: float, n_boot: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return rate, pointwise low and high, simultaneous low and high of some trials, Hz (point,)."""
    smooth = data.kernel(bandwidth_s)
    spikes, exposure = data.spikes[rows], data.exposure[rows]
    root = np.sqrt(_rate(smooth, spikes.sum(axis=0), exposure.sum(axis=0), data.bin_s))
    se = _poisson_se(smooth, exposure.sum(axis=0), data.bin_s)
    pointwise = simultaneous = float(ndtri(0.5 + level / 2))
    if len(rows) > 1 and n_boot > 0:
        weights = rng.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=n_boot).astype(float)
        exposed = exposure.sum(axis=0, keepdims=True) if data.complete else weights @ exposure
        again = np.sqrt(_rate(smooth, weights @ spikes, exposed, data.bin_s))
        deviation = np.where(np.isfinite(again), again, root) - root
        deviation *= np.sqrt(len(rows) / (len(rows) - 1))
        se = se * _spread_ratio(deviation, se, _effective_spikes(smooth, spikes.sum(axis=0)), data, bandwidth_s)
        known = np.isfinite(se)
        furthest = (np.abs(deviation[:, known]) / se[known]).max(axis=1, initial=0.0)
        simultaneous = max(float(np.quantile(furthest, level)), pointwise)
    low, high, band_low, band_high = (
        np.maximum(root + sign * q * se, 0.0) ** 2 for q in (pointwise, simultaneous) for sign in (-1, 1)
    )
    return root**2, low, high, band_low, band_high


def _spread_ratio(
    deviation: FloatArray, se: FloatArray, n_effective: FloatArray, data: Binned, bandwidth_s: float
) -> FloatArray:
    """Return the resamplings' spread over a Poisson count's, smoothed in time, (point,)."""
    rests_on_enough = (n_effective >= FEW_SPIKES) & np.isfinite(se)
    if not rests_on_enough.any():
        return np.ones(len(se))
    squared = np.where(
        rests_on_enough, np.square(deviation).mean(axis=0) / np.where(rests_on_enough, se, 1.0) ** 2, 0.0
    )
    wide = data.kernel(RATIO_SMOOTHING * bandwidth_s)
    weight = wide(rests_on_enough.astype(float))
    overall = squared.sum() / rests_on_enough.sum()
    smoothed = np.where(weight > 1e-6, wide(squared) / np.maximum(weight, 1e-6), overall)
    trust = np.clip(n_effective / FEW_SPIKES - 1.0, 0.0, 1.0)  # comes in gradually, so that bands have no steps
    return np.asarray(np.sqrt(trust * smoothed + (1.0 - trust) * np.maximum(smoothed, 1.0)))


def _rate(smooth: Kernel, spikes: FloatArray, exposure: FloatArray, bin_s: float) -> FloatArray:
    seconds = smooth(exposure) * bin_s
    known = seconds > 1e-9
    return np.asarray(np.where(known, smooth(spikes) / np.where(known, seconds, 1.0), np.nan))


def _poisson_se(smooth: Kernel, exposure: FloatArray, bin_s: float) -> FloatArray:
    """Return the standard error of the square root of the rate if counts were Poisson: half the kernel's norm."""
    seconds = smooth(exposure) * bin_s
    known = seconds > 1e-9
    return np.asarray(
        np.where(known, 0.5 * np.sqrt(_squared(smooth, exposure) * bin_s) / np.where(known, seconds, 1.0), np.nan)
    )


def _effective_spikes(smooth: Kernel, spikes: FloatArray) -> FloatArray:
    """Return how many spikes an estimate rests on: (sum of weights)^2 / sum of squared weights."""
    squared = _squared(smooth, spikes)
    return np.asarray(np.where(squared > 1e-12, smooth(spikes) ** 2 / np.maximum(squared, 1e-12), 0.0))


def _squared(smooth: Kernel, values: FloatArray) -> FloatArray:
    """Return the values convolved with the kernel's square."""
    reach = len(smooth.weight) // 2
    full = np.convolve(values, smooth.weight**2)
    return np.asarray(np.maximum(full[reach : reach + len(values)], 0.0))


def left_out_bits(trials: Trials) -> float:
    """Return bits/spike of the ``psth`` model, each trial from the others, over the mean rate of the others.

    In closed form (science.md b.3), under the trials' own observation model; NaN without spikes.
    """
    data = binned(trials)
    n_spikes = data.spikes.sum()
    if n_spikes == 0 or len(data.spikes) < 2:
        return float("nan")
    others = data.spikes.sum() - data.spikes.sum(axis=1), data.exposure.sum() - data.exposure.sum(axis=1)
    flat = mean_rate(*others)[:, None]
    if trials.observation == "bernoulli":
        flat = -np.log1p(-np.minimum(flat, 1 - 1e-6))
    held = trials.observed[:, :, 0].any(axis=1)
    mu = left_out_mu(trials, choose_smoothing(data))[held]
    gain = _log_likelihood(mu, data, trials) - _log_likelihood(np.broadcast_to(flat, mu.shape), data, trials)
    return float(gain / n_spikes / np.log(2))


def _log_likelihood(mu: FloatArray, data: Binned, trials: Trials) -> float:
    """Return the log-likelihood without log y! (science.md b.2)."""
    y = data.spikes
    where = np.nonzero(y)
    if trials.observation == "bernoulli":
        return float(np.log(-np.expm1(-mu[where])).sum() - (mu * (data.exposure - y)).sum())
    return float((y[where] * np.log(mu[where])).sum() - (mu * data.exposure).sum())
