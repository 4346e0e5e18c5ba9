from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from rnnspike.evaluation.departures.capture import (
    Capture,
    Draws,
    capture_score,
    correlated_tail,
    deviance,
    deviance_tail,
    significant_over_units,
    verdict,
)


def capture(score: float | None = 0.5, low: float | None = 0.2) -> Capture:
    return Capture(score, low, 0.9, 30.0, 0.001, 60.0, 1e-6, 8, "missed")


def test_deviance_by_hand() -> None:
    observed, expected = np.array([4.0, 0.0]), np.array([2.0, 3.0])
    assert deviance(observed, expected) == pytest.approx(2 * (4 * math.log(2) - 2 + 3))


def test_deviance_is_that_of_a_poisson_regression(rng: np.random.Generator) -> None:
    from statsmodels.genmod.families import Poisson

    expected = rng.gamma(3, 2, 20)
    observed = rng.poisson(expected).astype(float)
    assert deviance(observed, expected) == pytest.approx(Poisson().deviance(observed, expected))


def test_a_spike_where_none_is_expected_is_infinite() -> None:
    assert deviance(np.array([1.0]), np.array([0.0])) == np.inf
    assert deviance_tail(np.inf, np.array([3.0])) == 0.0
    assert deviance(np.array([0.0]), np.array([0.0])) == 0.0


def test_tail_is_chi_square_where_strata_are_large() -> None:
    assert deviance_tail(12.0, np.full(6, 50.0)) == pytest.approx(stats.chi2.sf(12.0, 6))


@pytest.mark.parametrize("expected", [[0.3] * 4, [1.0, 2.0, 4.0], [0.5, 3.0, 40.0, 60.0], [0.02]])
def test_tail_is_exact_where_strata_are_small(expected: list[float]) -> None:
    means = np.array(expected)
    draws = np.random.default_rng(0).poisson(means, (100_000, len(means))).astype(float)
    simulated = deviance(draws, means)
    for value in np.quantile(simulated, [0.5, 0.9, 0.98]):
        assert deviance_tail(float(value), means) == pytest.approx((simulated >= value - 1e-9).mean(), abs=0.02)


def test_tail_of_nothing_expected_is_one() -> None:
    assert deviance_tail(0.0, np.zeros(3)) == 1.0


def test_correlated_tail_is_chi_square_for_disjoint_strata() -> None:
    assert correlated_tail(9.0, np.eye(4)) == pytest.approx(stats.chi2.sf(9.0, 4))


def test_correlated_tail_of_overlapping_strata(rng: np.random.Generator) -> None:
    root = rng.random((6, 3))
    correlation = root @ root.T
    scale = np.sqrt(np.diag(correlation))
    correlation /= np.outer(scale, scale)
    z = rng.multivariate_normal(np.zeros(6), correlation, 100_000, method="eigh")
    value = float(np.quantile((z**2).sum(axis=1), 0.95))
    assert correlated_tail(value, correlation) == pytest.approx(0.05, abs=0.01)


def test_score_runs_from_the_reference_to_chance() -> None:
    assert capture_score(100.0, 100.0, 10) == 0.0
    assert capture_score(10.0, 100.0, 10) == 1.0
    assert capture_score(3.0, 100.0, 10) == 1.0
    assert capture_score(55.0, 100.0, 10) == pytest.approx(0.5)


def interval(share: float, seed: int) -> tuple[float | None, float | None]:
    """A model that explains a share of a twofold departure in 6 strata, 100 trials."""
    rng = np.random.default_rng(seed)
    reference, truth = np.full((100, 6), 1.0), np.tile([0.2, 0.4, 0.6, 1.4, 1.6, 1.8], (100, 1))
    observed = rng.poisson(truth).astype(float)
    weights = np.random.default_rng(seed).multinomial(100, np.full(100, 0.01), 400).astype(float)
    return Draws.of(observed, reference, weights, 6).interval(reference + share * (truth - reference))


def test_interval_of_the_truth_is_near_one() -> None:
    lows = [interval(1.0, seed)[0] for seed in range(20)]
    assert all(low is not None and low > 0.85 for low in lows)


def test_interval_of_the_reference_holds_zero_alone() -> None:
    assert interval(0.0, 0) == (0.0, 0.0)


def test_interval_of_half_the_departure_lies_between() -> None:
    low, high = interval(0.5, 1)
    assert low is not None
    assert high is not None
    assert 0.4 < low < 0.75 < high < 0.95  # half the departure leaves about a quarter of the deviance


def test_no_departure_no_lower_end() -> None:
    rng = np.random.default_rng(3)
    observed = rng.poisson(1.0, (50, 4)).astype(float)
    weights = rng.multinomial(50, np.full(50, 0.02), 200).astype(float)
    low, _ = Draws.of(observed, np.ones((50, 4)), weights, 4).interval(np.ones((50, 4)))
    assert low is None


@pytest.mark.parametrize(
    ("found", "significant", "expected"),
    [
        (capture(None), True, "nothing to capture"),
        (capture(0.99, 0.7), False, "consistent"),
        (capture(0.99, None), False, "consistent"),
        (capture(0.97, 0.92), True, "captured"),
        (capture(0.97, 0.85), False, "captured"),
        (capture(0.5, 0.2), True, "partly"),
        (capture(0.5, -0.1), True, "missed"),
        (capture(0.5, None), True, "missed"),
    ],
)
def test_verdicts(found: Capture, significant: bool, expected: str) -> None:
    assert verdict(found, significant) == expected


def test_a_model_without_memory_captures_nothing() -> None:
    assert verdict(capture(0.99, 0.9), False, memoryless=True) == "missed"


def test_significance_is_corrected_over_units() -> None:
    p = np.array([0.04] + [0.5] * 9)
    assert not significant_over_units(p).any()
    assert significant_over_units(np.array([0.001, 0.9])).tolist() == [True, False]
