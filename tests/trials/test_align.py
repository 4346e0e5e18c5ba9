"""Alignment and binning, against np.histogram and by hand (science.md#exposure)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnspike.trials.align import bin_spikes, count_bins, to_counts


def align(spike_times_s: np.ndarray, start_s: np.ndarray, n_bins: int, bin_s: float) -> np.ndarray:
    counts = np.zeros((len(start_s), n_bins), np.uint8)
    to_counts(bin_spikes(spike_times_s, start_s, n_bins, bin_s), counts)
    return counts


@given(st.data())
@settings(max_examples=150)
def test_equals_histogram(data: st.DataObject) -> None:
    """Any spikes off the edges, any starts in any order, overlapping or not."""
    bin_s = data.draw(st.sampled_from([0.0005, 0.001, 0.002, 0.01, 0.1]))
    n_bins = data.draw(st.integers(1, 60))
    offset = data.draw(st.floats(0, 1e4))
    ticks = data.draw(st.lists(st.integers(0, 3000), max_size=80))
    spikes = np.sort(offset + (np.array(ticks, float) + 0.37) * bin_s)
    starts = offset + np.array(data.draw(st.lists(st.integers(-50, 3000), min_size=1, max_size=8))) * bin_s
    expected = [np.histogram(spikes, start + np.arange(n_bins + 1) * bin_s)[0] for start in starts]
    np.testing.assert_array_equal(align(spikes, starts, n_bins, bin_s), expected)


@given(
    st.lists(st.integers(0, 5000), max_size=60),
    st.integers(0, 4000),
    st.sampled_from([0.1, 0.001, 0.003, 1 / 30000]),
    st.integers(1, 100),
)
@settings(max_examples=150)
def test_spikes_on_edges_belong_to_the_bin_above(ticks: list[int], start: int, bin_s: float, n_bins: int) -> None:
    """Times and starts on the bins' own grid, with the rounding of floats: index arithmetic decides."""
    spikes = np.sort(np.array(ticks, float) * bin_s)
    expected = np.bincount([t - start for t in ticks if start <= t < start + n_bins], minlength=n_bins)
    np.testing.assert_array_equal(align(spikes, np.array([start * bin_s]), n_bins, bin_s)[0], expected)


@given(st.lists(st.floats(0, 10), max_size=60), st.integers(0, 300), st.integers(1, 200))
@settings(max_examples=100)
def test_burn_in_and_window_are_one_row_of_bins(times: list[float], n_before: int, n_bins: int) -> None:
    spikes = np.sort(np.array(times))
    binned = bin_spikes(spikes, np.array([4.0, 6.5]), n_bins, 0.01, n_before)
    out = np.zeros((2, n_before + n_bins), np.uint8)
    to_counts(binned, out, n_before)
    shifted = align(spikes, np.array([4.0, 6.5]) - n_before * 0.01, n_before + n_bins, 0.01)
    assert abs(out.astype(int).sum() - shifted.sum()) <= 2  # a float on an edge may fall to either side
    assert (binned.bin >= -n_before).all() and (binned.bin < n_bins).all() and (binned.n > 0).all()


def test_decimal_edges_by_hand() -> None:
    """0.1 * k edges and T = 0.3, where floor without tolerance loses bins."""
    np.testing.assert_array_equal(align(np.arange(10) * 0.1, np.array([0.0]), 10, 0.1)[0], np.ones(10))
    times = np.array([0.1 + 0.2, 0.3, 0.6, 0.7])
    np.testing.assert_array_equal(align(times, np.array([0.3]), 3, 0.1)[0], [2, 0, 0])
    assert count_bins(0.3, 0.001) == 300
    assert count_bins(1.0 - 0.7, 0.1) == 3


def test_window_is_half_open_and_overlapping_trials_stay_apart() -> None:
    spikes = np.array([1.0, 1.5, 2.0])
    counts = align(spikes, np.array([1.0, 1.25, 0.0]), 4, 0.25)
    np.testing.assert_array_equal(counts, [[1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 0, 0]])


def test_no_spikes_no_trials() -> None:
    assert align(np.empty(0), np.array([0.0, 1.0]), 5, 0.1).sum() == 0
    assert align(np.array([0.5]), np.empty(0), 5, 0.1).shape == (0, 5)


def test_overflow_is_refused_not_wrapped() -> None:
    assert align(np.full(255, 0.5), np.array([0.0]), 1, 1.0)[0, 0] == 255
    with pytest.raises(OverflowError, match="300 spikes"):
        align(np.full(300, 0.5), np.array([0.0]), 1, 1.0)
