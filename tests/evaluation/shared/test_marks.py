"""Marked time rescaling: uniform under the truth, and rejecting models that do not know who fires after whom."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.evaluation.shared.marks import MarkedRescaling, marked_rescaling


def pair(
    rng: np.random.Generator, link: float, n_trials: int = 40, n_bins: int = 500
) -> tuple[np.ndarray, np.ndarray]:
    """Return mu and spikes (unit, trial, bin) of two units, of which the first excites the second for 5 bins."""
    mu, spikes = np.full((2, n_trials, n_bins), 0.03), np.zeros((2, n_trials, n_bins), np.uint8)
    for at in range(n_bins):
        mu[1, :, at] *= np.exp(link * spikes[0, :, max(0, at - 5) : at].sum(axis=1))
        spikes[:, :, at] = rng.random((2, n_trials)) < -np.expm1(-mu[:, :, at])
    return mu, spikes


def rescaled(
    mu: np.ndarray, spikes: np.ndarray, rng: np.random.Generator, observation: str = "bernoulli"
) -> MarkedRescaling:
    found = marked_rescaling([*mu], [*spikes], np.ones(spikes.shape[1:], bool), observation, rng)
    assert found is not None
    return found


def test_under_the_truth_p_is_uniform() -> None:
    found = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        found.append(rescaled(*pair(rng, 1.0, 20), rng))
    assert 0.3 < np.mean([each.p for each in found]) < 0.7
    assert sum(each.p < 0.05 for each in found) <= 8 and sum(each.ks_p < 0.05 for each in found) <= 8
    assert found[0].df == 10 and found[0].used > 0.9


def test_a_model_that_does_not_know_the_link_is_rejected(rng: np.random.Generator) -> None:
    _, spikes = pair(rng, 1.0)
    blind = np.broadcast_to(spikes.mean(axis=(1, 2), keepdims=True), spikes.shape)
    assert rescaled(blind, spikes, rng).p < 1e-4


def test_poisson_bins(rng: np.random.Generator) -> None:
    mu = np.array([0.1, 0.2, 0.3])[:, None, None] * rng.uniform(0.5, 1.5, (3, 30, 200))
    spikes = rng.poisson(mu).astype(np.uint8)
    found = rescaled(mu, spikes, rng, "poisson")
    assert found.p > 0.001 and found.ks_p > 0.001 and 0.4 < found.used < 0.9
    assert rescaled(mu[::-1], spikes, rng, "poisson").p < 0.01


def test_unobserved_bins_are_left_out_and_few_spikes_tell_nothing(rng: np.random.Generator) -> None:
    mu, spikes = pair(rng, 1.0)
    observed = np.ones(spikes.shape[1:], bool)
    observed[:, 250:] = False
    half = marked_rescaling([*mu], [*spikes], observed, "bernoulli", rng)
    assert half is not None and half.n == pytest.approx(spikes[:, :, :250].any(axis=0).sum())
    assert marked_rescaling([*mu], [*spikes], np.zeros(observed.shape, bool), "bernoulli", rng) is None
