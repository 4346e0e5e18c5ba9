"""The solver against scipy's optimum, and its tests of sources that add nothing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2, kstest

from rnnspike.models.population.solve import LEAST, MOST, Problem, solve
from rnnspike.observation import Observation, loss_by_log_mu


def problem(
    rng: np.random.Generator, weights: np.ndarray, n: int = 4000, observation: Observation = "poisson"
) -> Problem:
    features = rng.normal(size=(n, weights.size)).astype(np.float32)
    mu = np.exp(-2.0 + features @ weights.ravel())
    spikes = rng.poisson(mu) if observation == "poisson" else rng.random(n) < -np.expm1(-mu)
    return Problem(features, np.full(n, -2.0), np.ones(n), spikes.astype(float), observation, weights.shape[1])


@pytest.mark.parametrize("observation", ["poisson", "bernoulli"])
def test_the_optimum_at_the_strengths_found_is_scipy_s(rng: np.random.Generator, observation: Observation) -> None:
    drawn = problem(rng, np.array([[0.3, -0.2], [0.0, 0.0]]), observation=observation)
    found = solve(drawn)
    precision = np.repeat(found.strengths, 2)

    def penalised(at: np.ndarray) -> float:
        loss, _, _ = loss_by_log_mu(drawn.log_mu(at), drawn.bins, drawn.spikes, observation)
        return loss + 0.5 * float(precision @ at[1:] ** 2)

    best = minimize(penalised, np.zeros(5), method="BFGS")
    assert penalised(found.at) <= best.fun + 0.05


def test_a_source_that_adds_nothing_is_held_back(rng: np.random.Generator) -> None:
    found = solve(problem(rng, np.array([[0.4, -0.3, 0.2], [0.0, 0.0, 0.0]]), n=20_000))
    assert LEAST < found.strengths[0] < 100 < found.strengths[1] <= MOST
    np.testing.assert_allclose(found.by_source()[0], [0.4, -0.3, 0.2], atol=0.06)


def test_block_tests_are_chi_squared_for_sources_that_add_nothing(rng: np.random.Generator) -> None:
    weights = np.zeros((40, 3))
    weights[0] = 0.3
    statistics = solve(problem(rng, weights, n=20_000)).block_tests()
    assert chi2.sf(statistics[0], 3) < 1e-20
    assert kstest(chi2.cdf(statistics[1:], 3), "uniform").pvalue > 0.01
