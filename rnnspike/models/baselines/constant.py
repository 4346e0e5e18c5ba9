"""The null of bits/spike: a homogeneous Poisson process at the training-mean rate (science.md#bits-per-spike)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rnnspike.models.baselines.table import IntensityTable
from rnnspike.models.protocol import MU_FLOOR, FittedModel
from rnnspike.observation import mu_of_probability
from rnnspike.trials.data import FloatArray, Trials


class Constant:
    """Homogeneous Poisson: one mu per unit."""

    name = "constant"

    @classmethod
    def configured(cls, effort: str = "standard", device: str = "cpu", checkpoint: Path | None = None) -> Constant:
        """Return the model; it has nothing to configure."""
        return cls()

    def fit(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> tuple[FittedModel, ...]:
        """Return the maximum-likelihood rate of the training trials, the same for every validation set."""
        mu = mean_mu(train)
        table = np.broadcast_to(mu, (len(train.conditions), train.n_bins, train.n_units)).copy()
        model = IntensityTable(self.name, table, train.unit_ids, {"mu": mu.tolist()})
        return (model,) * len(validation)

    @classmethod
    def load(cls, folder: Path) -> IntensityTable:
        """Return a fitted model from its folder."""
        return IntensityTable.load(folder)


def mean_mu(trials: Trials) -> FloatArray:
    """Return the maximum-likelihood constant mu (unit,): ``-log(1 - p)`` under Bernoulli, the mean under Poisson.

    A unit without spikes is given half a spike.
    """
    exposure = np.maximum(trials.observed.sum(axis=(0, 1)), 1)
    n_spikes = (trials.spikes * trials.observed).sum(axis=(0, 1), dtype=np.float64)
    mean = np.maximum(n_spikes, 0.5) / exposure  # half a spike where there is none, so that a spike is possible
    if trials.observation == "bernoulli":
        mean = mu_of_probability(mean, 1 - 1e-9)
    return np.asarray(np.maximum(mean, MU_FLOOR))
