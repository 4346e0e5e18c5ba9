"""Exposure: intervals and masks of bins (science.md#exposure)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.trials.masks import (
    as_intervals,
    complement,
    duration_s,
    exposure,
    intersect,
    observed_bins,
    recorded_beyond_trials,
)

pairs = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8)


def marked(intervals: np.ndarray) -> np.ndarray:
    """Which of 60 unit steps lie within the intervals."""
    middle = np.arange(60) + 0.5
    return np.array([any(a < m < b for a, b in intervals) for m in middle], bool)


@given(pairs)
def test_joined_intervals_cover_the_same_time(rows: list[tuple[int, int]]) -> None:
    joined = as_intervals(np.array(rows, float).reshape(-1, 2))
    np.testing.assert_array_equal(marked(joined), marked(np.array(rows).reshape(-1, 2)))
    assert (np.diff(joined.ravel()) > 0).all()


@given(pairs, pairs)
def test_intersection_and_complement(a: list[tuple[int, int]], b: list[tuple[int, int]]) -> None:
    left, right = (as_intervals(np.array(rows, float).reshape(-1, 2)) for rows in (a, b))
    np.testing.assert_array_equal(marked(intersect(left, right)), marked(left) & marked(right))
    np.testing.assert_array_equal(marked(complement(left)), ~marked(left))


@given(pairs, st.integers(0, 20), st.integers(1, 20), st.integers(0, 10))
def test_bins_wholly_within_intervals(rows: list[tuple[int, int]], start: int, n_bins: int, n_before: int) -> None:
    """On the intervals' own grid a bin is a step; steps of the window's past are burn-in."""
    joined = as_intervals(np.array(rows, float).reshape(-1, 2)) * 0.1
    bins = observed_bins(joined, np.array([start * 0.1]), n_bins, 0.1, n_before)[0]
    steps = np.concatenate([np.zeros(60, bool), marked(joined / 0.1), np.zeros(60, bool)])
    np.testing.assert_array_equal(bins, steps[60 + start - n_before : 60 + start + n_bins])


def test_partly_observed_bin_is_not_observed() -> None:
    bins = observed_bins(np.array([[0.05, 0.35]]), np.array([0.0]), 5, 0.1)
    np.testing.assert_array_equal(bins, [[False, True, True, False, False]])


def test_touching_intervals_leave_no_seam() -> None:
    joined = as_intervals([[0.0, 20.0], [20.0, 40.0]])
    assert observed_bins(joined, np.array([19.9985]), 3, 0.001).all()


def test_exposure_of_a_unit_leaves_out_invalid_and_unrecorded_time(make_recording) -> None:
    recording = make_recording(
        {"a": [1.0, 9.0], "b": [2.0]},
        observed={"a": [[0, 5], [4, 20]]},
        invalid_s=np.array([[6.0, 7.0]]),
        span_s=(0.5, 10.0),
    )
    found = exposure(recording, np.array([[0.0, 10.0]]))
    np.testing.assert_allclose(found.of(recording.units[0]), [[0.5, 6.0], [7.0, 10.0]])
    assert [finding.id for finding in found.findings] == ["no-obs-intervals"]
    assert found.findings[0].count == 1


def test_unit_without_intervals_is_observed_in_the_trials_not_from_first_to_last_spike(make_recording) -> None:
    recording = make_recording({"a": [2.0, 3.0]})
    np.testing.assert_allclose(exposure(recording, np.array([[0.0, 10.0]])).of(recording.units[0]), [[0.0, 10.0]])


def spikes_in(intervals: np.ndarray, rng: np.random.Generator, rate_hz: float = 20.0) -> np.ndarray:
    parts = [rng.uniform(a, b, rng.poisson(rate_hz * (b - a))) for a, b in intervals]
    return np.sort(np.concatenate(parts))


TRIALS = np.stack([np.arange(20) * 3.0, np.arange(20) * 3.0 + 1.0], axis=1)


def test_files_with_spikes_of_trials_only_are_not_silent_in_between(make_recording, rng) -> None:
    recording = make_recording({"a": spikes_in(TRIALS, rng), "b": spikes_in(TRIALS, rng, 2.0)})
    found = exposure(recording, TRIALS)
    assert [finding.id for finding in found.findings] == ["no-obs-intervals", "gaps-not-recorded"]
    np.testing.assert_allclose(found.of(recording.units[1]), TRIALS, atol=1e-2)


def test_files_with_spikes_around_trials_are_unrecorded_beyond(rng) -> None:
    around = TRIALS + np.array([-0.3, 0.5])
    assert recorded_beyond_trials(spikes_in(around, rng), TRIALS) == pytest.approx((0.3, 0.5), abs=0.03)


def test_files_with_spikes_around_events_too(rng) -> None:
    events = np.stack([TRIALS[:, 0]] * 2, axis=1)
    extent_s = recorded_beyond_trials(spikes_in(TRIALS + np.array([-0.5, 0.0]), rng), events)
    assert extent_s == pytest.approx((0.5, 1.0), abs=0.03)


def test_a_silence_after_a_stimulus_is_a_response(rng) -> None:
    """All units quiet for half a second after each event, and firing otherwise."""
    events = np.stack([TRIALS[:, 0]] * 2, axis=1)
    assert recorded_beyond_trials(spikes_in(TRIALS + np.array([0.5, 2.0]), rng), events) is None


@pytest.mark.parametrize("around", [TRIALS, np.stack([TRIALS[:, 0]] * 2, axis=1)])
def test_continuous_recordings_are_taken_as_such(rng, around: np.ndarray) -> None:
    whole = np.array([[0.0, 60.0]])
    kept = [recorded_beyond_trials(spikes_in(whole, rng, rate), around) for rate in (0.5, 5, 20, 100, 1000) * 5]
    assert kept == [None] * 25


def test_a_pause_between_blocks_is_unrecorded(rng) -> None:
    late = TRIALS + np.where(np.arange(20) < 10, 0, 600.0)[:, None]
    spikes = spikes_in(np.array([[0.0, 30.0], [627.0, 660.0]]), rng)
    extent_s = recorded_beyond_trials(spikes, late)
    assert extent_s is not None and sum(extent_s) < 6


def test_duration() -> None:
    assert duration_s(as_intervals([[0, 1], [0.5, 2], [4, 5]])) == 3.0
