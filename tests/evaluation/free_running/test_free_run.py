from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from rnnspike.evaluation.free_running.free_run import (
    folds_to_simulate,
    free_run,
    long_run,
    monte_carlo_stability,
    predictive,
    rate_ratio,
    runaway_threshold,
    simulate_long,
    simulate_replicates,
    simulated_trials,
)
from rnnspike.evaluation.free_running.spike_statistics import SpikeSets, spike_sets
from rnnspike.models.protocol import MU_CEILING
from rnnspike.trials.data import Trials


@dataclass
class Stepper:
    """Memory of a leaky trace: gain > 0 excites, < 0 inhibits."""

    base: float
    gain: float
    trace: np.ndarray

    def copy_rows(self, rows: np.ndarray) -> Stepper:
        return Stepper(self.base, self.gain, self.trace[rows])

    def predict_until_spike(self, rows: np.ndarray, at: np.ndarray, n: int) -> np.ndarray:
        trace = self.trace[rows][:, None] * 0.95 ** np.arange(n)
        return np.minimum(self.base * np.exp(self.gain * trace), MU_CEILING)

    def advance(self, rows: np.ndarray, at: np.ndarray, n_bins: np.ndarray, counts: np.ndarray) -> None:
        self.trace[rows] = self.trace[rows] * 0.95**n_bins + counts


@dataclass
class Model:
    base: float = 0.02
    gain: float = 0.0
    name: str = "leaky"

    def intensity(self, trials: Trials) -> np.ndarray:
        raise NotImplementedError

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        trace = np.zeros(trials.n_trials)
        for k in range(trials.n_burn_in):
            trace = trace * 0.95 + trials.burn_in[:, k, unit]
        return Stepper(self.base, self.gain, trace)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def sets(counts: np.ndarray) -> SpikeSets:
    shape = counts.shape[1:]
    return spike_sets(counts, np.ones(shape, bool), np.zeros(shape[0], np.int64), 0.001)


@pytest.fixture
def design(make_trials: Callable[..., Trials]) -> Trials:
    counts = np.random.default_rng(0).random((20, 300, 1)) < 0.02
    return make_trials(counts, burn_in=np.zeros((20, 50, 1)))


def test_replicates_are_of_the_design_and_bounded(design: Trials, rng: np.random.Generator) -> None:
    index, counts = simulate_replicates(Model(), design, 10, rng, max_row_bins=10 * 300 * 5)
    assert index.tolist() == [0, 5, 10, 14, 19]
    assert counts.shape == (10, 5, 300)
    assert counts.mean() == pytest.approx(0.02, abs=0.005)
    assert simulated_trials(design, 10).tolist() == list(range(20))
    assert simulated_trials(design, 10, max_row_bins=1).tolist() == [0, 19]


def test_trials_are_looked_for_in_few_folds() -> None:
    folds = np.arange(50) % 5
    assert folds_to_simulate(folds, 3).tolist() == [0, 1]  # never one alone
    assert folds_to_simulate(folds, 25).tolist() == [0, 1, 2]
    assert folds_to_simulate(folds, 500).tolist() == [0, 1, 2, 3, 4]
    assert folds_to_simulate(np.arange(15) % 5, 2).tolist() == [0, 1]  # six trials at least
    assert folds_to_simulate(folds, 3, 1).tolist() == [0]
    assert folds_to_simulate(folds, 25, 1).tolist() == [0, 1, 2]


def test_replicates_follow_from_the_generator(design: Trials) -> None:
    one, other = (simulate_replicates(Model(), design, 3, np.random.default_rng(s))[1] for s in (1, 1))
    np.testing.assert_array_equal(one, other)


def test_a_long_run_starts_each_window_on_the_one_before(design: Trials, rng: np.random.Generator) -> None:
    """Excitation that would have decayed from silence is carried over, so later windows fire as much as the ends."""
    counts = simulate_long(Model(gain=0.6), design, 4, rng)
    assert counts.shape == (20, 4, 300)
    start, settled = counts[:, 0, :30].mean(), counts[:, 1:, :30].mean()
    assert settled > 1.2 * start
    assert design.burn_in.sum() == 0


def test_a_runaway_model_is_divergent_and_an_inhibited_one_stable(design: Trials, rng: np.random.Generator) -> None:
    data = sets(design.counts[None, :, :, 0])
    for gain, verdict in ((0.0, "stable"), (-0.5, "stable"), (2.0, "divergent")):
        base = 0.02 if gain >= 0 else 0.023
        _, counts = simulate_replicates(Model(base, gain), design, 20, rng)
        found = free_run(sets(counts), data, most_in_window=8)
        assert found.stability == verdict
        assert (np.diff(found.surviving) <= 0).all()
        assert (found.median_escape_s is not None) == (found.runaway >= 0.5)
    assert found.rate_ratio > 2


