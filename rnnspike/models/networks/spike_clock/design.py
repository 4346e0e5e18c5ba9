"""Inputs of the spike-clocked LSTM on the bins of some trials: at the events, and between them.

See science.md#spike-clock.

One implementation serves training (points drawn between spikes), exact intensities (every bin) and the stepper (one
bin of every row), so that the three agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.models.networks.spike_clock import event_loops, hazard_loops
from rnnspike.models.networks.spike_clock.events import (
    GAIN_TRIALS,
    PRIOR_SPIKES,
    TRACE_S,
    Events,
    read_events,
    session_gains,
    traces_at,
)
from rnnspike.models.numerics.basis import COVARIATE_SQUARES, COVARIATE_TAU_S, LogTimeBasis, exponential_filters
from rnnspike.trials.data import FloatArray, IntArray, Trials

#: The basis of the time since the last spike ends here, s.
LONGEST_LAG_S = 1.0
#: Lags at which the head sees how the log drive has changed, s.
DRIVE_LAGS_S = (0.005, 0.01, 0.02, 0.05, 0.1)


@dataclass(frozen=True)
class Scales:
    """Mean rates of each unit in the training trials, (unit,), and by condition, (condition, unit), Hz."""

    rate_hz: FloatArray
    condition_rate_hz: FloatArray

    @classmethod
    def of(cls, trials: Trials) -> Scales:
        """Return the mean rates of these trials; half a spike is added, conditions are shrunk to the mean."""
        spikes = (trials.spikes * trials.observed).sum(axis=1, dtype=np.float64)  # (trial, unit)
        exposure_s = trials.observed.sum(axis=1) * trials.bin_s
        rate = (spikes.sum(axis=0) + 0.5) / (exposure_s.sum(axis=0) + 1.0)
        by_condition = np.stack(
            [
                (spikes[trials.condition == c].sum(axis=0) + rate)
                / (exposure_s[trials.condition == c].sum(axis=0) + 1.0)
                for c in range(len(trials.conditions))
            ]
        )
        return cls(rate, by_condition)

    def of_units(self, index: IntArray) -> Scales:
        """Return the scales of these units."""
        return Scales(self.rate_hz[index], self.condition_rate_hz[:, index])


@dataclass(frozen=True)
class CovariateScale:
    """Mean, sd and range of each filtered covariate in training, (filter,); values are clipped to the range."""

    mean: FloatArray
    sd: FloatArray
    low: FloatArray
    high: FloatArray

    @classmethod
    def of(cls, trials: Trials) -> CovariateScale:
        """Return the scale over the bins in which any unit was observed."""
        values = filtered_covariates(trials)[trials.observed.any(axis=2)]
        if not len(values):
            zero = np.zeros(values.shape[1])
            return cls(zero, zero + 1.0, zero, zero)
        sd = values.std(axis=0)
        return cls(values.mean(axis=0), np.where(sd > 1e-9, sd, 1.0), values.min(axis=0), values.max(axis=0))

    def names(self, covariates: Sequence[str]) -> tuple[str, ...]:
        """Return the names of the filtered covariates."""
        own = [f"{1000 * tau_s:g}ms" for tau_s in COVARIATE_TAU_S]
        own += [f"{own[i]}_squared" for i in COVARIATE_SQUARES]
        return tuple(f"{covariate}_{name}" for covariate in covariates for name in own)

    def apply(self, trials: Trials) -> FloatArray:
        """Return filtered covariates in these units (trial, bin, filter)."""
        scaled: FloatArray = (np.clip(filtered_covariates(trials), self.low, self.high) - self.mean) / self.sd
        return scaled


def filtered_covariates(trials: Trials) -> FloatArray:
    """Return covariates through causal exponential filters, and two squares (trial, bin, filter) (science.md#glm)."""
    recorded = np.concatenate([trials.covariates_burn_in, trials.covariates], axis=1).astype(np.float64)
    columns = []
    for channel in range(recorded.shape[2]):
        filters = [exponential_filters(recorded[:, :, channel], tau_s, trials.bin_s) for tau_s in COVARIATE_TAU_S]
        filters += [filters[i] ** 2 for i in COVARIATE_SQUARES]
        columns += [values[:, trials.n_burn_in :] for values in filters]
    return np.stack(columns, axis=2) if columns else np.zeros((trials.n_trials, trials.n_bins, 0))


@dataclass(frozen=True)
class Design:
    """Events and the inputs at and between them, for ``trials`` whose units are the model's ``units``.

    Attributes
    ----------
    inputs
        (event, input), in the order of ``input_names``, without the unit's one-hot code.
    log_drive, log_base
        (row, bin) log expected count of a bin: of the drive, and of the base that the network starts from.
    covariates
        (trial, bin, filter), filtered and standardised.
    gains
        (trial, unit, memory).
    log_mean
        (unit,) log expected count of a bin at the mean rate.
    by_lag
        (2, lag, column), ``lag_functions``.
    """

    events: Events
    inputs: npt.NDArray[Any]
    log_drive: npt.NDArray[Any]
    log_base: npt.NDArray[Any]
    covariates: npt.NDArray[Any]
    log_mean: npt.NDArray[Any]
    by_lag: npt.NDArray[Any]
    units: IntArray
    bin_s: float

    @property
    def n_bins(self) -> int:
        """Bins in a window."""
        return int(self.log_drive.shape[1])

    @property
    def n_head_inputs(self) -> int:
        """Columns of ``head_inputs``."""
        return int(self.by_lag.shape[2]) + 2 + len(DRIVE_LAGS_S) + int(self.covariates.shape[2])

    def head_inputs(self, event: IntArray, bins: IntArray) -> npt.NDArray[Any]:
        """Return inputs (interval, point, column) of the head, at window bins (interval, point) of events' intervals.

        Columns are those of ``lag_functions``, then log drive relative to the unit's mean, position in the window
        from -1 to 1, change of the log drive since each of ``DRIVE_LAGS_S``, covariates.
        """
        events, row = self.events, self.events.row[event]
        out = np.empty((*bins.shape, self.n_head_inputs), self.by_lag.dtype)
        known = (~events.is_start[event]).astype(np.int64)
        lags = lags_in_bins(self.bin_s)
        trial, mean = row // len(self.units), self.log_mean[events.unit[event]]
        hazard_loops.head_inputs(
            bins, events.bin[event], known, row, trial, mean, self.by_lag, self.log_drive, self.covariates, lags, out
        )
        return out


def build_design(
    trials: Trials,
    units: IntArray,
    scales: Scales,
    log_drive: npt.NDArray[Any],
    log_base: npt.NDArray[Any],
    covariates: npt.NDArray[Any],
) -> Design:
    """Return the design of trials whose units are ``units`` of the model; arrays keep the dtype of ``log_drive``.

    ``log_drive`` and ``log_base`` are (row, bin), ``scales`` are those of the trials' units.
    """
    dtype = log_drive.dtype
    events = read_events(trials)
    log_mean = np.log(scales.rate_hz * trials.bin_s).astype(dtype)
    traces, gains = traces_at(events, trials.bin_s), session_gains(trials, scales.condition_rate_hz)
    inputs: npt.NDArray[Any] = np.empty((events.n_events, len(input_names(())) + covariates.shape[2]))
    table = event_loops.EventTable(
        *(events.interval, events.count, events.is_first),
        *(events.bin, events.row, events.row // trials.n_units, events.unit),
    )
    at_events = traces.spikes, traces.known_s, gains, covariates
    tables = event_loops.DesignTables(log_drive, log_base, *at_events, log_mean, scales.rate_hz)
    event_loops.all_event_inputs(table, tables, trials.bin_s, PRIOR_SPIKES, inputs)
    by_lag = lag_functions(int((events.stop - events.bin).max(initial=0)), trials.bin_s).astype(dtype)
    covariates = np.ascontiguousarray(covariates, dtype)
    inputs = inputs.astype(dtype)
    return Design(events, inputs, log_drive, log_base, covariates, log_mean, by_lag, units, trials.bin_s)


def longest_lag(bin_s: float) -> int:
    """Return the lag in bins beyond which the network's head distinguishes lags by their logarithm only."""
    return len(_lag_basis(bin_s).table()) - 1


def _lag_basis(bin_s: float) -> LogTimeBasis:
    return LogTimeBasis(bin_s, last_s=max(LONGEST_LAG_S, 20 * bin_s))


def lag_functions(longest: int, bin_s: float) -> FloatArray:
    """Return functions of the time since the last event (2, lag, function), for lags of up to ``longest`` bins.

    A basis, whether the event was a spike (1) or a start (0), and the log lag. After a start the time since the last
    spike is not known: the basis is 0, and the log lag is a lower bound of its logarithm (censored).
    """
    basis, lag = _lag_basis(bin_s).table(), np.arange(longest + 1)
    functions = np.zeros((2, len(lag), basis.shape[1] + 2))
    functions[1, : len(basis), :-2] = basis[: len(lag)]
    functions[1, :, -2] = 1.0
    functions[:, :, -1] = 0.5 * np.log(np.maximum(lag, 1) * bin_s / 0.05)
    return functions


def input_names(covariate_names: Sequence[str]) -> tuple[str, ...]:
    """Return the meaning of each input of an event, without the unit's code (``event_loops.event_inputs``).

    ``drive`` is the log drive relative to the unit's mean. It, ``log_base_minus_drive`` and the covariates are 0
    before the window. A start has no interval and no spike.
    """
    own = ("log_interval", "start", "first_spike", "burn_in", "drive", "log_base_minus_drive", "log_count")
    traces = tuple(f"trace_{1000 * tau:g}ms" for tau in TRACE_S)
    gains = tuple(f"gain_{memory:g}_trials" for memory in GAIN_TRIALS)
    return own + traces + gains + tuple(covariate_names)


def lags_in_bins(bin_s: float) -> IntArray:
    """Return ``DRIVE_LAGS_S`` in bins, at least one."""
    return np.array([max(1, round(lag / bin_s)) for lag in DRIVE_LAGS_S])
