"""Time series on the bins, causally."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.trials.covariates import channel_names, read_series, resample

START = np.array([0.0, 1.0])


def test_mean_of_the_samples_within_a_bin() -> None:
    times = np.arange(0, 3, 0.025)
    values, known = resample(times, times[:, None], START, 5, 0.1)
    assert known.all() and values.dtype == np.float32
    np.testing.assert_allclose(values[1, :, 0], 1.0 + np.arange(5) * 0.1 + 0.0375, rtol=1e-6)


def test_slower_than_bins_holds_the_last_sample_before_the_bins_end() -> None:
    times = np.arange(0, 3, 0.5)
    values, known = resample(times, np.arange(6.0)[:, None], np.array([0.0]), 10, 0.1, 2)
    np.testing.assert_array_equal(values[0, :, 0], [0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    np.testing.assert_array_equal(known[0], [False] * 2 + [True] * 10)


@given(st.integers(0, 29), st.sampled_from([0.01, 0.04, 0.13]))
def test_bins_that_end_before_a_sample_do_not_see_it(sample: int, step_s: float) -> None:
    times = np.arange(30) * step_s
    values = np.random.default_rng(1).normal(size=(30, 1))
    changed = values.copy()
    changed[sample] += 100
    before = resample(times, values, np.array([0.0]), 40, 0.05)[0][0, :, 0]
    after = resample(times, changed, np.array([0.0]), 40, 0.05)[0][0, :, 0]
    ends = (np.arange(40) + 1) * 0.05
    past = ends <= times[sample] + 1e-9
    np.testing.assert_allclose(before[past], after[past], atol=1e-4)


def test_gaps_and_nan_are_absent() -> None:
    times = np.concatenate([np.arange(0, 1, 0.01), np.arange(2, 3, 0.01)])
    values = np.ones((200, 2))
    values[150:, 1] = np.nan
    filled, known = resample(times, values, np.array([0.0]), 30, 0.1)
    expected = np.concatenate([np.ones(10), np.zeros(10), np.ones(5), np.zeros(5)]).astype(bool)
    np.testing.assert_array_equal(known[0], expected)
    assert (filled[0][~expected] == 0).all() and (filled[0][expected] == 1).all()


def test_long_offset_series_keep_their_figures() -> None:
    times = np.arange(0, 1000, 0.001)
    values = 1e6 + np.sin(times)
    filled, _ = resample(times, values[:, None], np.array([999.0]), 10, 0.05)
    expected = [
        values[(times >= 999 + k * 0.05 - 1e-9) & (times < 999.05 + k * 0.05 - 1e-9)].mean() for k in range(10)
    ]
    np.testing.assert_allclose(filled[0, :, 0], np.float32(expected))


def test_names(make_recording) -> None:
    recording = make_recording({}, series={"current": ([0.0], [1.0]), "position": ([0.0], [[1.0, 2.0]])})
    found = read_series(recording, ["position", "current"])
    assert channel_names(found) == ("position[0]", "position[1]", "current")


def test_empty_series() -> None:
    filled, known = resample(np.empty(0), np.empty((0, 1)), START, 3, 0.1)
    assert filled.shape == (2, 3, 1) and not known.any()


@pytest.mark.parametrize("order", [[2, 0, 1]])
def test_unordered_samples_are_ordered(order: list[int]) -> None:
    times, values = np.array([0.0, 0.1, 0.2])[order], np.array([[1.0], [2.0], [3.0]])[order]
    np.testing.assert_array_equal(resample(times, values, np.array([0.0]), 3, 0.1)[0][0, :, 0], [1, 2, 3])
