"""The PSTH of each trial from the other trials, in closed form (science.md#psth-bandwidth).

With R trials, spikes S(k) and exposure E(k) summed over them, a Gaussian kernel K, w = K*1 (the share of the kernel
inside the window), a prior of ``a`` trials at the mean rate m, and conditions c of gain g against the pooled PSTH::

    pooled(k)      = (K*S   + a m w)          / (K*E   + a w)
    g_c            = (N_c + b) / (M_c + b)             N_c spikes, M_c those that ``pooled`` expects of the condition
    condition_c(k) = (K_c*S_c + s g_c pooled w_c) / (K_c*E_c + s w_c)

Leaving trial r out subtracts its own spikes and exposure from every sum: no refit. A likelihood needs the rates where
there are spikes, and their sum. Both denominators are the same for all trials of a group (one condition, observed
alike), so that sums over a group's trials follow from its summed spikes: grids are (group, bin), never (trial, bin).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnnspike.models.baselines.binned import Binned, mean_rate, summed_by, weighted_count
from rnnspike.models.protocol import MU_FLOOR
from rnnspike.trials.data import FloatArray

#: A weight with which only the prior counts.
ALL_PRIOR = 1e6
Weight = float | FloatArray


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

    @property
    def shown_bandwidth_s(self) -> float:
        """Bandwidth (s) of each condition's own spikes; the pooled one where the PSTH does not use them."""
        return self.bandwidth_s if self.shrinkage_trials >= ALL_PRIOR else self.condition_bandwidth_s


def shrunk(
    spikes: FloatArray, exposure: FloatArray, inside: FloatArray, prior: FloatArray, weight: Weight
) -> FloatArray:
    """Return smoothed spikes over smoothed exposure, shrunk to a prior with a weight in trials.

    Several weights (..., 1) give results one by one.
    """
    return np.asarray((spikes + weight * prior * inside) / (exposure + weight * inside))


