"""The PSTH as a model: the smoothed trial average per condition, smoothing by leave-one-trial-out (science.md#psth).

Its smoothing is chosen in ``smoothing.py``, bands are in ``psth_bands.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from rnnspike.errors import ModelError
from rnnspike.models.baselines.binned import Binned, binned, mean_rate
from rnnspike.models.baselines.constant import Constant
from rnnspike.models.baselines.left_out import Smoothing, left_out_everywhere, shrunk
from rnnspike.models.baselines.smoothing import choose_smoothing
from rnnspike.models.baselines.table import IntensityTable
from rnnspike.models.protocol import MU_CEILING, MU_FLOOR, FittedModel
from rnnspike.observation import mu_of_probability
from rnnspike.trials.data import FloatArray, Trials


class Psth:
    """Inhomogeneous Poisson: the smoothed trial average of each condition, shrunk to that of all trials."""

    name = "psth"

    @classmethod
    def configured(cls, effort: str = "standard", device: str = "cpu", checkpoint: Path | None = None) -> Psth:
        """Return the model; it chooses its smoothing itself."""
        return cls()

    def fit(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> tuple[FittedModel, ...]:
        """Return the PSTH of the training trials; validation trials are not used.

        Raises
        ------
        ModelError
            Where the trials are segments of a recording without repeats: there is nothing to average over.
        """
        if not train.has_repeats:
            raise ModelError("the recording was cut into segments: nothing to average over")
        return (fit_psth(train),) * len(validation)

    @classmethod
    def load(cls, folder: Path) -> IntensityTable:
        """Return a fitted model from its folder."""
        return IntensityTable.load(folder)


def fit_psth(train: Trials) -> IntensityTable:
    """Return the PSTH of trials of one or several units, each with its own smoothing."""
    tables, chosen = [], []
    for u in range(train.n_units):
        data = binned(train.unit(u))
        smoothing = choose_smoothing(data) if data.n_trials else Smoothing(train.n_bins * train.bin_s)
        tables.append(to_mu(mean_count(data, smoothing), train))
        chosen.append(asdict(smoothing))
    config: dict[str, object] = {key: [each[key] for each in chosen] for key in chosen[0]} if chosen else {}
    return IntensityTable(Psth.name, np.stack(tables, axis=2), train.unit_ids, config)


def flat_or_psth(train: Trials, fitted: Mapping[str, Sequence[FittedModel]] | None = None) -> FittedModel:
    """Return the PSTH of the trials, or their mean rate where there are no repeats to average over.

    The PSTH is taken from ``fitted`` where it was fitted to them before.
    """
    if fitted and "psth" in fitted:
        return fitted["psth"][0]
    model = Psth() if train.has_repeats else Constant()
    return model.fit(train, [train], np.random.default_rng(0))[0]


def mean_count(data: Binned, smoothing: Smoothing) -> FloatArray:
    """Return the smoothed mean count of a bin, (condition, bin), from all trials."""
    smooth = data.kernel(smoothing.bandwidth_s)
    spikes, exposure = data.total_spikes, data.total_exposure
    mean = mean_rate(spikes.sum(), exposure.sum())
    pooled = shrunk(
        smooth(spikes.sum(axis=0)), smooth(exposure.sum(axis=0)), smooth.inside, mean, smoothing.prior_trials
    )
    if data.n_conditions == 1:
        return pooled[None]
    b = smoothing.gain_prior_spikes
    gain = (spikes.sum(axis=1) + b) / (exposure @ pooled + b)  # (condition,)
    smooth = data.kernel(smoothing.condition_bandwidth_s)
    prior = gain[:, None] * pooled
    return shrunk(smooth(spikes), smooth(exposure), smooth.inside, prior, smoothing.shrinkage_trials)


def left_out_mu(trials: Trials, smoothing: Smoothing) -> FloatArray:
    """Return mu (trial, bin) of one unit, each trial's PSTH from the other trials, in closed form.

    Trials in which the unit was not observed get ``MU_FLOOR``.
    """
    data = binned(trials)
    mu = np.full((trials.n_trials, trials.n_bins), MU_FLOOR)
    mu[trials.observed[:, :, 0].any(axis=1)] = to_mu(left_out_everywhere(data, smoothing), trials)
    return mu


def to_mu(mean_count: FloatArray, trials: Trials) -> FloatArray:
    """Return mu of bins from their mean count: under Bernoulli the count is a probability, ``mu = -log(1 - p)``."""
    mean_count = np.maximum(mean_count, MU_FLOOR)
    if trials.observation == "bernoulli":
        mean_count = mu_of_probability(mean_count, 1 - 1e-6)
    return np.asarray(np.minimum(mean_count, MU_CEILING))
