"""Stepper of one unit of a shared-state model: the others' recorded spikes are given, its own are those it makes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rnnspike.models.protocol import Stepper, following_bins
from rnnspike.observation import Observation, expected_counts
from rnnspike.trials.data import BoolArray, CountArray, FloatArray, IntArray, Trials

if TYPE_CHECKING:
    from rnnspike.models.population.shared_state import FittedSharedState


@dataclass(frozen=True)
class SharedStepper:
    """Rows of one unit, the place ``unit`` in the network.

    Known beforehand, (trial, ...): ``residual`` (trial, block, unit) of the others and ``observed`` (trial, bin). Per
    row: its ``trial``, the ``state`` of its block (row, state), and its own spikes and expected ones in that block
    so far, ``sums`` (2, row).
    """

    model: FittedSharedState
    unit: int
    observation: Observation
    base: Stepper
    residual: FloatArray
    observed: BoolArray
    trial: IntArray
    state: FloatArray
    sums: FloatArray
    _after: list[tuple[FloatArray, FloatArray]]

    @classmethod
    def of(cls, model: FittedSharedState, base: Stepper, trials: Trials, unit: int) -> SharedStepper:
        """Return a stepper with one row per trial of a single unit."""
        n, before = trials.n_trials, model.clock.warm_up
        residual = model.others_residuals(trials, unit)
        state = model.states(residual[:, : before + 1])[:, before].astype(np.float64)
        known = residual[:, before:], trials.observed[:, :, 0]
        return cls(model, unit, trials.observation, base, *known, np.arange(n), state, np.zeros((2, n)), [])

    def copy_rows(self, rows: IntArray) -> SharedStepper:
        """Return a stepper whose rows are copies of these."""
        base, trial = self.base.copy_rows(rows), self.trial[rows]
        return replace(self, base=base, trial=trial, state=self.state[rows], sums=self.sums[:, rows], _after=[])

    def predict_until_spike(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of the next n bins, on condition that none holds a spike."""
        mu = self.base.predict_until_spike(rows, at, n)
        bins, trial = following_bins(at, n, self.observed.shape[1]), self.trial[rows]
        expected = np.where(self.observed[trial[:, None], bins], expected_counts(mu, self.observation), 0.0)
        state, sums = self.state[rows], self.sums[:, rows]
        self._after.clear()
        log_gain = np.empty_like(mu)
        for j, now in enumerate(bins.T):
            begins = np.flatnonzero((now % self.model.clock.width == 0) & (at + j > 0))
            if len(begins):
                state, sums = state.copy(), sums.copy()
                block = now[begins] // self.model.clock.width - 1
                seen = self.residual[trial[begins], block]
                seen[:, self.unit] = sums[0, begins] - sums[1, begins]
                state[begins] = self.model.cell.step(state[begins], seen * self.model.scale)
                sums[:, begins] = 0.0
            log_gain[:, j] = self.model.read(self.model.cell.hidden(state), [self.unit])[:, 0]
            sums = sums + np.stack([np.zeros(len(rows)), expected[:, j]])
            self._after.append((state, sums))
        return self.model.added(mu[..., None], log_gain[..., None], [self.unit])[..., 0]

    def advance(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Advance; spikes of bins that were not observed are not known to the model."""
        self.base.advance(rows, at, n_bins, counts)
        seen = counts * self.observed[self.trial[rows], at + n_bins - 1]
        for last in np.unique(n_bins):
            here = np.flatnonzero(n_bins == last)
            state, sums = self._after[last - 1]
            self.state[rows[here]] = state[here]
            self.sums[:, rows[here]] = sums[:, here]
        self.sums[0, rows] += seen
