"""The homogeneous Poisson null."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import bernoulli

from rnnspike.models.baselines.constant import Constant


def test_maximum_likelihood_of_observed_bins(make_trials, rng) -> None:
    counts = (rng.random((6, 50, 2)) < 0.1).astype(np.uint8)
    observed = rng.random(counts.shape) < 0.7
    trials = make_trials(counts, observed=observed)
    (model,) = Constant().fit(trials, [trials], rng)
    mu = model.intensity(trials)
    assert mu.shape == counts.shape
    for u in range(2):
        p = counts[:, :, u][observed[:, :, u]].mean()
        assert 1 - np.exp(-mu[0, 0, u]) == pytest.approx(p)
        y = counts[:, :, u][observed[:, :, u]]
        likelihood = [bernoulli.logpmf(y, 1 - np.exp(-mu[0, 0, u] * f)).sum() for f in (0.9, 1.0, 1.1)]
        assert np.argmax(likelihood) == 1


def test_silent_unit_is_never_impossible(make_trials, rng) -> None:
    trials = make_trials(np.zeros((3, 20, 1)))
    (model,) = Constant().fit(trials, [trials], rng)
    assert (model.intensity(trials) > 0).all()


def test_round_trip(make_trials, rng, tmp_path: Path) -> None:
    trials = make_trials((rng.random((3, 20, 2)) < 0.2).astype(int))
    (model,) = Constant().fit(trials, [trials], rng)
    model.save(tmp_path / "m")
    np.testing.assert_array_equal(
        Constant.load(tmp_path / "m").intensity(trials.unit(1)), model.intensity(trials)[..., 1:]
    )
