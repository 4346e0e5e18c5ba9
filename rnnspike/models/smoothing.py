"""How much to smooth a PSTH: the leave-one-trial-out likelihood in closed form (science.md b.3).

With R trials, spikes S(k) and exposure E(k) summed over them, a Gaussian kernel K, w = K*1 (what of the kernel lies
inside the window), a prior of ``a`` trials at the mean rate m, and conditions c of gain g against the pooled PSTH::

    pooled(k)      = (K*S   + a m w)          / (K*E   + a w)
    g_c            = (N_c + b) / (M_c + b)             N_c spikes, M_c those that ``pooled`` expects of the condition
    condition_c(k) = (K_c*S_c + s g_c pooled w_c) / (K_c*E_c + s w_c)

Leaving trial r out subtracts its own spikes and exposure from every sum: closed form, no refit. The two bandwidths
and the three weights a (trials), b (spikes), s (trials) maximise the left-out Poisson likelihood inside the training
trials. Each bandwidth is tried on bins of half its width, since finer ones do not change the choice: cost falls with
the bandwidth, and the scan costs little more than its finest step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy import fft

from rnnspike.models.protocol import MU_FLOOR
from rnnspike.trials.data import BoolArray, FloatArray, IntArray, Trials

#: Standard deviations of the Gaussian kernel that are tried, s: two an octave.
BANDWIDTHS_S = tuple(
    0.001 * b for b in (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
)
#: From here down a bandwidth is tried only while the last step down was a gain.
ALWAYS_TRIED_S = 0.012
#: A weight that leaves nothing but the prior.
ALL_PRIOR = 1e6
#: Weights of the mean rate in the pooled PSTH, in trials (1 is a gamma prior that keeps every bin possible).
PRIORS = (1.0, 4.0, 16.0, ALL_PRIOR)
#: Weights of gain 1 in a condition's gain, in spikes.
GAIN_PRIORS = (2.0, 10.0, 50.0, ALL_PRIOR)
#: Weights of the pooled PSTH in a condition's, in trials.
SHRINKAGES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, ALL_PRIOR)


@dataclass(frozen=True)
class Smoothing:
    """What the left-out likelihood chose; ``log_likelihood`` in nats, Poisson, without log y!.

    The condition's bandwidth, gain prior and shrinkage do nothing where there is one condition.
    """

    bandwidth_s: float
    prior_trials: float = 1.0
    gain_prior_spikes: float = ALL_PRIOR
    condition_bandwidth_s: float = 0.05
    shrinkage_trials: float = ALL_PRIOR
    log_likelihood: float = float("-inf")


class Kernel:
    """Convolution with a Gaussian of a width in bins, along the last axis, nothing beyond the edges (by FFT)."""

    def __init__(self, n_bins: int, sigma_bins: float) -> None:
        self.n_bins = n_bins
        reach = min(n_bins - 1, max(1, int(np.ceil(5 * sigma_bins))))
        self.size = int(fft.next_fast_len(n_bins + reach, real=True))
        lag = np.arange(-reach, reach + 1)
        weight = np.exp(-0.5 * (lag / max(sigma_bins, 1e-3)) ** 2)
        self.weight = weight / weight.sum()
        wrapped = np.zeros(self.size)
        np.add.at(wrapped, lag % self.size, self.weight)
        self.transform = fft.rfft(wrapped)
        #: (bin,) share of the kernel inside the window
        self.inside: FloatArray = self(np.ones(n_bins))

    def __call__(self, values: npt.ArrayLike) -> FloatArray:
        """Return the values (..., bin) smoothed; tiny negatives of the transform are cut."""
        spectrum = fft.rfft(np.asarray(values, float), self.size, axis=-1)
        smooth = fft.irfft(spectrum * self.transform, self.size, axis=-1)[..., : self.n_bins]
        return np.asarray(np.maximum(smooth, 0.0))


@lru_cache(maxsize=64)
def kernel(n_bins: int, sigma_bins: float) -> Kernel:
    """Return a kernel, made once."""
    return Kernel(n_bins, sigma_bins)


@dataclass(frozen=True)
class Binned:
    """Spikes and exposure of one unit on (coarse) bins: float64 (trial, bin), exposure in fine bins.

    ``width`` fine bins of ``bin_s`` make one; trials in which the unit was not observed are left out.
    """

    spikes: FloatArray
    exposure: FloatArray
    condition: IntArray
    n_conditions: int
    bin_s: float
    width: int = 1

    @cached_property
    def complete(self) -> bool:
        """Whether every bin of every trial was observed."""
        return bool((self.exposure == self.exposure[0]).all())

    @cached_property
    def with_spikes(self) -> tuple[IntArray, FloatArray]:
        """Bins of all trials, numbered through, that hold spikes, and how many."""
        where = np.flatnonzero(self.spikes)
        return where, self.spikes.ravel()[where]

    def kernel(self, bandwidth_s: float) -> Kernel:
        """Return the kernel of this bandwidth on these bins."""
        return kernel(self.spikes.shape[1], bandwidth_s / (self.bin_s * self.width))

    def smoothed(self, bandwidth_s: float) -> tuple[FloatArray, FloatArray]:
        """Return spikes and exposure (trial, bin) smoothed."""
        smooth = self.kernel(bandwidth_s)
        if self.complete:
            exposure = np.broadcast_to(smooth(self.exposure[0]), self.exposure.shape)
            return smooth(self.spikes), exposure
        return smooth(self.spikes), smooth(self.exposure)

    def coarser(self, width: int) -> Binned:
        """Return ``width`` neighbouring bins summed."""
        if width <= 1:
            return self
        starts = np.arange(0, self.spikes.shape[1], width)
        exposure = self.exposure[:1] if self.complete else self.exposure
        spikes, exposure = (np.add.reduceat(values, starts, axis=1) for values in (self.spikes, exposure))
        exposure = np.repeat(exposure, len(spikes) // len(exposure), axis=0)
        return replace(self, spikes=spikes, exposure=exposure, width=self.width * width)

    def width_for(self, bandwidth_s: float) -> int:
        """Return how many bins are half as wide as this bandwidth."""
        return max(1, int(bandwidth_s / (2 * self.bin_s)))

    def for_bandwidth(self, bandwidth_s: float) -> Binned:
        """Return bins half as wide as this bandwidth."""
        return self.coarser(self.width_for(bandwidth_s))


def binned(trials: Trials) -> Binned:
    """Return spikes, as scored, and exposure of the one unit of these trials."""
    observed: BoolArray = trials.observed[:, :, 0]
    held = observed.any(axis=1)
    return Binned(
        spikes=(trials.spikes[:, :, 0] * observed)[held].astype(np.float64),
        exposure=observed[held].astype(np.float64),
        condition=trials.condition[held],
        n_conditions=len(trials.conditions),
        bin_s=trials.bin_s,
    )


def shrunk(
    spikes: FloatArray, exposure: FloatArray, inside: FloatArray, prior: FloatArray, weight: float
) -> FloatArray:
    """Return smoothed spikes over smoothed exposure, drawn to a prior of a weight in trials."""
    return np.asarray((spikes + weight * prior * inside) / (exposure + weight * inside))


def mean_rate(n_spikes: FloatArray, exposure: FloatArray) -> FloatArray:
    """Return spikes per observed bin; half a spike where there is none, so that nothing is impossible."""
    return np.asarray(np.maximum(n_spikes, 0.5) / np.maximum(exposure, 1.0))


def summed_by(values: FloatArray, condition: IntArray, n_conditions: int) -> FloatArray:
    """Return the sum over each condition's trials, (condition, ...)."""
    belongs = condition == np.arange(n_conditions)[:, None]  # (condition, trial)
    return np.tensordot(belongs.astype(np.float64), values, axes=1)


