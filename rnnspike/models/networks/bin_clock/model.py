"""Recurrent models clocked by bins (science.md#bin-clock).

The base is the drive, or the GLM; inputs are the own spike of the bin before, a flag where it is unknown, the log mu
of the base and the covariates. Training is exact teacher forcing on the likelihood that scores (``task.py``; on a GPU
by torch, ``torch_batch.py``); a fitted model is numpy alone (``fitted.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Self

import numpy as np

from rnnspike.errors import ModelError
from rnnspike.models.baselines.psth import flat_or_psth
from rnnspike.models.glm.cross_fit import cross_fitted
from rnnspike.models.glm.fitted import FittedGlm
from rnnspike.models.networks.bin_clock.fitted import FittedRecurrent
from rnnspike.models.networks.bin_clock.settings import EFFORTS, RecurrentSettings
from rnnspike.models.networks.bin_clock.task import RecurrentTask, prepare
from rnnspike.models.networks.cell import Architecture
from rnnspike.models.protocol import FittedModel
from rnnspike.trials.data import FloatArray, Trials

#: Learning rate on the GLM over that on the drive: at the full rate the first steps overshoot the small gain.
RATE_ON_GLM = 0.25


@dataclass(frozen=True)
class RecurrentModel:
    """A recurrent model to be fitted to one unit."""

    settings: RecurrentSettings
    device: str = "cpu"
    checkpoint: Path | None = None

    name: ClassVar[str]
    architecture: ClassVar[Architecture]
    #: Units that bend its readout; it is linear without them.
    n_bends: ClassVar[int] = 0
    #: The fitted model that the network starts from.
    base_name: ClassVar[str] = "drive"

    @classmethod
    def configured(cls, effort: str = "standard", device: str = "cpu", checkpoint: Path | None = None) -> Self:
        """Return the model for an effort; ``checkpoint`` is a folder for the state of an interrupted training."""
        return cls(EFFORTS[effort], device, checkpoint)

    def fit(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> tuple[FittedRecurrent, ...]:
        """Train once; the i-th model has the weights that were best on ``validation[i]``, over its own drive.

        Raises
        ------
        ModelError
            Where the trials hold several units, or no spikes to learn from.
        """
        task = self.task(train, validation, rng, fitted)
        if self.device == "cpu":
            return task.fitted(task.run(self.checkpoint))
        from rnnspike.models.networks.bin_clock.torch_batch import train_together  # torch takes seconds to import

        return task.fitted(train_together([task], self.checkpoint)[0])

    def task(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> RecurrentTask:
        """Return the training of ``fit``, to be run alone or with others; raises the same errors."""
        if train.n_units != 1:
            raise ModelError(f"{self.name} is a model of one unit, the trials hold {train.n_units}")
        if not train.spikes[train.observed].any():
            raise ModelError(f"{self.name}: no spikes in the training trials")
        seed = int(rng.integers(2**31))
        bases, mu = self.bases(train, len(validation), fitted or {})
        known = self.name, self.architecture, self.settings, self.device
        return prepare(*known, train, validation, bases, mu, seed, self.n_bends)

    def bases(
        self, train: Trials, n_sets: int, fitted: Mapping[str, Sequence[FittedModel]]
    ) -> tuple[Sequence[FittedModel], FloatArray]:
        """Return the base of each validation set, and its mu (trial, bin, 1) of the training trials."""
        bases = fitted.get(self.base_name) or [flat_or_psth(train)] * n_sets
        return bases, bases[0].intensity(train)

    @classmethod
    def load(cls, folder: Path) -> FittedRecurrent:
        """Return a fitted model from its folder."""
        return FittedRecurrent.load(folder)


class Lstm(RecurrentModel):
    """Long short-term memory (Hochreiter & Schmidhuber 1997)."""

    name, architecture = "lstm", "lstm"


class LstmOnGlm(RecurrentModel):
    """An LSTM that starts from the GLM and learns what it leaves unexplained.

    It is trained on cross-fitted predictions of the GLM. The share of its gain that is kept is chosen on validation
    trials, and is 0 where the gain is too small; so it is worse than the GLM by chance only.
    """

    name, architecture, base_name = "lstm-glm", "lstm", "glm"

    @classmethod
    def configured(cls, effort: str = "standard", device: str = "cpu", checkpoint: Path | None = None) -> Self:
        """Return the model for an effort, with a smaller learning rate: the GLM leaves little to learn."""
        settings = EFFORTS[effort]
        return cls(replace(settings, learning_rate=RATE_ON_GLM * settings.learning_rate), device, checkpoint)

    def bases(
        self, train: Trials, n_sets: int, fitted: Mapping[str, Sequence[FittedModel]]
    ) -> tuple[Sequence[FittedModel], FloatArray]:
        """Return the GLMs, and for the training trials mu from GLMs fitted without them."""
        bases = fitted.get(self.base_name)
        if not bases or not isinstance(bases[0], FittedGlm):
            raise ModelError(f"{self.name} needs the glm, which was not fitted")
        return bases, cross_fitted(bases[0], train)

    def task(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> RecurrentTask:
        """Return the training of ``fit``, with a share of the gain chosen on validation trials."""
        return replace(super().task(train, validation, rng, fitted), must_earn=True)


class Gru(RecurrentModel):
    """Gated recurrent unit (Cho et al. 2014)."""

    name, architecture = "gru", "gru"


class VanillaRnn(RecurrentModel):
    """h_t = tanh(W_h h_(t-1) + W_x x_t + b)."""

    name, architecture = "rnn", "rnn"


class LinearRnn(RecurrentModel):
    """h_t = W_h h_(t-1) + W_x x_t + b: memory without gating, log-linear in the past."""

    name, architecture = "linear-rnn", "linear"


class LinearLru(RecurrentModel):
    """Linear recurrent unit (Orvieto et al. 2023) with a linear readout: a log-linear point process.

    Its filters of past spikes, drive and covariates are sums of exponentials and damped oscillations, whose time
    constants and frequencies are parameters.
    """

    name, architecture = "lru-linear", "lru"

    @classmethod
    def configured(cls, effort: str = "standard", device: str = "cpu", checkpoint: Path | None = None) -> Self:
        """Return the model for an effort, with no fewer updates than standard: eigenvalues need them to settle."""
        settings = EFFORTS[effort]
        n_updates = max(settings.n_updates, EFFORTS["standard"].n_updates)
        return cls(replace(settings, n_updates=n_updates), device, checkpoint)


class Lru(LinearLru):
    """The same with a readout that some units bend: what it gains over the linear one is what the bend adds."""

    name, n_bends = "lru", 4