def test_time_to_escape_by_hand() -> None:
    counts = np.zeros((4, 1, 300), np.uint8)
    counts[0, 0, 100:140] = 1  # escapes in the second window
    counts[1, 0, 200:240] = 1  # in the third
    found = free_run(sets(counts), sets(np.ones((1, 1, 300), np.uint8)), most_in_window=3)
    assert found.surviving.tolist() == [1.0, 0.75, 0.5]
    assert found.median_escape_s == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("ratio", "per_minute", "verdict"),
    [
        (1.0, 0.0, "stable"),
        (2.0, 0.0, "stable"),  # wrong, but it holds
        (0.3, 0.0, "stable"),
        (1.0, 0.04, "stable"),
        (1.0, 0.06, "fragile"),
        (3.6, 0.0, "stable"),
        (12.0, 0.0, "divergent"),
        (1.0, 12.0, "divergent"),
    ],
)
def test_stability(ratio: float, per_minute: float, verdict: str) -> None:
    assert monte_carlo_stability(ratio, per_minute) == verdict


def test_escapes_a_minute_do_not_hang_on_the_length_of_the_trials() -> None:
    """Bursts of 40 spikes in 100 ms that come once a second on average, in trials of .5 to 4 s."""
    train = np.zeros(400_000, np.uint8)
    for start in np.flatnonzero(np.random.default_rng(0).random(4000) < 0.1):
        train[100 * start : 100 * start + 40] = 1
    found = [
        free_run(sets(train.reshape(-1, 1, n)), sets(np.ones((1, 1, n), np.uint8)), 3).escapes_per_minute
        for n in (500, 1000, 4000)
    ]
    np.testing.assert_allclose(found, 60.0, rtol=0.15)


def test_a_long_run_tells_a_wrong_rate_from_a_runaway(design: Trials) -> None:
    rng = np.random.default_rng(0)
    doubled = long_run((rng.random((20, 10, 300)) < 0.04).astype(np.uint8), design)
    assert doubled.stability == "stable"
    assert doubled.rate_ratio == pytest.approx(2.0, abs=0.2)
    counts = (rng.random((20, 10, 300)) < 0.02).astype(np.uint8)
    counts[:, 7:, 100:] = 1
    assert long_run(counts, design).stability == "divergent"
    counts[1:] = 0
    assert long_run(counts, design).stability == "fragile"


def test_threshold_can_be_reached_whatever_the_rate() -> None:
    assert runaway_threshold(5, 100) == 15
    assert runaway_threshold(60, 100) == 80
    assert runaway_threshold(0, 100) == 6


def test_predictive_p_is_uniform_when_data_are_a_replicate() -> None:
    draws = np.random.default_rng(1).standard_normal((200, 500))
    p = predictive(draws[0], draws[1:]).p
    assert 0.02 <= np.mean(p < 0.05) <= 0.08
    assert 0.4 < p.mean() < 0.6


def test_predictive_by_hand() -> None:
    found = predictive(np.array([10.0]), np.array([[1.0], [2.0], [3.0]]))
    assert found.p[0] == pytest.approx(0.5)
    assert found.mean[0] == 2
    assert found.z[0] == pytest.approx(8 / np.std([1, 2, 3]))


def test_predictive_of_statistics_that_are_undefined() -> None:
    replicates = np.array([[1.0, np.nan, 1.0], [2.0, np.nan, 1.0], [3.0, 1.0, 1.0]])
    found = predictive(np.array([np.nan, 1.0, 1.0]), replicates)
    assert np.isnan(found.p).tolist() == [True, True, False]
    assert np.isnan(found.z[2])


@pytest.mark.parametrize(("n_simulated", "follows"), [(2, 0.0), (2, 0.3), (12, 0.0), (12, 0.3), (60, 0.0)])
def test_interval_of_the_rate_holds_the_ratio_over_all_trials(n_simulated: int, follows: float) -> None:
    """Of a model 5 % too fast, with levels of its own in each trial that the reference does not know."""
    rng, index = np.random.default_rng(3), np.linspace(0, 59, n_simulated).round().astype(int)
    held = []
    for _ in range(600):
        reference = rng.gamma(4.0, 5.0, 60)
        expected = 1.05 * reference * np.exp(follows * rng.standard_normal(60))
        n_recorded = int(rng.poisson(reference).sum())
        simulated = rng.poisson(expected[index], (8, n_simulated)).astype(float)
        ratio, low, high = rate_ratio(simulated, index, reference, expected, n_recorded)
        assert low <= ratio <= high
        held.append(low <= expected.sum() / n_recorded <= high)
    assert 0.92 <= np.mean(held) <= 0.985


def test_rate_of_all_trials_is_told_from_few() -> None:
    """The trials simulated are those in which the unit fires twice as much."""
    reference = np.array([20.0, 20.0, 10.0, 10.0])
    ratio, low, high = rate_ratio(np.full((4, 2), 20.0), np.array([0, 1]), reference, reference, 60)
    assert ratio == pytest.approx(1.0)
    assert 0.9 < low < ratio < high < 1.1


def test_interval_of_the_rate_where_nothing_fires() -> None:
    nothing, some, index = np.zeros((8, 3)), np.full(15, 5.0), np.arange(3)
    assert np.isnan(rate_ratio(nothing, index, some, some, 0)).all()
    assert np.isnan(rate_ratio(nothing, index, np.zeros(15), some, 75)).all()
    ratio, low, high = rate_ratio(nothing, index, some, np.zeros(15), 75)
    assert ratio == low == 0 < high < 0.1
