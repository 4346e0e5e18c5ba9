"""Spikes and exposure of one unit on bins of any width, and Gaussian kernels over them.

Few bins hold a spike, and most trials were observed alike: spikes are a list, exposure is held once per pattern.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
from scipy import fft

from rnnspike.models.baselines.psth_loops import merge_bins, smooth_at_spikes
from rnnspike.trials.data import BoolArray, FloatArray, IntArray, Trials

#: Convolutions over no more bins than this are products with a matrix, which are quicker than transforms.
FEW_BINS = 256


class Kernel:
    """Convolution with a Gaussian of a width in bins, along the last axis, nothing beyond the edges."""

    def __init__(self, n_bins: int, sigma_bins: float) -> None:
        self.n_bins = n_bins
        reach = min(n_bins - 1, max(1, int(np.ceil(5 * sigma_bins))))
        self.reach = reach
        self.size = int(fft.next_fast_len(n_bins + reach, real=True))
        lag = np.arange(-reach, reach + 1)
        weight = np.exp(-0.5 * (lag / max(sigma_bins, 1e-3)) ** 2)
        self.weight = weight / weight.sum()
        #: (bin,) share of the kernel inside the window
        self.inside: FloatArray = self(np.ones(n_bins))

    def __call__(self, values: npt.ArrayLike) -> FloatArray:
        """Return the values (..., bin) smoothed; negative rounding errors of a transform are set to 0."""
        if self.n_bins <= FEW_BINS:
            return np.asarray(np.asarray(values, float) @ self.matrix)
        spectrum = fft.rfft(np.asarray(values, float), self.size, axis=-1)
        spectrum *= self.transform
        smooth = fft.irfft(spectrum, self.size, axis=-1)[..., : self.n_bins]
        return np.asarray(np.maximum(smooth, 0.0))

    @cached_property
    def transform(self) -> npt.NDArray[np.complex128]:
        """The kernel's Fourier transform."""
        wrapped = np.zeros(self.size)
        np.add.at(wrapped, np.arange(-self.reach, self.reach + 1) % self.size, self.weight)
        return np.asarray(fft.rfft(wrapped))

    @cached_property
    def matrix(self) -> FloatArray:
        """(bin, bin) the weight of each bin in each other."""
        lag = np.subtract.outer(np.arange(self.n_bins), np.arange(self.n_bins))
        near = np.abs(lag) <= self.reach
        return np.where(near, self.weight[np.where(near, lag + self.reach, 0)], 0.0)

    def at_spikes(self, data: Binned) -> FloatArray:
        """Return each trial's own smoothed spikes at its spikes, (entry,)."""
        out = np.empty(len(data.n))
        smooth_at_spikes(data.trial, data.bin, data.n, self.weight, out)
        return out


@lru_cache(maxsize=64)
def kernel(n_bins: int, sigma_bins: float) -> Kernel:
    """Return a kernel, cached."""
    return Kernel(n_bins, sigma_bins)


