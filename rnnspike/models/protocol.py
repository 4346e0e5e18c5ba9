"""What a conditional-intensity model is: everything right of it in the flow knows only this file.

A model returns ``mu``, the integrated conditional intensity of each bin given the recorded past (expected
count, dimensionless; science.md a). Under Bernoulli bins the probability of a spike is ``1 - exp(-mu)``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from rnnspike.trials.data import CountArray, FloatArray, IntArray, Observation, Trials

#: Smallest expected count of a bin that a model may return: rarer than one spike in 10^9 bins is not claimed.
MU_FLOOR = 1e-9
#: Largest: a free run is bounded by it, whatever the model (science.md b.5), and its counts fit into a byte.
MU_CEILING = 100.0
#: Both in log.
LOG_MU_RANGE = (math.log(MU_FLOOR), math.log(MU_CEILING))
#: How far beyond the intensities that training trials were given a prediction may go, in log: twice.
HEADROOM = math.log(2.0)


class Stepper(Protocol):
    """A model running forward over many rows at once, each row (a trial, or a copy of one) at a bin of its own.

    The model knows the spikes it has been handed, in bins that the trials mark as observed. Rows go from spike to
    spike: between two of them the intensity is known in advance, and that saves a pass through Python for each bin.
    """

    def take(self, rows: IntArray) -> Stepper:
        """Return a stepper whose rows are copies of these, each as often as it is named; before any step."""

    def ahead(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of bins ``at`` to ``at + n - 1`` of these rows, should no spike come in them.

        Good up to the window's end and to the next bin where ``observed`` changes; arbitrary beyond.
        """

    def skip(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Move on from bin ``at`` by ``n_bins`` (row,); the last of them holds ``counts`` spikes, the others none.

        Follows a call of ``ahead`` with the same rows and bins that reached as far.
        """


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

        Fed the recorded spikes, its mu equals ``intensity`` bin by bin: that is a test of every model.
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


def draw(mu: FloatArray, observation: Observation, rng: np.random.Generator) -> CountArray:
    """Draw spikes of one bin from its expected count, any shape; uint8."""
    if observation == "bernoulli":
        return (rng.random(mu.shape) < -np.expm1(-mu)).astype(np.uint8)
    return np.minimum(rng.poisson(mu), 255).astype(np.uint8)
