"""PSTHs for display: smoothed rate per condition, pointwise and simultaneous trial-bootstrap bands.

See science.md#psth-bands.

The estimate is ``K*spikes / K*exposure``, without shrinkage. Trials are resampled within each condition, which
keeps the dependence of spikes within a trial; deviations are taken on the scale of the square root, where the spread
of a count hardly depends on the rate, so that a band never reaches below zero::

    sqrt(rate) +- q se,    se = r x (standard error if counts were Poisson)

with r the ratio of the resamplings' spread to Poisson's; q is the normal quantile pointwise, and the resamplings'
quantile of max_k |sqrt(rate*) - sqrt(rate)| / se for the whole curve. The ratio is smoothed in time because the
spread of few trials is itself uncertain, and is taken as no less than 1 where the kernel covers fewer than
``FEW_SPIKES`` spikes, too few for resampling. A ratio below 1 is shrunk to Poisson's by a scaled inverse chi-squared
prior of one degree of freedom (Gelman et al. 2013, Bayesian Data Analysis, 2.6), so that n identical trials still
have a spread, 1/n of Poisson's variance. Bands are about the smoothed rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.ndimage import convolve1d
from scipy.special import ndtri

from rnnspike.errors import ModelError
from rnnspike.models.baselines.bandwidths import kernel_bandwidth
from rnnspike.models.baselines.binned import Binned, Kernel, binned, mean_rate
from rnnspike.models.baselines.left_out import Smoothing, left_out, log_likelihood
from rnnspike.models.baselines.psth import left_out_mu
from rnnspike.models.baselines.psth_loops import largest_magnitudes, root_deviations
from rnnspike.models.baselines.smoothing import choose_smoothing, usable_bandwidths
from rnnspike.observation import log_spike_probability, mu_of_probability
from rnnspike.trials.data import FloatArray, IntArray, Trials

#: Estimates that rest on fewer spikes have at least the spread of a Poisson count.
FEW_SPIKES = 5.0
#: Width of the kernel that smooths the ratio of spreads, in widths of the PSTH's kernel.
RATIO_SMOOTHING = 6.0
#: Points of a curve, unless a step is asked for.
MIN_POINTS, MAX_POINTS = 200, 1000

#: Bands need no more than single precision: resamplings are random.
SingleArray = npt.NDArray[np.float32]
#: Returns resamplings (draw, trial) of so many trials.
Weights = Callable[[int], SingleArray]
Bandwidth = float | Literal["leave-one-out", "shimazaki"]


@dataclass(frozen=True)
class PsthResult:
    """The PSTH of one unit; curves are float64 (condition, point) in Hz, NaN where nothing was observed.

    ``time_s`` (point,) are middles of the steps, from time zero. ``low_hz`` and ``high_hz`` hold each point with
    probability ``level``, ``band_low_hz`` and ``band_high_hz`` the whole curve of a condition.
    ``bits_per_spike`` is the left-out score of the ``psth`` model of this bandwidth over the rate of the others,
    where asked for; ``n_trials``, ``n_spikes``, ``mean_hz`` are (condition,).
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
    rng: np.random.Generator | None = None,
    bandwidth: Bandwidth = "leave-one-out",
    level: float = 0.95,
    n_boot: int = 1000,
    weights: Weights | None = None,
    step_s: float | None = None,
    scored: bool = True,
) -> PsthResult:
    """Return the PSTH of one unit with its bands.

    Parameters
    ----------
    trials
        Trials of one unit; all spikes are counted, whatever the observation model.
    rng
        Draws ``n_boot`` resamplings of the trials of each condition (0: bands of Poisson's spread).
    bandwidth
        Standard deviation of the Gaussian kernel in seconds, or how to choose it.
    level
        Coverage probability of the bands for the smoothed rate.
    weights
        In place of ``rng`` and ``n_boot``: returns the resamplings of so many trials (``shared_weights``).
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
    if data.n_trials == 0:
        raise ModelError(f"unit {trials.unit_ids[0]} is observed in no trial")
    smoothing = _smoothing(data, bandwidth)
    bandwidth_s = smoothing.shown_bandwidth_s
    window_s = trials.n_bins * trials.bin_s
    step_s = step_s or max(min(bandwidth_s / 4, window_s / MIN_POINTS), window_s / MAX_POINTS)
    coarse = data.coarser(max(1, min(round(step_s / trials.bin_s), trials.n_bins)))
    bands = Bands(coarse, bandwidth_s, level)
    weights = weights or partial(trial_weights, rng or np.random.default_rng(0), n_boot)
    curves = [bands.curve(c, weights) for c in range(data.n_conditions)]
    rate, low, high, band_low, band_high = (np.stack(each) for each in zip(*curves, strict=True))
    exposure, n_spikes = data.total_exposure.sum(axis=1), data.total_spikes.sum(axis=1)
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
        bits_per_spike=left_out_bits(trials, smoothing) if scored else float("nan"),
    )


def _middles(trials: Trials, width: int) -> FloatArray:
    starts = np.arange(0, trials.n_bins, width)
    stops = np.minimum(starts + width, trials.n_bins)
    return np.asarray(trials.window_s[0] + (starts + stops) / 2 * trials.bin_s)


def _smoothing(data: Binned, bandwidth: Bandwidth) -> Smoothing:
    """Return the smoothing of the ``psth`` model, its bandwidth given or by a rule where that is asked for."""
    if isinstance(bandwidth, float):
        return choose_smoothing(data, bandwidth)
    if bandwidth == "leave-one-out" and data.n_trials > 1:
        return choose_smoothing(data)
    # A single trial cannot be predicted from others.
    found = kernel_bandwidth(data.total_spikes.sum(axis=0), data.bin_s)
    return choose_smoothing(data, found if np.isfinite(found) else usable_bandwidths(data)[-1])


def trial_weights(rng: np.random.Generator, n_boot: int, n_trials: int) -> SingleArray:
    """Return how often each of the trials is in each resampling of them, (draw, trial)."""
    return rng.multinomial(n_trials, np.full(n_trials, 1 / n_trials), size=n_boot).astype(np.float32)


def shared_weights(seed: int, n_boot: int) -> Weights:
    """Return resamplings that are the same for all units with as many trials, whatever else is drawn."""
    return cache(lambda n_trials: trial_weights(np.random.default_rng([seed, n_trials]), n_boot, n_trials))


class Bands:
    """Rates of the conditions with their bands; each trial is smoothed once, and resamplings weigh trials."""

    def __init__(self, data: Binned, bandwidth_s: float, level: float) -> None:
        self.data, self.bandwidth_s, self.level = data, bandwidth_s, level
        self.smooth = data.kernel(bandwidth_s)
        self.spikes = self.smooth(data.dense()).astype(np.float32)  # (trial, point)
        self.exposure = self.smooth(data.exposure)  # (pattern, point)
        spikes, exposure = data.total_spikes, data.total_exposure
        self.root = np.sqrt(_rate(self.smooth, spikes, exposure, data.bin_s))  # (condition, point)
        self.poisson_se = _poisson_se(self.smooth, exposure, data.bin_s)
        self.n_effective = _effective_spikes(self.smooth, spikes)

    def curve(self, condition: int, weights: Weights) -> tuple[FloatArray, ...]:
        """Return rate, pointwise low and high, simultaneous low and high of a condition, Hz (point,)."""
        rows, root = np.flatnonzero(self.data.condition == condition), self.root[condition]
        se, n_effective = self.poisson_se[condition], self.n_effective[condition]
        pointwise = simultaneous = float(ndtri(0.5 + self.level / 2))
        drawn = weights(len(rows)) if len(rows) > 1 else np.empty((0, len(rows)), np.float32)
        if len(drawn):
            deviation, squares = self._deviation(rows, drawn, root)
            ratio = _spread_ratio(squares, se, n_effective, self.data, self.bandwidth_s)
            se = se * np.sqrt(with_prior(np.square(ratio), len(rows)))
            simultaneous = max(_furthest(deviation, se, self.level), pointwise)
        low, high, band_low, band_high = (
            np.maximum(root + sign * q * se, 0.0) ** 2 for q in (pointwise, simultaneous) for sign in (-1, 1)
        )
        return root**2, low, high, band_low, band_high

    def _deviation(self, rows: IntArray, weights: SingleArray, root: FloatArray) -> tuple[SingleArray, FloatArray]:
        """Return by how much the root of the rate differs in resamplings, (draw, point), and the mean square."""
        exposure = self.exposure[self.data.pattern[rows]] * self.data.bin_s
        seconds = exposure.sum(axis=0, keepdims=True) if self.data.complete else weights @ exposure
        exposed = np.where(seconds > 1e-9, seconds, 0.0).astype(np.float32)
        deviation, squares = weights @ self.spikes[rows], np.empty(len(root))
        stretch = float(np.sqrt(len(rows) / (len(rows) - 1)))
        root_deviations(deviation, exposed, root.astype(np.float32), stretch, squares)
        return deviation, squares / len(weights)


def _furthest(deviation: SingleArray, se: FloatArray, level: float) -> float:
    """Return the quantile of the largest deviation of a resampling in standard errors."""
    largest = np.empty(len(deviation), np.float32)
    largest_magnitudes(deviation, np.where(np.isfinite(se), 1 / se, 0.0).astype(np.float32), largest)
    largest.sort()
    return float(np.interp(level, np.linspace(0, 1, len(largest)), largest))  # np.quantile takes ten times as long


def _spread_ratio(
    squares: FloatArray, se: FloatArray, n_effective: FloatArray, data: Binned, bandwidth_s: float
) -> FloatArray:
    """Return the resamplings' spread, of mean ``squares``, over a Poisson count's, smoothed in time, (point,)."""
    rests_on_enough = (n_effective >= FEW_SPIKES) & np.isfinite(se)
    if not rests_on_enough.any():
        return np.ones(len(se))
    squared = np.where(rests_on_enough, squares / np.where(rests_on_enough, se, 1.0) ** 2, 0.0)
    wide = data.kernel(RATIO_SMOOTHING * bandwidth_s)
    weight, summed = wide(np.stack([rests_on_enough.astype(float), squared]))
    overall = squared.sum() / rests_on_enough.sum()
    smoothed = np.where(weight > 1e-6, summed / np.maximum(weight, 1e-6), overall)
    trust = np.clip(n_effective / FEW_SPIKES - 1.0, 0.0, 1.0)  # gradual, so that bands have no steps
    return np.asarray(np.sqrt(trust * smoothed + (1.0 - trust) * np.maximum(smoothed, 1.0)))


def with_prior(dispersion: FloatArray, n_trials: int) -> FloatArray:
    """Return the variance of trials over a Poisson count's; below 1, one degree of freedom at 1 is added.

    Examples
    --------
    >>> with_prior(np.array([0.0, 0.5, 3.0]), 10).tolist()
    [0.1, 0.55, 3.0]
    """
    return np.asarray(np.maximum(dispersion, ((n_trials - 1) * dispersion + 1) / n_trials))


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
    return np.asarray(convolve1d(values, smooth.weight**2, axis=-1, mode="constant"))


def left_out_bits(trials: Trials, smoothing: Smoothing) -> float:
    """Return bits/spike of the ``psth`` model, each trial from the others, over the mean rate of the others.

    In closed form (science.md#psth-bands), under the trials' own observation model; NaN without spikes.
    """
    data = binned(trials)
    n_spikes = data.n.sum()
    if n_spikes == 0 or data.n_trials < 2:
        return float("nan")
    flat = mean_rate(n_spikes - data.counts, data.exposed.sum() - data.exposed)
    if trials.observation == "bernoulli":
        gain = _bernoulli_gain(trials, data, flat, smoothing)
    else:
        null = data.n @ np.log(flat[data.trial]) - flat @ data.exposed
        gain = float(log_likelihood(data, *left_out(data, smoothing)) - null)
    return float(gain / n_spikes / np.log(2))


def _bernoulli_gain(trials: Trials, data: Binned, flat: FloatArray, smoothing: Smoothing) -> float:
    """Return the gain in log-likelihood over the mean rate of the others; it depends on the rate in each bin."""
    held = trials.observed[:, :, 0].any(axis=1)
    mu, flat = left_out_mu(trials, smoothing)[held], mu_of_probability(flat, 1 - 1e-6)
    at_spikes = mu[data.trial, data.bin]
    gain = log_spike_probability(at_spikes).sum() + at_spikes.sum() - np.vdot(mu, data.exposure[data.pattern])
    null = log_spike_probability(flat) + flat
    return float(gain - null @ np.bincount(data.trial, minlength=data.n_trials) + flat @ data.exposed)