@dataclass(frozen=True)
class Groups:
    """Trials by group: those of one condition that were observed alike.

    ``of_trial`` (trial,) is the group of each trial; ``pattern``, ``condition`` and ``size`` are (group,).
    """

    of_trial: IntArray
    pattern: IntArray
    condition: IntArray
    size: FloatArray

    @classmethod
    def of(cls, pattern: IntArray, condition: IntArray) -> Groups:
        """Return the groups of trials with these patterns and conditions, (trial,)."""
        n_conditions = int(condition.max(initial=0)) + 1
        numbers, of_trial, size = np.unique(
            pattern * n_conditions + condition, return_inverse=True, return_counts=True
        )
        return cls(of_trial.reshape(-1), numbers // n_conditions, numbers % n_conditions, size.astype(np.float64))

    def sums(self, values: FloatArray) -> FloatArray:
        """Return the sum of values (trial,) over each group, (group,)."""
        return weighted_count(self.of_trial, values, len(self.size))


@dataclass(frozen=True)
class Binned:
    """Spikes and exposure of one unit on bins that are ``width`` fine bins of ``bin_s`` wide.

    Attributes
    ----------
    trial, bin, n
        (entry,) the bins that hold spikes, ascending in trial and bin, and how many (float64).
    exposure
        (pattern, bin) how many fine bins of each were observed; ``pattern`` (trial,) is the row of a trial.
    condition
        (trial,) in 0 .. n_conditions - 1.
    groups
        The trials by pattern and condition.
    """

    trial: IntArray
    bin: IntArray
    n: FloatArray
    exposure: FloatArray
    pattern: IntArray
    condition: IntArray
    n_conditions: int
    groups: Groups
    bin_s: float
    width: int = 1

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return len(self.condition)

    @property
    def n_bins(self) -> int:
        """Bins of a trial."""
        return int(self.exposure.shape[1])

    @property
    def complete(self) -> bool:
        """Whether all trials were observed alike."""
        return len(self.exposure) == 1

    @cached_property
    def counts(self) -> FloatArray:
        """(trial,) spikes of each trial."""
        return weighted_count(self.trial, self.n, self.n_trials)

    @cached_property
    def exposed(self) -> FloatArray:
        """(trial,) observed fine bins of each trial."""
        return np.asarray(self.exposure.sum(axis=1)[self.pattern])

    @cached_property
    def summed(self) -> FloatArray:
        """(group, bin) spikes of each group."""
        return self.weighted(np.ones(self.n_trials))

    def weighted(self, factor: FloatArray) -> FloatArray:
        """Return the spikes of each group (group, bin), those of a trial times its factor (trial,)."""
        n_groups = len(self.groups.size)
        place = self.groups.of_trial[self.trial] * self.n_bins + self.bin
        sums = weighted_count(place, self.n * factor[self.trial], n_groups * self.n_bins)
        return sums.reshape(n_groups, self.n_bins)

    def by_condition(self, values: FloatArray) -> FloatArray:
        """Return the sum of values (group, ...) over each condition's groups, (condition, ...)."""
        return summed_by(values, self.groups.condition, self.n_conditions)

    @cached_property
    def total_spikes(self) -> FloatArray:
        """(condition, bin) spikes summed over trials."""
        return self.by_condition(self.summed)

    @cached_property
    def total_exposure(self) -> FloatArray:
        """(condition, bin) exposure summed over trials."""
        return self.by_condition(self.groups.size[:, None] * self.exposure[self.groups.pattern])

    def of_one_condition(self) -> Binned:
        """Return the same trials as if they were of one condition."""
        condition = np.zeros_like(self.condition)
        return replace(self, condition=condition, n_conditions=1, groups=Groups.of(self.pattern, condition))

    def dense(self) -> FloatArray:
        """Return the spikes as (trial, bin)."""
        counts = np.zeros((self.n_trials, self.n_bins))
        counts[self.trial, self.bin] = self.n
        return counts

    def kernel(self, bandwidth_s: float) -> Kernel:
        """Return the kernel of this bandwidth on these bins."""
        return kernel(self.n_bins, bandwidth_s / (self.bin_s * self.width))

    def coarser(self, width: int) -> Binned:
        """Return ``width`` neighbouring bins summed."""
        if width <= 1:
            return self
        trial, place, n = np.empty_like(self.trial), np.empty_like(self.bin), np.empty_like(self.n)
        m = merge_bins(self.trial, self.bin, self.n, width, trial, place, n)
        exposure = np.add.reduceat(self.exposure, np.arange(0, self.n_bins, width), axis=1)
        return replace(self, trial=trial[:m], bin=place[:m], n=n[:m], exposure=exposure, width=self.width * width)

    def width_for(self, bandwidth_s: float) -> int:
        """Return how many bins are half as wide as this bandwidth."""
        return max(1, int(bandwidth_s / (2 * self.bin_s)))

    def for_bandwidth(self, bandwidth_s: float) -> Binned:
        """Return bins half as wide as this bandwidth."""
        return self.coarser(self.width_for(bandwidth_s))


def binned(trials: Trials) -> Binned:
    """Return spikes, as scored, and exposure of the one unit of these trials.

    Trials in which it was not observed are left out.
    """
    observed: BoolArray = trials.observed[:, :, 0]
    return of_grid(trials.spikes[:, :, 0], observed, trials.condition, len(trials.conditions), trials.bin_s)


def of_grid(
    spikes: npt.NDArray[np.generic], observed: BoolArray, condition: IntArray, n_conditions: int, bin_s: float
) -> Binned:
    """Return spikes (trial, bin) where they were ``observed``; trials that were not observed at all are left out."""
    held = observed.any(axis=1)
    if not held.all():
        spikes, observed, condition = spikes[held], observed[held], condition[held]
    exposure, pattern = _patterns(observed)
    filled = spikes != 0 if exposure.all() else (spikes != 0) & observed
    trial, place = np.divmod(np.flatnonzero(filled), observed.shape[1])
    return Binned(
        trial=trial,
        bin=place,
        n=spikes[trial, place].astype(np.float64),
        exposure=exposure.astype(np.float64),
        pattern=pattern,
        condition=condition,
        n_conditions=n_conditions,
        groups=Groups.of(pattern, condition),
        bin_s=bin_s,
    )


def _patterns(observed: BoolArray) -> tuple[BoolArray, IntArray]:
    """Return the distinct rows of a mask (trial, bin), and which of them each trial has."""
    if len(observed) and (observed == observed[0]).all():
        return observed[:1], np.zeros(len(observed), np.int64)
    _, first, pattern = np.unique(np.packbits(observed, axis=1), axis=0, return_index=True, return_inverse=True)
    return observed[first], pattern.reshape(-1).astype(np.int64)


def weighted_count(index: IntArray, weights: FloatArray, n: int) -> FloatArray:
    """Return the sum of weights (row,) over the rows of each index, (n,)."""
    return np.asarray(np.bincount(index, weights=weights, minlength=n), np.float64)


def summed_by(values: FloatArray, index: IntArray, n: int) -> FloatArray:
    """Return the sum of values (row, ...) over the rows of each index, (n, ...)."""
    belongs = index == np.arange(n)[:, None]  # (n, row)
    return np.asarray(belongs.astype(np.float64) @ values)


def mean_rate(n_spikes: FloatArray, exposure: FloatArray) -> FloatArray:
    """Return spikes per observed bin; half a spike where there is none."""
    return np.asarray(np.maximum(n_spikes, 0.5) / np.maximum(exposure, 1.0))
