from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest, kstwo

from rnnspike.evaluation.goodness_of_fit.rescaling import (
    EXACT_BELOW,
    RescaledTrain,
    draw_uniform,
    independence,
    kolmogorov_p,
    ks_distance,
    ks_test,
    pit_curve,
    rescale,
)
from rnnspike.observation import Observation


def history_cells(
    n_cells: int, n_bins: int, base: float, dead: int, rebound: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Spikes and true mu (cell, bin): p is base x .02 in the dead bins, base x rebound in the eight after them."""
    rng = np.random.default_rng(seed)
    by_lag = np.full(dead + 9, base)
    by_lag[:dead], by_lag[dead : dead + 8] = base * 0.02, min(0.95, base * rebound)
    spikes, p = np.zeros((n_bins, n_cells), np.uint8), np.empty((n_bins, n_cells))
    lag, noise = np.full(n_cells, dead + 8), rng.random((n_bins, n_cells))
    for k in range(n_bins):
        p[k] = by_lag[np.minimum(lag, dead + 8)]
        spikes[k] = noise[k] < p[k]
        lag = np.where(spikes[k] > 0, 0, lag + 1)
    return spikes.T, -np.log1p(-p.T)


def rejections(
    spikes: np.ndarray, mu: np.ndarray, seed: int, observation: Observation = "bernoulli", n_draws: int = 20
) -> float:
    rng = np.random.default_rng(seed)
    p = []
    for y, m in zip(spikes, mu, strict=True):
        train = rescale(m, y, None, observation)
        p.append(ks_test(train.uniform(draw_uniform(train.n, rng, n_draws))).p)
    return float(np.mean(np.array(p) < 0.05))


CASES = [(0.02, 2, 1.0, 50_000), (0.02, 2, 3.0, 50_000), (0.05, 2, 3.0, 30_000), (0.10, 1, 2.0, 20_000)]


@pytest.mark.parametrize(("base", "dead", "rebound", "n_bins"), CASES)
def test_the_true_model_is_rejected_as_often_as_said(base: float, dead: int, rebound: float, n_bins: int) -> None:
    """science.md#time-rescaling: 5 +- 3 % over 200 simulations; a constant rate is seen in all but the first case."""
    spikes, mu = history_cells(200, n_bins, base, dead, rebound, seed=3)
    assert 0.02 <= rejections(spikes, mu, seed=4) <= 0.08
    constant = np.full(mu[:40].shape, -np.log1p(-spikes[:40].mean()))
    assert rejections(spikes[:40], constant, seed=5) >= (0.25 if rebound == 1 else 0.95)


def test_without_the_correction_the_truth_is_rejected() -> None:
    """The plain continuous test, to show that the correction is what the test above depends on."""
    spikes, mu = history_cells(20, 30_000, 0.05, 2, 3.0, seed=6)
    p = []
    for y, m in zip(spikes, mu, strict=True):
        clock = np.cumsum(m)[np.flatnonzero(y)]
        p.append(kstest(-np.expm1(-np.diff(clock)), "uniform").pvalue)
    assert np.mean(np.array(p) < 0.05) > 0.9


def test_short_trials_are_no_reason_to_reject() -> None:
    """science.md#time-rescaling: homogeneous 10 Hz, 100 x .5 s; the truth fails pooled within trials only."""
    rng = np.random.default_rng(7)
    spikes = (rng.random((200, 100, 500)) < 0.01).astype(np.uint8)
    mu = np.full(spikes.shape, -np.log1p(-0.01))
    assert rejections(spikes, mu, seed=8) <= 0.07
    within = []
    for y in spikes[:40]:
        trial, position = np.nonzero(y)
        gaps = np.diff(position)[np.diff(trial) == 0]
        within.append(kstest(-np.expm1(-(gaps - rng.random(len(gaps))) * 0.01005), "uniform").pvalue)
    assert np.mean(np.array(within) < 0.05) > 0.9


def test_wide_poisson_bins_with_several_spikes_are_calibrated() -> None:
    rng = np.random.default_rng(9)
    mu = np.tile(0.4 * (1 + np.sin(np.arange(800) / 20)) + 0.05, (200, 1))
    spikes = rng.poisson(mu)
    assert (spikes > 1).any()
    # one randomisation is exact; the median over many errs on the safe side where bins are wide
    assert 0.02 <= rejections(spikes, mu, seed=10, observation="poisson", n_draws=1) <= 0.08
    assert rejections(spikes, mu, seed=10, observation="poisson") <= 0.08
    assert rejections(spikes[:20], np.full(mu[:20].shape, mu.mean()), seed=10, observation="poisson") >= 0.9


def test_masked_bins_add_no_time(rng: np.random.Generator) -> None:
    mu, y, seen = rng.random((3, 40)) / 5, rng.integers(0, 2, (3, 40)), rng.random((3, 40)) < 0.7
    with_mask = rescale(mu, y, seen, "bernoulli")
    cut_out = rescale(mu[seen], y[seen], None, "bernoulli")
    np.testing.assert_array_equal(with_mask.start, cut_out.start)
    np.testing.assert_array_equal(with_mask.stop, cut_out.stop)


def test_twelve_bins_by_hand() -> None:
    """p = .1 everywhere but .2 in bin 5; spikes in bins 2, 5, 6, 11; r = .5."""
    p = np.full(12, 0.1)
    p[5] = 0.2
    y = np.zeros(12, int)
    y[[2, 5, 6, 11]] = 1
    train = rescale(-np.log1p(-p), y, None, "bernoulli")
    z = train.uniform(np.full((1, 4), 0.5))[0]
    # bins 0, 1 silent and half of bin 2; bins 3, 4 and half of bin 5 (p .2); none between; bins 7 to 10
    by_hand = [1 - 0.9**2 * 0.95, 1 - 0.9**2 * 0.9, 1 - 0.95, 1 - 0.9**4 * 0.95]
    np.testing.assert_allclose(z, by_hand, atol=1e-15)
    ordered = np.sort(by_hand)  # .05, .2305, .271, .3767: D is 1 - .3767
    assert ks_test(z[None]).d == pytest.approx(1 - ordered[-1], abs=1e-15)


def test_distance_and_p_are_those_of_scipy(rng: np.random.Generator) -> None:
    z = rng.random((1, 150)) ** 1.1
    theirs, ours = kstest(z[0], "uniform"), ks_test(z)
    assert ours.d == pytest.approx(theirs.statistic, abs=1e-14)
    assert ours.p == pytest.approx(theirs.pvalue, abs=1e-12)
    assert ours.d_detectable == pytest.approx(1.36 / np.sqrt(150))


@pytest.mark.parametrize("n", [20, 50, EXACT_BELOW, 250, 300, 500, 1000, 2000, 5000, 20_000])
def test_p_is_that_of_the_exact_law(n: int) -> None:
    d = np.linspace(0.3, 3.0, 100) / np.sqrt(n)
    found = np.array([kolmogorov_p(each, n) for each in d])
    np.testing.assert_allclose(found, kstwo.sf(d, n), rtol=0, atol=1e-4 if n >= EXACT_BELOW else 6e-4)


def test_median_and_range_are_over_randomisations(rng: np.random.Generator) -> None:
    z = rng.random((21, 100))
    d, test = ks_distance(z), ks_test(z)
    assert (test.d, test.d_low, test.d_high) == (np.median(d), d.min(), d.max())
    assert d[test.draw] == test.d


def test_no_spikes_no_test() -> None:
    train = rescale(np.ones((2, 5)), np.zeros((2, 5), int), None, "bernoulli")
    test = ks_test(train.uniform(draw_uniform(0, np.random.default_rng(0))))
    assert test.n == 0
    assert np.isnan(test.d)


def test_two_spikes_in_a_bernoulli_bin_are_refused() -> None:
    with pytest.raises(ValueError, match="two spikes"):
        rescale(np.ones((1, 2)), np.array([[2, 0]]), None, "bernoulli")


def test_pit_is_the_mean_over_all_randomisations(rng: np.random.Generator) -> None:
    spikes, mu = history_cells(1, 3000, 0.1, 1, 2.0, seed=11)
    train = rescale(mu[0], spikes[0], None, "bernoulli")
    grid = np.linspace(0, 1, 21)
    many = train.uniform(rng.random((2000, train.n)))
    empirical = (many[:, :, None] <= grid).mean(axis=(0, 1))
    np.testing.assert_allclose(pit_curve(train, grid), empirical, atol=5e-3)


def test_pit_runs_from_zero_to_one_for_very_narrow_ramps() -> None:
    start = np.linspace(0.1, 0.8, 50)
    train = RescaledTrain("bernoulli", start, start + 1e-9, start, start)
    curve = pit_curve(train, np.array([0.0, 0.45, 1.0]))
    np.testing.assert_allclose(curve, [0.0, 0.5, 1.0], atol=1e-9)


def test_dependence_is_seen_where_ks_sees_nothing(rng: np.random.Generator) -> None:
    normal = rng.standard_normal(4000)
    for k in range(1, len(normal)):
        normal[k] = 0.3 * normal[k - 1] + np.sqrt(1 - 0.09) * normal[k]
    from scipy.special import ndtr

    found = independence(ndtr(normal)[None])
    assert found.autocorrelation[0] == pytest.approx(0.3, abs=0.05)
    assert found.ljung_box_p < 1e-6
    assert independence(rng.random((5, 4000))).ljung_box_p > 0.01
