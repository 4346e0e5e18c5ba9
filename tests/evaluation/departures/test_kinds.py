"""Kinds of departure on simulated cells whose memory is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import statsmodels.api as sm

from rnnspike.evaluation.departures.kinds import adaptation_kind, poisson_slope, refractory_kind
from rnnspike.evaluation.departures.refractoriness import recovery_horizon
from rnnspike.evaluation.history import History, history_of
from rnnspike.evaluation.scores.resampling import bootstrap_weights
from rnnspike.observation import expected_counts


def kinds_of(history: History, mu: np.ndarray) -> tuple[str, str]:
    reference = expected_counts(mu, "bernoulli")
    horizon = recovery_horizon(history, reference)
    weights = bootstrap_weights(history.n_trials, 300, np.random.default_rng(0))
    early = refractory_kind(history, reference, horizon).kind
    return early, adaptation_kind(history, reference, horizon, weights).kind


@pytest.mark.parametrize(
    ("cell", "early", "late"),
    [
        ({"dead_bins": 0, "recovery_bins": 1e-3}, "none", "none"),
        ({}, "dip", "none"),
        ({"adaptation": 0.3}, "dip", "falling"),
    ],
)
def test_kinds_of_cells_with_known_memory(make_cell: Callable, cell: dict, early: str, late: str) -> None:
    found = make_cell(n_trials=120, burn_in=1000, **cell)
    assert kinds_of(history_of(found.trials), found.mu["psth-gain"]) == (early, late)


def test_a_gain_of_each_trial_is_no_bursting(make_trials: Callable, rng: np.random.Generator) -> None:
    gain = np.exp(rng.normal(0, 0.5, (150, 1)))
    mu = 0.03 * gain / gain.mean() * np.ones((150, 1000))
    trials = make_trials((rng.random(mu.shape) < -np.expm1(-mu))[:, :, None])
    assert kinds_of(history_of(trials), np.full(mu.shape, 0.03)) == ("none", "rising")


def test_bursts_of_short_intervals_are_an_early_excess(make_trials: Callable, rng: np.random.Generator) -> None:
    counts = rng.random((100, 1000)) < 0.01
    counts[:, 4:] |= counts[:, :-4] & (rng.random((100, 996)) < 0.5)
    trials = make_trials(counts[:, :, None])
    history = history_of(trials)
    mu = np.full(counts.shape, counts.mean())
    assert refractory_kind(history, expected_counts(mu, "bernoulli"), 5).kind == "excess"


def test_a_reference_that_is_off_by_one_factor_makes_no_dip(make_trials: Callable, rng: np.random.Generator) -> None:
    trials = make_trials((rng.random((200, 1000)) < 0.03)[:, :, None])
    assert kinds_of(history_of(trials), np.full((200, 1000), 0.036))[0] == "none"


def test_ratio_and_recovery_of_a_dead_time(make_cell: Callable) -> None:
    cell = make_cell(n_trials=120, dead_bins=3, recovery_bins=0.2)
    history, reference = history_of(cell.trials), expected_counts(cell.mu["psth-gain"], "bernoulli")
    found = refractory_kind(history, reference, 5)
    assert found.ratio == 0.0 and found.high is not None and found.high < 0.1
    assert found.recovery_ms == pytest.approx(4.0)


def test_slope_is_that_of_poisson_regression(rng: np.random.Generator) -> None:
    x, expected = np.arange(6.0), rng.uniform(5, 50, 6)
    observed = rng.poisson(expected * np.exp(-0.2 * x)).astype(float)
    fit = sm.GLM(observed, sm.add_constant(x), family=sm.families.Poisson(), offset=np.log(expected)).fit()
    assert poisson_slope(x, observed, expected) == pytest.approx(fit.params[1], abs=1e-8)


def test_counts_that_vary_over_trials_make_no_early_excess(make_trials: Callable, rng: np.random.Generator) -> None:
    """Rates that differ by trial make the counts of every lag vary more than Poisson ones."""
    found = []
    for _ in range(12):
        gain = rng.gamma(3, 1 / 3, (150, 1))
        trials = make_trials((rng.random((150, 1000)) < 0.03 * gain)[:, :, None])
        found.append(kinds_of(history_of(trials), np.full((150, 1000), 0.03))[0])
    assert found.count("none") >= 11


def test_a_dip_is_found_before_a_burst(make_trials: Callable, rng: np.random.Generator) -> None:
    """No spike within 2 ms is told of few spikes, though none of either bin would be by itself."""
    counts = rng.random((40, 1000)) < 0.012
    counts[:, 3:] |= counts[:, :-3] & (rng.random((40, 997)) < 0.3)
    for lag in (1, 2):
        counts[:, lag:] &= ~counts[:, :-lag]
    history = history_of(make_trials(counts[:, :, None]))
    reference = np.full(counts.shape, counts.mean())
    assert refractory_kind(history, reference, 10).kind == "dip and excess"


def test_slope_and_interval_of_known_adaptation(make_trials: Callable, rng: np.random.Generator) -> None:
    """Each of the recent 100 ms' spikes takes .25 of the log rate."""
    counts, past = np.zeros((60, 1200), bool), np.zeros(60)
    for k in range(1200):
        counts[:, k] = rng.random(60) < 0.05 * np.exp(-0.25 * past)
        past = counts[:, max(0, k - 99) : k + 1].sum(axis=1)
    trials = make_trials(counts[:, 200:, None], burn_in=counts[:, :200, None])
    weights = np.random.default_rng(0).multinomial(60, np.full(60, 1 / 60), 500).astype(float)
    found = adaptation_kind(history_of(trials), np.full((60, 1000), counts.mean()), 5, weights)
    assert found.kind == "falling"
    assert found.low[0] < -0.25 < found.high[0] < 0
