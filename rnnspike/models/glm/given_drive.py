r"""Spike history on top of a rate that is given: the GLM with that rate as its drive (science.md#given-drive).

.. math:: \log\mu_k = b + (1 + g)\,\log r_k + \sum_{j<k} h(k-j)\,y_j + a(\text{time since the last spike})
          + \sum_i w_i \log z_i(k)

r is the given expected count of each bin. The offset b and the gain g of its logarithm are free, since a rate that
averages over refractory times is lower and flatter than the drive; g is penalised. The terms of history and their
penalties are those of the GLM. Covariates and gains of earlier trials are left to the given rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rnnspike.models.glm.fitted import FittedGlm
from rnnspike.models.glm.layout import Parts
from rnnspike.models.glm.model import LogLinearModel
from rnnspike.models.protocol import FittedModel, SpikeFeedback, Stepper, bounded
from rnnspike.trials.data import FloatArray, Trials


@dataclass(frozen=True)
class GivenDrive:
    """Expected counts ``mu`` (trial, bin) of one unit, of every trial of the session."""

    mu: FloatArray

    def within(self, trials: Trials) -> Trials:
        """Return the trials with log mu as their covariate, and without the smooth drive that repeats allow."""
        log_mu = np.log(bounded(self.mu[trials.session_index])).astype(np.float32)
        return replace(
            trials,
            covariates=log_mu[:, :, None],
            covariates_burn_in=np.zeros((trials.n_trials, trials.n_burn_in, 1), np.float32),
            covariate_names=("log of the given rate",),
            has_repeats=False,
        )


@dataclass(frozen=True)
class FittedHistory:
    """Spike history that was fitted on top of a given rate."""

    name: str
    glm: FittedGlm
    drive: GivenDrive

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, 1) given the recorded past."""
        return self.glm.intensity(self.drive.within(trials))

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper over these trials."""
        return self.glm.stepper(self.drive.within(trials.unit(unit)))

    def spike_feedback(self) -> SpikeFeedback | None:
        """Return the effect of past spikes, at the mean log of the given rate."""
        feedback, gain = self.glm.spike_feedback(), self.glm.given_gain
        assert feedback is not None
        log_rate = float(np.log(bounded(self.drive.mu)).mean()) - self.glm.layout.log_fill
        return replace(feedback, log_drive=feedback.log_drive + gain * log_rate)

    def save(self, folder: Path) -> None:
        """Write coefficients and layout; the rate lies in the file that it was given in."""
        self.glm.save(folder)


class HistoryOnGiven(LogLinearModel):
    """Spike history to be fitted on top of a given rate."""

    parts = Parts(gains=False, covariates=False, given=True)

    def __init__(self, name: str, drive: GivenDrive) -> None:
        self.name, self.drive = name, drive  # type: ignore[misc]

    def fit(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> tuple[FittedModel, ...]:
        """Fit history, offset and gain on training trials; validation sets choose multiples of the penalties."""
        glms = super().fit(self.drive.within(train), [self.drive.within(each) for each in validation], rng)
        return tuple(FittedHistory(self.name, glm, self.drive) for glm in glms if isinstance(glm, FittedGlm))
