"""A fitted log-linear model running forward on the spikes it is handed (science.md b.4, b.5)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from rnnspike.models.compiled import lags
from rnnspike.models.glm_fitted import FittedGlm, bounded
from rnnspike.models.history import UNKNOWN, Past, convolve_history, leaky_traces
from rnnspike.models.table import bins_ahead
from rnnspike.trials.data import BoolArray, CountArray, FloatArray, IntArray, Trials

#: The bin of a last spike that never was.
_NEVER = -(10**9)


@dataclass(frozen=True)
class GlmStepper:
    """Rows of a GLM: what spikes of the window add to later bins is kept in a table per row.

    Known beforehand, (trial, bin): ``observed``; ``known``, the observed bins without a break before each bin;
    ``past_traces`` (trace, trial, bin), the traces of burn-in and gaps. Per row: ``trial``; ``log_mu`` (row, bin),
    without traces and age; ``traces`` (trace, row) of the window's spikes; ``last``, the last spike's bin.
    """

    model: FittedGlm
    observed: BoolArray
    known: IntArray
    past_traces: FloatArray
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
        known = before.ages(layout.age.n_lags)[1]
        burn_in = before.spikes[:, : past.n_burn_in] > 0
        reverse = np.argmax(burn_in[:, ::-1], axis=1) if past.n_burn_in else np.zeros(len(burn_in), np.int64)
        return cls(
            model=model,
            observed=past.observed[:, past.n_burn_in :],
            known=known.astype(np.int64),
            past_traces=traces,
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
        layout, bins, trial = self.model.layout, bins_ahead(at, n, self.log_mu.shape[1]), self.trial[rows][:, None]
        log_mu = self.log_mu[rows[:, None], bins]
        for i, (weight, tau) in enumerate(zip(self.model.trace_weights, layout.trace_taus, strict=True)):
            decayed = self.traces[i, rows][:, None] * np.exp(-np.arange(n) / tau)
            log_mu += weight * layout.log_trace(self.past_traces[i, trial, bins] + decayed, tau)
        if layout.parts.age:
            longest, known = layout.age.n_lags, self.known[trial, bins]
            since = bins - self.last[rows][:, None]
            unknown = np.where(known >= longest, longest + 1, UNKNOWN)
            ages = np.where(since <= known, np.minimum(since, longest + 1), unknown)
            return bounded(log_mu + self.model.age_table[ages], self.model.ceiling.table[ages])
        return bounded(log_mu, max(self.model.ceiling.log_mu))

    def skip(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Move on; spikes of bins that were not observed are not known to the model."""
        for i, tau in enumerate(self.model.layout.trace_taus):
            self.traces[i, rows] *= np.exp(-n_bins / tau)
        here = at + n_bins - 1
        seen = np.flatnonzero((counts > 0) & self.observed[self.trial[rows], here])
        if not len(seen):
            return
        rows, here, spikes = rows[seen], here[seen], counts[seen].astype(np.float64)
        self.traces[:, rows] += spikes
        self.last[rows] = here
        lags.add_history(self.log_mu, rows, here, spikes, np.ascontiguousarray(self.model.kernel))
