from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.recording.contents import SEGMENT_GAP_S
from rnnspike.recording.formats.segments import Segment, place_segments


def ids(laid: object) -> set[str]:
    return {finding.id for finding in laid.findings}  # type: ignore[attr-defined]


def test_segments_without_a_common_clock_are_laid_out() -> None:
    segments = [Segment({"a": np.array([-0.5, 0.5])}, -1.0, 2.0, row={"side": side}) for side in "LR"]
    laid = place_segments(segments)
    trials = laid.intervals["trials"]
    assert trials["start_time"].tolist() == [0.0, 3.0 + SEGMENT_GAP_S]
    assert trials["zero_time"].tolist() == [1.0, 4.0 + SEGMENT_GAP_S]
    assert trials["side"].tolist() == ["L", "R"]
    assert laid.units[0].times.tolist() == [0.5, 1.5, 3.5 + SEGMENT_GAP_S, 4.5 + SEGMENT_GAP_S]
    assert laid.units[0].observed is not None and laid.units[0].observed[1].tolist() == [13.0, 16.0]
    assert ids(laid) == {"segments-laid-out"}


def test_segments_in_order_keep_their_clock() -> None:
    laid = place_segments([Segment({"a": np.array([t + 0.5])}, t, t + 1.0) for t in (5.0, 6.0, 9.0)])
    assert laid.units[0].times.tolist() == [5.5, 6.5, 9.5] and laid.offsets_s.tolist() == [0, 0, 0]
    assert "zero_time" not in laid.intervals["trials"] and not ids(laid)


def test_one_segment_is_no_trial() -> None:
    laid = place_segments([Segment({"a": np.array([0.5])}, 0.0, 1.0)])
    assert laid.intervals == {} and laid.units[0].observed is not None


def test_unknown_extents_are_taken_from_all_spikes() -> None:
    laid = place_segments([Segment({"a": np.array([0.25, 0.5])}), Segment({"a": np.array([0.9004])})])
    assert ids(laid) == {"trial-extent-assumed", "segments-laid-out"}
    lengths = laid.intervals["trials"]["stop_time"] - laid.intervals["trials"]["start_time"]
    assert lengths.tolist() == pytest.approx([0.901, 0.901])


def test_a_unit_that_was_not_held_in_a_segment_is_not_observed_there() -> None:
    laid = place_segments(
        [Segment({"a": np.array([0.1]), "b": np.array([0.2])}, 0.0, 1.0), Segment({"a": np.empty(0)}, 0.0, 1.0)]
    )
    observed = {unit.id: unit.observed for unit in laid.units}
    assert observed["a"] is not None and len(observed["a"]) == 2
    assert observed["b"] is not None and len(observed["b"]) == 1


def test_an_event_that_each_segment_has_once_is_a_column() -> None:
    segments = [
        Segment({"a": np.array([0.1])}, 0.0, 1.0, {"cue": pd.DataFrame({"start_time": [t], "label": ["x"]})})
        for t in (0.25, 0.5)
    ]
    laid = place_segments(segments)
    assert laid.intervals["trials"]["cue_time"].tolist() == [0.25, 0.5 + 1.0 + SEGMENT_GAP_S]
    assert laid.events["cue"]["start_time"].tolist() == laid.intervals["trials"]["cue_time"].tolist()


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 10)), min_size=1, max_size=8))
def test_laid_out_segments_never_overlap_and_keep_their_intervals(extents: list[tuple[float, float]]) -> None:
    segments = [Segment({"a": np.array([low, low + length])}, low, low + length) for low, length in extents]
    laid = place_segments(segments)
    times = laid.units[0].times.reshape(-1, 2)
    assert np.all(np.diff(times.ravel()) >= -1e-9)
    assert np.diff(times, axis=1)[:, 0] == pytest.approx([length for _, length in extents])