def pooled_left_out(data: Binned, bandwidth_s: float, prior_trials: float) -> FloatArray:
    """Return the pooled mean count (trial, bin) of each trial from the others, in fine bins."""
    return shrunk(*_others(data, bandwidth_s), prior_trials)


def _others(data: Binned, bandwidth_s: float) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return smoothed spikes and exposure of each trial's others, the kernel's share inside, and their mean rate."""
    spikes, exposure = data.smoothed(bandwidth_s)
    others = data.exposure.sum() - data.exposure.sum(axis=1)
    mean = mean_rate(data.spikes.sum() - data.spikes.sum(axis=1), others)[:, None]
    inside = data.kernel(bandwidth_s).inside * data.width
    return spikes.sum(axis=0) - spikes, exposure.sum(axis=0) - exposure, inside, mean


def gain_left_out(data: Binned, pooled: FloatArray, prior_spikes: float) -> FloatArray:
    """Return the gain (trial, 1) of each trial's condition against the pooled PSTH, from the other trials."""
    count = data.spikes.sum(axis=1)
    n = summed_by(count, data.condition, data.n_conditions)[data.condition] - count
    exposed = summed_by(data.exposure, data.condition, data.n_conditions)[data.condition] - data.exposure
    expected = (pooled * exposed).sum(axis=1)
    return np.asarray((n + prior_spikes) / (expected + prior_spikes))[:, None]


