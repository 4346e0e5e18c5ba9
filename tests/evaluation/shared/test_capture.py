"""Verdicts on what units share: nothing where nothing is, captured by the truth, missed by single-unit models."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.evaluation.shared.capture import SharedActivity, population_rate


def trains(rng: np.random.Generator, n_runs: int, gain: float, n_trials: int = 120, n_units: int = 4) -> np.ndarray:
    level = 0.03 * np.exp(gain * rng.normal(size=(n_runs, n_trials, 1, 1)))
    return (rng.random((n_runs, n_trials, 400, n_units)) < level).astype(np.uint8)


def activity(rng: np.random.Generator, gain: float, reference: np.ndarray | None = None) -> SharedActivity:
    reference = trains(rng, 8, 0.0) if reference is None else reference
    return SharedActivity(trains(rng, 1, gain)[0], np.arange(120) % 2, reference, 0.001, 100, rng)


def test_units_that_share_nothing_are_rarely_called_otherwise() -> None:
    called = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        recorded, runs = trains(rng, 1, 0.0, 60, 3)[0], trains(rng, 6, 0.0, 60, 3)
        called += SharedActivity(recorded, np.arange(60) % 2, runs, 0.001, 100, rng).reference_p < 0.05
    assert called <= 3


def test_the_truth_has_the_recorded_correlations_and_the_reference_does_not(rng: np.random.Generator) -> None:
    found = activity(rng, 0.3)
    reference, truth = found.of_reference(), found.of_model(trains(rng, 8, 0.3))
    assert found.reference_p < 0.05
    assert reference.capture.verdict == "missed" and reference.capture.score < 0.1
    assert truth.capture.verdict in ("captured", "consistent") and truth.capture.score > 0.7
    assert truth.mean.low[-1] < found.data.mean[0, -1] < truth.mean.high[-1]
    assert reference.mean.high[-1] < found.data.mean[0, -1] and reference.mean.p[-1] < 0.05
    assert truth.variance.mean[-1] > 1.5 > reference.variance.mean[-1]


def test_a_network_that_is_not_stable_is_not_cleared_by_its_own_spread(rng: np.random.Generator) -> None:
    runs = trains(rng, 8, 0.3)
    runs[::2, ::3, 100:] = 1
    found = activity(rng, 0.3).of_model(runs)
    assert found.run.stability != "stable" and found.capture.verdict in ("partly", "missed")


def test_half_of_the_correlation_is_captured_in_part(rng: np.random.Generator) -> None:
    capture = activity(rng, 0.5).of_model(trains(rng, 8, 0.2)).capture
    assert capture.verdict == "partly" and 0.05 < capture.low < capture.score < 0.9


def test_without_anything_to_capture_there_is_no_score() -> None:
    found = activity(np.random.default_rng(1), 0.0).of_model(trains(np.random.default_rng(2), 8, 0.0))
    assert found.capture.verdict == "nothing to capture" and found.capture.score is None


def test_slow_fluctuations_of_single_units_are_not_shared() -> None:
    """A reference that varies too little over time finds the data off; trials shuffled do not."""
    rng = np.random.default_rng(4)
    level = 0.03 * np.exp(1.2 * rng.normal(size=(60, 4, 4))).repeat(100, axis=1)
    recorded = (rng.random(level.shape) < level).astype(np.uint8)
    found = SharedActivity(recorded, np.zeros(60, np.int64), trains(rng, 8, 0.0, 60), 0.001, 100, rng)
    assert found.p_shuffled > 0.05 and found.reference_p == max(found.p_shuffled, found.p_side_by_side)


def test_a_network_that_runs_away_is_told(rng: np.random.Generator) -> None:
    found, wild = activity(rng, 0.0), trains(rng, 8, 0.0)
    wild[:, :, 200:] = 1
    run = found.of_model(wild)
    assert run.run.stability == "divergent" and run.run.runaway == 1.0 and run.unstable.all() and run.rate[1] > 5
    assert found.of_model(trains(rng, 8, 0.0)).run.stability == "stable"


def test_the_rate_of_the_population_has_an_interval_that_holds_the_truth() -> None:
    inside = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        _, low, high = population_rate(rng.poisson(20, (8, 50)).mean(axis=0), rng.poisson(20, 50).astype(float))
        inside.append(low < 1 < high)
    assert np.mean(inside) > 0.88
    assert population_rate(np.zeros(5), np.ones(5))[0] == 0.0
    assert np.isnan(population_rate(np.ones(5), np.zeros(5))).all()


@pytest.mark.parametrize("n_trials", [4, 8])
def test_few_trials_are_enough_for_figures(n_trials: int, rng: np.random.Generator) -> None:
    recorded, runs = trains(rng, 1, 0.5, n_trials)[0], trains(rng, 4, 0.0, n_trials)
    found = SharedActivity(recorded, np.zeros(n_trials, np.int64), runs, 0.001, 50, rng)
    assert np.isfinite(found.of_model(runs).mean.mean).all()
