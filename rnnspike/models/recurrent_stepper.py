"""A recurrent model clocked by bins running forward on the spikes it is handed, in single precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.models.recurrent_fitted import FittedRecurrent, bounded_mu
from rnnspike.models.table import bins_ahead
from rnnspike.trials.data import BoolArray, CountArray, FloatArray, IntArray, Trials

Array = npt.NDArray[Any]


class RecurrentStepper:
    """Rows of a recurrent model; ``trial`` (row,) is the trial of each, ``state`` (row, state) that of its next bin.

    ``inputs`` (trial, bin, channel) as if no bin of the window held a spike; ``log_drive`` (trial, bin).
    """

    def __init__(
        self,
        model: FittedRecurrent,
        observed: BoolArray,
        inputs: Array,
        log_drive: FloatArray,
        trial: IntArray,
        state: Array,
    ) -> None:
        self.model, self.observed, self.inputs, self.log_drive = model, observed, inputs, log_drive
        self.trial, self.state = trial, state
        self._now, self._following = state, state[None]  # (row, state) and (bin, row, state) of the last look ahead

    @classmethod
    def of(cls, model: FittedRecurrent, trials: Trials) -> RecurrentStepper:
        """Return a stepper over these trials, started on their burn-in."""
        inputs, warm_up = model.inputs(trials).astype(np.float32), model.warm_up
        state = model.cell.run(inputs[:, : warm_up + 1].swapaxes(0, 1))[-1]
        inputs = inputs[:, warm_up:]
        inputs[:, 1:, 0] = 0.0
        log_drive = model.log_drive(trials)[:, warm_up:]
        return cls(model, trials.observed[:, :, 0], inputs, log_drive, np.arange(trials.n_trials), state)

    def take(self, rows: IntArray) -> RecurrentStepper:
        """Return a stepper whose rows are copies of these."""
        trial, state = self.trial[rows], self.state[rows]
        return RecurrentStepper(self.model, self.observed, self.inputs, self.log_drive, trial, state)

    def ahead(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of the bins that come next, should no spike come in them."""
        bins, trial = bins_ahead(at, n, self.inputs.shape[1]), self.trial[rows]
        now = self.state[rows]
        following = self.model.cell.run(self.inputs[trial, bins[:, 1:].T], now)
        self._now, self._following = now, following
        log_mu, log_gain = self.log_drive[trial[:, None], bins], self.model.readout.log_gain
        log_mu[:, 0] += log_gain(self.model.cell.hidden(now))
        log_mu[:, 1:] += log_gain(self.model.cell.hidden(following)).T
        return bounded_mu(log_mu, self.model.log_mu_range)

    def skip(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Move on; spikes of bins that were not observed are not known to the model."""
        trial, here = self.trial[rows], at + n_bins - 1
        inputs = self.inputs[trial, np.minimum(here + 1, self.inputs.shape[1] - 1)].copy()
        inputs[:, 0] = counts * self.observed[trial, here]
        row = np.arange(len(rows))
        state = self._now.copy()
        later = n_bins > 1
        state[later] = self._following[n_bins[later] - 2, row[later]]
        self.state[rows] = self.model.cell.run(inputs[None], state)[0]
