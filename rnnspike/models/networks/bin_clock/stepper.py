"""Stepper of a recurrent model clocked by bins, in single precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from rnnspike.models.networks.bin_clock.inputs import BASE, SPIKE, Scaling
from rnnspike.models.networks.cell import Cell, HasCell, Readout
from rnnspike.models.protocol import Stepper, bounded_exp, following_bins
from rnnspike.models.registry import is_memoryless
from rnnspike.trials.data import BoolArray, CountArray, FloatArray, IntArray, Trials

Array = npt.NDArray[Any]


class Stepped(HasCell, Protocol):
    """What a stepper needs of a fitted model."""

    @property
    def scaling(self) -> Scaling:
        """How its inputs are scaled."""

    @property
    def log_mu_range(self) -> tuple[float, float]:
        """Bounds of its log mu."""


@dataclass(frozen=True)
class _SteppedBase:
    """The stepper of a base that depends on spikes; the network reads its log mu."""

    stepper: Stepper
    scaling: Scaling

    @classmethod
    def of(cls, model: Stepped, trials: Trials) -> _SteppedBase | None:
        """Return the base of a model; None for one whose log mu does not depend on spikes."""
        return None if is_memoryless(model.base.name) else cls(model.base.stepper(trials), model.scaling)

    def copy_rows(self, rows: IntArray) -> _SteppedBase:
        """Return a base whose rows are copies of these."""
        return _SteppedBase(self.stepper.copy_rows(rows), self.scaling)

    def log_mu_until_spike(self, rows: IntArray, at: IntArray, n: int) -> tuple[FloatArray, FloatArray]:
        """Return log mu (row, n) of the next n bins without a spike, and the same scaled as the network reads it."""
        log_mu: FloatArray = np.log(self.stepper.predict_until_spike(rows, at, n))
        return log_mu, (log_mu - self.scaling.mean[BASE]) / self.scaling.sd[BASE]


class RecurrentStepper:
    """Rows of a recurrent model; ``trial`` (row,) is the trial of each, ``state`` (row, state) that of its last bin.

    ``inputs`` (trial, bin, channel) as if no bin of the window held a spike; ``spikes`` (row,) of the bin before each
    row's next bin; ``log_drive`` (trial, bin), ``log_mu_range`` the model's bounds. The log mu of a ``base`` that
    depends on spikes replaces ``log_drive``, also as an input.
    """

    def __init__(
        self,
        cell: Cell,
        readout: Readout,
        log_mu_range: tuple[float, float],
        observed: BoolArray,
        inputs: Array,
        log_drive: FloatArray,
        trial: IntArray,
        state: Array,
        spikes: Array,
        base: _SteppedBase | None,
    ) -> None:
        self.cell, self.readout, self.log_mu_range = cell, readout, log_mu_range
        self.observed, self.inputs, self.log_drive = observed, inputs, log_drive
        self.trial, self.state, self.spikes = trial, state, spikes
        self.base = base
        self._following = state[None]  # (bin, row, state) of the last prediction

    @classmethod
    def of(cls, model: Stepped, trials: Trials) -> RecurrentStepper:
        """Return a stepper over these trials, started on their burn-in."""
        inputs, warm_up = model.inputs(trials).astype(np.float32), model.n_warm_up(trials)
        state = model.cell.initial_state(trials.n_trials).astype(np.float32)
        if warm_up:
            state = model.cell.run(inputs[:, :warm_up].swapaxes(0, 1))[-1]
        inputs = inputs[:, warm_up:]
        spikes = inputs[:, 0, SPIKE].copy()
        inputs[:, :, SPIKE] = 0.0
        log_drive = model.log_drive(trials)[:, warm_up:]
        known = model.log_mu_range, trials.observed[:, :, 0], inputs, log_drive
        base = _SteppedBase.of(model, trials)
        return cls(model.cell, model.readout, *known, np.arange(trials.n_trials), state, spikes, base)

    def copy_rows(self, rows: IntArray) -> RecurrentStepper:
        """Return a stepper whose rows are copies of these."""
        known = self.log_mu_range, self.observed, self.inputs, self.log_drive
        own = self.trial[rows], self.state[rows], self.spikes[rows]
        base = None if self.base is None else self.base.copy_rows(rows)
        return RecurrentStepper(self.cell, self.readout, *known, *own, base)

    def predict_until_spike(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of the next n bins, on condition that none holds a spike."""
        bins, trial = following_bins(at, n, self.inputs.shape[1]), self.trial[rows]
        inputs = self.inputs[trial, bins.T]
        inputs[0, :, SPIKE] = self.spikes[rows]
        log_base = self.log_drive[trial[:, None], bins]
        if self.base is not None:
            log_base, scaled = self.base.log_mu_until_spike(rows, at, n)
            inputs[:, :, BASE] = scaled.T
        self._following = self.cell.run(inputs, self.state[rows])
        log_gain = self.readout.log_gain(self.cell.hidden(self._following)).T
        return bounded_exp(log_base + log_gain, *self.log_mu_range)

    def advance(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Advance; spikes of bins that were not observed are not known to the model."""
        if self.base is not None:
            self.base.stepper.advance(rows, at, n_bins, counts)
        self.state[rows] = self._following[n_bins - 1, np.arange(len(rows))]
        self.spikes[rows] = counts * self.observed[self.trial[rows], at + n_bins - 1]
