"""Quasi-renewal analysis against exact renewal rates and against simulation (science.md b.5, c.7)."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.evaluation.stability import next_rate, quasi_renewal

BIN_S = 0.001


def simulated_rate(log_drive: float, kernel: np.ndarray, n_bins: int = 60_000) -> float:
    rng, log_mu, n = np.random.default_rng(0), np.full(n_bins + len(kernel) + 1, log_drive), 0
    for k in range(n_bins):
        if rng.random() < -np.expm1(-np.exp(min(log_mu[k], 3.0))):
            log_mu[k + 1 : k + 1 + len(kernel)] += kernel
            n += 1
    return n / (n_bins * BIN_S)


def test_without_history_the_rate_is_the_drive() -> None:
    rate = next_rate(np.array([5.0, 50.0]), np.log(0.02), np.zeros(10), np.zeros(0), BIN_S)
    np.testing.assert_allclose(rate, -np.expm1(-0.02) / BIN_S, rtol=1e-9)


def test_renewal_process_has_its_own_rate_whatever_came_before() -> None:
    """A filter of the last spike alone: the mean interval is 10 dead bins and a geometric wait."""
    dead = np.full(10, -50.0)
    rate = next_rate(np.array([1.0, 30.0]), np.log(0.02), np.zeros(0), dead, BIN_S)
    np.testing.assert_allclose(rate, 1 / (BIN_S * (10 + 1 / -np.expm1(-0.02))), rtol=1e-6)
    found = quasi_renewal(np.log(0.02), np.zeros(0), dead, BIN_S)
    assert found.verdict == "stable"
    assert found.stable_hz[0] == pytest.approx(rate[0], rel=0.01)


@pytest.mark.parametrize("tau_bins", [20, 200])
def test_adapting_cell_settles_where_its_simulation_does(tau_bins: int) -> None:
    lag = np.arange(1, 6 * tau_bins)
    kernel = -0.5 * np.exp(-lag / tau_bins)
    kernel[:3] = -8.0
    found = quasi_renewal(np.log(0.05), kernel, np.zeros(0), BIN_S)
    assert found.verdict == "stable"
    assert found.stable_hz[0] == pytest.approx(simulated_rate(np.log(0.05), kernel), rel=0.1)


def test_self_exciting_filters_are_fragile_and_then_divergent() -> None:
    lag = np.arange(1, 121)
    lobe = np.where(lag <= 2, -6.0, 1.6 * np.exp(-lag / 25))
    verdicts = [
        quasi_renewal(np.log(0.008), lobe * np.where(lobe > 0, f, 1), np.zeros(0), BIN_S) for f in (0.3, 1.0, 2.0)
    ]
    assert [each.verdict for each in verdicts] == ["stable", "fragile", "divergent"]
    assert verdicts[1].unstable_hz[0] > 2 * verdicts[1].stable_hz[0]
    assert simulated_rate(np.log(0.008), np.where(lobe > 0, 2 * lobe, lobe), 20_000) > 150
