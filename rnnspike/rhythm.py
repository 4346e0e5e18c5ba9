"""How far back spikes depend on each other: their rhythm (science.md#basins) and reach (science.md#bin-clock).

Both come from the autocovariance of counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.fft import next_fast_len
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks, oaconvolve

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: Widths over which an autocovariance is smoothed, in lags.
WIDTHS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
#: Trials of a condition from which on their average is taken off; bins of a sequence that a network learns well from.
FEWEST_AVERAGED, MOST_BINS = 5, 400
#: Widths over which rates are smoothed for their first component: from bins to a share of a row.
FINEST_RATE, COARSEST_RATE, N_RATES = 2.0, 1 / 60, 4
#: Smoothed rates held at a time; width of a Gaussian, in bins, from which on it is convolved by Fourier transforms.
MOST_RATES, WIDE = 1_000_000, 50.0
#: Covariance of an oscillation, over its largest, from which on a lag counts.
LEAST_OF_LARGEST = 0.2


@dataclass(frozen=True)
class SpikeRhythm:
    """Period of spikes: ``period_s``, ``strength`` (autocorrelation at the period, 1 at lag 0), ``lag_s``, ``curve``.

    ``period_s`` is None where there is no rhythm beyond what a Poisson train of that rate shows.
    """

    period_s: float | None
    strength: float
    lag_s: FloatArray
    curve: FloatArray


def spike_rhythm(
    counts: npt.ArrayLike,
    bin_s: float,
    *,
    observed: BoolArray | None = None,
    longest_s: float | None = None,
) -> SpikeRhythm:
    """Return the rhythm of counts (trial, bin), from the autocorrelation of their rate.

    The period is that of the first high peak that follows a trough and repeats (lower at one and a half periods,
    higher at two); peak and trough must exceed those of a Poisson train of the same rate (by 4 and 2 standard
    deviations). Long windows are analysed in coarse bins for slow rhythms and in finer bins for fast ones; of several
    rhythms, the most significant one is returned.

    Parameters
    ----------
    counts, observed
        (trial, bin); unobserved bins are left out.
    bin_s
        Width of a bin.
    longest_s
        Longest period; default a third of the window.
    """
    spikes: FloatArray = np.asarray(counts, dtype=np.float64)
    mask = np.ones(spikes.shape, bool) if observed is None else observed
    window_s = spikes.shape[1] * bin_s
    longest_s = window_s / 3 if longest_s is None else min(longest_s, window_s / 3)
    found = []
    while True:
        own, strength, factor = _at_scale(spikes, mask, bin_s, longest_s)
        found.append((strength, own))
        if factor == 1:
            break
        longest_s /= 8  # shorter periods were covered by the finer bins, with at least eight bins per period
    return max(found, key=lambda each: each[0])[1]


def signal_rhythm(
    values: npt.ArrayLike,
    bin_s: float,
    *,
    observed: BoolArray | None = None,
    longest_s: float | None = None,
) -> SpikeRhythm:
    """Return the rhythm of any signal (trial, bin), chosen as that of counts but against white noise.

    Parameters
    ----------
    values, observed
        (trial, bin); unobserved bins are left out.
    bin_s
        Width of a bin.
    longest_s
        Longest period; default a third of the window.
    """
    signal: FloatArray = np.asarray(values, dtype=np.float64)
    known = signal if observed is None else signal[observed]
    # a Poisson train of one spike per bin has the mean and the variance of this
    standard = 1 + (signal - known.mean()) / max(float(known.std()), 1e-300)
    return spike_rhythm(standard, bin_s, observed=observed, longest_s=longest_s)


def _at_scale(spikes: FloatArray, mask: BoolArray, bin_s: float, longest_s: float) -> tuple[SpikeRhythm, float, int]:
    """Return the rhythm of periods up to ``longest_s``, its height and trough in standard deviations, bins summed."""
    factor = max(1, int(longest_s / bin_s / 400))  # a hundredth of a period is fine enough for a rhythm
    summed, exposure = coarser(spikes * mask, factor), coarser(mask.astype(float), factor)
    n_lags = int(2 * longest_s / (bin_s * factor))
    lag_s = np.arange(n_lags + 1, dtype=np.float64) * bin_s * factor
    if summed.sum() < 20 or n_lags < 8:
        return SpikeRhythm(None, 0.0, lag_s, np.zeros(n_lags + 1)), 0.0, factor
    levels, noise = autocovariance(summed, exposure, n_lags)
    at = np.arange(n_lags + 1)
    curve = levels[_level(at), at]
    top = max(float(np.abs(curve[: max(3, n_lags // 20)]).max()), 1e-300)
    peak, strength = _period_in_lags(levels, noise)
    height = float(curve[round(peak)]) / top if peak is not None else 0.0
    own = SpikeRhythm(None if peak is None else peak * bin_s * factor, height, lag_s, curve / top)
    return own, strength, factor


def autocovariance(counts: FloatArray, exposure: FloatArray, n_lags: int) -> tuple[FloatArray, FloatArray]:
    """Return the autocovariance of the rate of counts (trial, bin) over the squared mean rate, and its noise.

    Both (width, lag): smoothed over each of ``WIDTHS`` lags; the noise is the standard deviation for a Poisson train.
    Each pair of bins is weighted by its exposures, so that gaps and edges do not bias the curve.
    """
    rate = counts.sum() / max(float(exposure.sum()), 1e-300)
    n = next_fast_len(counts.shape[1] + n_lags + 1, real=True)
    pairs = np.maximum(_lagged(exposure, n, n_lags), 1e-9)
    covariance = _lagged(counts - rate * exposure, n, n_lags) / pairs / max(rate**2, 1e-300)
    averaged = 2 * np.sqrt(np.pi) * np.array(WIDTHS)[:, None]
    return _smoothed(covariance), np.asarray(1 / (rate * np.sqrt(pairs * averaged)))


def _smoothed(covariance: FloatArray) -> FloatArray:
    """Smooth a covariance (lag,) over each of ``WIDTHS`` lags, (width, lag)."""
    last = len(covariance) - 1
    mirrored = np.concatenate([covariance[:0:-1], covariance])
    mirrored[last] = mirrored[last + 1]  # lag 0 is mostly the noise of spiking
    return np.array([gaussian_filter1d(mirrored, width, mode="nearest")[last:] for width in WIDTHS])


def period_of_curve(covariance: FloatArray, least: float) -> float | None:
    """Return the period in lags of a covariance (lag,) without noise, chosen as for spikes; None without a rhythm.

    Its peak must be above ``least`` times the largest value.
    """
    if len(covariance) < 8 or not np.abs(covariance[1:]).max() > 0:
        return None
    noise = 0.25 * least * float(np.abs(covariance[1:]).max()) / np.sqrt(WIDTHS)
    return _period_in_lags(_smoothed(covariance), np.broadcast_to(noise[:, None], (len(WIDTHS), len(covariance))))[0]


def _level(lags: IntArray) -> IntArray:
    """Return which of ``WIDTHS`` suits a lag: a tenth of it, which averages the noise of spiking for slow rhythms."""
    level = np.round(np.log2(np.maximum(lags * 0.1, 1.0)))
    return np.asarray(np.clip(level, 0, len(WIDTHS) - 1), dtype=np.int64)


def _lagged(values: FloatArray, n: int, n_lags: int) -> FloatArray:
    alike = len(values) > 1 and bool((values == values[0]).all())  # the exposures of trials mostly are
    spectrum = np.fft.rfft(values[:1] if alike else values, n, axis=1)
    power = (np.abs(spectrum) ** 2).sum(axis=0) * (len(values) if alike else 1)
    return np.asarray(np.fft.irfft(power, n)[: n_lags + 1])


def coarser(values: npt.NDArray[Any], factor: int) -> npt.NDArray[Any]:
    """Sum values (row, bin, ...) over ``factor`` bins each; bins that are left over at the end are left out."""
    n = values.shape[1] // factor * factor
    return np.asarray(values[:, :n].reshape(len(values), -1, factor, *values.shape[2:]).sum(axis=2))


def _period_in_lags(levels: FloatArray, noise: FloatArray) -> tuple[float | None, float]:
    """Return the lag of the rhythm's peak, refined by a parabola, and its significance; None and 0 without one."""
    last = levels.shape[1] - 1
    strengths: dict[tuple[int, int], float] = {}
    for level, curve in enumerate(levels):
        score = curve / noise[level]
        for peak in find_peaks(curve)[0]:
            k = int(peak)
            if _level(np.array(k)) != level or 2 * k > last:
                continue
            trough = float(score[1:k].min(initial=0.0))
            between = curve[3 * k // 2]  # in a flat tail, half of the peaks would repeat by chance
            comes_back = curve[2 * k] - between > 3 * noise[level, 2 * k] and between < 0.5 * curve[k]
            if score[k] > 4 and trough < -2 and comes_back:
                strengths[k, level] = float(score[k]) - trough
    if not strengths:
        return None, 0.0
    k, level = min(at for at, strength in strengths.items() if strength >= 0.8 * max(strengths.values()))
    left, mid, right = levels[level, k - 1 : k + 2]
    return k + 0.5 * float((left - right) / (left - 2 * mid + right)), strengths[k, level]


def history_reach(
    counts: npt.ArrayLike,
    bin_s: float,
    observed: BoolArray | None = None,
    condition: IntArray | None = None,
    z: float = 4.0,
    oscillates: bool = False,
) -> float:
    """Return how far back (s) past spikes affect the rate: the last of the significant lags.

    The autocovariance of counts (trial, bin) minus each trial's mean and the smoothed average of the trials of its
    condition (trial,) is tested in lag classes that widen by a third, up to the first two successive classes that are
    not significant. 0 where none is significant. A signal that ``oscillates`` passes through zero: all significant
    classes count that have at least ``LEAST_OF_LARGEST`` of the largest covariance.
    """
    spikes: FloatArray = np.asarray(counts, dtype=np.float64)
    mask = np.ones(spikes.shape, bool) if observed is None else observed
    residual = _residual(spikes, mask, np.zeros(len(spikes), np.int64) if condition is None else condition)
    n_bins = spikes.shape[1]
    n_lags = n_bins // 2
    if n_lags < 4:
        return 0.0
    n = next_fast_len(n_bins + n_lags + 1, real=True)
    covariance = _lagged(residual, n, n_lags)
    pairs = np.rint(_lagged(mask.astype(float), n, n_lags))  # whole numbers but for the rounding of the transform
    variance = float((residual**2).sum() / max(mask.sum(), 1))
    edges = np.unique(np.concatenate([[1, 2, 3, 4], np.geomspace(4, n_lags, 24)]).astype(int))
    means = np.array([covariance[a:b].sum() / max(pairs[a:b].sum(), 1) for a, b in pairwise(edges)])
    scores = [
        abs(m) * np.sqrt(pairs[a:b].sum()) / max(variance, 1e-300)
        for m, (a, b) in zip(means, pairwise(edges), strict=True)
    ]
    least = LEAST_OF_LARGEST * np.abs(means).max() if oscillates else 0.0
    reach, missed = 0.0, 0
    for mean, score, last in zip(np.abs(means), scores, edges[1:] - 1, strict=True):
        missed = 0 if score > z and mean >= least else missed + 1
        if missed > 1 and reach > 0 and not oscillates:
            break
        reach = float(last) * bin_s if not missed else reach
    return reach


def first_components(counts: npt.ArrayLike, observed: BoolArray) -> list[FloatArray]:
    """Return the first principal components of the rates of counts (row, bin, unit), smoothed over several widths.

    Each (unit,) are weights of the counts; ``observed`` is (row, bin), and unobserved bins are left out. Of units
    that fire in turn they show the rhythm, which is not in the units' sum.
    """
    values = np.asarray(counts)
    widest = max(FINEST_RATE, COARSEST_RATE * values.shape[1])
    widths = np.unique(np.geomspace(FINEST_RATE, widest, N_RATES).round(2))
    return [_first_component(values, observed, float(width)) for width in widths]


def _first_component(counts: npt.NDArray[Any], observed: BoolArray, width: float) -> FloatArray:
    """Return the weights (unit,) of the first component of rates smoothed over ``width`` bins."""
    factor = max(1, int(width / FINEST_RATE))  # a smooth rate needs no finer bins, and so the work stays linear
    n_units = counts.shape[2]
    n, total, products = 0, np.zeros(n_units), np.zeros((n_units, n_units))
    for rates in _smoothed_rates(counts, observed, width / factor, factor):
        n += len(rates)
        total += rates.sum(axis=0)
        products += rates.T @ rates
    covariance = products / max(n, 1) - np.outer(total, total) / max(n, 1) ** 2
    sd = np.maximum(np.sqrt(np.maximum(np.diag(covariance), 0.0)), 1e-12)
    axis = np.linalg.eigh(covariance / np.outer(sd, sd))[1][:, -1]
    return np.asarray(axis * np.sign(axis[np.abs(axis).argmax()]) / sd)


def _smoothed_rates(counts: npt.NDArray[Any], observed: BoolArray, width: float, factor: int) -> Iterator[FloatArray]:
    """Yield smoothed rates (observed bin, unit) in bins of ``factor`` bins, in parts of at most ``MOST_RATES``."""
    n_rows, n_bins, n_units = counts.shape
    beside = int(4 * width + 0.5) * factor  # what the Gaussian reads on each side
    part = max(MOST_RATES // n_units // factor, 1) * factor
    rows = max(1, part // n_bins)
    for row in range(0, n_rows, rows):
        for first in range(0, n_bins, part):
            start, stop = max(first - beside, 0), min(first + part + beside, n_bins)
            seen = observed[row : row + rows, start:stop, None]
            spikes, exposure = (
                gaussian_filter1d(coarser(each, factor).astype(np.float64), width, axis=1)
                for each in (counts[row : row + rows, start:stop] * seen, seen)
            )
            own = slice((first - start) // factor, (first - start + part) // factor)
            inside = coarser(seen, factor)[:, own, 0] > 0
            yield (spikes[:, own] / np.maximum(exposure[:, own], 1e-12))[inside]


def bin_for(reach_s: float) -> str:
    """Return a round bin width, as the command line takes it, of which this length holds at most a few hundred."""
    width_ms = next((each for each in (1, 2, 5, 10, 20, 50, 100) if reach_s * 1e3 / each <= MOST_BINS), 200)
    return f"{width_ms}ms"


def _residual(counts: FloatArray, mask: BoolArray, condition: IntArray) -> FloatArray:
    exposure = np.maximum(mask.sum(axis=1, keepdims=True), 1)
    left: FloatArray = (counts - (counts * mask).sum(axis=1, keepdims=True) / exposure) * mask
    for each in np.unique(condition):
        own = condition == each
        if own.sum() >= FEWEST_AVERAGED:
            average = left[own].sum(axis=0) / np.maximum(mask[own].sum(axis=0), 1)
            left[own] = (left[own] - _gaussian(average, max(1.0, counts.shape[1] / 50))) * mask[own]
    return left


def _gaussian(values: FloatArray, width: float) -> FloatArray:
    """Return values (bin,) smoothed over ``width`` bins, as by ``gaussian_filter1d`` but in n log n steps."""
    if width < WIDE:
        return np.asarray(gaussian_filter1d(values, width))
    radius = int(4 * width + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / width) ** 2)
    return np.asarray(oaconvolve(np.pad(values, radius, "symmetric"), kernel / kernel.sum(), "valid"))
