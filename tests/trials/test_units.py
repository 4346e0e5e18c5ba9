"""Which units a query keeps."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.errors import RecordingError
from rnnspike.trials.masks import exposure
from rnnspike.trials.units import query_units, unit_rows


def queried(make_recording, query: str) -> list[str]:
    times = np.arange(0, 20, 0.05)
    metadata = {"7": {"good": True, "depth": 1}, "8": {"good": None, "depth": 0}, "9": {"good": False, "depth": 2}}
    recording = make_recording(dict.fromkeys(metadata, times), metadata=metadata)
    return query_units(recording, exposure(recording, np.empty((0, 2))), query)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("id == '8'", ["8"]),
        ("id in (7, 9)", ["7", "9"]),
        ("index < 2", ["7", "8"]),
        ("depth > 0 and rate_hz > 1", ["7", "9"]),
        ("good", ["7"]),
        ("id.str.startswith('9')", ["9"]),
    ],
)
def test_conditions_keep_units_in_their_order(make_recording, query: str, ids: list[str]) -> None:
    assert queried(make_recording, query) == ids


@pytest.mark.parametrize("query", ["0", "1,0", "1,", "-1", "True", "depth", "id", "id == '7', id == '8'"])
def test_what_is_no_condition_is_refused_with_one(make_recording, query: str) -> None:
    with pytest.raises(RecordingError, match="is not a condition that is true or false for each unit") as error:
        queried(make_recording, query)
    assert error.value.option == """--units 'id == "7"' or --units 'index < 3'"""


@pytest.mark.parametrize("query", ["nope == 1", "id == 0 and", "depth > 5"])
def test_what_cannot_be_asked_or_keeps_none_names_the_columns(make_recording, query: str) -> None:
    with pytest.raises(RecordingError, match=r"columns: good, depth, id, n_spikes, rate_hz"):
        queried(make_recording, query)


def test_the_rate_counts_spikes_in_observed_time_alone(make_recording) -> None:
    times = np.arange(0, 20, 0.05)
    recording = make_recording({"7": times}, observed={"7": np.array([[0.0, 2.0]])})
    (row,) = unit_rows(recording, exposure(recording, np.empty((0, 2))))
    assert row["rate_hz"] == pytest.approx(20, rel=0.05) and row["n_spikes"] == len(times)
