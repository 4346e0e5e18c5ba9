from __future__ import annotations

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.recording.checks import Train
from rnnspike.recording.clean import clean_intervals, clean_table, clean_times, shift_table, time_columns

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


def test_shift_moves_times_and_nothing_else() -> None:
    moved = shift_table(trials(), 100.0)
    assert moved["cue"].iloc[0] == 101.5 and moved["reaction_time"].iloc[0] == 0.4
    assert moved["repeat"].tolist() == list(range(20))
