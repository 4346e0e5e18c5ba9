"""A trained spike-clocked LSTM running forward: the network steps only in rows that spiked, in single precision."""

from __future__ import annotations

import copy

import numpy as np

from rnnspike.models.bag import bounded
from rnnspike.models.ceiling import Ceiling
from rnnspike.models.compiled import runs
from rnnspike.models.history import UNKNOWN
from rnnspike.models.protocol import Stepper
from rnnspike.models.spike_design import Scales, input_names
from rnnspike.models.spike_features import PRIOR_SPIKES, TRACE_S, Traces, read_events, session_gains
from rnnspike.models.spike_head import HeadTables, Place
from rnnspike.models.spike_net import UnitNet
from rnnspike.models.table import bins_ahead
from rnnspike.trials.data import BoolArray, CountArray, FloatArray, IntArray, Trials


class SpikeStepper:
    """One unit over some trials, one row a trial or a copy of it; masked bins are stepped over as in the recording.

    Parameters
    ----------
    net
        The network chosen for this unit.
    trials
        Trials of one unit; ``scales`` are the unit's.
    log_drive
        (trial, bin), known beforehand: it reads no spikes of the window.
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
        self.log_drive, self.covariates = log_drive, covariates
        self.rate_hz, self.bin_s = float(scales.rate_hz[0]), trials.bin_s
        self.log_mean = float(np.log(self.rate_hz * trials.bin_s))
        self.gains = session_gains(trials, scales.condition_rate_hz)[:, 0]
        self.head = HeadTables.of(
            net,
            log_drive - self.log_mean,
            covariates,
            longest=trials.n_burn_in + trials.n_bins + 1,
            bin_s=trials.bin_s,
        )
        observed = trials.past_and_window()[1][:, :, 0]  # (trial, burn_bin + bin)
        self.observed: BoolArray = observed[:, trials.n_burn_in :]
        self.n_burn_in = trials.n_burn_in
        self.n_known: IntArray = np.pad(
            np.cumsum(observed, axis=1, dtype=np.int64), ((0, 0), (1, 0))
        )  # observed bins before each
        self.trial = np.arange(n_rows)
        self.state = np.zeros((n_rows, 2 * net.n_hidden), np.float32)  # [h; c]
        self.opened = np.tile(net.head_bias, (n_rows, 1))  # (row, column), of a state of zeros
        self.last = np.full(n_rows, -self.n_burn_in - 1)  # bin of the last event
        self.after_start = np.ones(n_rows, dtype=bool)
        self.traces = Traces.empty(n_rows)
        self.n_inputs = len(input_names(())) + covariates.shape[2]
        self._log_base: FloatArray = np.zeros((n_rows, 0))  # (row, n) from the last look ahead
        self._read_burn_in(trials)

    def _read_burn_in(self, trials: Trials) -> None:
        """Take the events before the window, the j-th of every row at once."""
        events = read_events(trials)
        before = np.flatnonzero(events.bin < 0)
        place = before - np.searchsorted(events.row, events.row[before])
        for j in range(int(place.max(initial=-1)) + 1):
            now = before[place == j]
            self._event(events.row[now], events.bin[now], events.count[now], np.zeros(len(now)))

    def take(self, rows: IntArray) -> SpikeStepper:
        """Return a stepper whose rows are copies of these."""
        taken = copy.copy(self)
        taken.base = None if self.base is None else self.base.take(rows)
        for name in ("trial", "state", "opened", "last", "after_start"):
            setattr(taken, name, getattr(self, name)[rows])
        taken.traces = Traces(self.traces.spikes[rows], self.traces.known_s[rows])
        return taken

    def ahead(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of the bins that come next, should no spike come in them."""
        self._log_base = self._base_ahead(rows, at, n)
        log_gain = np.zeros(self._log_base.shape, np.float32)
        known = np.flatnonzero(self.observed[self.trial[rows], at])
        here, first = rows[known], at[known]
        place = Place(log_gain, known, np.zeros_like(known), np.minimum(self.log_drive.shape[1] - first, n))
        trial, lag = self.trial[here], first - self.last[here]
        opened = self.net.opened(self.opened[here])
        self.head.add_log_gain(opened, lag, self.after_start[here], trial, first, place)
        log_mu = self._log_base + log_gain
        if self.ceiling is not None:
            log_mu = np.minimum(log_mu, self.ceiling.table[self._ages(rows, at, n, self.ceiling.longest)])
        return bounded(np.exp(log_mu))

    def _ages(self, rows: IntArray, at: IntArray, n: int, longest: int) -> IntArray:
        """Return the ages of the bins that come next (row, n), as ``Past.ages`` of what came before."""
        age = (at - self.last[rows])[:, None] + np.arange(n)
        silent = self.after_start[rows][:, None]  # since its start the stretch has held no spike
        known = np.where(silent, np.where(age > longest, longest + 1, UNKNOWN), np.minimum(age, longest + 1))
        observed = self.observed[self.trial[rows][:, None], bins_ahead(at, n, self.observed.shape[1])]
        return np.asarray(np.where(observed, known, UNKNOWN))

    def _base_ahead(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        if self.base is not None:
            return np.log(self.base.ahead(rows, at, n))
        return self.log_drive[self.trial[rows][:, None], bins_ahead(at, n, self.log_drive.shape[1])]

    def skip(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Move on; an observed spike, and the first bin of an observed stretch, are events."""
        if self.base is not None:
            self.base.skip(rows, at, n_bins, counts)
        trial, here = self.trial[rows], at + n_bins - 1
        spiked = np.flatnonzero((counts > 0) & self.observed[trial, here])
        if len(spiked):
            bins = here[spiked]
            surprise = self._log_base[spiked, n_bins[spiked] - 1] - self.log_drive[trial[spiked], bins]
            self._event(rows[spiked], bins, counts[spiked].astype(np.int64), surprise)
        following = np.minimum(here + 1, self.observed.shape[1] - 1)
        opens = np.flatnonzero(self.observed[trial, following] & ~self.observed[trial, here])
        if len(opens):
            self._event(rows[opens], here[opens], np.zeros(len(opens), np.int64), np.zeros(len(opens)))

    def _event(self, rows: IntArray, at: IntArray, count: IntArray, surprise: FloatArray) -> None:
        """Step the network in these rows with an event at bins ``at``: spikes, or the start of a run (count 0)."""
        inputs = np.empty((len(rows), self.n_inputs))
        runs.spike_events(
            *(rows, at, count, surprise, self.trial, self.last, self.after_start, self.n_known, self.n_burn_in),
            *(np.array(TRACE_S), self.traces.spikes, self.traces.known_s, self.state, self.log_drive, self.log_mean),
            *(self.gains, self.covariates, self.rate_hz, self.bin_s, PRIOR_SPIKES, inputs),
        )
        runs.step_rows(rows, inputs, self.state, self.net.step, self.opened)
