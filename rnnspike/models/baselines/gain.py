"""The PSTH times a causal slow gain: drift, arousal, attention; the reference that knows no spike history.

The gain of a trial comes from the counts n of the trials before it, against what the PSTH expected of them, e::

    gain = ((a + sum_q w_q n_q) / (a + sum_q w_q e_q)) ** beta,     w_q = exp(-(trials since q) / tau)

(science.md#slow-gain). It is the same in all bins of a trial, so it cannot describe refractoriness or adaptation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnspike.models.baselines.psth import flat_or_psth
from rnnspike.models.baselines.table import IntensityTable, TableStepper
from rnnspike.models.numerics.basis import leaky_sum
from rnnspike.models.protocol import FittedModel, Stepper, bounded
from rnnspike.models.weights import load_config, save_config
from rnnspike.trials.data import FloatArray, Trials

#: Candidate time constants of the gain, in trials.
TAUS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
#: Pseudo-spikes that pull the gain to 1.
PRIORS = (1.0, 4.0, 16.0, 64.0)
#: Exponents; 0 is the PSTH itself.
BETAS = np.linspace(0.0, 1.5, 31)
#: Gain in nats on training trials that the three parameters need before they are used (AIC).
WORTH = 3.0


@dataclass(frozen=True)
class FittedGain:
    """A PSTH with a slow gain: ``tau`` in trials, ``prior`` in spikes, exponent ``beta`` (0: no gain)."""

    base: IntensityTable
    tau: float
    prior: float
    beta: float
    name: str = "psth-gain"

    def gain(self, trials: Trials) -> FloatArray:
        """Return the gain (trial,) of one unit, from the recorded trials before each."""
        return np.asarray(slow_ratio(self.base, trials, self.tau, self.prior) ** self.beta)

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, 1)."""
        return bounded(self.base.intensity(trials) * self.gain(trials)[:, None, None])

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper over these trials; the gain is that of the recorded trials before each."""
        return TableStepper.of(self.intensity(trials.unit(unit))[:, :, 0])

    def save(self, folder: Path) -> None:
        """Write the base and the gain's three numbers."""
        self.base.save(folder / "base")
        config = {"name": self.name, "tau_trials": self.tau, "prior_spikes": self.prior, "beta": self.beta}
        save_config(folder, config)


class PsthGain:
    """The PSTH times a causal slow gain (one unit)."""

    name = "psth-gain"

    @classmethod
    def configured(cls, effort: str = "standard", device: str = "cpu", checkpoint: Path | None = None) -> PsthGain:
        """Return the model; it has nothing to configure."""
        return cls()

    def fit(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> tuple[FittedModel, ...]:
        """Fit time constant, prior and exponent on the training trials' counts; validation trials are not used."""
        base = flat_or_psth(train, fitted)
        assert isinstance(base, IntensityTable)
        expected = (base.intensity(train) * train.observed).sum(axis=1)[:, 0]  # (trial,)
        counts = (train.spikes * train.observed).sum(axis=1)[:, 0].astype(float)
        best = (-expected.sum() + WORTH, TAUS[0], PRIORS[0], 0.0)
        for tau in TAUS:
            for prior in PRIORS:
                log_ratio = np.log(slow_ratio(base, train, tau, prior))
                log_gain = BETAS[:, None] * log_ratio  # (beta, trial)
                score = log_gain @ counts - np.exp(log_gain) @ expected
                k = int(np.argmax(score))
                best = max(best, (float(score[k]), tau, prior, float(BETAS[k])), key=lambda each: each[0])
        _, tau, prior, beta = best
        return (FittedGain(base, tau, prior, beta),) * len(validation)

    @classmethod
    def load(cls, folder: Path) -> FittedGain:
        """Return a fitted model from its folder."""
        config = load_config(folder)
        base = IntensityTable.load(folder / "base")
        return FittedGain(base, config["tau_trials"], config["prior_spikes"], config["beta"])


def slow_ratio(base: IntensityTable, trials: Trials, tau: float, prior: float) -> FloatArray:
    """Return (a + weighted recorded spikes) / (a + weighted expected spikes) of earlier trials, (trial,).

    Only trials that ended before this one's window started count, so the window itself is not used.
    """
    session = trials.session
    order = np.argsort(session.stop_s, kind="stable")
    unit = base.unit_ids.index(trials.unit_ids[0])
    per_bin = base.mu_table[:, :, unit].mean(axis=1)  # (condition,)
    expected = (per_bin[session.condition] * session.exposure_bins[:, 0])[order]
    counts = session.counts[order, 0].astype(float)
    leak = np.exp(-1.0 / tau)
    traces = np.zeros((len(order) + 1, 2))  # row q: after the first q trials to end
    traces[1:] = leaky_sum(np.stack([counts, expected]), leak).T
    before = np.searchsorted(session.stop_s[order], trials.start_s + 1e-9, side="right")
    weighted = traces[before]
    return np.asarray((prior + weighted[:, 0]) / (prior + weighted[:, 1]))
