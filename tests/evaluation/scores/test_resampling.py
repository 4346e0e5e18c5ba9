from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.evaluation.scores.resampling import (
    autocorrelation,
    benjamini_hochberg,
    bootstrap_weights,
    column_quantiles,
    holm,
    ljung_box_p,
    long_run_share,
    ratio_interval,
    sign_flip_p,
)


@given(st.integers(1, 30), st.integers(0, 99))
def test_each_draw_has_as_many_trials_as_there_are(n_trials: int, seed: int) -> None:
    weights = bootstrap_weights(n_trials, 7, np.random.default_rng(seed))
    assert weights.shape == (7, n_trials)
    assert (weights.sum(axis=1) == n_trials).all()


def test_interval_of_a_ratio_covers_as_often_as_said() -> None:
    rng, covered = np.random.default_rng(1), 0
    for _ in range(300):
        n = rng.poisson(4, 40) + 1.0
        x = (0.3 * n + np.sqrt(n) * (rng.gamma(2, 1, 40) - 2))[:, None]
        found = ratio_interval(x, n, bootstrap_weights(40, 500, rng))
        covered += int(found.low[0] <= 0.3 <= found.high[0])
    assert 0.90 <= covered / 300 <= 0.98


def test_bca_is_that_of_scipy() -> None:
    from scipy.stats import bootstrap

    rng = np.random.default_rng(2)
    x, n = rng.exponential(1.0, 50), rng.poisson(5, 50) + 1.0

    def ratio(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
        return a.sum(axis=axis) / b.sum(axis=axis)

    theirs = bootstrap((x, n), ratio, paired=True, n_resamples=20_000, vectorized=True, rng=rng).confidence_interval
    ours = ratio_interval(x[:, None], n, bootstrap_weights(50, 20_000, rng))
    assert (ours.low[0], ours.high[0]) == pytest.approx((theirs.low, theirs.high), rel=0.02)


def test_a_constant_has_an_interval_of_no_width() -> None:
    n = np.arange(1.0, 11.0)
    found = ratio_interval(2.5 * n[:, None], n, bootstrap_weights(10, 100, np.random.default_rng(0)))
    assert found.low[0] == pytest.approx(2.5)
    assert found.high[0] == pytest.approx(2.5)


def test_column_quantiles_are_those_of_numpy() -> None:
    draws = np.random.default_rng(3).random((50, 3))
    levels = np.array([0.025, 0.5, 0.99])
    expected = [np.quantile(draws[:, i], level) for i, level in enumerate(levels)]
    np.testing.assert_allclose(column_quantiles(draws, levels), expected)


def test_sign_flips_are_those_of_scipy() -> None:
    from scipy.stats import permutation_test

    rng = np.random.default_rng(4)
    d = rng.standard_normal(12) + 0.5
    theirs = permutation_test((d,), np.sum, permutation_type="samples", n_resamples=5000).pvalue  # exact: 4096
    assert sign_flip_p(d[:, None], 20_000, rng)[0] == pytest.approx(theirs, abs=0.01)


def test_sign_flips_hold_their_level() -> None:
    rng = np.random.default_rng(5)
    p = sign_flip_p(rng.standard_normal((30, 400)), 499, rng)
    assert 0.02 <= np.mean(p < 0.05) <= 0.08


def test_stretched_flips_see_what_neighbours_share() -> None:
    rng = np.random.default_rng(6)
    shared = np.repeat(rng.standard_normal((16, 300)), 5, axis=0)  # five trials alike
    assert np.mean(sign_flip_p(shared, 499, rng) < 0.05) > 0.2
    assert np.mean(sign_flip_p(shared, 499, rng, np.sqrt(long_run_share(shared))) < 0.05) <= 0.12


def test_long_run_share_of_what_neighbours_share() -> None:
    """A lag window of 8 lags: 1 + 2 sum (1 - k/9) r_k with r of .8, .6, .4, .2 for a mean over five rows."""
    rng = np.random.default_rng(7)
    moving = np.apply_along_axis(np.convolve, 0, rng.standard_normal((4004, 20)), np.ones(5), "valid")
    weight = 1 - np.arange(1, 5) / 25
    expected = 1 + 2 * weight @ [0.8, 0.6, 0.4, 0.2]
    assert long_run_share(moving).mean() == pytest.approx(expected, rel=0.05)
    assert long_run_share(rng.standard_normal((4000, 20))).mean() < 1.1


def test_ljung_box_is_that_of_statsmodels() -> None:
    from statsmodels.stats.diagnostic import acorr_ljungbox

    x = np.random.default_rng(7).standard_normal((80, 2)).cumsum(axis=0) * 0.1
    theirs = [acorr_ljungbox(column, lags=[10])["lb_pvalue"].iloc[0] for column in x.T]
    np.testing.assert_allclose(ljung_box_p(x, 10), theirs, rtol=1e-10)


def test_autocorrelation_is_that_of_statsmodels() -> None:
    from statsmodels.tsa.stattools import acf

    x = np.random.default_rng(8).standard_normal((60, 1))
    np.testing.assert_allclose(autocorrelation(x, 5)[:, 0], acf(x[:, 0], nlags=5)[1:], atol=1e-12)


def test_too_short_a_series_is_not_called_autocorrelated() -> None:
    assert ljung_box_p(np.ones((3, 2)), 5).tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("ours", "theirs"), [(benjamini_hochberg, "fdr_bh"), (holm, "holm")])
def test_corrections_are_those_of_statsmodels(ours: object, theirs: str) -> None:
    from statsmodels.stats.multitest import multipletests

    p = np.random.default_rng(9).random(20) ** 3
    assert callable(ours)
    np.testing.assert_allclose(ours(p), multipletests(p, method=theirs)[1])


def test_corrections_leave_undefined_p_out() -> None:
    adjusted = holm([0.01, np.nan, 0.02])
    assert adjusted[0] == pytest.approx(0.02)
    assert np.isnan(adjusted[1])
