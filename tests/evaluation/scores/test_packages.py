"""Scores of other packages against their formulas, written out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln, xlogy

from rnnspike.config import METRICS, FitSettings
from rnnspike.evaluation.scores.packages import package_fields

RNG = np.random.default_rng(0)
MU = RNG.uniform(0.05, 1.5, (6, 40))
COUNTS = RNG.poisson(MU).astype(np.uint8)
OBSERVED = RNG.random(MU.shape) < 0.8
BIN_S = 0.02


def fields(mu: np.ndarray = MU, counts: np.ndarray = COUNTS) -> dict[str, float]:
    return package_fields(METRICS, mu, counts, OBSERVED, BIN_S)


def poisson_nll(mu: np.ndarray, y: np.ndarray) -> np.ndarray:
    return mu - y * np.log(mu) + gammaln(y + 1)


def test_bits_per_spike_of_nlb() -> None:
    y, mu = COUNTS[OBSERVED].astype(float), MU[OBSERVED]
    null = np.full(y.shape, y.mean())
    expected = (poisson_nll(null, y).sum() - poisson_nll(mu, y).sum()) / y.sum() / np.log(2)
    assert fields()["nlb_bits_per_spike"] == pytest.approx(expected, rel=1e-12)


def test_pseudo_r2_of_nemos() -> None:
    y, mu = COUNTS[OBSERVED].astype(float), MU[OBSERVED]
    null = np.full(y.shape, y.mean())
    mcfadden = 1 - poisson_nll(mu, y).mean() / poisson_nll(null, y).mean()
    model, base = (np.mean(2 * (xlogy(y, y / each) - (y - each))) for each in (mu, null))
    found = fields()
    assert found["pseudo_r2_mcfadden"] == pytest.approx(mcfadden, rel=1e-10)
    assert found["pseudo_r2_cohen"] == pytest.approx((base - model) / base, rel=1e-6)
    assert found["poisson_log_likelihood_per_bin"] == pytest.approx(-poisson_nll(mu, y).mean(), rel=1e-12)
    assert found["poisson_log_likelihood_per_s"] == pytest.approx(-poisson_nll(mu, y).mean() / BIN_S, rel=1e-12)


def test_the_evaluated_mean_scores_nothing_and_the_counts_all() -> None:
    mean = np.full(MU.shape, COUNTS[OBSERVED].mean())
    found = fields(mean)
    assert [found[name] for name in ("nlb_bits_per_spike", "pseudo_r2_mcfadden", "pseudo_r2_cohen")] == pytest.approx(
        [0.0, 0.0, 0.0], abs=1e-12
    )
    assert fields(COUNTS.astype(float))["pseudo_r2_cohen"] == pytest.approx(1.0)


def test_without_spikes_they_are_undefined() -> None:
    found = fields(counts=np.zeros_like(COUNTS))
    assert found["nlb_bits_per_spike"] is None
    assert found["pseudo_r2_cohen"] is None


def test_only_those_asked_for_are_made() -> None:
    assert package_fields((), MU, COUNTS, OBSERVED, BIN_S) == {}
    assert set(package_fields(("nlb",), MU, COUNTS, OBSERVED, BIN_S)) == {"nlb_bits_per_spike"}
    with pytest.raises(ValueError, match="no package 'sklearn'"):
        FitSettings(metrics="sklearn")
