"""Likelihoods against scipy's distributions, to 1e-12 (science.md#observation-model)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rnnspike.evaluation.scores.likelihood import log_likelihood


def test_bernoulli() -> None:
    rng = np.random.default_rng(0)
    mu = rng.gamma(0.5, 0.2, (20, 300))
    spikes = (rng.random(mu.shape) < -np.expm1(-mu)).astype(int)
    theirs = stats.bernoulli.logpmf(spikes, -np.expm1(-mu)).sum(axis=1)
    np.testing.assert_allclose(log_likelihood(mu, spikes), theirs, rtol=1e-12)


def test_poisson() -> None:
    rng = np.random.default_rng(1)
    mu = rng.gamma(1.0, 1.0, (20, 300))
    spikes = rng.poisson(mu)
    theirs = stats.poisson.logpmf(spikes, mu).sum(axis=1)
    np.testing.assert_allclose(log_likelihood(mu, spikes, None, "poisson"), theirs, rtol=1e-12)


def test_continuous_time_is_the_binned_one_less_n_log_bin() -> None:
    """The likelihood of a point process, sum log lambda - integral, from Poisson bins that shrink."""
    rng = np.random.default_rng(2)
    lambda_hz = lambda time: 20 * (1 + 0.8 * np.sin(2 * np.pi * time))
    times = np.sort(rng.uniform(0, 10, 400))
    times = times[rng.random(400) < lambda_hz(times) / 40]
    continuous = np.log(lambda_hz(times)).sum() - 200.0
    for bin_s, tolerance in ((0.01, 0.5), (0.0001, 0.01)):
        n = round(10 / bin_s)
        counts = np.bincount((times / bin_s).astype(int), minlength=n)[None]
        mu = lambda_hz((np.arange(n) + 0.5) * bin_s)[None] * bin_s
        from scipy.special import gammaln

        binned = log_likelihood(mu, counts, None, "poisson")[0] + gammaln(counts + 1).sum()
        assert binned - len(times) * np.log(bin_s) == pytest.approx(continuous, abs=tolerance)
