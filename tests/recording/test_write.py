from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.names import any_text
from rnnspike.recording.data import Covariate, Recording, Unit
from rnnspike.recording.read import read_recording
from rnnspike.recording.write import write_nwb

TIMES_S = np.arange(100) * 0.01


def recording(ids: tuple[str, ...] = ("3", "0"), **given: object) -> Recording:
    units = tuple(
        Unit(
            unit,
            np.array([0.5, 1.0, 2.0]) + i,
            np.array([[0.0, 4.0], [5.0, 9.0]]),
            {"area": "V1", "depth_um": 3.5 + i},
        )
        for i, unit in enumerate(ids)
    )
    trials = {"start_time": [0.0, 5.0], "stop_time": [4.0, 9.0], "side": ["L", "R"], "cue_time": [1.0, np.nan]}
    series = Covariate("sound", "Pa", 100, 1, lambda: (TIMES_S, np.sin(TIMES_S)[:, None]))
    uneven = Covariate("place", "m", 100, 2, lambda: (TIMES_S**2, np.stack([TIMES_S, TIMES_S], axis=1)))
    made = {
        "intervals": {
            "trials": pd.DataFrame(trials),
            "blocks": pd.DataFrame({"start_time": [0.0], "stop_time": [9.0]}),
        },
        "events": {"lick": pd.DataFrame({"start_time": [1.0, 2.5], "spout": ["a", "b"]})},
        "covariates": {"sound": series, "place": uneven},
        "invalid_s": np.array([[8.0, 8.5]]),
        "session": {"session_start_time": "2020-02-29T12:00:00", "lab": "a lab", "subject_species": "Mus musculus"},
    }
    return Recording(Path("made.nwb"), "", 0, "made", units, **{**made, **given})  # type: ignore[arg-type]


@any_text()
def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    made = recording()
    write_nwb(tmp_path / "a.nwb", made)
    again = read_recording(tmp_path / "a.nwb")
    for ours, theirs in zip(made.units, again.units, strict=True):
        assert ours.id == theirs.id and dict(ours.metadata) == dict(theirs.metadata)
        assert np.array_equal(ours.spike_times_s, theirs.spike_times_s)
        assert np.array_equal(ours.observed_s, theirs.observed_s)
    for name, table in made.intervals.items():
        pd.testing.assert_frame_equal(table, again.intervals[name])
    pd.testing.assert_frame_equal(made.events["lick"], again.events["lick"])
    assert np.array_equal(made.invalid_s, again.invalid_s)
    assert again.session["lab"] == "a lab" and again.session["subject_species"] == "Mus musculus"


@pytest.mark.parametrize("name", ["sound", "place"])
def test_covariates_are_read_again(tmp_path: Path, name: str) -> None:
    made = recording()
    write_nwb(tmp_path / "a.nwb", made)
    again = read_recording(tmp_path / "a.nwb").covariates[name]
    for ours, theirs in zip(made.covariates[name].load(), again.load(), strict=True):
        assert theirs == pytest.approx(ours, abs=1e-12)
    assert (again.rate_hz == 100.0) == (name == "sound") and again.unit == made.covariates[name].unit


def test_ids_that_are_no_numbers_survive(tmp_path: Path) -> None:
    write_nwb(tmp_path / "a.nwb", recording(("ch1#2", "007")))
    assert [unit.id for unit in read_recording(tmp_path / "a.nwb").units] == ["ch1#2", "007"]


def test_pynwb_finds_it_valid(tmp_path: Path) -> None:
    import pynwb

    extra = {"intensity": (TIMES_S, np.ones((100, 2)), "Hz")}
    write_nwb(tmp_path / "a.nwb", recording(("a", "b")), extra=extra)
    assert not pynwb.validate(path=str(tmp_path / "a.nwb"))


def test_further_series_are_read_as_covariates(tmp_path: Path) -> None:
    write_nwb(tmp_path / "a.nwb", recording(), extra={"intensity": (TIMES_S, np.full((100, 2), 7.0), "Hz")})
    assert read_recording(tmp_path / "a.nwb").covariates["intensity"].load()[1].tolist() == [[7.0, 7.0]] * 100


def test_equal_recordings_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_nwb(tmp_path / f"{name}.nwb", recording())
    assert (tmp_path / "a.nwb").read_bytes() == (tmp_path / "b.nwb").read_bytes()


def test_a_recording_without_units_or_tables(tmp_path: Path) -> None:
    bare = Recording(Path("bare"), "", 0, "made", (Unit("0", np.empty(0)),))
    write_nwb(tmp_path / "a.nwb", bare)
    again = read_recording(tmp_path / "a.nwb")
    assert len(again.units[0].spike_times_s) == 0 and again.units[0].observed_s is None


def test_a_series_of_unequal_length_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="3 times for 2 values"):
        write_nwb(tmp_path / "a.nwb", recording(), extra={"x": ([0, 1, 2], [1, 2], "V")})
    assert not list(tmp_path.iterdir())
