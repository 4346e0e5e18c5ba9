from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.overview.summary import (
    column_summaries,
    metadata_text,
    shared_metadata,
    unit_names,
    unit_rows,
)

TIMES = np.linspace(0.05, 99.95, 1000)


def recording(table: pd.DataFrame | None = None, **given: Any) -> Recording:
    made = {
        "units": (Unit("0", TIMES, np.array([[0.0, 100.0]])),),
        "intervals": {} if table is None else {"trials": table},
    }
    return Recording(Path("a b.nwb"), "", 0, "NWB", **{**made, **given})


def trials(n: int = 20, **columns: Any) -> pd.DataFrame:
    start = np.arange(n) * 5.0
    return pd.DataFrame({"start_time": start, "stop_time": start + 4.0, **columns})


def test_rates_are_over_observed_time() -> None:
    row = next(unit_rows(recording(units=(Unit("0", TIMES, np.array([[0.0, 50.0]])),))))
    assert row["observed_s"] == 50.0 and row["rate_hz"] == pytest.approx(10.0) and row["n_spikes"] == 1000


def test_rates_without_observed_time_are_over_all_spikes() -> None:
    row = next(unit_rows(recording(units=(Unit("0", TIMES), Unit("1", TIMES[:10])))))
    assert row["observed_s"] is None and row["rate_hz"] == pytest.approx(1000 / 99.9)


def test_a_silent_unit_has_nulls() -> None:
    row = next(unit_rows(recording(units=(Unit("0", np.empty(0)),))))
    assert (row["rate_hz"], row["short_isi_share"], row["contamination"]) == (None, None, None)


def test_few_short_intervals_say_nothing_of_foreign_spikes() -> None:
    row = next(unit_rows(recording(units=(Unit("0", np.array([0.1, 0.1002, 5.0])),))))
    assert row["short_isi_share"] == 0.5 and row["contamination"] is None


def test_what_columns_look_like() -> None:
    table = trials(
        direction=["L", "R"] * 10, cue_time=np.arange(20) * 5.0 + 1, repeat=np.arange(20) % 2, rig="a",
        reaction=np.linspace(0.1, 0.9, 20), trial_type=["go"] * 15 + ["no"] * 5,
    )  # fmt: skip
    roles = {column.name: column.role for column in column_summaries(table)}
    assert roles == {
        "start_time": "time", "stop_time": "time", "direction": "condition", "cue_time": "time", "repeat": "number",
        "rig": "constant", "reaction": "number", "trial_type": "text",
    }  # fmt: skip


def test_metadata_in_words() -> None:
    units = tuple(Unit(str(i), TIMES, None, {"area": "V1", "depth": 1.23456 + i, "note": ""}) for i in range(2))
    assert shared_metadata(recording(units=units)) == {"area": "V1", "note": ""}
    assert metadata_text(units[0].metadata) == "area V1, depth 1.235"


@pytest.mark.parametrize(
    ("metadata", "names"),
    [
        ([{"unit_name": "01A"}, {"unit_name": "01B"}], {"0": "01A", "1": "01B"}),
        ([{"label": "good"}, {"label": "good"}], {}),  # a quality, not a name
        ([{"unit_name": "0"}, {"unit_name": "1"}], {}),
        ([{"unit_name": ""}, {"unit_name": "b"}], {}),
        ([{"unit_name": "x", "name": "a"}, {"unit_name": "x", "name": "b"}], {"0": "a", "1": "b"}),
        ([{}, {}], {}),
    ],
)
def test_units_have_the_names_that_tell_them_apart(metadata: list[dict[str, str]], names: dict[str, str]) -> None:
    units = tuple(Unit(str(k), TIMES, None, each) for k, each in enumerate(metadata))
    assert unit_names(recording(units=units)) == names
