"""Spikes in memory go the way of a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import rnnspike
from rnnspike.cli.main import cli
from rnnspike.errors import ConfigError, RecordingError
from rnnspike.recording.write import write_nwb


def test_a_fit_of_arrays_is_known_again(spikes: list, trials: pd.DataFrame, quick: dict[str, Any]) -> None:
    recording = rnnspike.Recording.from_arrays(
        {"a": np.where(np.arange(700) == 3, np.nan, spikes[0]), "b": spikes[1]}, trials, name="mine", observed=(0, 30)
    )
    run = rnnspike.fit(recording, condition="side", **quick)
    assert run.folder == quick["out"] / "mine" and run.units == ["a", "b"]
    assert {each["id"] for each in run.findings} == {each.id for each in recording.findings} == {"spike-times-nan"}
    kept = Path(run.provenance["input"])
    assert kept.is_relative_to(quick["out"] / "recordings") and kept.name == "mine.nwb"
    again: list[Any] = []
    assert (
        rnnspike.fit(recording, condition="side", progress=lambda *done: again.append(done), **quick).folder
        == run.folder
    )
    assert again == [] and [*kept.parents[1].glob("*/*")] == [kept]
    assert rnnspike.reopen(run).loaded.recording.unit("b").spike_times_s.tolist() == spikes[1].tolist()


def test_arrays_and_their_file_are_the_same_work(
    spikes: list, trials: pd.DataFrame, quick: dict[str, Any], tmp_path: Path
) -> None:
    recording = rnnspike.Recording.from_arrays(spikes, trials, observed=(0, 30))
    write_nwb(tmp_path / "session.nwb", recording)
    of_file = rnnspike.fit(tmp_path / "session.nwb", **quick)
    of_recording = rnnspike.fit(rnnspike.read_recording(tmp_path / "session.nwb"), **quick)
    assert of_recording.folder == of_file.folder and not (quick["out"] / "recordings").exists()
    of_arrays = rnnspike.fit(recording, **quick)
    assert [row["log_likelihood"] for row in of_arrays.rows] == [row["log_likelihood"] for row in of_file.rows]


def test_a_recording_that_was_changed_is_another(
    spikes: list, trials: pd.DataFrame, quick: dict[str, Any], tmp_path: Path
) -> None:
    write_nwb(tmp_path / "session.nwb", rnnspike.Recording.from_arrays(spikes, trials))
    read = rnnspike.read_recording(tmp_path / "session.nwb")
    run = rnnspike.fit(replace(read, units=read.units[:1]), **quick)
    assert run.units == ["0"] and "recordings" in run.provenance["input"]
    with pytest.raises(ConfigError, match="time_scale: the recording was changed after it was read"):
        rnnspike.plan_trials(replace(read, units=read.units[:1]), time_scale=0.001)


def test_options_of_reading_apply_to_what_is_in_memory(spikes: list, trials: pd.DataFrame) -> None:
    milliseconds = [1000 * each for each in spikes]
    looked = rnnspike.inspect(milliseconds, trials=trials)
    assert looked.findings["id"].tolist()[0] == "spike-times-scale" and looked.call is None
    assert looked.findings["option"].tolist()[0] == "time_scale=0.001"
    with pytest.raises(RecordingError, match=r"^recording: .* \(try time_scale=0\.001\)"):
        rnnspike.fit(milliseconds, trials=trials)
    plan = rnnspike.plan_trials(milliseconds, trials=trials, time_scale=0.001)
    assert plan.n_spikes == rnnspike.plan_trials(spikes, trials=trials).n_spikes


def test_what_inspect_suggests_can_be_given_to_the_other_functions(spikes: list, trials: pd.DataFrame) -> None:
    recording = rnnspike.as_recording(spikes, trials)
    looked = rnnspike.inspect(recording)
    assert looked.arguments == {"condition": "side"}
    assert looked.call == "rnnspike.fit(recording, condition='side')"
    assert repr(looked).startswith("<Inspection recording: 2 units, 1400 spikes, table trials")
    assert looked.units["n_spikes"].tolist() == [700, 700]
    assert looked.tables["role"].tolist() == ["time", "time", "condition"]
    assert "<table>" in looked._repr_html_()
    assert rnnspike.plan_trials(recording, **looked.arguments).conditions == ("side=left", "side=right")


def test_psths_are_a_table_curves_and_a_figure(spikes: list, trials: pd.DataFrame) -> None:
    found = rnnspike.psth(spikes, trials=trials, condition="side", draws=100, units=[1])
    assert found.units == ["1"] and len(found) == 1 and found[1].unit == "1"
    assert found.frame()["n_trials"].tolist() == [9, 9]
    assert set(found.curves_frame()["condition"]) == {"side=left", "side=right"}
    assert len(found.figure(np.int64(1)).numbers) == len(found.curves_frame())
    assert found.figure()._repr_png_().startswith(b"\x89PNG")
    assert (
        "modulated" in found._repr_html_() and repr(found) == "<Psths of recording: 1 unit, 18 trials, 2 conditions>"
    )
    with pytest.raises(ConfigError, match=r"no unit '0' \(there are 1\)"):
        found.figure("0")


def test_simulated_spikes_are_fitted_without_a_file_of_ones_own(quick: dict[str, Any], tmp_path: Path) -> None:
    made = rnnspike.simulate(neuron="refractory", trials=20, duration="300ms", units=1)
    assert made.frame()["cell"].tolist() == ["refractory"] and made.path is None
    run = rnnspike.fit(made.recording, **quick)
    assert run.models[0] == "constant" and run.models[-1] == "oracle"
    again = rnnspike.simulate(run, model="constant", out=tmp_path / "constant.nwb")
    assert again.path == tmp_path / "constant.nwb" and len(again.recording.units) == 1
    with pytest.raises(ConfigError, match="exists already"):
        rnnspike.simulate(run, model="constant", out=tmp_path / "constant.nwb")


def test_co_smoothing_of_what_is_in_memory(spikes: list, trials: pd.DataFrame) -> None:
    rows = rnnspike.cosmooth(spikes, method="psth", trials=trials, folds=3)
    assert [row["unit"] for row in rows] == ["0", "1", None]
    assert rows.frame()["co_bps"].dtype == "float64" and json.dumps(rows)


def test_co_smoothing_of_a_file_takes_no_table(trials: pd.DataFrame) -> None:
    with pytest.raises(ConfigError, match="a table of trials goes with spikes in memory"):
        rnnspike.cosmooth("session.nwb", trials=trials)


def test_co_smoothing_of_a_run_passes_on_what_may_be_granted(folder: Path) -> None:
    rows = rnnspike.cosmooth(folder, method="psth", allow_pickle=True, follow_links=True)
    assert [row["unit"] for row in rows] == ["0", "1", None]
    with pytest.raises(ConfigError, match="leave out condition"):
        rnnspike.cosmooth(folder, condition="side", allow_pickle=True)


def test_times_in_memory_in_another_unit_are_to_be_multiplied(spikes: list, trials: pd.DataFrame) -> None:
    milliseconds = [1000 * each for each in spikes]
    for call in (rnnspike.Recording.from_arrays, rnnspike.as_recording):
        with pytest.raises(RecordingError, match=r"\(try multiplying the times by 0\.001\)"):
            call(milliseconds, trials)


def test_trials_in_memory_in_another_unit_are_to_be_given_in_seconds(spikes: list, trials: pd.DataFrame) -> None:
    late = trials.assign(start_time=1000 * trials.start_time, stop_time=1000 * trials.stop_time)
    for table in (late, trials.assign(start_time=0.0)):
        for call in (rnnspike.Recording.from_arrays, lambda *given: rnnspike.fit(given[0], trials=given[1])):
            with pytest.raises(RecordingError, match=r"^recording: .* \(try a table with times in session seconds\)"):
                call(spikes, table)


def test_numbers_that_are_computed_stay_beside_metadata_of_their_names(spikes: list) -> None:
    metadata = {"n_spikes": [1, 2], "unit": ["x", "y"], "rate_hz": ["high", "low"], "area": ["V1", "V4"]}
    units = rnnspike.inspect(rnnspike.Recording.from_arrays(spikes, units=metadata)).units
    assert units["unit"].tolist() == ["0", "1"] and units["n_spikes"].tolist() == [700, 700]
    assert units["rate_hz"].dtype == "float64" and units["area"].tolist() == ["V1", "V4"]


def test_a_simulated_cell_is_written_as_its_command_writes_it(tmp_path: Path) -> None:
    given = ["--neuron", "refractory", "--trials", "20", "--units", "1", "--out", str(tmp_path / "command.nwb")]
    assert CliRunner().invoke(cli, ["simulate", *given]).exit_code == 0
    made = rnnspike.simulate(neuron="refractory", trials=20, units=1, out=tmp_path / "function.nwb")
    assert (tmp_path / "function.nwb").read_bytes() == (tmp_path / "command.nwb").read_bytes()
    assert "true_intensity_0" in made.recording.covariates and made.session is not None
