"""Observation models against scipy, and slopes against differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rnnspike.observation import (
    Observation,
    draw,
    expected_counts,
    garwood,
    log_spike_probability,
    loss_by_log_mu,
    mu_of_probability,
    spike_probability,
    spike_term,
)

MU = np.array([1e-6, 0.01, 0.3, 4.0])


def test_a_spike_has_the_probability_of_at_least_one_poisson_event() -> None:
    np.testing.assert_allclose(spike_probability(MU), stats.poisson.sf(0, MU), rtol=1e-12)
    np.testing.assert_allclose(np.exp(log_spike_probability(MU)), spike_probability(MU), rtol=1e-12)
    np.testing.assert_allclose(mu_of_probability(spike_probability(MU)), MU, rtol=1e-10)


@pytest.mark.parametrize("observation", ["bernoulli", "poisson"])
def test_spike_term_is_the_likelihood_beyond_the_silence(observation: Observation) -> None:
    counts = np.array([1, 1, 1, 1]) if observation == "bernoulli" else np.array([0, 1, 2, 5])
    law = stats.bernoulli(spike_probability(MU)) if observation == "bernoulli" else stats.poisson(MU)
    np.testing.assert_allclose(spike_term(MU, counts, observation) - MU, law.logpmf(counts), rtol=1e-10)


@pytest.mark.parametrize("observation", ["bernoulli", "poisson"])
@pytest.mark.parametrize("spikes", [0.0, 1.0])
def test_slope_and_curvature_are_those_of_the_loss(observation: Observation, spikes: float) -> None:
    at, step = np.log(MU), 1e-4
    one, count = np.ones(1), np.array([spikes])
    for log_mu in at:
        low, mid, high = (loss_by_log_mu(np.array([log_mu + d]), one, count, observation) for d in (-step, 0, step))
        assert mid[1][0] == pytest.approx((high[0] - low[0]) / (2 * step), rel=1e-5, abs=1e-9)
        assert mid[2][0] == pytest.approx((high[1][0] - low[1][0]) / (2 * step), rel=1e-4, abs=1e-8)


def test_draws_have_the_expected_mean(rng: np.random.Generator) -> None:
    for observation in ("bernoulli", "poisson"):
        mu = np.full(200_000, 0.3)
        expected = expected_counts(mu, observation)[0]
        assert draw(mu, observation, rng).mean() == pytest.approx(expected, abs=0.006)


def test_garwood_is_exact() -> None:
    low, high = garwood(np.array([0.0, 3.0, 20.0]))
    np.testing.assert_allclose(low, [0, *stats.chi2.ppf(0.025, [6, 40]) / 2])
    np.testing.assert_allclose(high, stats.chi2.ppf(0.975, [2, 8, 42]) / 2)
