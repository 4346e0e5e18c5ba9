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
    """Rows of a recurrent model; ``trial`` (row,) is the trial of each, ``state`` (row, state) that of its last bin.

    ``inputs`` (trial, bin, channel) as if no bin of the window held a spike, ``spikes`` (row,) those before the
    next bin of each row; ``log_drive`` (trial, bin).
    """

    def __init__(
        self,
        model: FittedRecurrent,
        observed: BoolArray,
        inputs: Array,
        log_drive: FloatArray,
        trial: IntArray,
        state: Array,
        spikes: Array,
    ) -> None:
        self.model, self.observed, self.inputs, self.log_drive = model, observed, inputs, log_drive
        self.trial, self.state, self.spikes = trial, state, spikes
        self._following = state[None]  # (bin, row, state) of the last look ahead

    @classmethod
    def of(cls, model: FittedRecurrent, trials: Trials) -> RecurrentStepper:
        """Return a stepper over these trials, started on their burn-in."""
        inputs, warm_up = model.inputs(trials).astype(np.float32), model.warm_up
        state = model.cell.initial_state(trials.n_trials).astype(np.float32)
        if warm_up:
            state = model.cell.run(inputs[:, :warm_up].swapaxes(0, 1))[-1]
        inputs = inputs[:, warm_up:]
        spikes = inputs[:, 0, 0].copy()
        inputs[:, :, 0] = 0.0
        log_drive = model.log_drive(trials)[:, warm_up:]
        observed = trials.observed[:, :, 0]
        return cls(model, observed, inputs, log_drive, np.arange(trials.n_trials), state, spikes)

    def take(self, rows: IntArray) -> RecurrentStepper:
        """Return a stepper whose rows are copies of these."""
        own = self.trial[rows], self.state[rows], self.spikes[rows]
        return RecurrentStepper(self.model, self.observed, self.inputs, self.log_drive, *own)

    def ahead(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of the bins that come next, should no spike come in them."""
        bins, trial = bins_ahead(at, n, self.inputs.shape[1]), self.trial[rows]
        inputs = self.inputs[trial, bins.T]
        inputs[0, :, 0] = self.spikes[rows]
        self._following = self.model.cell.run(inputs, self.state[rows])
        log_gain = self.model.readout.log_gain(self.model.cell.hidden(self._following)).T
        return bounded_mu(self.log_drive[trial[:, None], bins] + log_gain, self.model.log_mu_range)

    def skip(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Move on; spikes of bins that were not observed are not known to the model."""
        self.state[rows] = self._following[n_bins - 1, np.arange(len(rows))]
        self.spikes[rows] = counts * self.observed[self.trial[rows], at + n_bins - 1]
