"""What a conditional-intensity model is: everything right of it in the flow knows only this file.

A model returns ``mu``, the integrated conditional intensity of each bin given the recorded past (expected
count, dimensionless; science.md a). Under Bernoulli bins the probability of a spike is ``1 - exp(-mu)``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from rnnspike.trials.data import CountArray, FloatArray, Observation, Trials

#: Smallest expected count of a bin that a model may return: rarer than one spike in 10^9 bins is not claimed.
MU_FLOOR = 1e-9
#: Largest: a free run is bounded by it, whatever the model (science.md b.5).
MU_CEILING = 20.0


class Stepper(Protocol):
    """A model running forward over many rows at once, one bin at a time, on the spikes it is handed."""

    def mu(self) -> FloatArray:
        """Return the expected count (row,) of the bin that comes next, given the spikes so far."""

    def push(self, spikes: npt.NDArray[np.bool_] | CountArray) -> None:
        """Take the spikes (row,) of that bin and move on to the next."""


@runtime_checkable
class FittedModel(Protocol):
    """A fitted model of one unit (or of all units of the trials, where it is a pooled one)."""

    @property
    def name(self) -> str:
        """Name of the rung."""

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu, float64 (trial, bin, unit), given the recorded past: teacher-forced, exact, causal."""

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper of one unit over these trials (one row a trial), started on their burn-in.

        Fed the recorded spikes, its ``mu()`` equals ``intensity`` bin by bin: that is a test of every model.
        """

    def save(self, folder: Path) -> None:
        """Write weights (safetensors) and config (json) into the folder; no pickle."""


class IntensityModel(Protocol):
    """A model to be fitted."""

    @property
    def name(self) -> str:
        """Name of the rung."""

    def fit(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> tuple[FittedModel, ...]:
        """Fit once on the training trials; the i-th result is chosen using ``validation[i]`` only.

        One training serves several validation sets (a penalty path or the epochs of a training are gone
        through once): so a set stopped on fold a predicts fold b and the other way round (science.md d.4).
        ``fitted`` holds rungs already fitted on the same split, one model per validation set, which a model
        may take as its base (``drive``, ``glm``).
        """


def simulate(model: FittedModel, trials: Trials, rng: np.random.Generator, unit: int = 0) -> CountArray:
    """Run a fitted model free over the design of these trials; uint8 (trial, bin).

    Bounded: Bernoulli draws per bin, or Poisson draws of at most ``MU_CEILING`` expected spikes
    (science.md b.5). To simulate replicates, repeat trials with ``Trials.take``.
    """
    stepper = model.stepper(trials, unit)
    counts = np.zeros((trials.n_trials, trials.n_bins), dtype=np.uint8)
    for k in range(trials.n_bins):
        counts[:, k] = draw(np.minimum(stepper.mu(), MU_CEILING), trials.observation, rng)
        stepper.push(counts[:, k])
    return counts


def draw(mu: FloatArray, observation: Observation, rng: np.random.Generator) -> CountArray:
    """Draw spikes of one bin from its expected count, any shape; uint8."""
    if observation == "bernoulli":
        return (rng.random(mu.shape) < -np.expm1(-mu)).astype(np.uint8)
    return np.minimum(rng.poisson(mu), 255).astype(np.uint8)
