"""Stepper of a fitted log-linear model (science.md#glm, #free-run)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from rnnspike.models.glm import stepper_loops
from rnnspike.models.glm.layout import TRACE_PRIOR, Layout
from rnnspike.models.past import UNKNOWN, Past, convolve_history, leaky_traces
from rnnspike.models.protocol import LOG_MU_RANGE
from rnnspike.trials.data import BoolArray, CountArray, FloatArray, IntArray, Trials

#: Bin of the last spike where there has been none.
_NEVER = -(10**9)


class LogLinear(Protocol):
    """What a stepper needs of a fitted log-linear model (``fitted.FittedGlm``)."""

    @property
    def layout(self) -> Layout:
        """Which terms the model has, and their bases."""

    @property
    def kernel(self) -> FloatArray:
        """Log gain of a spike at lags 1, 2, ... bins, (lag,)."""

    @property
    def trace_weights(self) -> FloatArray:
        """Exponents of the leaky traces, (trace,)."""

    @property
    def age_table(self) -> FloatArray:
        """Log gain by time since the last spike, (age,)."""

    @property
    def ceiling_by_age(self) -> FloatArray:
        """Largest log mu at the ages of ``age_table``, (age,)."""

    def without_spikes(self, trials: Trials) -> FloatArray:
        """Return the part of log mu that does not depend on spikes, (trial, bin)."""


@dataclass(frozen=True)
class GlmStepper:
    """Rows of a GLM: each row has a table of log mu, to which spikes of the window are added.

    Known beforehand, (trial, bin): ``observed``; ``known``, the observed bins without a break before each bin;
    ``past_traces`` (trace, trial, bin), the traces of burn-in and gaps; ``leaks`` (trace,), the decay of a trace per
    bin. Per row: ``trial``; ``log_mu`` (row, bin) without the terms of age and traces, except for the traces'
    expected values; ``traces`` (trace, row) of the window's spikes; ``last``, the last spike's bin.
    """

    model: LogLinear
    observed: BoolArray
    known: IntArray
    past_traces: FloatArray
    leaks: FloatArray
    trial: IntArray
    log_mu: FloatArray
    traces: FloatArray
    last: IntArray

    @classmethod
    def of(cls, model: LogLinear, trials: Trials) -> GlmStepper:
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

    def copy_rows(self, rows: IntArray) -> GlmStepper:
        """Return a stepper whose rows are copies of these."""
        return replace(
            self,
            trial=self.trial[rows],
            log_mu=self.log_mu[rows],
            traces=self.traces[:, rows],
            last=self.last[rows],
        )

    def predict_until_spike(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of the next n bins, on condition that none holds a spike."""
        model, layout = self.model, self.model.layout
        log_mu, age = np.empty((len(rows), n)), np.empty((len(rows), n), np.int64)
        level = np.empty((len(self.leaks), len(rows), n))
        stepper_loops.glm_predict(
            *(rows, at, self.trial, self.log_mu, self.past_traces, self.traces, self.leaks, TRACE_PRIOR),
            *(self.known, self.last, layout.age.n_lags, UNKNOWN, log_mu, level, age),
        )
        np.log(level, out=level)
        stepper_loops.glm_bounded(
            log_mu, level, model.trace_weights, age, model.age_table, model.ceiling_by_age, LOG_MU_RANGE[0]
        )
        return np.exp(log_mu, out=log_mu)

    def advance(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Advance; spikes of bins that were not observed are not known to the model."""
        stepper_loops.glm_advance(
            *(rows, at, n_bins, counts, self.observed, self.trial, self.model.kernel, self.leaks),
            *(self.log_mu, self.traces, self.last),
        )
