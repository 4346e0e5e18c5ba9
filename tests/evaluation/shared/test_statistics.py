"""Statistics of what units share: against plain sums, and where nothing is shared."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.evaluation.shared.statistics import Sharing, count_windows, pair_index, recombinations


def trains(rng: np.random.Generator, n_runs: int = 1, gain: float = 0.0, shape: tuple[int, ...] = (40, 300, 4)):
    n_trials, n_bins, n_units = shape
    level = 0.03 * np.exp(gain * rng.normal(size=(n_runs, n_trials, 1, 1)))
    return (rng.random((n_runs, n_trials, n_bins, n_units)) < level).astype(np.uint8)


def test_correlations_are_those_of_counts_less_the_mean_of_their_condition(rng: np.random.Generator) -> None:
    counts, condition = trains(rng, gain=0.4), np.arange(40) % 2
    found = Sharing(counts, condition, 0.001)
    statistics = found.statistics(found.as_recorded())
    whole = counts[0].sum(axis=1).astype(float)
    for code in (0, 1):
        whole[condition == code] -= whole[condition == code].mean(axis=0)
    expected = np.corrcoef(whole.T)
    np.testing.assert_allclose(statistics.pairs[0, -1], expected[pair_index(4)], atol=1e-6)
    assert statistics.mean[0, -1] == pytest.approx(expected[pair_index(4)].mean(), abs=1e-6)
    ratio = whole.sum(axis=1).var() / whole.var(axis=0).sum()
    assert statistics.variance[0, -1] == pytest.approx(ratio, rel=1e-5)
    assert ratio > 1.5


def test_the_correlogram_counts_coincidences_over_the_shift_predictor(rng: np.random.Generator) -> None:
    counts = trains(rng, gain=0.5)
    sharing = Sharing(counts, np.zeros(40, np.int64), 0.001)
    x, lag = counts[0].astype(float), 7
    pairs = [(i, j) for i in range(4) for j in range(4) if i != j]
    same = sum((x[:, :-lag, i] * x[:, lag:, j]).sum() for i, j in pairs)
    apart = sum(x[:, :-lag, i].sum(axis=0) @ x[:, lag:, j].sum(axis=0) for i, j in pairs)
    shifted = (apart - same) / 39  # of two different trials
    found = sharing.statistics(sharing.as_recorded()).correlogram[0]
    assert found[lag] == pytest.approx(same / shifted, rel=1e-4)
    assert len(found) == 51


def test_spikes_that_follow_at_one_lag_show_there(rng: np.random.Generator) -> None:
    counts = trains(rng)
    counts[0, :, 5:, 1] |= counts[0, :, :-5, 0]
    sharing = Sharing(counts, np.zeros(40, np.int64), 0.001)
    found = sharing.statistics(sharing.as_recorded()).correlogram[0]
    assert np.argmax(found) == 5 and found[5] > 2 * np.delete(found, 5).max()


def test_what_all_trials_of_a_condition_repeat_is_not_shared(rng: np.random.Generator) -> None:
    rate = 0.01 + 0.05 * np.abs(np.sin(np.arange(300) / 20))[None, None, :, None] * np.ones((1, 200, 1, 3))
    condition = np.arange(200) % 2
    rate[:, condition == 1] *= 0.3
    counts = (rng.random(rate.shape) < rate).astype(np.uint8)
    sharing = Sharing(counts, condition, 0.001)
    found = sharing.statistics(sharing.as_recorded())
    assert np.abs(found.mean[0]).max() < 0.1
    assert np.abs(found.correlogram[0] - 1).mean() < 0.05
    pooled = Sharing(counts, np.zeros(200, np.int64), 0.001)
    assert pooled.statistics(pooled.as_recorded()).mean[0, -1] > 0.5


def test_shuffled_trials_share_nothing_and_keep_their_spikes(rng: np.random.Generator) -> None:
    sharing = Sharing(trains(rng, gain=0.6), np.arange(40) % 2, 0.001)
    recorded = sharing.statistics(sharing.as_recorded()).pairs[0, -1]
    shuffled = sharing.shuffled_pairs(60, rng)[:, -1]
    assert recorded.min() > 0.4 and np.abs(shuffled.mean(axis=0)).max() < 0.1


def test_resampled_trials_vary_about_what_was_recorded(rng: np.random.Generator) -> None:
    sharing = Sharing(trains(rng, gain=0.5), np.zeros(40, np.int64), 0.001)
    recorded = sharing.statistics(sharing.as_recorded()).pairs[0]
    np.testing.assert_allclose(sharing.resampled_pairs(np.ones((1, 40)))[0], recorded, atol=1e-6)


def test_trials_alone_in_their_condition_are_left_out(rng: np.random.Generator) -> None:
    condition = np.append(np.zeros(39, np.int64), 1)
    assert Sharing(trains(rng), condition, 0.001).n_trials == 39


def test_windows_and_recombinations() -> None:
    np.testing.assert_array_equal(count_windows(1000, 0.001), [10, 50, 200, 1000])
    np.testing.assert_array_equal(count_windows(30, 0.01), [1, 5, 30])
    np.testing.assert_array_equal(count_windows(1, 0.01), [1])
    choice = recombinations(3, 10, 50)
    assert choice.shape == (50, 10) and set(np.unique(choice)) == {0, 1, 2}


def test_units_that_do_not_fire_have_no_correlation(rng: np.random.Generator) -> None:
    counts = trains(rng)
    counts[..., 0] = 0
    sharing = Sharing(counts, np.zeros(40, np.int64), 0.001)
    found = sharing.statistics(sharing.as_recorded())
    assert np.isnan(found.pairs[0, 0, :3]).all() and np.isfinite(found.mean).all()
