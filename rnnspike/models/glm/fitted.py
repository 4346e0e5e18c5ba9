"""A fitted log-linear model of one unit (science.md#glm)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rnnspike.models.ceiling import Ceiling
from rnnspike.models.glm.layout import Layout, Parts
from rnnspike.models.glm.penalised import Coefficients
from rnnspike.models.glm.reml import Strengths
from rnnspike.models.glm.stepper import GlmStepper
from rnnspike.models.past import Past, convolve_history, leaky_traces
from rnnspike.models.protocol import SpikeFeedback, Stepper, bounded_exp
from rnnspike.models.weights import load_weights, save_weights
from rnnspike.trials.data import FloatArray, Trials


@dataclass(frozen=True)
class FittedGlm:
    """A fitted log-linear model of one unit; predictions are bounded by its ceiling."""

    name: str
    layout: Layout
    coefficients: Coefficients
    strengths: Strengths
    ceiling: Ceiling

    @cached_property
    def drive(self) -> FloatArray:
        """Log of the drive (condition, bin): the expected count without history."""
        basis = self.layout.spline.matrix(np.arange(self.layout.n_bins, dtype=np.float64))
        return np.asarray((basis @ self.coefficients.by_condition().T).T)

    def _part(self, name: str) -> FloatArray:
        return self.coefficients.columns[self.layout.groups[name]]

    @cached_property
    def kernel(self) -> FloatArray:
        """Log gain of a spike at lags 1, 2, ... bins, (lag,); empty without history."""
        if not self.layout.parts.history:
            return np.zeros(0)
        return np.asarray(self.layout.history.table()[1:] @ self._part("history"))

    @cached_property
    def age_table(self) -> FloatArray:
        """Log gain by time since the last spike: ages 0, 1, ... bins, longer ones, and unknown (the last)."""
        n_lags = self.layout.age.n_lags
        table = np.zeros(n_lags + 3)
        if self.layout.parts.age:
            weights = self._part("age")
            table[: n_lags + 1] = self.layout.age.table() @ weights[:-1]
            table[-1] = weights[-1]
        return table

    @cached_property
    def ceiling_by_age(self) -> FloatArray:
        """Largest log mu at the ages of ``age_table``; one for all where the model does not know the age."""
        if self.layout.parts.age:
            return self.ceiling.table
        return np.full(self.layout.age.n_lags + 3, max(self.ceiling.log_mu))

    @property
    def trace_weights(self) -> FloatArray:
        """Exponents of the leaky traces (trace,): mu is proportional to a power of each."""
        return self._part("traces")

    @property
    def given_gain(self) -> float:
        """Factor of the log of the given rate, near 1; 0 where none is part of the drive."""
        return 1.0 + float(self._part("given")[0]) if self.layout.parts.given else 0.0

    def trace_log_gain(self, rate_hz: FloatArray, n_lags: int) -> FloatArray:
        """Return the traces' log gain at lags 1..n after a spike that follows firing at a mean rate, (rate, lag)."""
        lags, total = np.arange(1.0, n_lags + 1), np.zeros((len(rate_hz), n_lags))
        for weight, tau in zip(self.trace_weights, self.layout.trace_taus, strict=True):
            left = np.exp(-(lags - 1) / tau)
            before = np.asarray(rate_hz)[:, None] * self.layout.bin_s * np.exp(-lags / tau) / (1 - np.exp(-1 / tau))
            total += weight * self.layout.log_trace(left + before, tau)
        return total

    def without_spikes(self, trials: Trials) -> FloatArray:
        """Return log mu of drive, given rate, covariates and gains, (trial, bin), before the window's spikes."""
        layout = self.layout
        log_mu = self.drive[layout.conditions(trials)]
        if layout.parts.given:
            log_mu = log_mu + self.given_gain * layout.given(trials)
        if layout.covariate_mean:
            log_mu = log_mu + layout.covariates(trials) @ self._part("covariates")
        if layout.parts.gains:
            log_mu = log_mu + (layout.per_trial_gains(trials) @ self._part("gains"))[:, None]
        return np.asarray(log_mu)

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, 1) given the recorded past."""
        past = Past.of(trials)
        log_mu = self.without_spikes(trials)
        if self.layout.parts.history:
            log_mu = log_mu + convolve_history(past, self.kernel, self.layout.fill * self.kernel)
        if self.layout.trace_taus:
            traces = leaky_traces(past, self.layout.trace_taus, self.layout.fill)
            log_mu = log_mu + self.layout.trace_gain(self.trace_weights, traces)
        if self.layout.parts.age:
            ages, _ = past.ages(self.layout.age.n_lags)
            log_mu = log_mu + self.age_table[ages]  # UNKNOWN is -1: the last entry
            return bounded_exp(log_mu, high=self.ceiling_by_age[ages])[:, :, None]
        return bounded_exp(log_mu, high=max(self.ceiling.log_mu))[:, :, None]

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper over these trials."""
        return GlmStepper.of(self, trials.unit(unit))

    def spike_feedback(self) -> SpikeFeedback | None:
        """Return the effect of past spikes; None for a drive without history."""
        if not self.layout.parts.history:
            return None
        last_spike = self.age_table[1 : self.layout.age.n_lags + 1]
        return SpikeFeedback(
            float(self.drive.mean()), self.kernel, last_spike, self.layout.bin_s, self.trace_log_gain
        )

    def save(self, folder: Path) -> None:
        """Write coefficients (safetensors) and layout (json)."""
        arrays = {"drive": self.coefficients.drive, "columns": self.coefficients.columns}
        config: dict[str, Any] = {"name": self.name, "layout": asdict(self.layout)}
        config |= {"strengths": asdict(self.strengths), "ceiling": asdict(self.ceiling)}
        save_weights(folder, arrays, config)

    @classmethod
    def load(cls, folder: Path) -> FittedGlm:
        """Return what ``save`` wrote."""
        weights, config = load_weights(folder)
        layout = config["layout"]
        layout["parts"] = Parts(**layout["parts"])
        for name in ("condition_mu", "covariate_mean", "covariate_sd", "covariate_low", "covariate_high"):
            layout[name] = tuple(layout[name])
        strengths = config["strengths"]
        for name in ("smooth", "deviation_smooth"):
            strengths[name] = tuple(strengths[name])
        coefficients = Coefficients(weights["drive"], weights["columns"])
        ceiling = Ceiling.load(config["ceiling"])
        return cls(config["name"], Layout(**layout), coefficients, Strengths(**strengths), ceiling)
