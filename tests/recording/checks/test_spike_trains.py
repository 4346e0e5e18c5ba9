"""Checks of one spike train."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.recording.checks.spike_trains import STORED_CHECKS, Train, sentinels, short_isis


def test_an_interval_of_one_millisecond_on_a_grid_is_not_short() -> None:
    assert short_isis(Train(np.round(np.arange(0.0, 1.0, 0.001), 3))) == 0


def test_sentinels_are_padding_only() -> None:
    assert sentinels(np.array([-1.0, 0.5, 2.0])).tolist() == [False, False, False]
    assert sentinels(np.array([0.5, 2.0, -1.0])).tolist() == [False, False, True]
    assert sentinels(np.array([0.0, 0.5, 2.0, 0.0, 0.0])).tolist() == [False, False, False, True, True]


@given(st.lists(st.floats(-2, 5, allow_nan=False), max_size=30))
def test_a_plain_train_passes_all_checks_of_stored_times(values: list[float]) -> None:
    """The short cut that spares plain trains never hides anything."""
    train = Train(np.array(values))
    if train.is_clean:
        train.is_clean = False
        assert all(check(train) == 0 for check in STORED_CHECKS.values())
