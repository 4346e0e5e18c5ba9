r"""What the spikes say of given rates: shifted by bins, or made with the spikes that are scored.

**Shift.** Rates late by N bins fit spikes better when each spike reads them N bins later. Of rates that depend on
history, what follows a spike knows of it: those that change right after spikes are not late, whatever fits better.

**In-sample.** Let :math:`\nu` be the rates less their mean over trials of a condition. Where :math:`\mu` is right,
spikes are as likely as it says, given the past, so that for every lag

.. math:: \sum_{spikes} (\nu_s - \nu_{s-L}) \approx \sum_t \mu_t (\nu_t - \nu_{t-L})

with the variance :math:`\sum_t \mu_t (\nu_t - \nu_{t-L})^2`. Rates smoothed from the scored spikes rise towards each
spike far more than that. Rates that know every spike obey it, but gain more than any model can.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from rnnspike.evaluation.scores.likelihood import evaluated_mean_null, log_likelihood
from rnnspike.models.protocol import MU_FLOOR
from rnnspike.observation import expected_counts
from rnnspike.recording.data import Finding
from rnnspike.recording.findings import found
from rnnspike.trials.data import BoolArray, FloatArray, Trials
from rnnspike.wording import counted, with_interval

#: Shifts that are tried, in bins (of the file, where these are wider). One at the end is not reported: blurred
#: rates can fit best there.
SHIFTS = tuple(range(-4, 5))
#: Lags at which rates are held against their earlier values, in bins.
RISES = (1, 2, 4, 8, 16, 32)
#: Standard errors beyond which a shift or a rise is no chance.
SURE = 6.0
#: Gain per spike from which a shift is reported, nats.
WORTH_NATS = 0.005
#: A jump of the log rate right after spikes, over that between any two bins: the rates depend on the last bin.
REACTS = 3.0
#: A rise towards spikes this much larger than the rates imply is not that of a rate that was merely smoothed.
RISES_BY = 2.0
#: Share of the gain of a model that knows every spike which no model of rates attains.
IMPLAUSIBLE = 0.8
#: A log rate is taken to be no further below that of the unit's mean rate, so that zeros do not decide.
LOWEST_LOG = 6.0
#: Expected count under which a Bernoulli bin holds a spike for certain.
CERTAIN_MU = 50.0


@dataclass(frozen=True)
class Gain:
    """What spikes gain with other rates than the given ones: ``nats`` (trial,), and the number of spikes."""

    nats: FloatArray
    n_spikes: int

    @property
    def error(self) -> float:
        """Standard error of the sum, over trials."""
        n = len(self.nats)
        return float(np.std(self.nats, ddof=1) * np.sqrt(n)) if n > 1 else float("inf")

    @property
    def z(self) -> float:
        """The sum over trials in standard errors."""
        return float(self.nats.sum()) / max(self.error, 1e-12)

    def in_words(self) -> str:
        """Return bits per spike with the 95 % interval over trials."""
        per_spike = np.log(2) * max(self.n_spikes, 1)
        value, error = self.nats.sum() / per_spike, self.error / per_spike
        return f"{with_interval(value, value - 1.96 * error, value + 1.96 * error, '.2f')} bits/spike"


def filled(mu: FloatArray) -> FloatArray:
    """Return mu with its mean where there is none, and nowhere too low: neither gaps nor zeros then decide."""
    known = np.isfinite(mu)
    mean = max(float(mu[known].mean()), MU_FLOOR) if known.any() else MU_FLOOR
    return np.asarray(np.maximum(np.where(known, mu, mean), mean * np.exp(-LOWEST_LOG)))


class Evidence:
    """What speaks for a shift or for rates in-sample, summed over units."""

    def __init__(self) -> None:
        self.n = 0
        self.shift_sum, self.shift_squares = np.zeros(len(SHIFTS)), np.zeros(len(SHIFTS))
        self.jump_after, self.jump_any = np.zeros(2), np.zeros(2)  # sum and number
        self.risen, self.implied, self.variance = (np.zeros(len(RISES)) for _ in range(3))
        self.gain, self.most = 0.0, 0.0
        self.n_zero, self.units_zero = 0, 0

    def add(self, trials: Trials, mu: FloatArray, step: int) -> None:
        """Take in one unit: its trials, mu (trial, bin), and the run's bins per bin of the file, 1 at the least."""
        spikes, observed = trials.spikes[:, :, 0], trials.observed[:, :, 0]
        zero = int(np.count_nonzero((spikes > 0) & observed & (mu <= 0)))
        self.n_zero, self.units_zero = self.n_zero + zero, self.units_zero + (zero > 0)
        mu = np.where(observed, np.maximum(mu, MU_FLOOR), np.nan)
        self._shifts(mu, (spikes > 0) & observed, step)
        self._rises(mu, spikes, observed, trials, step)
        self._gain(mu, trials)

    def _shifts(self, mu: FloatArray, spiking: BoolArray, step: int) -> None:
        n_bins, far = mu.shape[1], SHIFTS[-1] * step
        if n_bins <= 2 * far or not spiking.any():
            return
        log_mu = np.log(mu)
        log_mu = np.maximum(log_mu, np.log(np.nanmean(mu)) - LOWEST_LOG)
        trial, at = np.nonzero(spiking[:, far : n_bins - far])
        read = np.stack([log_mu[trial, at + far + shift * step] for shift in SHIFTS])  # (shift, spike)
        read = read[:, np.isfinite(read).all(axis=0)]
        gain = read - read[SHIFTS.index(0)]
        self.n += gain.shape[1]
        self.shift_sum += gain.sum(axis=1)
        self.shift_squares += (gain**2).sum(axis=1)
        after, between = np.abs(gain[SHIFTS.index(1)]), np.abs(log_mu[:, step:] - log_mu[:, :-step])
        self.jump_after += after.sum(), after.size
        self.jump_any += np.nansum(between), np.isfinite(between).sum()

    def _rises(self, mu: FloatArray, spikes: np.ndarray, observed: BoolArray, trials: Trials, step: int) -> None:
        nu, expected = mu.copy(), expected_counts(mu, trials.observation)
        for condition in np.unique(trials.condition):
            mine = trials.condition == condition
            known = np.maximum(observed[mine].sum(axis=0), 1)
            nu[mine] -= np.nansum(mu[mine], axis=0) / known
        for k, lag in enumerate(RISES):
            if lag * step < mu.shape[1]:
                rise = nu[:, lag * step :] - nu[:, : -lag * step]
                here = spikes[:, lag * step :], expected[:, lag * step :]
                rise = np.where(np.isfinite(rise), rise, 0.0)
                self.risen[k] += (here[0] * rise).sum()
                self.implied[k] += np.nansum(here[1] * rise)
                self.variance[k] += np.nansum(here[1] * rise**2)

    def _gain(self, mu: FloatArray, trials: Trials) -> None:
        spikes, observed = trials.spikes[:, :, 0], trials.observed[:, :, 0]
        null = evaluated_mean_null(trials.spikes, trials.observed, trials.observation)[:, :, 0]
        certain = CERTAIN_MU if trials.observation == "bernoulli" else spikes
        knows_all = np.where(spikes > 0, certain, MU_FLOOR).astype(np.float64)
        gained, base, most = (
            float(log_likelihood(each, spikes, observed, trials.observation).sum())
            for each in (np.where(observed, mu, 0.0), null, knows_all)
        )
        self.gain += gained - base
        self.most += most - base

    def findings(self, name: str, history: bool) -> Iterator[Finding]:
        """Yield what there is to say of the rates of this name."""
        if self.n_zero:
            bins, units = counted(self.n_zero, "bin{s}"), counted(self.units_zero, "unit{s}")
            message = f"{name}: the rates are 0 in {bins} of {units} with a spike: each costs some 20 nats"
            yield found("rates-zero", message, count=self.n_zero)
        if shift := self.shift(history):
            late = "late" if shift > 0 else "early"
            message = f"{name}: these rates seem to be shifted by {counted(abs(shift), 'bin{s}')} ({late})"
            yield found("rates-shifted", message, count=abs(shift))
        if why := self.in_sample():
            yield found("rates-in-sample", f"{name}: these rates seem to have seen the spikes that are scored: {why}")

    def shift(self, history: bool) -> int:
        """Return by how many bins the rates seem to be late (early, where negative); 0 where they do not."""
        if self.n < 2:
            return 0
        mean = self.shift_sum / self.n
        error = np.sqrt(np.maximum(self.shift_squares / self.n - mean**2, 1e-12) / self.n)
        best = int(np.argmax(mean))
        if SHIFTS[best] in (0, SHIFTS[0], SHIFTS[-1]) or mean[best] < max(WORTH_NATS, SURE * error[best]):
            return 0
        after, between = (each[0] / max(each[1], 1) for each in (self.jump_after, self.jump_any))
        reacts = history and after > REACTS * between
        return 0 if SHIFTS[best] > 0 and reacts else SHIFTS[best]

    def in_sample(self) -> str | None:
        """Return why the rates seem to have seen the scored spikes, None where they do not."""
        if self.most > 0 and self.gain > IMPLAUSIBLE * self.most:
            return f"they gain {self.gain / self.most:.0%} of what a model that knows every spike would"
        error = np.sqrt(np.maximum(self.variance, 1e-300))
        excess = self.risen - self.implied
        sure = (excess > SURE * error) & (self.risen > RISES_BY * np.maximum(self.implied, 0.0))
        if not sure.any():
            return None
        return "they rise towards the very spikes that they are scored on, far more than such rates would by chance"
