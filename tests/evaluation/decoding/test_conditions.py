"""Decoding: Bayes' rule, exact intervals, chance, and the information that the true likelihood gives."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import poisson
from statsmodels.stats.proportion import proportion_confint

from rnnspike.evaluation.decoding.conditions import (
    accuracy_interval,
    blocks,
    by_number_of_units,
    chance,
    confusion,
    subset_sizes,
)
from rnnspike.evaluation.decoding.posterior import (
    LEAST_LOG2,
    DecodingBootstrap,
    information,
    log2_posterior,
    tempered,
)


def poisson_trials(n_trials: int, rates: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihoods (trial, condition, unit) of Poisson counts of known ``rates`` (condition, unit), and labels."""
    label = rng.permutation(np.arange(n_trials) % len(rates))
    counts = rng.poisson(rates[label])
    return poisson.logpmf(counts[:, None, :], rates[None]), label


def test_posterior_is_bayes_rule() -> None:
    rng = np.random.default_rng(0)
    likelihood, prior = rng.random((5, 3)), np.array([0.5, 0.3, 0.2])
    expected = likelihood * prior / (likelihood * prior).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(2 ** log2_posterior(np.log(likelihood), prior), expected, rtol=1e-12)


def test_impossible_spikes_leave_the_prior_or_the_other_conditions() -> None:
    prior = np.array([0.75, 0.25])
    found = log2_posterior(np.array([[-np.inf, -np.inf], [-3.0, -np.inf]]), prior)
    np.testing.assert_allclose(found[0], np.log2(prior))
    assert found[1].tolist() == [0.0, LEAST_LOG2]
    assert log2_posterior(np.array([[-1.0, -1.0]]), np.array([1.0, 0.0])).tolist() == [[0.0, LEAST_LOG2]]


@pytest.mark.parametrize("n_right", [0, 3, 17, 40])
def test_the_interval_of_an_accuracy_is_exact(n_right: int) -> None:
    np.testing.assert_allclose(accuracy_interval(n_right, 40), proportion_confint(n_right, 40, method="beta"))


def test_the_true_likelihood_tells_the_mutual_information() -> None:
    rng = np.random.default_rng(5)
    rates, prior = np.array([[2.0, 5.0], [4.0, 3.0], [8.0, 4.0]]), np.full(3, 1 / 3)
    likelihood, label = poisson_trials(6000, rates, rng)
    bits = information(log2_posterior(likelihood.sum(axis=2), prior), label, prior)
    counts = np.stack(np.meshgrid(np.arange(40), np.arange(40), indexing="ij"), axis=-1).reshape(-1, 2)
    p = poisson.pmf(counts[:, None, :], rates[None]).prod(axis=2)  # (count, condition)
    mutual = float((prior * p * np.log2(p / (p @ prior)[:, None], where=p > 0, out=np.zeros_like(p))).sum())
    found = DecodingBootstrap(len(label), rng).means(bits[:, None])
    assert found.low[0] < mutual < found.high[0]
    assert found.high[0] - found.low[0] < 0.1
    wrong = information(log2_posterior(2 * likelihood.sum(axis=2), prior), label, prior)  # too sure
    assert wrong.mean() < bits.mean()


def test_the_temperature_mends_likelihoods_that_are_too_sure_on_other_folds() -> None:
    rng = np.random.default_rng(6)
    rates, prior, fold = np.array([[2.0], [4.0], [8.0]]), np.full(3, 1 / 3), np.arange(900) % 5
    likelihood, label = poisson_trials(900, rates, rng)
    true = likelihood.sum(axis=2)
    best = information(log2_posterior(true, prior), label, prior).mean()
    for factor in (1.0, 4.0):
        posterior, power = tempered(factor * true, label, prior, fold)
        assert power.shape == (5,) and np.all(np.abs(np.log(factor * power)) < 0.4)
        assert information(posterior, label, prior).mean() == pytest.approx(best, abs=0.02)
    fooled = rng.normal(size=(900, 3)) * 5
    assert information(log2_posterior(fooled, prior), label, prior).mean() < -1
    posterior, power = tempered(fooled, label, prior, fold)
    assert abs(information(posterior, label, prior).mean()) < 0.02 and power.max() < 0.1
    changed = true.copy()
    changed[fold == 0] = 0.0  # what is decoded in a fold does not choose its power
    assert tempered(changed, label, prior, fold)[1][0] == tempered(true, label, prior, fold)[1][0]


def test_an_impossible_spike_does_not_undo_a_power_of_0() -> None:
    likelihood, label = np.array([[-np.inf, -1.0]] * 4 + [[-np.inf, -np.inf]]), np.array([0, 0, 0, 0, 1])
    posterior, power = tempered(likelihood, label, np.array([0.5, 0.5]), np.array([0, 1, 0, 1, 1]))
    assert np.isfinite(posterior).all() and power.tolist() == [0.0, 0.0]


def test_means_have_nominal_intervals_and_few_trials_none() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(300):
        values = rng.exponential(size=(40, 1))
        found = DecodingBootstrap(40, rng).means(values)
        held += bool(found.low[0] < 1.0 < found.high[0])
    assert 0.92 <= held / 300 <= 0.995
    assert math.isnan(DecodingBootstrap(4, rng).means(np.ones((4, 1))).low[0])


def test_labels_that_tell_nothing_are_at_chance() -> None:
    rng = np.random.default_rng(3)
    prior, found = np.full(4, 0.25), []
    for _ in range(100):
        posterior = log2_posterior(rng.normal(size=(80, 4)), prior)
        found.append(chance(posterior, rng.integers(0, 4, 80), prior, rng, n=199))
    accuracy, bits = (
        np.array([getattr(each, f"p_{name}") for each in found]) for name in ("accuracy", "information")
    )
    assert (accuracy < 0.05).mean() <= 0.1 and (bits < 0.05).mean() <= 0.1
    assert abs(np.mean([each.accuracy for each in found]) - 0.25) < 0.01


def test_conditions_in_blocks_are_not_told_from_drift() -> None:
    label = np.repeat(np.arange(4), 40)
    posterior = log2_posterior(5.0 * np.eye(4)[label], np.full(4, 0.25))
    assert set(np.bincount(blocks(160, 4))) == {20}
    found = chance(posterior, label, np.full(4, 0.25), np.random.default_rng(0), n=199)
    assert found.accuracy == 1.0 and found.p_accuracy == found.p_information == 1.0


def test_more_units_tell_more() -> None:
    rng = np.random.default_rng(4)
    rates, prior = rng.gamma(2.0, 2.0, size=(3, 6)), np.full(3, 1 / 3)
    likelihood, label = poisson_trials(600, rates, rng)
    found = list(by_number_of_units(likelihood, label, prior, np.arange(600) % 5, rng))
    assert [size for size, _, _ in found] == subset_sizes(6) == [1, 2, 4, 6]
    assert [len(right) for _, right, _ in found] == [6, 15, 15, 1]
    means = [bits.mean() for _, _, bits in found]
    assert means == sorted(means)
    whole, _ = tempered(likelihood.sum(axis=2), label, prior, np.arange(600) % 5)
    assert found[-1][1][0] == (whole.argmax(axis=1) == label).mean()
    assert found[-1][2][0] == pytest.approx(information(whole, label, prior).mean())
    table = confusion(whole, label)
    assert table.sum() == 600 and np.trace(table) == (whole.argmax(axis=1) == label).sum()
    np.testing.assert_array_equal(table.sum(axis=1), np.bincount(label))
