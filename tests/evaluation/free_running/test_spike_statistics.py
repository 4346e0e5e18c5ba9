from __future__ import annotations

import numpy as np
import pytest

from rnnspike.evaluation.free_running.spike_statistics import (
    SCALARS,
    SpikeSets,
    autocorrelogram,
    coefficient_of_variation,
    describe,
    fano_factors,
    fano_windows,
    interval_edges,
    interval_histogram,
    interval_slope,
    intervals,
    recombined,
    serial_correlations,
    spike_sets,
    tile_counts,
)


def sets(counts: np.ndarray, observed: np.ndarray | None = None, condition: np.ndarray | None = None) -> SpikeSets:
    """Spikes of counts (trial, bin) or (sample, trial, bin)."""
    counts = counts[None] if counts.ndim == 2 else counts
    seen = np.ones(counts.shape[1:], bool) if observed is None else observed
    return spike_sets(counts, seen, np.zeros(len(seen), np.int64) if condition is None else condition, 0.001)


def train(*spikes: int, n_bins: int = 40) -> np.ndarray:
    return np.isin(np.arange(n_bins), spikes)[None].astype(np.uint8)


def test_intervals_stay_within_trials_and_observed_stretches() -> None:
    counts = np.concatenate([train(2, 5, 11), train(0, 30)])
    assert intervals(sets(counts)).bins.tolist() == [3, 6, 30]
    observed = np.ones((2, 40), bool)
    observed[0, 7] = False
    gaps = intervals(sets(counts, observed))
    assert gaps.bins.tolist() == [3, 30]
    assert gaps.chain[0] != gaps.chain[1]


def test_spikes_that_share_a_bin_make_an_interval_of_zero() -> None:
    counts = train(2, 5)
    counts[0, 5] = 2
    assert intervals(sets(counts)).bins.tolist() == [3, 0]


def test_samples_are_kept_apart(rng: np.random.Generator) -> None:
    counts = (rng.random((3, 5, 200)) < 0.1).astype(np.uint8)
    together = describe(sets(counts))
    for sample in range(3):
        alone = describe(sets(counts[sample]))
        for name, values in alone.items():
            np.testing.assert_allclose(together[name][sample], values[0], rtol=1e-12, atol=1e-12, err_msg=name)


def test_cv_by_hand() -> None:
    spikes = sets(train(0, 2, 8))
    assert coefficient_of_variation(spikes, intervals(spikes))[0] == pytest.approx(0.5)


def test_slow_firing_down_has_a_positive_slope() -> None:
    spikes = sets(train(0, 2, 6, 14, 30))
    assert interval_slope(spikes, intervals(spikes))[0] == pytest.approx(np.log(2))


def test_serial_correlation_of_alternating_intervals_is_negative(rng: np.random.Generator) -> None:
    gaps = np.where(np.arange(80) % 2, 5, 15) + rng.integers(0, 3, (30, 80))
    counts = np.zeros((30, 1000), np.uint8)
    for row, each in zip(counts, gaps, strict=True):
        row[np.cumsum(each)] = 1
    spikes = sets(counts)
    found = serial_correlations(spikes, intervals(spikes))[0]
    assert found[0] < -0.8
    assert found[1] > 0.7


def test_rate_drift_between_trials_is_no_serial_correlation(rng: np.random.Generator) -> None:
    rate = np.repeat([0.02, 0.1], 50)[:, None]
    spikes = sets((rng.random((100, 2000)) < rate).astype(np.uint8))
    assert abs(serial_correlations(spikes, intervals(spikes))[0, 0]) < 0.05


def test_fano_factor_of_bernoulli_bins(rng: np.random.Generator) -> None:
    spikes = sets((rng.random((400, 200)) < 0.1).astype(np.uint8))
    np.testing.assert_allclose(fano_factors(spikes, np.array([10, 50]))[0], 0.9, atol=0.03)


def test_fano_factor_is_taken_within_conditions(rng: np.random.Generator) -> None:
    condition = np.arange(400) % 2
    counts = (rng.random((400, 200)) < np.where(condition, 0.3, 0.05)[:, None]).astype(np.uint8)
    apart = fano_factors(sets(counts, condition=condition), np.array([200]))[0, 0]
    assert apart < 1.0
    assert fano_factors(sets(counts), np.array([200]))[0, 0] > 5.0


