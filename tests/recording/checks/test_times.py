"""Overlaps of intervals."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.recording.checks.times import overlaps


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20)), min_size=1, max_size=12))
def test_overlaps_by_pairs(pairs: list[tuple[int, int]]) -> None:
    intervals = np.array([(start, start + length) for start, length in pairs], dtype=float)
    intervals = intervals[np.argsort(intervals[:, 0], kind="stable")]
    expected = sum(any(earlier[1] > later[0] for earlier in intervals[:i]) for i, later in enumerate(intervals) if i)
    assert overlaps(intervals) == expected
