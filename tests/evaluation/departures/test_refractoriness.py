from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from rnnspike.evaluation.departures.refractoriness import (
    hazard_curve,
    hazard_strata,
    join_small,
    lag_edges,
    lag_strata,
    recovery_horizon,
    refractory_strata,
    violations,
)
from rnnspike.evaluation.history import history_of
from rnnspike.trials.data import Trials


@pytest.mark.parametrize("n_lags", [1, 2, 9, 10, 11, 37, 100])
def test_lag_edges_reach_from_one_bin_to_the_horizon(n_lags: int) -> None:
    edges = lag_edges(n_lags)
    assert edges[0] == 1
    assert edges[-1] == n_lags + 1
    assert (np.diff(edges) > 0).all()
    assert (np.diff(edges)[: min(n_lags, 10)] == 1).all()


def test_small_strata_are_joined_and_none_is_lost() -> None:
    edges = join_small(np.array([1, 2, 3, 4, 5]), np.array([0.4, 0.7, 2.0, 0.1]), 1.0)
    assert edges.tolist() == [1, 3, 5]
    assert join_small(np.array([1, 2, 3]), np.array([0.1, 0.1]), 1.0).tolist() == [1, 3]


def test_hazard_by_hand(make_trials: Callable[..., Trials]) -> None:
    trials = make_trials(np.array([[1, 0, 1, 0, 0], [1, 1, 0, 0, 1]])[:, :, None])
    history = history_of(trials)
    strata = lag_strata(history, np.arange(1, 5))
    assert strata.size().sum(axis=0).tolist() == [4, 3, 1]  # bins at risk at lags 1, 2, 3
    assert strata.by_trial(history.spikes).sum(axis=0).tolist() == [1, 1, 1]


def test_hazard_and_survivor_are_those_of_kaplan_and_meier() -> None:
    from statsmodels.duration.survfunc import SurvfuncRight

    rng = np.random.default_rng(0)
    lag, event = rng.integers(1, 20, 300), rng.random(300) < 0.8
    at_risk = np.array([(lag >= k).sum() for k in range(1, 20)], float)
    spikes = np.array([(event & (lag == k)).sum() for k in range(1, 20)], float)
    ours, theirs = hazard_curve(at_risk, spikes), SurvfuncRight(lag, event)
    at = theirs.surv_times.astype(int) - 1
    inside = at_risk[at] > spikes[at]
    np.testing.assert_allclose(ours.survivor[at], theirs.surv_prob, atol=1e-12)
    reach = np.minimum(1, theirs.surv_prob + 1.96 * theirs.surv_prob_se)
    np.testing.assert_allclose(ours.survivor_high[at][inside], reach[inside], atol=1e-9)


def test_hazard_is_undefined_where_nothing_is_at_risk() -> None:
    curve = hazard_curve(np.array([10.0, 0.0]), np.array([2.0, 0.0]))
    assert curve.hazard[0] == pytest.approx(0.2)
    assert np.isnan(curve.hazard[1])


def test_horizon_ends_where_the_data_reach_the_reference(make_cell: Callable) -> None:
    for recovery_bins, low, high in ((3.0, 5, 15), (15.0, 15, 60)):
        cell = make_cell(n_trials=200, recovery_bins=recovery_bins)
        assert low <= recovery_horizon(history_of(cell.trials), cell.mu["psth"]) <= high


def test_horizon_of_a_poisson_unit_is_the_shortest(make_cell: Callable) -> None:
    cell = make_cell(n_trials=100, dead_bins=0, recovery_bins=1e-6)
    assert recovery_horizon(history_of(cell.trials), cell.mu["psth"]) <= 8


def test_strata_end_at_the_horizon(make_cell: Callable) -> None:
    cell = make_cell()
    strata, edges = refractory_strata(history_of(cell.trials), cell.mu["psth"], 12)
    assert edges[-1] == 13
    assert strata.n_strata == len(edges) - 1
    assert (strata.by_trial(cell.mu["psth"]).sum(axis=0) >= 1.0).all()


def test_hazard_strata_reach_200_ms(make_cell: Callable) -> None:
    assert hazard_strata(history_of(make_cell().trials)).n_strata == 200


@pytest.mark.parametrize("bin_s", [0.001, 0.0005, 0.002])
def test_violations_of_a_poisson_unit_are_those_of_chance(make_trials: Callable[..., Trials], bin_s: float) -> None:
    counts = np.random.default_rng(1).poisson(0.05, (100, 1000, 1))
    found = violations(make_trials(counts, bin_s=bin_s))
    assert found is not None
    assert found.n_pairs == pytest.approx(found.expected, rel=0.1)
    assert violations(make_trials(counts, bin_s=0.01)) is None


def test_a_refractory_unit_is_clean_and_two_in_one_are_not(make_cell: Callable, make_trials: Callable) -> None:
    one, other = (make_cell(n_trials=100, rate_hz=60.0, seed=seed).trials for seed in (1, 2))
    alone, both = violations(one), violations(make_trials(one.counts + other.counts))
    assert alone is not None and both is not None
    assert (alone.contamination, alone.gate) == (0.0, "clean")
    assert both.contamination == pytest.approx(1 - np.sqrt(0.5), abs=0.1)
    assert both.gate == "contaminated"