def test_fano_windows_that_are_not_observed_are_left_out(rng: np.random.Generator) -> None:
    counts = (rng.random((50, 100)) < 0.1).astype(np.uint8)
    observed = np.ones((50, 100), bool)
    observed[:, 60:] = False
    cut = fano_factors(sets(counts, observed), np.array([20]))
    assert cut == pytest.approx(fano_factors(sets(counts[:, :60]), np.array([20])))
    assert np.isnan(fano_factors(sets(counts[:1]), np.array([20]))).all()


def test_tiles_count_all_but_the_remainder() -> None:
    assert tile_counts(sets(train(0, 9, 10, 39)), 15)[0].tolist() == [[3, 0]]


def test_autocorrelogram_of_a_poisson_train_is_its_rate(rng: np.random.Generator) -> None:
    spikes = sets((rng.random((200, 1000)) < 0.05).astype(np.uint8))
    np.testing.assert_allclose(autocorrelogram(spikes, 50)[0].mean(), 50.0, rtol=0.03)


def test_autocorrelogram_by_hand() -> None:
    found = autocorrelogram(sets(train(0, 3, 6)), 6)[0] * 0.001
    left = 1 - np.arange(1, 7) / 40
    np.testing.assert_allclose(found * left, np.array([0, 0, 2, 0, 0, 1]) / 3)


def test_interval_histogram_counts_every_interval(rng: np.random.Generator) -> None:
    spikes = sets((rng.random((20, 300)) < 0.1).astype(np.uint8))
    shares = interval_histogram(spikes, intervals(spikes), interval_edges(spikes))
    assert shares.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("n_bins", [1, 2, 50, 1750, 20_000])
def test_pieces_of_the_interval_histogram_only_widen(n_bins: int) -> None:
    edges = interval_edges(sets(np.zeros((1, n_bins), np.uint8)))
    width = np.diff(edges)
    assert edges[0] == 1 and edges[-1] >= n_bins and len(edges) <= 75
    assert (width >= 1).all() and (np.diff(width) >= 0).all()


def test_no_spikes_no_statistics_and_no_error() -> None:
    found = describe(sets(np.zeros((2, 3, 50), np.uint8)))
    assert found["rate_hz"].tolist() == [0, 0]
    assert all(np.isnan(found[name]).all() for name in SCALARS if name not in ("rate_hz",))


def test_windows_reach_the_trials_length() -> None:
    assert fano_windows(sets(np.zeros((2, 300), np.uint8))).tolist() == [10, 20, 50, 100, 200, 300]


def test_data_sets_are_put_together_of_runs_trial_by_trial(rng: np.random.Generator) -> None:
    counts = (rng.random((5, 6, 400)) < 0.1).astype(np.uint8)
    counts[2] = 0  # a run without a spike
    observed = np.ones((6, 400), bool)
    observed[1, 60:90] = False
    condition, choice = np.array([0, 1, 0, 1, 1, 2]), rng.integers(0, 5, (7, 6))
    found = describe(recombined(sets(counts, observed, condition), choice))
    wanted = describe(sets(counts[choice, np.arange(6)], observed, condition))
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-12, atol=1e-12, err_msg=name)


def test_serial_correlations_by_definition(rng: np.random.Generator) -> None:
    counts = (rng.random((3, 500)) < 0.1).astype(np.uint8)
    at = [np.flatnonzero(each) for each in counts]
    trial = np.repeat(np.arange(3), [len(each) - 1 for each in at])
    piece = np.concatenate([each[:-1] for each in at]) * 25 // 500
    gaps = np.concatenate([np.diff(each) for each in at]).astype(float)
    mean = {"trial": [gaps[trial == t].mean() for t in trial], "piece": [gaps[piece == p].mean() for p in piece]}
    left = gaps - mean["trial"] - mean["piece"] + gaps.mean()
    wanted = [np.mean((left[k:] * left[:-k])[trial[k:] == trial[:-k]]) / np.mean(left**2) for k in (1, 2, 3)]
    spikes = sets(counts)
    np.testing.assert_allclose(serial_correlations(spikes, intervals(spikes), 3)[0], wanted)
