"""The PSTH as a model: the smoothed trial average per condition, bandwidth by leave-one-trial-out (science.md b.3).

With R trials, spikes S(k) and exposure E(k) summed over them, a Gaussian kernel K, w = K*1 (what of the kernel lies
inside the window) and a prior of ``PRIOR_TRIALS`` trials at the mean rate m of the trials averaged::

    pooled(k) = (K*S + a m w) / (K*E + a w),      condition_c(k) = (K*S_c + b pooled w) / (K*E_c + b w)

Leaving trial r out subtracts its own spikes and exposure from S, E, S_c and E_c: closed form, no refit. The bandwidth
and b, the weight of the pooled PSTH in trials, maximise the left-out likelihood inside the training trials.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import fft

from rnnspike.errors import ModelError
from rnnspike.models.constant import Constant
from rnnspike.models.protocol import MU_FLOOR, FittedModel
from rnnspike.models.table import IntensityTable
from rnnspike.trials.data import FloatArray, IntArray, Trials

#: Standard deviations of the Gaussian kernel that are tried, s.
BANDWIDTHS_S = (0.002, 0.004, 0.008, 0.012, 0.02, 0.03, 0.05, 0.08, 0.15, 0.3, 0.6)
#: Weights of the pooled PSTH in a condition's, in trials.
SHRINKAGES = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 1e6)
#: Weight of the mean rate in the pooled PSTH, in trials: a gamma prior; no bin is ever impossible.
PRIOR_TRIALS = 1.0
#: The choice is made on at most this many bins (neighbours summed): finer bins do not change it.
MAX_CHOICE_BINS = 2000


@dataclass(frozen=True)
class Smoothing:
    """What the leave-one-trial-out likelihood chose; ``log_likelihood`` in nats, per Poisson bin."""

    bandwidth_s: float
    shrinkage_trials: float
    log_likelihood: float


class Psth:
    """Inhomogeneous Poisson: the smoothed trial average of each condition."""

    name = "psth"

    @classmethod
    def configured(cls, effort: str = "standard", device: str = "cpu", checkpoint: Path | None = None) -> Psth:
        """Return the model; it chooses its smoothing itself."""
        return cls()

    def fit(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> tuple[FittedModel, ...]:
        """Return the PSTH of the training trials; validation trials are not needed and not looked at.

        Raises
        ------
        ModelError
            Where the trials are segments of a recording without repeats: there is nothing to average over.
        """
        if not train.has_repeats:
            raise ModelError("the trials are segments without repeats: there is nothing to average over")
        tables, chosen = [], []
        for u in range(train.n_units):
            one = train.unit(u)
            smoothing = choose_smoothing(one)
            tables.append(psth_mu(one, smoothing))
            chosen.append(smoothing)
        config: dict[str, object] = {
            "bandwidth_s": [each.bandwidth_s for each in chosen],
            "shrinkage_trials": [each.shrinkage_trials for each in chosen],
        }
        model = IntensityTable(self.name, np.stack(tables, axis=2), train.unit_ids, config)
        return (model,) * len(validation)

    @classmethod
    def load(cls, folder: Path) -> IntensityTable:
        """Return a fitted model from its folder."""
        return IntensityTable.load(folder)


def flat_or_psth(train: Trials) -> FittedModel:
    """Return the PSTH of the trials, or their mean rate where there are no repeats to average over."""
    model = Psth() if train.has_repeats else Constant()
    return model.fit(train, [train], np.random.default_rng(0))[0]


def psth_mu(trials: Trials, smoothing: Smoothing) -> FloatArray:
    """Return the smoothed mu (condition, bin) of one unit."""
    spikes, exposure = summed(trials, 1)
    kernel = Kernel(trials.n_bins, smoothing.bandwidth_s / trials.bin_s)
    inside, mean = kernel(np.ones(trials.n_bins)), spikes.sum() / max(exposure.sum(), 1.0)
    pooled = _shrunk(kernel(spikes.sum(axis=0)), kernel(exposure.sum(axis=0)), inside, mean, PRIOR_TRIALS)
    by_condition = conditions_summed(spikes, trials.condition, len(trials.conditions))
    exposed = conditions_summed(exposure, trials.condition, len(trials.conditions))
    mean_count = _shrunk(kernel(by_condition), kernel(exposed), inside, pooled, smoothing.shrinkage_trials)
    if len(trials.conditions) == 1:
        mean_count = pooled[None]
    return to_mu(mean_count, trials)


def to_mu(mean_count: FloatArray, trials: Trials) -> FloatArray:
    """Return mu of bins from their mean count: under Bernoulli the count is a probability, ``mu = -log(1 - p)``."""
    mean_count = np.maximum(mean_count, MU_FLOOR)
    return (
        np.asarray(-np.log1p(-np.minimum(mean_count, 1 - 1e-6))) if trials.observation == "bernoulli" else mean_count
    )


def choose_smoothing(trials: Trials) -> Smoothing:
    """Return bandwidth and shrinkage with the highest leave-one-trial-out likelihood (one unit)."""
    return max(scan_smoothing(trials), key=lambda each: each.log_likelihood)


def scan_smoothing(trials: Trials) -> Iterator[Smoothing]:
    """Yield the leave-one-trial-out Poisson log-likelihood of every bandwidth and shrinkage (one unit)."""
    width = max(1, -(-trials.n_bins // MAX_CHOICE_BINS))
    spikes, exposure = summed(trials, width)
    bin_s, several = trials.bin_s * width, len(trials.conditions) > 1
    window_s = trials.n_bins * trials.bin_s
    widest = max(0.5 * window_s, BANDWIDTHS_S[0])
    for bandwidth_s in (b for b in BANDWIDTHS_S if b <= widest and b >= 0.5 * bin_s):
        left_out = LeftOut(spikes, exposure, trials.condition, Kernel(spikes.shape[1], bandwidth_s / bin_s))
        for shrinkage in SHRINKAGES if several else (0.0,):
            yield Smoothing(bandwidth_s, shrinkage, left_out.log_likelihood(shrinkage))


class LeftOut:
    """Leave-one-trial-out PSTHs of one kernel, in closed form; arrays are (trial, bin)."""

    def __init__(self, spikes: FloatArray, exposure: FloatArray, condition: IntArray, kernel: Kernel) -> None:
        self.spikes, self.exposure, self.condition = spikes, exposure, condition
        self.inside = kernel(np.ones(spikes.shape[1]))
        self.own, self.own_exposure = kernel(spikes), kernel(exposure)
        others = np.maximum(exposure.sum() - exposure.sum(axis=1), 1.0)
        mean = ((spikes.sum() - spikes.sum(axis=1)) / others)[:, None]
        total, exposed = self.own.sum(axis=0), self.own_exposure.sum(axis=0)
        self.pooled = _shrunk(total - self.own, exposed - self.own_exposure, self.inside, mean, PRIOR_TRIALS)

    def mean_count(self, shrinkage: float) -> FloatArray:
        """Return each trial's mean count (trial, bin) from the other trials; shrinkage 0 is the pooled PSTH."""
        if shrinkage == 0.0:
            return self.pooled
        n = int(self.condition.max()) + 1
        total = conditions_summed(self.own, self.condition, n)[self.condition] - self.own
        exposed = conditions_summed(self.own_exposure, self.condition, n)[self.condition] - self.own_exposure
        return _shrunk(total, exposed, self.inside, self.pooled, shrinkage)

    def log_likelihood(self, shrinkage: float) -> float:
        """Return the Poisson log-likelihood of all trials, each from the others (without log y!)."""
        mean = np.maximum(self.mean_count(shrinkage), MU_FLOOR)
        where = np.nonzero(self.spikes)
        return float((self.spikes[where] * np.log(mean[where])).sum() - (mean * self.exposure).sum())


