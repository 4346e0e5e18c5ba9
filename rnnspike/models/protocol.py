"""The protocol of conditional-intensity models, which evaluation and reports rely on.

A model returns ``mu``, the integrated conditional intensity of each bin given the recorded past (expected count,
dimensionless; science.md#observation-model). Under Bernoulli bins the probability of a spike is ``1 - exp(-mu)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from rnnspike.trials.data import CountArray, FloatArray, IntArray, Trials

#: Smallest expected count of a bin that a model may return: no rarer than one spike in 10^9 bins.
MU_FLOOR = 1e-9
#: Largest: a free run is bounded by it, whatever the model (science.md#free-run), and its counts fit into a byte.
MU_CEILING = 100.0
#: Both in log.
LOG_MU_RANGE = (math.log(MU_FLOOR), math.log(MU_CEILING))
#: Log of the factor, two, by which a prediction may exceed the intensities of training trials.
HEADROOM = math.log(2.0)


class Stepper(Protocol):
    """A model that runs forward over many rows at once; a row is a trial or a copy of one, each at its own bin.

    The model knows the spikes it was given, in bins that the trials mark as observed. A row advances from spike to
    spike: between two spikes the intensity is known beforehand, which saves one call from Python per bin.
    """

    def copy_rows(self, rows: IntArray) -> Stepper:
        """Return a stepper whose rows are copies of these, in this order; a row may be named more than once.

        Called before the first ``advance``.

        Parameters
        ----------
        rows
            (row,) indices of rows.
        """

    def predict_until_spike(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of bins ``at`` to ``at + n - 1`` of these rows, on condition that none holds a spike.

        The values hold up to the window's end and to the next bin where ``observed`` changes, and are arbitrary
        beyond.

        Parameters
        ----------
        rows
            (row,) which rows.
        at
            (row,) the first bin asked for, in bins from the window's start.
        n
            How many bins.
        """

    def advance(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Advance these rows from bin ``at`` by ``n_bins``: the last bin holds ``counts`` spikes, the others none.

        Called after ``predict_until_spike`` with the same rows and bins, and with n at least ``n_bins``.

        Parameters
        ----------
        rows
            (row,) which rows.
        at
            (row,) the bin at which each row is, from the window's start.
        n_bins
            (row,) by how many bins to advance.
        counts
            (row,) spikes in the last of them.
        """


@runtime_checkable
class FittedModel(Protocol):
    """A fitted model of one unit (or of all units of the trials, where it is a pooled one)."""

    @property
    def name(self) -> str:
        """Name of the rung."""

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu, float64 (trial, bin, unit), given the recorded past: teacher-forced, exact, causal.

        Parameters
        ----------
        trials
            Any trials of the model's units, with their recorded past.
        """

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper of one unit over these trials (one row a trial), started on their burn-in.

        Fed the recorded spikes, its mu equals ``intensity`` bin by bin: that is a test of every model.

        Parameters
        ----------
        trials
            The design: bins, covariates, burn-in and observed time.
        unit
            Index of the unit in the trials.
        """

    def save(self, folder: Path) -> None:
        """Write weights (safetensors) and config (json) into the folder; no pickle.

        Parameters
        ----------
        folder
            Made where it is missing.
        """


@dataclass(frozen=True)
class SpikeFeedback:
    """How past spikes change the log of the expected count, for an analysis of self-sustained rates.

    Attributes
    ----------
    log_drive
        Log expected count of a bin without history.
    kernel, last_spike
        (lag,) log gain of every spike, and what the last one adds to it, at lags 1, 2, ... bins.
    bin_s
        Bin width, s.
    slow_gain
        Called with rates in Hz (rate,) and a number of lags: what slow traces add at a mean rate, (rate, lag).
    """

    log_drive: float
    kernel: FloatArray
    last_spike: FloatArray
    bin_s: float
    slow_gain: Callable[[FloatArray, int], FloatArray]


@runtime_checkable
class HasSpikeFeedback(FittedModel, Protocol):
    """A fitted model that knows how its past spikes feed back."""

    def spike_feedback(self) -> SpikeFeedback | None:
        """Return how the model's past spikes feed back, None where it has none."""


class IntensityModel(Protocol):
    """A model to be fitted."""

    @property
    def name(self) -> str:
        """Name of the rung."""

    def fit(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> tuple[FittedModel, ...]:
        """Fit once on the training trials; the i-th result is chosen using ``validation[i]`` only.

        One training serves several validation sets (a penalty path or the epochs of a training are computed once), so
        that a model stopped on fold a predicts fold b and the reverse (science.md#folds).

        Parameters
        ----------
        train
            Trials to fit on.
        validation
            Sets of trials that choose bandwidths, penalties or the epoch to stop at.
        rng
            Source of initial values and batches.
        fitted
            Rungs fitted on the same split by name, one model per validation set, which a model may take as its base
            (``drive``, ``glm``).

        Returns
        -------
        tuple of FittedModel
            One per validation set.
        """


def following_bins(at: IntArray, n: int, n_bins: int) -> IntArray:
    """Return the n bins (row, n) from ``at`` (row,) on; the window's last bin stands for any beyond its end.

    Parameters
    ----------
    at
        (row,) first bin of each row.
    n
        How many bins.
    n_bins
        Bins of the window.
    """
    bins: IntArray = np.minimum(at[:, None] + np.arange(n), n_bins - 1)
    return bins


def bounded(mu: FloatArray) -> FloatArray:
    """Return mu within the bounds that every model keeps.

    Parameters
    ----------
    mu
        Expected counts of bins, any shape.
    """
    return np.clip(mu, MU_FLOOR, MU_CEILING)


def bounded_exp(
    log_mu: FloatArray, low: float = LOG_MU_RANGE[0], high: FloatArray | float = LOG_MU_RANGE[1]
) -> FloatArray:
    """Return mu of log mu, within a model's own bounds of log mu and those that every model keeps.

    Parameters
    ----------
    log_mu
        Log expected counts of bins, any shape.
    low, high
        The model's own bounds of log mu; ``high`` may differ by bin (of a shape that broadcasts).
    """
    return np.asarray(np.exp(np.clip(log_mu, max(low, LOG_MU_RANGE[0]), np.minimum(high, LOG_MU_RANGE[1]))))
