"""Given rates in another order of units or trials are reported; those in the right order are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnnspike.neurons.session import SessionOptions, simulate_cell, spike_times
from rnnspike.observation import draw
from rnnspike.rates.prepare import prepare
from rnnspike.rates.read import RateTable, table_of
from rnnspike.recording.data import Finding
from rnnspike.trials.data import TrialOptions
from rnnspike.trials.plan import TrialPlan, plan_trials

N_TRIALS, N_BETWEEN, N_BINS, N_UNITS = 48, 50, 200, 5
OPTIONS = TrialOptions(condition=("condition",), min_spikes=0, burn_in_s=0.0)


@pytest.fixture(scope="module")
def layout() -> TrialPlan:
    """48 trials of .2 s under 3 conditions, 5 units."""
    options = SessionOptions(
        n_trials=N_TRIALS, n_conditions=3, duration_s=N_BINS / 1000, inter_trial_s=N_BETWEEN / 1000, seed=1
    )
    recording = simulate_cell("poisson", N_UNITS, options).recording
    return plan_trials(recording, OPTIONS)


def waves(condition: np.ndarray, seed: int, gain: float = 0.0) -> np.ndarray:
    """Rates (trial, bin, unit), every unit's own course per condition, and a gain of its own in each trial."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0.0, 1.0, (condition.max() + 1, 10, N_UNITS))
    course = np.repeat(steps, N_BINS // 10, axis=1)[condition]
    return np.asarray(0.05 * np.exp(course - 0.5 + gain * rng.normal(size=(len(condition), 1, 1))))


def drawn(layout: TrialPlan, mu: np.ndarray, seed: int = 0) -> TrialPlan:
    """The plan with spikes drawn from mu (trial, bin, unit)."""
    rng = np.random.default_rng(seed)
    counts = np.pad(draw(mu, "bernoulli", rng), ((0, 0), (N_BETWEEN, 0), (0, 0)))
    times_s = spike_times(counts, layout.bin_s, rng)
    units = tuple(replace(unit, spike_times_s=t) for unit, t in zip(layout.recording.units, times_s, strict=True))
    return plan_trials(replace(layout.recording, units=units), OPTIONS)


def orders(plan: TrialPlan, values: np.ndarray) -> dict[str, Finding]:
    """The findings about orders, by id."""
    _, findings = prepare("mine", RateTable("mine.npy", values), plan, "counts", False)
    return {each.id: each for each in findings if each.id in ("rates-other-units", "rates-trial-order")}


def test_right_orders_are_not_reported(layout: TrialPlan) -> None:
    condition = layout.trials().condition
    for seed in range(10):
        mu = waves(condition, seed, gain=0.5)
        assert orders(drawn(layout, mu, seed), mu) == {}


@pytest.mark.parametrize("units", [[1, 0, 2, 3, 4], [1, 2, 3, 4, 0]])
def test_rates_of_other_units_are_reported(layout: TrialPlan, units: list[int]) -> None:
    mu = waves(layout.trials().condition, 2)
    (finding,) = orders(drawn(layout, mu), mu[:, :, units]).values()
    assert finding.id == "rates-other-units"
    assert finding.count == sum(unit != k for k, unit in enumerate(units))
    assert "bits/spike" in finding.message and f"for {finding.count} of 5 units" in finding.message


def test_units_with_the_same_tuning_cannot_be_told_apart(layout: TrialPlan) -> None:
    mu = np.repeat(waves(layout.trials().condition, 2)[:, :, :1], N_UNITS, axis=2)
    noise = np.exp(0.1 * np.random.default_rng(0).normal(size=mu.shape))
    assert orders(drawn(layout, mu), (mu * noise)[:, :, [1, 2, 3, 4, 0]]) == {}


def test_a_poor_column_is_no_wrong_order(layout: TrialPlan) -> None:
    mu = np.repeat(waves(layout.trials().condition, 2)[:, :, :1], N_UNITS, axis=2)
    mu[:, :, 0] *= 2
    values = mu.copy()
    values[:, :, 0] = values[:, :, 0].mean()
    assert orders(drawn(layout, mu), values) == {}


def test_rates_worse_than_constant_ones_are_of_no_unit(layout: TrialPlan) -> None:
    rng = np.random.default_rng(0)
    spread = np.array([0.1, 0.8, 1.3, 1.8, 1.8])  # the unit with the flattest rates fires least
    noise = np.exp(spread * rng.normal(size=(N_TRIALS, N_BINS, N_UNITS)) - spread**2 / 2)
    mu = np.broadcast_to([0.004, 0.2, 0.2, 0.2, 0.2], noise.shape)
    assert orders(drawn(layout, mu), mu * noise) == {}


def test_rates_that_read_other_units_are_not_taken_for_theirs(layout: TrialPlan) -> None:
    mu = np.repeat(waves(layout.trials().condition, 2)[:, :, :1], N_UNITS, axis=2)
    plan = drawn(layout, mu)
    counts = plan.trials().counts.astype(np.float64)
    others = counts.sum(axis=2, keepdims=True) - counts
    assert orders(plan, mu * (0.7 + 2.0 * others)) == {}


@pytest.mark.parametrize(
    ("order", "said"),
    [
        (lambda condition: np.argsort(condition, kind="stable"), "sorted by condition"),
        (lambda condition: np.arange(N_TRIALS)[::-1], "in reverse order"),
        (lambda condition: np.roll(np.arange(N_TRIALS), 1), "one trial late"),
        (lambda condition: np.roll(np.arange(N_TRIALS), -1), "one trial early"),
    ],
)
@pytest.mark.parametrize("gain", [0.0, 0.5])
def test_trials_in_another_order_are_reported(layout: TrialPlan, order: object, said: str, gain: float) -> None:
    condition = layout.trials().condition
    mu = waves(condition, 2, gain)
    rows = order(condition)  # type: ignore[operator]
    (finding,) = orders(drawn(layout, mu), mu[rows]).values()
    assert finding.id == "rates-trial-order" and said in finding.message
    numbered = table_of({"rates": mu[rows], "trial": rows}, "mine")
    assert prepare("mine", numbered, drawn(layout, mu), "counts", False)[1] == []


def test_orders_of_constant_rates_are_not_reported(layout: TrialPlan) -> None:
    mu = waves(layout.trials().condition, 2, 0.5)
    assert orders(drawn(layout, mu), np.broadcast_to(mu.mean(axis=(0, 1)), mu.shape)) == {}


@pytest.mark.parametrize("alike", [False, True])
@pytest.mark.parametrize("fold", [np.arange(N_TRIALS), np.arange(N_TRIALS) % 4, np.arange(N_TRIALS) // 12])
def test_averages_of_other_trials_are_in_order(layout: TrialPlan, fold: np.ndarray, alike: bool) -> None:
    condition = np.zeros(N_TRIALS, int) if alike else layout.trials().condition
    plan = drawn(layout, waves(condition, 2))
    counts = plan.trials().counts.astype(np.float64)
    pairs = list(zip(condition, fold, strict=True))
    rates = np.array([counts[(condition == c) & (fold != f)].mean(axis=0) for c, f in pairs])
    smooth = np.apply_along_axis(np.convolve, 1, rates, np.ones(5) / 5, "same") + 1e-3
    assert orders(plan, smooth) == {}


@pytest.mark.parametrize("before", [1, 3])
def test_averages_of_neighbouring_trials_are_in_order(layout: TrialPlan, before: int) -> None:
    plan = drawn(layout, waves(layout.trials().condition, 2))
    counts = np.apply_along_axis(np.convolve, 1, plan.trials().counts.astype(np.float64), np.ones(5) / 5, "same")
    near = [k for k in range(-before, before + 1) if k]
    assert orders(plan, np.mean([np.roll(counts, k, axis=0) for k in near], axis=0) + 1e-3) == {}


def test_without_conditions_an_average_has_no_order(layout: TrialPlan) -> None:
    mu = np.broadcast_to(waves(np.zeros(N_TRIALS, int), 2)[:1], (N_TRIALS, N_BINS, N_UNITS))
    plan = drawn(layout, mu)
    assert orders(plan, plan.trials().counts.mean(axis=0)[None].repeat(N_TRIALS, 0) + 1e-3) == {}


def test_one_unit_has_no_order_of_units(layout: TrialPlan) -> None:
    mu = waves(layout.trials().condition, 2)
    plan = replace(drawn(layout, mu), unit_ids=layout.unit_ids[:1])
    assert orders(plan, mu[:, :, 1:2]) == {}
