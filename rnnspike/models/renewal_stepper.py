"""A renewal model running forward: the age on the clock grows by the drive and falls to 0 at a spike."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rnnspike.models.history import Past
from rnnspike.models.renewal import FittedRenewal, clock, clock_ages
from rnnspike.models.table import bins_ahead
from rnnspike.trials.data import BoolArray, CountArray, FloatArray, IntArray, Trials


@dataclass(frozen=True)
class RenewalStepper:
    """Rows of a renewal model.

    Known beforehand: ``observed`` (trial, bin) and ``clock`` (trial, bin + 1), the drive's sum before each bin. Per
    row: ``trial``; ``since``, the clock at which its interval began; ``known``, whether a spike began it.
    """

    model: FittedRenewal
    observed: BoolArray
    clock: FloatArray
    trial: IntArray
    since: FloatArray
    known: BoolArray

    @classmethod
    def of(cls, model: FittedRenewal, trials: Trials) -> RenewalStepper:
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

    def take(self, rows: IntArray) -> RenewalStepper:
        """Return a stepper whose rows are copies of these."""
        return replace(self, trial=self.trial[rows], since=self.since[rows], known=self.known[rows])

    def ahead(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of the bins that come next, should no spike come in them."""
        bins, trial = bins_ahead(at, n, self.observed.shape[1]), self.trial[rows][:, None]
        begin = self.clock[trial, bins]
        known = np.broadcast_to(self.known[rows][:, None], bins.shape)
        return self.model.mu(begin - self.since[rows][:, None], self.clock[trial, bins + 1] - begin, known)

    def skip(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Move on; a spike begins a new interval, a bin that is not observed one whose beginning is unknown."""
        trial, following = self.trial[rows], at + n_bins
        observed = self.observed[trial, following - 1]
        fired = (counts > 0) & observed
        anew = fired | ~observed
        self.since[rows[anew]] = self.clock[trial[anew], following[anew]]
        self.known[rows] = (self.known[rows] | fired) & observed
