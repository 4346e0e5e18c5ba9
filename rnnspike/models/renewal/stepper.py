"""Stepper of a renewal model: the age grows by the drive's mu and is 0 after a spike."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from rnnspike.models.baselines.table import IntensityTable
from rnnspike.models.past import Past
from rnnspike.models.protocol import following_bins
from rnnspike.models.renewal.clock import clock, clock_ages
from rnnspike.trials.data import BoolArray, CountArray, FloatArray, IntArray, Trials


class ClockHazard(Protocol):
    """What a stepper needs of a fitted renewal model (``model.FittedRenewal``)."""

    @property
    def base(self) -> IntensityTable:
        """The drive."""

    def mu(self, age: FloatArray, step: FloatArray, known: BoolArray) -> FloatArray:
        """Return mu of bins over which rescaled time goes from ``age`` to ``age + step``, all of one shape."""


@dataclass(frozen=True)
class RenewalStepper:
    """Rows of a renewal model.

    Known beforehand: ``observed`` (trial, bin) and ``clock`` (trial, bin + 1), the drive's sum before each bin. Per
    row: ``trial``; ``since``, the rescaled time at which its interval began; ``known``, whether a spike began it.
    """

    model: ClockHazard
    observed: BoolArray
    clock: FloatArray
    trial: IntArray
    since: FloatArray
    known: BoolArray

    @classmethod
    def of(cls, model: ClockHazard, trials: Trials) -> RenewalStepper:
        """Return a stepper over these trials, started on their burn-in."""
        base, before = clock(model.base, trials)
        past = Past.of(trials)
        silent = past.spikes.copy()
        silent[:, past.n_burn_in :] = 0
        burn_in = Past(silent, past.observed, past.n_burn_in)
        ages, known = clock_ages(burn_in, base, before)
        total = np.concatenate([np.zeros((len(base), 1)), np.cumsum(base, axis=1)], axis=1)
        observed = past.observed[:, past.n_burn_in :]
        return cls(model, observed, total, np.arange(len(base)), -ages[:, 0], known[:, 0].copy())

    def copy_rows(self, rows: IntArray) -> RenewalStepper:
        """Return a stepper whose rows are copies of these."""
        return replace(self, trial=self.trial[rows], since=self.since[rows], known=self.known[rows])

    def predict_until_spike(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of the next n bins, on condition that none holds a spike."""
        bins, trial = following_bins(at, n, self.observed.shape[1]), self.trial[rows][:, None]
        begin = self.clock[trial, bins]
        known = np.broadcast_to(self.known[rows][:, None], bins.shape)
        return self.model.mu(begin - self.since[rows][:, None], self.clock[trial, bins + 1] - begin, known)

    def advance(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Advance; a spike begins a new interval, an unobserved bin one with an unknown beginning."""
        trial, following = self.trial[rows], at + n_bins
        observed = self.observed[trial, following - 1]
        fired = (counts > 0) & observed
        anew = fired | ~observed
        self.since[rows[anew]] = self.clock[trial[anew], following[anew]]
        self.known[rows] = (self.known[rows] | fired) & observed
