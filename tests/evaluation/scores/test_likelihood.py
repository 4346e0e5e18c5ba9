from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnspike.evaluation.scores.likelihood import (
    bits_per_spike,
    count_infinite,
    evaluated_mean_null,
    log_likelihood,
)
from rnnspike.models.protocol import MU_FLOOR
from rnnspike.observation import expected_counts
from rnnspike.trials.data import Trials


def modulated(
    bin_s: float, seed: int = 1, n_trials: int = 200, fine_s: float = 0.0005
) -> tuple[np.ndarray, np.ndarray]:
    """Counts and mu of the same Poisson spikes at another bin width (trial, bin), 1 s trials."""
    time = (np.arange(2000) + 0.5) * fine_s
    fine = np.tile(20 * fine_s * (1 + 0.9 * np.sin(2 * np.pi * 2 * time)), (n_trials, 1))
    counts = np.random.default_rng(seed).poisson(fine)
    width = round(bin_s / fine_s)
    return (each.reshape(n_trials, -1, width).sum(axis=2) for each in (counts, fine))  # type: ignore[return-value]


def test_bernoulli_by_hand() -> None:
    mu, y = np.array([[0.1, 0.2, 0.3]]), np.array([[0, 1, 0]])
    assert log_likelihood(mu, y) == pytest.approx(-0.1 + math.log(1 - math.exp(-0.2)) - 0.3, abs=1e-15)


def test_trials_bring_their_mask_and_model_along(
    make_trials: Callable[..., Trials], rng: np.random.Generator
) -> None:
    counts = (rng.random((4, 30, 2)) < 0.2).astype(int)
    observed = rng.random((4, 30, 2)) < 0.8
    trials = make_trials(counts, observed=observed)
    mu = rng.random((4, 30, 2))
    assert log_likelihood(mu, trials).shape == (4, 2)
    np.testing.assert_array_equal(log_likelihood(mu, trials), log_likelihood(mu, counts * observed, observed))


def test_bins_outside_the_mask_are_not_scored(rng: np.random.Generator) -> None:
    mu, y, observed = rng.random((3, 20)), rng.integers(0, 2, (3, 20)), rng.random((3, 20)) < 0.5
    elsewhere = (np.where(observed, mu, 7.0), np.where(observed, y, 1 - y), observed)
    np.testing.assert_array_equal(log_likelihood(mu, y, observed), log_likelihood(*elsewhere))


def test_two_spikes_in_a_bernoulli_bin_are_refused() -> None:
    with pytest.raises(ValueError, match="--observation poisson"):
        log_likelihood(np.array([[0.1]]), np.array([[2]]))


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="shape"):
        log_likelihood(np.ones((2, 3)), np.ones((2, 4), int))


def test_a_spike_where_there_can_be_none_is_counted_and_costs() -> None:
    mu, y = np.array([[MU_FLOOR, 0.1, MU_FLOOR]]), np.array([[1, 1, 0]])
    assert count_infinite(mu, y) == 1
    assert count_infinite(mu, y, np.array([[False, True, True]])) == 0
    assert log_likelihood(np.zeros((1, 1)), np.ones((1, 1), int)) == -np.inf


@pytest.mark.parametrize("mu", [0.01, 0.05, 0.2])
def test_gap_between_cloglog_and_poisson_is_half_mu(mu: float) -> None:
    one = np.ones((1, 1), int)
    gap = log_likelihood(np.full((1, 1), mu), one) - log_likelihood(np.full((1, 1), mu), one, None, "poisson")
    assert gap[0] == pytest.approx(mu / 2 + mu**2 / 24, abs=mu**4)


def test_bits_per_spike_are_stable_under_the_bin_width() -> None:
    bits = []
    for bin_s in (0.0005, 0.001, 0.002, 0.005, 0.02):
        counts, mu = modulated(bin_s)
        null = log_likelihood(np.full(mu.shape, mu.mean()), counts, None, "poisson")
        bits.append(bits_per_spike(log_likelihood(mu, counts, None, "poisson"), null, counts.sum(axis=1)))
    assert np.ptp(bits) < 0.01 * bits[0]


def test_bits_per_spike_do_not_depend_on_batches_or_padding(rng: np.random.Generator) -> None:
    mu, y = rng.random((10, 50)), rng.integers(0, 2, (10, 50))
    whole = log_likelihood(mu, y)
    parts = np.concatenate([log_likelihood(mu[:3], y[:3]), log_likelihood(mu[3:], y[3:])])
    pad = np.ones((10, 20))
    padded = log_likelihood(
        np.hstack([mu, pad]), np.hstack([y, pad.astype(int)]), np.hstack([np.ones(y.shape, bool), pad == 0])
    )
    n, null = y.sum(axis=1), np.full(10, -40.0)
    for other in (parts, padded):
        assert bits_per_spike(other, null, n) == pytest.approx(bits_per_spike(whole, null, n), abs=1e-9)


def test_evaluated_mean_null_is_that_of_the_latents_benchmark(rng: np.random.Generator) -> None:
    rates = rng.gamma(2.0, 0.05, (30, 40, 5))
    spikes = rng.poisson(rates)
    null = evaluated_mean_null(spikes, None, "poisson")
    nll = rates - spikes * np.log(rates)  # the benchmark leaves log y! out of both
    nll_null = null - spikes * np.log(null)
    expected = (nll_null.sum() - nll.sum()) / spikes.sum() / np.log(2)
    ours = bits_per_spike(
        *(log_likelihood(mu, spikes, None, "poisson") for mu in (rates, null)), spikes.sum(axis=(0, 1))
    )
    assert ours == pytest.approx(expected, abs=1e-9)


def test_evaluated_mean_null_matches_the_observed_count(rng: np.random.Generator) -> None:
    spikes, observed = rng.integers(0, 2, (5, 40)), rng.random((5, 40)) < 0.7
    null = evaluated_mean_null(spikes, observed)
    assert (expected_counts(null, "bernoulli") * observed).sum() == pytest.approx((spikes * observed).sum())


def test_no_spikes_no_score() -> None:
    assert math.isnan(bits_per_spike(np.zeros(2), np.zeros(2), np.zeros(2, int)))


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(1e-9, 20), st.integers(0, 1)), min_size=1, max_size=30))
def test_bernoulli_likelihood_is_that_of_the_probability(bins: list[tuple[float, int]]) -> None:
    mu, y = np.array([b[0] for b in bins]), np.array([b[1] for b in bins])
    p = -np.expm1(-mu)
    direct = np.sum(np.where(y, np.log(p), -mu))
    assert log_likelihood(mu[None], y[None])[0] == pytest.approx(direct, rel=1e-12, abs=1e-12)
