from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.recording.checks.clean import (
    clean_intervals,
    clean_table,
    clean_times,
    close_intervals,
    intervals_of,
    time_columns,
    timed_rows,
)
from rnnspike.recording.checks.spike_trains import Train

TIMES = st.lists(
    st.one_of(st.floats(-3, 9), st.just(float("nan")), st.just(float("inf")), st.just(-1.0)), max_size=40
)


@given(TIMES, st.booleans())
def test_clean_times_ascend_are_finite_and_invent_nothing(values: list[float], drop: bool) -> None:
    stored = np.array(values)
    cleaned = clean_times(Train(stored), drop_duplicates=drop)
    assert np.all(np.isfinite(cleaned)) and np.all(np.diff(cleaned) >= 0)
    assert set(cleaned) <= set(stored)
    if drop:
        assert len(set(cleaned)) == len(cleaned)


@given(st.lists(st.floats(-5, 50), max_size=40))
def test_clean_times_lose_no_spike_without_padding(values: list[float]) -> None:
    values = [value for value in values if value not in (-1.0, 0.0)]
    assert clean_times(Train(np.array(values))).tolist() == sorted(values)


def test_clean_times_do_not_touch_their_argument() -> None:
    stored = np.array([0.3, 0.1, np.nan])
    clean_times(Train(stored))
    assert stored[:2].tolist() == [0.3, 0.1]


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(-2, 15)), max_size=12))
def test_clean_intervals_cover_the_same_time(pairs: list[tuple[int, int]]) -> None:
    intervals = np.array([(a, a + n) for a, n in pairs], dtype=float).reshape(-1, 2)
    cleaned = clean_intervals(intervals)
    covered = {t for a, n in pairs for t in range(a, a + n)}
    assert {t for a, b in cleaned.astype(int) for t in range(a, b)} == covered
    assert np.all(cleaned[1:, 0] > cleaned[:-1, 1]) and np.all(cleaned[:, 1] > cleaned[:, 0])


def test_clean_table_keeps_right_rows_as_they_are() -> None:
    table = pd.DataFrame({"start_time": [0.0, 2.0], "stop_time": [1.0, 3.0]})
    assert clean_table(table) is table


def trials() -> pd.DataFrame:
    start = np.arange(20) * 10.0
    return pd.DataFrame(
        {
            "start_time": start,
            "stop_time": start + 5,
            "cue": start + 1.5,
            "reaction_time": np.full(20, 0.4),
            "go_time": np.where(np.arange(20) % 10, start + 2, np.nan),
            "contrast": np.linspace(0, 1, 20),
            "repeat": np.arange(20),
        }
    )


def test_a_duration_is_no_time() -> None:
    assert time_columns(trials()) == ["start_time", "stop_time", "cue", "go_time"]


def test_times_of_tables_in_ticks() -> None:
    """Whole numbers are times by their name; what is within a minute of an event is in its unit of time."""
    start = np.arange(20) * 10_000
    table = pd.DataFrame(
        {"start_time": start * 1.0, "go_time": start + 200, "trial": start, "seen": start + 30_000.0}
    )
    assert time_columns(table, second=1000.0) == ["start_time", "go_time", "seen"]


def test_times_that_no_clock_counts_to_are_unknown_and_rows_without_any_time_are_dropped() -> None:
    start, cue = [0.0, 1e18, np.nan, np.inf], [1.0, 2.0, np.nan, np.nan]
    table = clean_table(pd.DataFrame({"start_time": start, "stop_time": [-1e300, 3.0, 4.0, 5.0], "cue": cue}))
    assert table["start_time"].isna().tolist() == [False, True, True, True] and np.isnan(table["stop_time"][0])
    assert timed_rows(table)["cue"].tolist() == [1.0, 2.0]


def test_intervals_of_rows_that_have_both_ends() -> None:
    table = pd.DataFrame({"start_time": [0.0, 2.0, np.nan, 6.0], "stop_time": [1.0, np.nan, 5.0, 6.0]})
    assert intervals_of(table).tolist() == [[0.0, 1.0]] and not len(intervals_of(table[["start_time"]]))


def test_open_intervals_end_with_the_recording() -> None:
    given = np.array([[-np.inf, 2.0], [5.0, 1e18], [np.nan, np.inf]])
    closed = close_intervals(given, (0.5, 9.0))
    assert closed[:2].tolist() == [[0.5, 2.0], [5.0, 9.0]] and np.isnan(closed[2, 0])
