"""Recurrent models clocked by bins: ``lstm``, ``gru``, ``rnn``, ``linear-rnn`` (science.md b.8, d.6).

The base is the drive; inputs are the own spike of the bin before, a flag where it is unknown, the log drive and the
covariates. Training is exact teacher forcing on the likelihood that scores (``recurrent_task.py``; on a GPU by
torch, ``gpu.fleet``); a fitted model is numpy alone (``recurrent_fitted.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from rnnspike.errors import ModelError
from rnnspike.models.cells import Architecture
from rnnspike.models.protocol import FittedModel
from rnnspike.models.recurrent_fitted import FittedRecurrent
from rnnspike.trials.data import Trials

if TYPE_CHECKING:
    from rnnspike.models.recurrent_task import RecurrentTask


@dataclass(frozen=True)
class RecurrentSettings:
    """What ``--effort`` sets.

    ``n_updates`` of the first cycle for up to ``base_spikes`` training spikes, growing with the root of their number
    up to three times as many; an update sees ``n_rows`` trials over ``chunk_s`` (at least ``min_chunk_bins``).
    Up to ``max_warm_up_s`` of recorded past before the window are read. ``n_validations`` times a cycle at most
    ``validation_bins`` of each validation set are scored.
    """

    n_hidden: int = 16
    n_updates: int = 300
    n_rows: int = 8
    chunk_s: float = 0.5
    min_chunk_bins: int = 100
    max_warm_up_s: float = 0.5
    lead_in_s: float = 0.25
    learning_rate: float = 4e-2
    weight_decay: float = 1e-2
    max_cycles: int = 1
    n_validations: int = 5
    validation_bins: int = 100_000
    base_spikes: int = 10_000


EFFORTS: dict[str, RecurrentSettings] = {
    "fast": RecurrentSettings(n_updates=100, n_validations=4, validation_bins=20_000),
    "standard": RecurrentSettings(),
    "thorough": RecurrentSettings(
        n_hidden=32, n_updates=800, n_rows=16, max_cycles=2, n_validations=16, validation_bins=200_000
    ),
}


@dataclass(frozen=True)
class RecurrentModel:
    """A recurrent model to be fitted to one unit."""

    settings: RecurrentSettings
    device: str = "cpu"
    checkpoint: Path | None = None

    name: ClassVar[str]
    architecture: ClassVar[Architecture]

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
        return task.fitted(task.run())

    def task(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> RecurrentTask:
        """Return the training that ``fit`` makes, to be run alone or beside others (``fleet``); raises likewise."""
        from rnnspike.models.psth import flat_or_psth
        from rnnspike.models.recurrent_task import prepare

        if train.n_units != 1:
            raise ModelError(f"{self.name} is a model of one unit, the trials hold {train.n_units}")
        if not train.spikes[train.observed].any():
            raise ModelError(f"{self.name}: no spikes in the training trials")
        bases = (fitted or {}).get("drive") or [flat_or_psth(train)] * len(validation)
        return prepare(self, train, validation, bases, int(rng.integers(2**31)))

    @classmethod
    def load(cls, folder: Path) -> FittedRecurrent:
        """Return a fitted model from its folder."""
        return FittedRecurrent.load(folder)


class Lstm(RecurrentModel):
    """Long short-term memory (Hochreiter & Schmidhuber 1997)."""

    name, architecture = "lstm", "lstm"


class Gru(RecurrentModel):
    """Gated recurrent unit (Cho et al. 2014)."""

    name, architecture = "gru", "gru"


class VanillaRnn(RecurrentModel):
    """h_t = tanh(W_h h_(t-1) + W_x x_t + b)."""

    name, architecture = "rnn", "rnn"


class LinearRnn(RecurrentModel):
    """h_t = W_h h_(t-1) + W_x x_t + b: memory without gating, log-linear in the past."""

    name, architecture = "linear-rnn", "linear"