class Kernel:
    """Convolution with a Gaussian of a width in bins, along the last axis, nothing beyond the edges (by FFT)."""

    def __init__(self, n_bins: int, sigma_bins: float) -> None:
        self.n_bins = n_bins
        reach = min(n_bins - 1, max(1, int(np.ceil(5 * sigma_bins))))
        self.size = fft.next_fast_len(n_bins + reach, real=True)
        lag = np.arange(-reach, reach + 1)
        weight = np.exp(-0.5 * (lag / sigma_bins) ** 2)
        wrapped = np.zeros(self.size)
        np.add.at(wrapped, lag % self.size, weight / weight.sum())
        self.transform = fft.rfft(wrapped)

    def __call__(self, values: npt.ArrayLike) -> FloatArray:
        """Return the values (..., bin) smoothed; tiny negatives of the transform are cut."""
        spectrum = fft.rfft(np.asarray(values, float), self.size, axis=-1)
        smooth = fft.irfft(spectrum * self.transform, self.size, axis=-1)[..., : self.n_bins]
        return np.asarray(np.maximum(smooth, 0.0))


def summed(trials: Trials, width: int) -> tuple[FloatArray, FloatArray]:
    """Return spikes and observed bins (trial, coarse bin) of one unit, ``width`` neighbouring bins summed."""
    spikes = (trials.spikes * trials.observed)[:, :, 0].astype(np.float64)
    exposure = trials.observed[:, :, 0].astype(np.float64)
    if width == 1:
        return spikes, exposure
    starts = np.arange(0, trials.n_bins, width)
    return np.add.reduceat(spikes, starts, axis=1), np.add.reduceat(exposure, starts, axis=1)


def conditions_summed(values: FloatArray, condition: IntArray, n_conditions: int) -> FloatArray:
    """Return the sum over each condition's trials, (condition, bin)."""
    total = np.zeros((n_conditions, values.shape[1]))
    np.add.at(total, condition, values)
    return total


def _shrunk(
    spikes: FloatArray, exposure: FloatArray, inside: FloatArray, prior: FloatArray | float, weight: float
) -> FloatArray:
    return np.asarray((spikes + weight * prior * inside) / (exposure + weight * inside))
