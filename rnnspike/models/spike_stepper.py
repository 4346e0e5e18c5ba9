"""A trained spike-clocked LSTM running forward bin by bin: the network steps only in rows that spiked."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rnnspike.models.bag import bounded
from rnnspike.models.protocol import Stepper
from rnnspike.models.spike_design import Scales, compose_head, compose_inputs, lag_table, lagged_bins
from rnnspike.models.spike_features import Traces, session_gains
from rnnspike.models.spike_net import HazardWeights
from rnnspike.trials.data import BoolArray, CountArray, FloatArray, IntArray, Trials


class SpikeStepper:
    """One unit over some trials, one row a trial; masked bins are stepped over as in the recording.

    Parameters
    ----------
    weights
        The network chosen for this unit, and ``unit`` its number in it.
    trials
        Trials of one unit; ``scales`` are the unit's.
    log_drive
        (trial, bin), known beforehand: it reads no spikes of the window.
    covariates
        (trial, bin, filter), standardised.
    base
        Stepper of the base; None where the base is the drive.
    """

    def __init__(
        self,
        weights: HazardWeights,
        unit: int,
        trials: Trials,
        scales: Scales,
        log_drive: FloatArray,
        covariates: FloatArray,
        base: Stepper | None,
    ) -> None:
        n_rows, n_inputs = trials.n_trials, weights.cell.n_hidden
        self.weights, self.base, self.log_drive, self.covariates = weights, base, log_drive, covariates
        self.unit = np.full(n_rows, unit)
        self.rate_hz = np.repeat(scales.rate_hz, n_rows)
        self.log_mean = float(np.log(scales.rate_hz[0] * trials.bin_s))
        self.gains = session_gains(trials, scales.condition_rate_hz)[:, 0]
        self.lags, self.bin_s, self.n_bins = lag_table(trials.bin_s), trials.bin_s, trials.n_bins
        self.observed = trials.past_and_window()[1][:, :, 0]  # (trial, burn_bin + bin)
        self.n_burn_in = trials.n_burn_in
        self.bin = -self.n_burn_in
        self.state = weights.cell.initial_state(n_rows)
        self.opened = weights.opened(np.zeros((n_rows, n_inputs)), self.unit)
        self.last = np.full(n_rows, self.bin - 1)  # bin of the last event
        self.after_start = np.ones(n_rows, dtype=bool)
        self.in_run = np.zeros(n_rows, dtype=bool)
        self.traces = Traces.empty(n_rows)
        self.known_bins, self.masked_bins = np.zeros(n_rows, np.int64), np.zeros(n_rows, np.int64)
        self._open_runs()
        burn_in = trials.past_and_window()[0][:, : self.n_burn_in, 0]
        for k in range(self.n_burn_in):
            self._advance(burn_in[:, k], np.zeros(n_rows))

    def mu(self) -> FloatArray:
        """Return the expected count (row,) of the bin that comes next."""
        log_base = self._log_base()
        known = np.flatnonzero(self._observed_now())
        log_mu = log_base.copy()
        log_mu[known] += self.weights.log_gain(self.opened.at(known), self._head(known))
        return bounded(np.exp(log_mu))

    def push(self, spikes: npt.NDArray[np.bool_] | CountArray) -> None:
        """Take the spikes (row,) of that bin and move on to the next."""
        surprise = self._log_base() - self.log_drive[:, self.bin]
        if self.base is not None:
            self.base.push(spikes)
        self._advance(spikes, surprise)

    def _log_base(self) -> FloatArray:
        return self.log_drive[:, self.bin] if self.base is None else np.log(self.base.mu())

    def _observed_now(self) -> BoolArray:
        inside = self.bin < self.n_bins
        return self.observed[:, self.bin + self.n_burn_in] if inside else np.zeros(len(self.last), dtype=bool)

    def _head(self, rows: IntArray) -> FloatArray:
        """Return the head's inputs (row, column) of these rows at the current bin."""
        bins = np.full(len(rows), self.bin)
        return compose_head(
            lag=bins - self.last[rows],
            known=~self.after_start[rows],
            log_drive=self.log_drive[rows, bins] - self.log_mean,
            lagged=[self.log_drive[rows, at] - self.log_mean for at in lagged_bins(bins, self.bin_s)],
            position=(bins + 0.5) / self.n_bins,
            covariates=self.covariates[rows, bins],
            lags=self.lags,
            bin_s=self.bin_s,
        )

    def _advance(self, spikes: npt.NDArray[np.bool_] | CountArray, surprise: FloatArray) -> None:
        observed = self._observed_now()
        self.known_bins += observed
        self.masked_bins += ~observed
        self.in_run &= observed
        spiked = np.flatnonzero((spikes > 0) & observed)
        if len(spiked):
            self._event(spiked, self.bin, spikes[spiked].astype(np.int64), surprise[spiked])
        self.bin += 1
        self._open_runs()

    def _open_runs(self) -> None:
        rows = np.flatnonzero(self._observed_now() & ~self.in_run)
        if len(rows):
            self.state[rows] = 0.0
            self._event(rows, self.bin - 1, np.zeros(len(rows), np.int64), np.zeros(len(rows)))
            self.in_run[rows] = True

    def _event(self, rows: IntArray, at: int, count: IntArray, surprise: FloatArray) -> None:
        """Step the network in these rows with an event at bin ``at``: spikes, or the start of a run (count 0)."""
        is_start = count == 0
        traces = Traces(self.traces.spikes[rows], self.traces.known_s[rows])
        known_s = np.asarray(self.known_bins[rows] * self.bin_s, dtype=np.float64)
        masked_s = np.asarray(self.masked_bins[rows] * self.bin_s, dtype=np.float64)
        traces = traces.advanced(known_s, masked_s, count)
        in_window = np.full(len(rows), at >= 0)
        inputs = compose_inputs(
            interval=np.where(is_start, 0, at - self.last[rows]),
            count=count,
            is_first=self.after_start[rows] & ~is_start,
            in_window=in_window,
            drive=(self.log_drive[rows, max(at, 0)] - self.log_mean) * in_window,
            surprise=surprise * in_window,
            traces=traces,
            gains=self.gains[rows],
            covariates=self.covariates[rows, max(at, 0)] * in_window[:, None],
            rate_hz=self.rate_hz[rows],
            bin_s=self.bin_s,
        )
        unit = self.unit[rows]
        self.state[rows] = state = self.weights.cell.step_projected(
            self.state[rows], self.weights.project(inputs, unit)
        )
        opened = self.weights.opened(self.weights.cell.hidden(state), unit)
        for name in ("slope", "bias", "hidden"):
            getattr(self.opened, name)[rows] = getattr(opened, name)
        self.traces.spikes[rows], self.traces.known_s[rows] = traces.spikes, traces.known_s
        self.last[rows], self.after_start[rows] = at, is_start
        self.known_bins[rows] = self.masked_bins[rows] = 0
