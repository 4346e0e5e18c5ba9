"""Folds: stratified, grouped, deterministic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.errors import ConfigError
from rnnspike.trials.split import assign_folds

schemes = st.sampled_from(["interleaved", "blocked"])


@given(st.lists(st.integers(0, 3), min_size=5, max_size=80), st.integers(2, 5), schemes)
def test_stratified_balanced_and_complete(condition: list[int], n_folds: int, scheme: str) -> None:
    labels = np.array(condition)
    folds = assign_folds(labels, np.arange(len(labels)), n_folds, scheme)
    sizes = np.bincount(folds, minlength=n_folds)
    assert len(sizes) == n_folds and sizes.min() >= 1
    if scheme == "interleaved":
        assert np.ptp(sizes) <= 1 + len(np.unique(labels))
        for c in np.unique(labels):
            assert np.ptp(np.bincount(folds[labels == c], minlength=n_folds)) <= 2
    np.testing.assert_array_equal(folds, assign_folds(labels, np.arange(len(labels)), n_folds, scheme))


@given(st.lists(st.integers(1, 4), min_size=5, max_size=30), st.integers(2, 5), schemes)
def test_groups_stay_together(sizes: list[int], n_folds: int, scheme: str) -> None:
    group = np.repeat(np.arange(len(sizes)), sizes)
    folds = assign_folds(np.zeros(len(group), int), group, n_folds, scheme)
    assert all(len(np.unique(folds[group == g])) == 1 for g in np.unique(group))
    assert len(np.unique(folds)) == n_folds


def test_blocks_are_contiguous_in_time_within_a_condition() -> None:
    condition = np.arange(100) % 2
    folds = assign_folds(condition, np.arange(100), 5, "blocked")
    for c in range(2):
        np.testing.assert_array_equal(folds[condition == c], np.repeat(np.arange(5), 10))


def test_interleaved_folds_reach_over_the_session_and_follow_no_cycle() -> None:
    """A stimulus that returns every five trials must not fall always into the same fold."""
    folds = assign_folds(np.zeros(200, int), np.arange(200), 5)
    for fold in range(5):
        trials = np.flatnonzero(folds == fold)
        assert np.bincount(trials // 40, minlength=5).tolist() == [8] * 5
        assert np.bincount(trials % 5, minlength=5).max() < 20


@pytest.mark.parametrize(("n_folds", "scheme"), [(6, "interleaved"), (1, "blocked"), (3, "random")])
def test_refusals(n_folds: int, scheme: str) -> None:
    with pytest.raises(ConfigError, match="--fold"):
        assign_folds(np.zeros(5, int), np.arange(5), n_folds, scheme)