def conditions_left_out(data: Binned, prior: FloatArray, bandwidth_s: float, shrinkage_trials: float) -> FloatArray:
    """Return the mean count (trial, bin) of each trial from the others of its condition, shrunk to the prior."""
    return shrunk(*_others_of_condition(data, bandwidth_s), prior, shrinkage_trials)


def _others_of_condition(data: Binned, bandwidth_s: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return smoothed spikes and exposure of each trial's others of its condition, and the kernel's share inside."""
    spikes, exposure = data.smoothed(bandwidth_s)
    total = summed_by(spikes, data.condition, data.n_conditions)[data.condition] - spikes
    exposed = summed_by(exposure, data.condition, data.n_conditions)[data.condition] - exposure
    return total, exposed, data.kernel(bandwidth_s).inside * data.width


def left_out(data: Binned, smoothing: Smoothing) -> FloatArray:
    """Return the mean count of a fine bin, (trial, bin), of each trial from all the others."""
    pooled = pooled_left_out(data, smoothing.bandwidth_s, smoothing.prior_trials)
    if data.n_conditions == 1:
        return pooled
    prior = pooled * gain_left_out(data, pooled, smoothing.gain_prior_spikes)
    return conditions_left_out(data, prior, smoothing.condition_bandwidth_s, smoothing.shrinkage_trials)


def score(data: Binned, mean_count: FloatArray) -> float:
    """Return the Poisson log-likelihood of all trials (without log y!), nats."""
    mean = np.maximum(mean_count, MU_FLOOR)
    where, spikes = data.with_spikes
    return float(spikes @ np.log(mean.ravel()[where]) - np.vdot(mean, data.exposure))


def scan_pooled(data: Binned) -> Iterator[Smoothing]:
    """Yield the left-out likelihood of the pooled PSTH, widest bandwidth first, every prior weight."""

    def scores(bandwidth_s: float) -> list[float]:
        coarse = data.for_bandwidth(bandwidth_s)
        others = _others(coarse, bandwidth_s)
        return [score(coarse, shrunk(*others, prior)) for prior in PRIORS]

    # The last prior knows no bandwidth, so it does not tell whether a narrower one is worth a try.
    for bandwidth_s, values in descend(data, scores, lambda values: max(values[:-1])):
        yield from (Smoothing(bandwidth_s, prior, log_likelihood=v) for prior, v in zip(PRIORS, values, strict=True))


Scored = TypeVar("Scored")


def descend(
    data: Binned, evaluate: Callable[[float], Scored], worth: Callable[[Scored], float]
) -> Iterator[tuple[float, Scored]]:
    """Yield bandwidths, widest first, with what they evaluate to; narrow ones only while the last step was a gain."""
    last = float("-inf")
    for bandwidth_s in reversed(usable_bandwidths(data)):
        values = evaluate(bandwidth_s)
        yield bandwidth_s, values
        if bandwidth_s <= ALWAYS_TRIED_S and worth(values) < last:
            return
        last = worth(values)


def usable_bandwidths(data: Binned) -> tuple[float, ...]:
    """Return the bandwidths that a window can show: from a bin to half its length."""
    window_s = data.bin_s * data.width * data.spikes.shape[1]
    usable = tuple(b for b in BANDWIDTHS_S if data.bin_s <= b <= window_s / 2)
    return usable or (max(window_s / 2, data.bin_s),)


def choose_smoothing(data: Binned) -> Smoothing:
    """Return the smoothing with the highest left-out likelihood: pooled first, then the conditions' on top."""
    pooled = max(scan_pooled(data), key=lambda each: each.log_likelihood)
    if data.n_conditions == 1 or len(data.spikes) < 2:
        return pooled
    return _ConditionSearch(data, pooled).best()


class _ConditionSearch:
    """Hill climbing over the conditions' bandwidth, shrinkage and gain prior, each value tried once."""

    def __init__(self, data: Binned, pooled: Smoothing) -> None:
        self.data, self.pooled = data, pooled
        self.bandwidths = [b for b in usable_bandwidths(data) if b >= 0.5 * min(pooled.bandwidth_s, 0.016)]
        self.tried: dict[tuple[int, int, int], float] = {}
        self.coarse: dict[int, tuple[Binned, FloatArray]] = {}  # width -> bins and their pooled mean count
        self.others: dict[float, tuple[FloatArray, FloatArray, FloatArray]] = {}  # bandwidth -> left-out sums

    def best(self) -> Smoothing:
        start = min(range(len(self.bandwidths)), key=lambda i: abs(np.log(self.bandwidths[i] / 0.05)))
        at = (start, SHRINKAGES.index(8.0), 1)
        moved = True
        while moved:
            moved = False
            for axis, size in enumerate((len(self.bandwidths), len(SHRINKAGES), len(GAIN_PRIORS))):
                for step in (1, -1):
                    while 0 <= at[axis] + step < size and self._score(_shift(at, axis, step)) > self._score(at):
                        at, moved = _shift(at, axis, step), True
        return replace(self._smoothing(at), log_likelihood=self._score(at))

    def _smoothing(self, at: tuple[int, int, int]) -> Smoothing:
        return replace(
            self.pooled,
            condition_bandwidth_s=self.bandwidths[at[0]],
            shrinkage_trials=SHRINKAGES[at[1]],
            gain_prior_spikes=GAIN_PRIORS[at[2]],
        )

    def _score(self, at: tuple[int, int, int]) -> float:
        if at not in self.tried:
            chosen = self._smoothing(at)
            coarse, pooled = self._pooled(min(chosen.bandwidth_s, chosen.condition_bandwidth_s))
            prior = pooled * gain_left_out(coarse, pooled, chosen.gain_prior_spikes)
            others = self._others(coarse, chosen.condition_bandwidth_s)
            self.tried[at] = score(coarse, shrunk(*others, prior, chosen.shrinkage_trials))
        return self.tried[at]

    def _pooled(self, finest_s: float) -> tuple[Binned, FloatArray]:
        width = self.data.width_for(finest_s)
        if width not in self.coarse:
            coarse = self.data.coarser(width)
            pooled = pooled_left_out(coarse, self.pooled.bandwidth_s, self.pooled.prior_trials)
            self.coarse[width] = (coarse, pooled)
        return self.coarse[width]

    def _others(self, coarse: Binned, bandwidth_s: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        if bandwidth_s not in self.others:  # whose bins follow from it
            self.others[bandwidth_s] = _others_of_condition(coarse, bandwidth_s)
        return self.others[bandwidth_s]


def _shift(at: tuple[int, int, int], axis: int, step: int) -> tuple[int, int, int]:
    moved = list(at)
    moved[axis] += step
    return (moved[0], moved[1], moved[2])
