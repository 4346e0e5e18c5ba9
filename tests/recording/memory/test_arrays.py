from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnspike.errors import ConfigError, RecordingError
from rnnspike.recording.data import Recording

TIMES = [np.arange(50) / 10 + 0.05, np.arange(30) / 10 + 0.02]
TRIALS = {"start_time": [0.0, 1.0, 2.0], "stop_time": [0.5, 1.5, 2.5], "side": ["a", "b", "a"]}


def test_lists_and_mappings() -> None:
    for given in (TIMES, {"0": TIMES[0], "1": TIMES[1]}, {0: TIMES[0], 1: list(TIMES[1])}):
        recording = Recording.from_arrays(given, TRIALS, observed=(0, 6), name="mine")
        assert [unit.id for unit in recording.units] == ["0", "1"]
        assert recording.units[1].spike_times_s.tolist() == TIMES[1].tolist()
        assert recording.units[0].observed_s is not None and recording.units[0].observed_s.tolist() == [[0.0, 6.0]]
    assert recording.intervals["trials"]["side"].tolist() == ["a", "b", "a"]
    assert repr(recording) == "<Recording mine (arrays): 2 units, 80 spikes, tables: trials; 0 findings>"


def test_tables_are_taken_by_the_names_that_people_give() -> None:
    for trials in (
        pd.DataFrame({"start": [0, 1], "end": [0.5, 1.5]}, index=[4, 9]),
        {"onset": [0, 1], "duration": [0.5, 0.5]},
        np.array([[0, 0.5], [1, 1.5]]),
        [[0, 0.5], [1, 1.5]],
        [(0, 0.5), (1, 1.5)],
        [{"start_time": 0, "stop_time": 0.5}, {"start_time": 1, "stop_time": 1.5}],
    ):
        table = Recording.from_arrays(TIMES, trials).intervals["trials"]
        assert table["start_time"].tolist() == [0, 1] and table["stop_time"].tolist() == [0.5, 1.5]
    for starts in (np.array([0.0, 1.0]), [0.0, 1.0], [0, 1]):
        events = Recording.from_arrays(TIMES, starts).events["trials"]
        assert events["start_time"].tolist() == [0.0, 1.0]


def test_tables_and_series_without_rows() -> None:
    empty = {"speed": (np.empty(0), np.empty(0))}
    recording = Recording.from_arrays(TIMES, np.empty((0, 2)), covariates=empty)
    assert len(recording.intervals["trials"]) == 0 and recording.covariates["speed"].n_channels == 1
    assert len(Recording.from_arrays(TIMES, np.empty(0)).events["trials"]) == 0


def test_metadata_observed_times_covariates_and_samples() -> None:
    recording = Recording.from_arrays(
        [np.array([10, 20, 30000]), np.array([5, 15000])],
        TRIALS,
        unit_ids=["x", "y"],
        units={"area": ["V1", "V4"]},
        observed={"x": [(0, 2)]},
        sampling_rate=10_000,
        covariates={"speed": (np.arange(100) / 10, np.arange(100), "m/s")},
        events={"lick": np.array([0.3, 0.4])},
        invalid=(2.5, 3.0),
        session={"subject_id": "m1"},
    )
    assert recording.units[0].spike_times_s.tolist() == [0.001, 0.002, 3.0]
    assert [unit.metadata["area"] for unit in recording.units] == ["V1", "V4"]
    assert recording.units[1].observed_s is None
    series = recording.covariates["speed"]
    assert (series.unit, series.n_samples, series.n_channels, series.rate_hz) == ("m/s", 100, 1, pytest.approx(10))
    assert series.load()[1].shape == (100, 1)
    assert recording.invalid_s.tolist() == [[2.5, 3.0]] and recording.session["subject_id"] == "m1"


def test_checks_are_those_of_a_file() -> None:
    times = np.array([0.3, 0.1, np.nan, 0.2, 5.0], np.float32)
    ids = {each.id for each in Recording.from_arrays([times], TRIALS).findings}
    assert {"spike-times-unsorted", "spike-times-nan", "float32-times", "no-obs-intervals"} <= ids
    with pytest.raises(RecordingError, match="infinite"):
        Recording.from_arrays([[0.1, np.inf]], TRIALS)


@pytest.mark.parametrize(
    ("spike_times", "given", "message"),
    [
        (
            [np.zeros((3, 4))],
            {},
            "spike_times of unit 0: expected a one-dimensional list of spike times in session sec",
        ),
        ([[[0.1], [0.2, 0.3]]], {}, "spike_times of unit 0: expected a one-dimensional list of spike times"),
        ([["a"]], {}, "spike_times of unit 0: holds <U1, not times in seconds"),
        (3, {}, "spike_times: expected one array of spike times per unit, or a recording; got int"),
        (TIMES, {"unit_ids": ["a"]}, "unit_ids: 1 ids for 2 units"),
        (
            {"a": TIMES[0]},
            {"unit_ids": ["a"]},
            "unit_ids: the keys of spike_times are the unit ids; leave unit_ids out",
        ),
        (TIMES, {"units": {"area": ["V1"]}}, "units: 1 rows for 2 units"),
        (TIMES, {"trials": {"side": ["a"]}}, r"trials: no column of times among side \(rename it start_time\)"),
        (TIMES, {"trials": {"start": ["soon"]}}, "trials: column start holds no times in seconds"),
        (TIMES, {"trials": 3}, "trials: cannot be read as a table"),
        (TIMES, {"trials": np.zeros((4, 3))}, r"trials: expected starts .* got an array of shape \(4, 3\)"),
        (TIMES, {"sampling_rate": 0}, "sampling_rate: expected samples per second, above 0; got 0"),
        (TIMES, {"sampling_rate": "30k"}, "sampling_rate: expected samples per second, above 0; got '30k'"),
        (TIMES, {"sampling_rate": np.inf}, "sampling_rate: expected samples per second, above 0; got inf"),
        (TIMES, {"observed": [1, 2, 3]}, "observed: expected starts and stops"),
        (TIMES, {"covariates": {"speed": [1, 2, 3]}}, r"covariates\['speed'\]: "),
        (TIMES, {"covariates": {"speed": ([1, 2], [1, 2, 3])}}, r"covariates\['speed'\]: times of shape \(2,\)"),
    ],
)
def test_what_is_no_such_array(spike_times: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Recording.from_arrays(spike_times, **{"trials": TRIALS, **given})
