"""A fitted log-linear model running forward on the spikes it is handed (science.md b.4, b.5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rnnspike.models.compiled import runs
from rnnspike.models.glm_fitted import FittedGlm
from rnnspike.models.glm_layout import TRACE_PRIOR
from rnnspike.models.history import UNKNOWN, Past, convolve_history, leaky_traces
from rnnspike.models.protocol import MU_FLOOR
from rnnspike.trials.data import BoolArray, CountArray, FloatArray, IntArray, Trials

#: The bin of a last spike that never was.
_NEVER = -(10**9)


@dataclass(frozen=True)
class GlmStepper:
    """Rows of a GLM: what spikes of the window add to later bins is kept in a table per row.

    Known beforehand, (trial, bin): ``observed``; ``known``, the observed bins without a break before each bin;
    ``past_traces`` (trace, trial, bin), the traces of burn-in and gaps; ``leaks`` (trace,), what a bin leaves of one.
    Per row: ``trial``; ``log_mu`` (row, bin), without age, and of the traces with what they are divided by alone;
    ``traces`` (trace, row) of the window's spikes; ``last``, the last spike's bin.
    """

    model: FittedGlm
    observed: BoolArray
    known: IntArray
    past_traces: FloatArray
    leaks: FloatArray
    trial: IntArray
    log_mu: FloatArray
    traces: FloatArray
    last: IntArray

    @classmethod
    def of(cls, model: FittedGlm, trials: Trials) -> GlmStepper:
        """Return a stepper over these trials, started on their burn-in."""
        layout, past = model.layout, Past.of(trials)
        silent = past.spikes.copy()
        silent[:, past.n_burn_in :] = 0
        before = Past(silent, past.observed, past.n_burn_in)
        log_mu = model.without_spikes(trials)
        if layout.parts.history:
            log_mu = log_mu + convolve_history(before, model.kernel, layout.fill * model.kernel)
        traces = leaky_traces(before, layout.trace_taus, layout.fill)
        log_mu = log_mu - model.trace_weights @ layout.log_expected_traces
        known = before.ages(layout.age.n_lags)[1]
        burn_in = before.spikes[:, : past.n_burn_in] > 0
        reverse = np.argmax(burn_in[:, ::-1], axis=1) if past.n_burn_in else np.zeros(len(burn_in), np.int64)
        return cls(
            model=model,
            observed=past.observed[:, past.n_burn_in :],
            known=known.astype(np.int64),
            past_traces=traces,
            leaks=np.exp(-1.0 / np.array(layout.trace_taus)),
            trial=np.arange(len(log_mu)),
            log_mu=log_mu,
            traces=np.zeros((len(traces), len(log_mu))),
            last=np.where(burn_in.any(axis=1), -1 - reverse, _NEVER),
        )

    def take(self, rows: IntArray) -> GlmStepper:
        """Return a stepper whose rows are copies of these."""
        return replace(
            self,
            trial=self.trial[rows],
            log_mu=self.log_mu[rows],
            traces=self.traces[:, rows],
            last=self.last[rows],
        )

    def ahead(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of the bins that come next, should no spike come in them."""
        model, layout = self.model, self.model.layout
        log_mu, age = np.empty((len(rows), n)), np.empty((len(rows), n), np.int64)
        level = np.empty((len(self.leaks), len(rows), n))
        runs.glm_ahead(
            *(rows, at, self.trial, self.log_mu, self.past_traces, self.traces, self.leaks, TRACE_PRIOR),
            *(self.known, self.last, layout.age.n_lags, UNKNOWN, log_mu, level, age),
        )
        np.log(level, out=level)
        least = float(np.log(MU_FLOOR))
        runs.glm_bounded(log_mu, level, model.trace_weights, age, model.age_table, model.ceiling_by_age, least)
        return np.exp(log_mu, out=log_mu)

    def skip(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Move on; spikes of bins that were not observed are not known to the model."""
        runs.glm_skip(
            *(rows, at, n_bins, counts, self.observed, self.trial, self.model.kernel, self.leaks),
            *(self.log_mu, self.traces, self.last),
        )
