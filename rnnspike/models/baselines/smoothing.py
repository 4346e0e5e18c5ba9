"""How much to smooth a PSTH: the greatest leave-one-trial-out likelihood (science.md#psth-bandwidth).

The two bandwidths and the three weights a (trials), b (spikes), s (trials) of ``left_out.py`` maximise the left-out
Poisson likelihood inside the training trials. Each bandwidth is tried on bins of half its width, since finer ones do
not change the choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from rnnspike.models.baselines.binned import Binned
from rnnspike.models.baselines.left_out import (
    ALL_PRIOR,
    LeftOutPooled,
    Others,
    Smoothing,
    gains,
    log_likelihood,
    shrunk,
)
from rnnspike.trials.data import FloatArray

#: Candidate standard deviations of the Gaussian kernel, s: two per octave.
BANDWIDTHS_S = tuple(
    0.001 * b for b in (1, 1.5, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
)
#: Below this, a narrower bandwidth is tried only if the last step was a gain.
ALWAYS_TRIED_S = 0.012
#: Weights of the mean rate in the pooled PSTH, in trials (1 is a gamma prior that keeps every bin possible).
PRIORS = (1.0, 4.0, 16.0, ALL_PRIOR)
#: Weights of gain 1 in a condition's gain, in spikes.
GAIN_PRIORS = (2.0, 10.0, 50.0, ALL_PRIOR)
#: Weights of the pooled PSTH in a condition's, in trials.
SHRINKAGES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, ALL_PRIOR)


def scan_pooled(data: Binned, bandwidths_s: Sequence[float]) -> Iterator[Smoothing]:
    """Yield the left-out likelihood of the pooled PSTH, widest bandwidth first, every prior weight.

    Narrow bandwidths are tried only while the last step down was a gain.
    """
    data, last = data.of_one_condition(), float("-inf")
    for bandwidth_s in sorted(bandwidths_s, reverse=True):
        coarse = data.for_bandwidth(bandwidth_s)
        pooled = LeftOutPooled(coarse, bandwidth_s)
        priors = np.array(PRIORS)[:, None]
        values = log_likelihood(coarse, pooled.at_spikes(priors), pooled.sums(priors[:, None])).tolist()
        yield from (Smoothing(bandwidth_s, prior, log_likelihood=v) for prior, v in zip(PRIORS, values, strict=True))
        # With the last prior the score does not depend on the bandwidth, so it is left out of the comparison.
        if bandwidth_s <= ALWAYS_TRIED_S and max(values[:-1]) < last:
            return
        last = max(values[:-1])


def usable_bandwidths(data: Binned) -> tuple[float, ...]:
    """Return the bandwidths that fit a window: from a bin to half its length."""
    window_s = data.bin_s * data.width * data.n_bins
    usable = tuple(b for b in BANDWIDTHS_S if data.bin_s <= b <= window_s / 2)
    return usable or (max(window_s / 2, data.bin_s),)


def choose_smoothing(data: Binned, bandwidth_s: float | None = None) -> Smoothing:
    """Return the smoothing with the highest left-out likelihood: first the pooled one, then the conditions'.

    With a ``bandwidth_s`` the weights alone are chosen. Conditions of a single trial cannot be predicted from others.
    """
    bandwidths_s = usable_bandwidths(data) if bandwidth_s is None else (bandwidth_s,)
    pooled = max(scan_pooled(data, bandwidths_s), key=lambda each: each.log_likelihood)
    if data.n_conditions == 1 or np.bincount(data.condition).max(initial=0) < 2:
        return pooled
    return _ConditionSearch(data, pooled, bandwidths_s).best()


class _ConditionSearch:
    """Hill climbing over the conditions' bandwidth, shrinkage and gain prior, each value tried once."""

    def __init__(self, data: Binned, pooled: Smoothing, bandwidths_s: Sequence[float]) -> None:
        self.data, self.pooled = data, pooled
        self.bandwidths = [b for b in bandwidths_s if b >= 0.5 * min(pooled.bandwidth_s, 0.016)]
        self.tried: dict[tuple[int, int, int], float] = {}
        self.coarse: dict[int, _Pooled] = {}  # by width
        self.others: dict[float, Others] = {}  # by bandwidth, from which bins follow

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
            pooled = self._pooled(min(chosen.bandwidth_s, chosen.condition_bandwidth_s))
            others = self._others(pooled.data, chosen.condition_bandwidth_s)
            prior, sums = pooled.with_gain(chosen.gain_prior_spikes)
            at_spikes = shrunk(*others.at_spikes, prior, chosen.shrinkage_trials)
            sums = others.sums(sums, chosen.shrinkage_trials)
            self.tried[at] = float(log_likelihood(pooled.data, at_spikes, sums))
        return self.tried[at]

    def _pooled(self, finest_s: float) -> _Pooled:
        width = self.data.width_for(finest_s)
        if width not in self.coarse:
            self.coarse[width] = _Pooled(self.data.coarser(width), self.pooled)
        return self.coarse[width]

    def _others(self, coarse: Binned, bandwidth_s: float) -> Others:
        if bandwidth_s not in self.others:
            self.others[bandwidth_s] = Others(coarse, bandwidth_s, by_condition=True)
        return self.others[bandwidth_s]


class _Pooled:
    """The chosen pooled PSTH on some bins, times the gain of each trial's condition."""

    def __init__(self, data: Binned, chosen: Smoothing) -> None:
        self.data, self.prior_trials = data, chosen.prior_trials
        self.left_out = LeftOutPooled(data, chosen.bandwidth_s)
        self.at_spikes = self.left_out.at_spikes(self.prior_trials)
        self.expected = self.left_out.expected_of_others(self.prior_trials)
        self.known: dict[float, tuple[FloatArray, FloatArray]] = {}  # by the gain's prior

    def with_gain(self, prior_spikes: float) -> tuple[FloatArray, FloatArray]:
        """Return mean counts at spikes (entry,), and summed over each group's trials (group, bin)."""
        if prior_spikes not in self.known:
            gain = gains(self.data, self.expected, prior_spikes)
            sums = self.left_out.sums(self.prior_trials, gain)
            self.known[prior_spikes] = (gain[self.data.trial] * self.at_spikes, sums)
        return self.known[prior_spikes]


def _shift(at: tuple[int, int, int], axis: int, step: int) -> tuple[int, int, int]:
    moved = list(at)
    moved[axis] += step
    return (moved[0], moved[1], moved[2])