class Others:
    """Smoothed spikes and exposure of the other trials of each: of all, or of those of its condition.

    ``spikes`` (group, bin) are of all trials, one's own included; ``exposure`` (group, bin) is of the others.
    """

    def __init__(self, data: Binned, bandwidth_s: float, by_condition: bool) -> None:
        self.data, self.smooth = data, data.kernel(bandwidth_s)
        pattern, condition = data.groups.pattern, data.groups.condition
        pool = condition if by_condition else np.zeros_like(condition)
        n_pools = data.n_conditions if by_condition else 1
        own = self.smooth(data.exposure)  # (pattern, bin)
        exposure = summed_by(data.groups.size[:, None] * own[pattern], pool, n_pools)
        self.spikes: FloatArray = summed_by(self.summed, pool, n_pools)[pool]
        self.exposure: FloatArray = exposure[pool] - own[pattern]
        self.inside: FloatArray = self.smooth.inside * data.width

    @cached_property
    def summed(self) -> FloatArray:
        """(group, bin) smoothed spikes of each group."""
        return self.smooth(self.data.summed)

    @cached_property
    def at_spikes(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Smoothed spikes and exposure of the others, and the kernel's share inside, at a trial's spikes (entry,)."""
        group, place = self.data.groups.of_trial[self.data.trial], self.data.bin
        spikes = self.spikes[group, place] - self.smooth.at_spikes(self.data)
        return spikes, self.exposure[group, place], self.inside[place]

    def everywhere(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the same in all bins, (trial, bin)."""
        group = self.data.groups.of_trial
        return self.spikes[group] - self.smooth(self.data.dense()), self.exposure[group], self.inside

    def sums(self, prior: FloatArray, weight: Weight, factor: FloatArray | None = None) -> FloatArray:
        """Return the mean counts summed over each group's trials, (group, bin).

        ``prior`` (group, bin) or (group, 1) is the prior of the trials, summed too; ``factor`` (trial,) weighs them.
        """
        own, size = self.summed, self.data.groups.size
        if factor is not None:
            own, size = self.smooth(self.data.weighted(factor)), self.data.groups.sums(factor)
        return shrunk(size[:, None] * self.spikes - own, self.exposure, self.inside, prior, weight)


class LeftOutPooled:
    """The pooled PSTH of each trial from the others, at one bandwidth."""

    def __init__(self, data: Binned, bandwidth_s: float) -> None:
        self.data, self.others = data, Others(data, bandwidth_s, by_condition=False)
        rest = data.exposed.sum() - data.exposed
        #: (trial,) mean rate of the others
        self.mean = mean_rate(data.counts.sum() - data.counts, rest)

    def at_spikes(self, prior_trials: Weight) -> FloatArray:
        """Return the mean counts at each trial's spikes, (entry,)."""
        return shrunk(*self.others.at_spikes, self.mean[self.data.trial], prior_trials)

    def everywhere(self, prior_trials: float) -> FloatArray:
        """Return the mean counts in all bins, (trial, bin)."""
        return shrunk(*self.others.everywhere(), self.mean[:, None], prior_trials)

    def sums(self, prior_trials: Weight, factor: FloatArray | None = None) -> FloatArray:
        """Return the mean counts, times the factor of each trial, summed over the trials of each group."""
        mean = self.mean if factor is None else factor * self.mean
        return self.others.sums(self.data.groups.sums(mean)[:, None], prior_trials, factor)

    def expected_of_others(self, prior_trials: float) -> FloatArray:
        """Return the spikes that each trial's PSTH expects of the others of its condition, (trial,)."""
        data, others = self.data, self.others
        groups, of_trial = data.groups, data.groups.of_trial
        exposed = data.total_exposure[groups.condition] - data.exposure[groups.pattern]
        per_spike = exposed / (others.exposure + prior_trials * others.inside)  # (group, bin)
        all_spikes = (per_spike * others.spikes).sum(axis=1)[of_trial]
        of_spike = others.smooth(per_spike)[of_trial[data.trial], data.bin]
        own = weighted_count(data.trial, data.n * of_spike, data.n_trials)
        return np.asarray(all_spikes - own + prior_trials * self.mean * (per_spike @ others.inside)[of_trial])


def gains(data: Binned, expected: FloatArray, prior_spikes: float) -> FloatArray:
    """Return the gain (trial,) of each trial's condition against the pooled PSTH, from the other trials."""
    counts: FloatArray = data.by_condition(data.groups.sums(data.counts))[data.condition] - data.counts
    return np.asarray((counts + prior_spikes) / (expected + prior_spikes))


def left_out(data: Binned, smoothing: Smoothing) -> tuple[FloatArray, FloatArray]:
    """Return each trial's mean counts of a fine bin from the other trials: at its spikes, and summed.

    Shapes (entry,) and (group, bin), for ``log_likelihood``.
    """
    pooled, a = LeftOutPooled(data, smoothing.bandwidth_s), smoothing.prior_trials
    if data.n_conditions == 1:
        return pooled.at_spikes(a), pooled.sums(a)
    gain = gains(data, pooled.expected_of_others(a), smoothing.gain_prior_spikes)
    others, s = Others(data, smoothing.condition_bandwidth_s, by_condition=True), smoothing.shrinkage_trials
    return shrunk(*others.at_spikes, gain[data.trial] * pooled.at_spikes(a), s), others.sums(pooled.sums(a, gain), s)


def left_out_everywhere(data: Binned, smoothing: Smoothing) -> FloatArray:
    """Return each trial's mean counts of a fine bin from the other trials, in all bins, (trial, bin)."""
    pooled, a = LeftOutPooled(data, smoothing.bandwidth_s), smoothing.prior_trials
    if data.n_conditions == 1:
        return pooled.everywhere(a)
    gain = gains(data, pooled.expected_of_others(a), smoothing.gain_prior_spikes)
    others = Others(data, smoothing.condition_bandwidth_s, by_condition=True)
    return shrunk(*others.everywhere(), gain[:, None] * pooled.everywhere(a), smoothing.shrinkage_trials)


def log_likelihood(data: Binned, at_spikes: FloatArray, sums: FloatArray) -> FloatArray:
    """Return the Poisson log-likelihood (without log y!), nats, (...).

    From the mean counts of a fine bin ``at_spikes`` (..., entry), and their ``sums`` over the trials of each group
    (..., group, bin).
    """
    expected = (sums * data.exposure[data.groups.pattern]).sum(axis=(-2, -1))
    return np.asarray(np.log(np.maximum(at_spikes, MU_FLOOR)) @ data.n - expected)
