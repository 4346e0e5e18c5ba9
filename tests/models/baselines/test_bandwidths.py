"""Shimazaki and Shinomoto's rule against its definition and elephant (science.md#psth-bandwidth)."""

from __future__ import annotations

import numpy as np
import pytest
from elephant.statistics import optimal_kernel_bandwidth
from scipy.integrate import quad
from scipy.stats import norm

from rnnspike.models.baselines.bandwidths import (
    kernel_bandwidth,
    kernel_cost,
    pair_lags,
)


def test_cost_is_the_integral_it_stands_for() -> None:
    """2 sqrt(pi) n^2 [integral of rate^2 - 2/n^2 sum over pairs of the kernel]."""
    times, n, w = np.array([0.1, 0.13, 0.3, 0.31, 0.7]), 3, 0.05
    integral = quad(lambda t: (norm.pdf(t, times, w).sum() / n) ** 2, -1, 2, limit=500, epsabs=1e-13)[0]
    lags = np.array([b - a for i, a in enumerate(times) for b in times[i + 1 :]])
    expected = 2 * np.sqrt(np.pi) * n**2 * (integral - 2 / n**2 * 2 * norm.pdf(lags, 0, w).sum())
    assert kernel_cost(lags, np.ones(len(lags)), len(times), w) == pytest.approx(expected, rel=1e-9)


def test_pairs_by_fft_are_the_pairs(rng) -> None:
    counts = rng.poisson(0.3, 80)
    spikes = np.repeat(np.arange(80), counts)
    lags = [b - a for i, a in enumerate(spikes) for b in spikes[i + 1 :]]
    np.testing.assert_array_equal(pair_lags(counts), np.bincount(lags, minlength=80))


def test_kernel_bandwidth_equals_elephants(rng) -> None:
    t = np.arange(2000) * 1e-3
    mu = 0.3 * (1 + 0.9 * np.sin(2 * np.pi * 3 * t))
    counts = rng.poisson(mu)
    spikes = np.repeat(t, counts) + 0.0005
    theirs = optimal_kernel_bandwidth(spikes, times=t)["optw"]
    assert kernel_bandwidth(counts, 0.001) == pytest.approx(theirs, rel=0.1)


def test_too_few_spikes_say_so() -> None:
    assert np.isnan(kernel_bandwidth(np.array([0, 1, 0]), 0.001))
