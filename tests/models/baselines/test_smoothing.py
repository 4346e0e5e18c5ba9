"""Leave-one-trial-out smoothing in closed form, and its choice (science.md#psth-bandwidth)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from rnnspike.models.baselines.binned import Binned, Kernel, mean_rate, of_grid
from rnnspike.models.baselines.left_out import (
    ALL_PRIOR,
    LeftOutPooled,
    Smoothing,
    left_out,
    left_out_everywhere,
    log_likelihood,
)
from rnnspike.models.baselines.psth import mean_count
from rnnspike.models.baselines.smoothing import choose_smoothing, scan_pooled, usable_bandwidths

SECONDS = (np.arange(1000) + 0.5) * 1e-3
#: 10 Hz with 2 Hz modulation, depth .8: expected count of a 1 ms bin.
MODULATED = 0.010 * (1 + 0.8 * np.sin(2 * np.pi * 2 * SECONDS))


def data_of(spikes: np.ndarray, condition: np.ndarray | None = None, exposure: np.ndarray | None = None) -> Binned:
    condition = np.zeros(len(spikes), np.int64) if condition is None else condition
    observed = np.ones(spikes.shape, bool) if exposure is None else exposure > 0
    return of_grid(spikes, observed, condition, int(condition.max()) + 1, 0.001)


def score(data: Binned, mean_count: np.ndarray) -> float:
    """The log-likelihood of mean counts (trial, bin), bin by bin."""
    return float((data.dense() * np.log(mean_count) - mean_count * data.exposure[data.pattern]).sum())


def pooled(data: Binned, bandwidth_s: float) -> np.ndarray:
    return LeftOutPooled(data, bandwidth_s).everywhere(1.0)


def drawn(seed: int, n_trials: int = 20) -> np.ndarray:
    return (np.random.default_rng(seed).random((n_trials, 1000)) < MODULATED).astype(float)


def without(data: Binned, r: int) -> Binned:
    others = np.arange(data.n_trials) != r
    observed = data.exposure[data.pattern][others] > 0
    return of_grid(data.dense()[others], observed, data.condition[others], data.n_conditions, data.bin_s)


def test_kernel_is_a_gaussian_cut_at_the_edges() -> None:
    x = np.random.default_rng(0).random((3, 200))
    expected = gaussian_filter1d(x, 7.0, axis=-1, mode="constant", truncate=5.0)
    np.testing.assert_allclose(Kernel(200, 7.0)(x), expected, rtol=1e-6)


@given(st.floats(0.3, 80.0), st.integers(1, 150))
@settings(max_examples=40)
def test_constant_stays_constant_up_to_the_edges(sigma_bins: float, n_bins: int) -> None:
    kernel = Kernel(n_bins, sigma_bins)
    np.testing.assert_allclose(kernel(np.full(n_bins, 3.0)) / kernel.inside, 3.0, rtol=1e-9)


@pytest.mark.parametrize("n_conditions", [1, 3])
def test_left_out_equals_leaving_out(rng, n_conditions: int) -> None:
    spikes = (rng.random((9, 120)) < 0.1).astype(float)
    data = data_of(spikes, np.arange(9) % n_conditions, rng.random(spikes.shape) < 0.8)
    chosen = Smoothing(0.006, 2.0, 5.0, 0.011, 3.0)
    closed = left_out_everywhere(data, chosen)
    for r in range(9):
        refitted = mean_count(without(data, r), chosen)[data.condition[r]]
        np.testing.assert_allclose(closed[r], refitted, rtol=1e-9)


@pytest.mark.parametrize("n_conditions", [1, 3])
@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize("masked", [False, True])
def test_a_likelihood_from_rates_at_spikes_and_sums_is_that_of_all_bins(rng, n_conditions, width, masked) -> None:
    spikes = rng.poisson(0.1, (12, 122)).astype(float)
    mask = np.ones(spikes.shape, bool)
    if masked:
        mask[4:8, 60:], mask[8:, :30] = False, False
    data = data_of(spikes, np.arange(12) % n_conditions, mask).coarser(width)
    chosen = Smoothing(0.006, 2.0, 5.0, 0.011, 3.0)
    expected = score(data, left_out_everywhere(data, chosen))
    assert float(log_likelihood(data, *left_out(data, chosen))) == pytest.approx(expected, rel=1e-12)


def test_coarser_bins_hold_the_same_spikes(rng) -> None:
    data = data_of(rng.poisson(0.3, (5, 23)).astype(float), exposure=rng.random((5, 23)) < 0.9)
    edges = np.arange(0, 23, 4)
    coarse = data.coarser(4)
    np.testing.assert_array_equal(coarse.dense(), np.add.reduceat(data.dense(), edges, axis=1))
    assert coarse.width == 4 and coarse.n_bins == 6 and (coarse.n > 0).all()
    np.testing.assert_array_equal(
        coarse.exposure[coarse.pattern], np.add.reduceat(data.exposure[data.pattern], edges, axis=1)
    )


def test_never_impossible_and_prior_where_nothing_was_observed() -> None:
    spikes, exposure = np.zeros((4, 50)), np.ones((4, 50))
    spikes[0, 3] = 1
    exposure[:, 25:] = 0
    data = data_of(spikes, exposure=exposure)
    mean = left_out_everywhere(data, Smoothing(0.001))
    assert (mean > 0).all()
    np.testing.assert_allclose(mean[0, 45:], mean_rate(np.array(0.0), np.array(75.0)))
    np.testing.assert_allclose(mean[1, 45:], 1 / 75)


def test_figures_of_smoothing() -> None:
    """In-sample and left-out bits/spike against the truth's (science.md#psth-bandwidth), means over 30 draws.

    The figures there are of one draw: what its luck does not move is the distance between the three.
    """
    distance: dict[float, list[tuple[float, float]]] = {0.0: [], 0.02: [], 0.05: []}
    in_sample_rough = []
    for seed in range(30):
        data = data_of(drawn(seed))
        n_bits = data.n.sum() * np.log(2)
        null = score(data, np.full((20, 1000), data.n.sum() / 20_000))
        truth = score(data, np.broadcast_to(MODULATED, (20, 1000)))
        for bandwidth_s, rows in distance.items():
            smooth = Kernel(1000, max(bandwidth_s * 1000, 1e-3))
            mean = smooth(data.total_spikes[0]) / smooth(data.total_exposure[0])
            own = score(data, np.maximum(np.broadcast_to(mean, (20, 1000)), 1e-9))
            others = score(data, pooled(data, max(bandwidth_s, 1e-6)))
            rows.append(((own - others) / n_bits, (truth - others) / n_bits))
            if bandwidth_s == 0.0:
                in_sample_rough.append((own - null) / n_bits)
    assert np.mean(in_sample_rough) == pytest.approx(2.562, abs=0.05)
    assert np.mean(distance[0.0], axis=0) == pytest.approx((2.562 + 2.873, 0.256 + 2.873), abs=0.15)
    assert np.mean(distance[0.02], axis=0) == pytest.approx((0.348 - 0.200, 0.253 - 0.200), abs=0.015)
    assert np.mean(distance[0.05], axis=0) == pytest.approx((0.283 - 0.220, 0.256 - 0.220), abs=0.015)


def expected_bits(mean: np.ndarray) -> float:
    """Expected bits/spike of a mean count on new trials, less a constant."""
    return float((MODULATED * np.log2(mean) - mean / np.log(2)).sum() / MODULATED.sum())


def test_nested_choice_is_within_a_hair_of_the_best_fixed_bandwidth() -> None:
    """Chosen inside the training trials, against the bandwidth that is best in hindsight over all draws (c.5)."""
    fixed: list[dict[float, float]] = []
    nested = []
    for seed in range(60):
        data = data_of(drawn(seed))
        scan = [each for each in scan_pooled(data, usable_bandwidths(data)) if each.prior_trials == 1.0]
        fixed.append({each.bandwidth_s: expected_bits(mean_count(data, each)[0]) for each in scan})
        nested.append(expected_bits(mean_count(data, choose_smoothing(data))[0]))
    shared = set.intersection(*(set(each) for each in fixed))
    assert np.mean(nested) >= max(np.mean([each[b] for each in fixed]) for b in shared) - 0.005


def test_coarse_bins_score_as_the_fine_ones() -> None:
    data = data_of(drawn(3, 40))
    for bandwidth_s in (0.02, 0.05, 0.2):
        fine = score(data, pooled(data, bandwidth_s))
        coarse = data.for_bandwidth(bandwidth_s)
        assert coarse.width > 5
        assert score(coarse, pooled(coarse, bandwidth_s)) == pytest.approx(fine, abs=1.0)


def test_a_flat_unit_gets_a_flat_psth(rng) -> None:
    flat = [choose_smoothing(data_of((rng.random((30, 500)) < 0.02).astype(float))) for _ in range(10)]
    assert sum(s.prior_trials == ALL_PRIOR or s.bandwidth_s > 0.1 for s in flat) >= 8


def test_conditions_of_one_shape_share_it(rng) -> None:
    """60 trials in 20 conditions that differ in nothing, or in their rate alone."""
    condition = np.arange(60) % 20
    same = choose_smoothing(data_of((rng.random((60, 1000)) < MODULATED).astype(float), condition))
    assert same.shrinkage_trials >= 16
    scale = np.where(condition < 10, 0.2, 3.0)[:, None]
    data = data_of((rng.random((60, 1000)) < MODULATED * scale).astype(float), condition)
    scaled = choose_smoothing(data)
    assert scaled.gain_prior_spikes < ALL_PRIOR
    rate = mean_count(data, scaled).mean(axis=1)
    assert rate[:10].mean() == pytest.approx(0.002, rel=0.5)
    assert rate[10:].mean() == pytest.approx(0.030, rel=0.15)  # shrunk


def test_conditions_that_differ_are_told_apart(rng) -> None:
    condition = np.arange(80) % 2
    mu = np.where(condition[:, None] == 0, MODULATED, MODULATED[::-1])
    data = data_of((rng.random(mu.shape) < mu).astype(float), condition)
    chosen = choose_smoothing(data)
    table = mean_count(data, chosen)
    assert chosen.shrinkage_trials <= 16
    assert np.corrcoef(table[0], MODULATED)[0, 1] > 0.9
    assert np.corrcoef(table[1], MODULATED[::-1])[0, 1] > 0.9
