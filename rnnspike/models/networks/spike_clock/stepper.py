"""A trained spike-clocked LSTM running forward: the network steps only in rows that spiked, in single precision."""

from __future__ import annotations

import copy

import numpy as np

from rnnspike.models.ceiling import Ceiling
from rnnspike.models.networks.spike_clock.design import Scales, input_names
from rnnspike.models.networks.spike_clock.event_loops import (
    NewEvents,
    RowState,
    Scale,
    StepperTables,
    new_event_inputs,
    step_rows,
)
from rnnspike.models.networks.spike_clock.events import PRIOR_SPIKES, TRACE_S, Traces, read_events, session_gains
from rnnspike.models.networks.spike_clock.head import HeadTables, Place
from rnnspike.models.networks.spike_clock.net import UnitNet
from rnnspike.models.past import UNKNOWN
from rnnspike.models.protocol import Stepper, bounded, following_bins
from rnnspike.trials.data import BoolArray, CountArray, FloatArray, IntArray, Trials


class SpikeStepper:
    """One unit over some trials; a row is a trial or a copy of one. Masked bins are passed over as in the recording.

    Parameters
    ----------
    net
        The network chosen for this unit.
    trials
        Trials of one unit; ``scales`` are the unit's.
    log_drive
        (trial, bin) log expected count of a bin under the drive, which does not depend on the window's spikes.
    covariates
        (trial, bin, filter), standardised.
    base
        Stepper of the base; None where the base is the drive.
    ceiling
        Bound of the unit's log mu by the time since its last spike.
    """

    def __init__(
        self,
        net: UnitNet,
        trials: Trials,
        scales: Scales,
        log_drive: FloatArray,
        covariates: FloatArray,
        base: Stepper | None,
        ceiling: Ceiling | None = None,
    ) -> None:
        n_rows = trials.n_trials
        self.net, self.base, self.ceiling = net, base, ceiling
        self.log_drive = log_drive
        rate_hz, n_burn_in = float(scales.rate_hz[0]), trials.n_burn_in
        log_mean = float(np.log(rate_hz * trials.bin_s))
        self.head = HeadTables.of(
            net,
            log_drive - log_mean,
            covariates,
            longest=n_burn_in + trials.n_bins + 1,
            bin_s=trials.bin_s,
        )
        observed = trials.past_and_window()[1][:, :, 0]  # (trial, burn_bin + bin)
        self.observed: BoolArray = observed[:, n_burn_in:]
        n_known = np.pad(np.cumsum(observed, axis=1, dtype=np.int64), ((0, 0), (1, 0)))
        gains = session_gains(trials, scales.condition_rate_hz)[:, 0]
        self.tables = StepperTables(n_known, n_burn_in, log_drive, log_mean, gains, covariates)
        self.scale = Scale(rate_hz, trials.bin_s, PRIOR_SPIKES)
        traces = Traces.empty(n_rows)
        self.rows = RowState(
            trial=np.arange(n_rows),
            last=np.full(n_rows, -n_burn_in - 1),
            after_start=np.ones(n_rows, dtype=bool),
            trace_spikes=traces.spikes,
            trace_known_s=traces.known_s,
            state=np.zeros((n_rows, 2 * net.n_hidden), np.float32),
        )
        self.interval_state = np.tile(net.head_bias, (n_rows, 1))  # (row, column), of a state of zeros
        self.n_inputs = len(input_names(())) + covariates.shape[2]
        self._log_base: FloatArray = np.zeros((n_rows, 0))  # (row, n) from the last prediction
        self._read_burn_in(trials)

    def _read_burn_in(self, trials: Trials) -> None:
        """Process the events before the window, the j-th event of all rows at once."""
        events = read_events(trials)
        before = np.flatnonzero(events.bin < 0)
        place = before - np.searchsorted(events.row, events.row[before])
        for j in range(int(place.max(initial=-1)) + 1):
            now = before[place == j]
            self._event(events.row[now], events.bin[now], events.count[now], np.zeros(len(now)))

    def copy_rows(self, rows: IntArray) -> SpikeStepper:
        """Return a stepper whose rows are copies of these."""
        copied = copy.copy(self)
        copied.base = None if self.base is None else self.base.copy_rows(rows)
        copied.rows = RowState._make(each[rows] for each in self.rows)
        copied.interval_state = self.interval_state[rows]
        return copied

    def predict_until_spike(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of the next n bins, on condition that none holds a spike."""
        self._log_base = self._base_until_spike(rows, at, n)
        log_gain = np.zeros(self._log_base.shape, np.float32)
        known = np.flatnonzero(self.observed[self.rows.trial[rows], at])
        here, first = rows[known], at[known]
        place = Place(log_gain, known, np.zeros_like(known), np.minimum(self.log_drive.shape[1] - first, n))
        trial, lag = self.rows.trial[here], first - self.rows.last[here]
        interval_state = self.net.split_interval_state(self.interval_state[here])
        self.head.add_log_gain(interval_state, lag, self.rows.after_start[here], trial, first, place)
        log_mu = self._log_base + log_gain
        if self.ceiling is not None:
            log_mu = np.minimum(log_mu, self.ceiling.table[self._ages(rows, at, n, self.ceiling.longest)])
        return bounded(np.exp(log_mu))

    def _ages(self, rows: IntArray, at: IntArray, n: int, longest: int) -> IntArray:
        """Return the ages of the bins that come next (row, n), as ``Past.ages`` gives them."""
        age = (at - self.rows.last[rows])[:, None] + np.arange(n)
        silent = self.rows.after_start[rows][:, None]  # no spike since the start of the run
        known = np.where(silent, np.where(age > longest, longest + 1, UNKNOWN), np.minimum(age, longest + 1))
        observed = self.observed[self.rows.trial[rows][:, None], following_bins(at, n, self.observed.shape[1])]
        return np.asarray(np.where(observed, known, UNKNOWN))

    def _base_until_spike(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        if self.base is not None:
            return np.log(self.base.predict_until_spike(rows, at, n))
        return self.log_drive[self.rows.trial[rows][:, None], following_bins(at, n, self.log_drive.shape[1])]

    def advance(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Advance; an observed spike, and the first bin of an observed stretch, are events."""
        if self.base is not None:
            self.base.advance(rows, at, n_bins, counts)
        trial, here = self.rows.trial[rows], at + n_bins - 1
        spiked = np.flatnonzero((counts > 0) & self.observed[trial, here])
        if len(spiked):
            bins = here[spiked]
            log_base_minus_drive = self._log_base[spiked, n_bins[spiked] - 1] - self.log_drive[trial[spiked], bins]
            self._event(rows[spiked], bins, counts[spiked].astype(np.int64), log_base_minus_drive)
        following = np.minimum(here + 1, self.observed.shape[1] - 1)
        opens = np.flatnonzero(self.observed[trial, following] & ~self.observed[trial, here])
        if len(opens):
            self._event(rows[opens], here[opens], np.zeros(len(opens), np.int64), np.zeros(len(opens)))

    def _event(self, rows: IntArray, at: IntArray, count: IntArray, log_base_minus_drive: FloatArray) -> None:
        """Step the network in these rows on an event at bins ``at``: spikes, or the start of a run (count 0)."""
        inputs = np.empty((len(rows), self.n_inputs))
        events = NewEvents(rows, at, count, log_base_minus_drive)
        new_event_inputs(events, self.rows, self.tables, np.array(TRACE_S), self.scale, inputs)
        step_rows(rows, inputs, self.rows.state, self.net.step, self.interval_state)
