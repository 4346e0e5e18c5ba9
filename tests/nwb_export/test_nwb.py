"""Results as NWB: valid, in place, and nothing else changed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from pynwb import NWBHDF5IO, validate

import rnnspike
from rnnspike.cli.main import cli
from rnnspike.errors import ConfigError, RunError
from rnnspike.nwb_export.nwb import REWRITTEN, bin_times, export_nwb
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.provenance import content_hash
from rnnspike.recording.write import write_nwb
from rnnspike.runs.stored.reopen import reopen
from rnnspike.trials.grid import Grid
from tests.report.conftest import fitted


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the first of two units with its intensities."""
    given = {"models": ["constant", "psth"], "replicates": 0, "save_intensities": True, "units": "id == '0'"}
    return fitted(tmp_path_factory.mktemp("export"), 2, "both", **given)


@pytest.fixture(scope="module")
def exported(folder: Path) -> Path:
    source = folder.parents[1] / "both.nwb"
    before = content_hash([source])
    done = export_nwb(folder, folder.parents[1] / "out.nwb", ["psth", "constant"])
    assert done.notes == () and done.model == "psth" and content_hash([source]) == before
    return done.path


def test_the_file_is_valid_and_holds_all_that_the_recording_does(exported: Path, folder: Path) -> None:
    assert validate(path=str(exported)) == []
    ours, theirs = rnnspike.read_recording(exported), rnnspike.read_recording(folder.parents[1] / "both.nwb")
    for mine, other in zip(ours.units, theirs.units, strict=True):
        assert mine.id == other.id and np.array_equal(mine.spike_times_s, other.spike_times_s)
    assert ours.intervals["trials"].equals(theirs.intervals["trials"])


def test_units_have_the_figures_of_their_rows(exported: Path, folder: Path) -> None:
    row = next(row for row in rnnspike.read_rows(folder) if row["model"] == "psth")
    with NWBHDF5IO(str(exported), "r") as io:
        units = io.read().units
        table = units.to_dataframe()
        assert "bits/spike" in units["rnnspike_bits_per_spike"].description
    for name in ("bits_per_spike", "bits_per_spike_low", "bits_per_spike_high", "ks_p", "n_trials"):
        assert table[f"rnnspike_{name}"][0] == row[name], name
    assert table["rnnspike_model"].tolist() == ["psth", ""]
    assert np.isnan(table["rnnspike_bits_per_spike"][1]) and table["rnnspike_n_trials"][1] == 0
    assert table["rnnspike_refractory_verdict"][0] == row["refractory_verdict"]


def test_intensities_are_those_that_the_run_holds(exported: Path, folder: Path) -> None:
    stored = np.load(folder / "units" / "0" / "intensity.npz")["psth"]  # (trial, bin)
    plan = reopen(folder).loaded.plan
    with NWBHDF5IO(str(exported), "r") as io:
        module = io.read().processing["rnnspike"]
        series = module["intensity_psth"]
        assert set(module.data_interfaces) == {"intensity_psth", "intensity_constant", "intensity_units"}
        assert module["intensity_units"]["unit_id"][:].tolist() == ["0"]
        assert module["intensity_units"].to_dataframe()["unit"][0].index.tolist() == [0]
        assert series.unit == "Hz" and series.data.shape == (stored.size, 1)
        np.testing.assert_allclose(series.data[:, 0], stored.ravel() / plan.bin_s, rtol=1e-6)
        np.testing.assert_allclose(series.timestamps[:3], plan.start_s[0] + (np.arange(3) + 0.5) * plan.bin_s)


def test_equal_runs_give_equal_objects(exported: Path, folder: Path, tmp_path: Path) -> None:
    again = export_nwb(folder, tmp_path / "again.nwb", ["psth", "constant"]).path
    with h5py.File(exported) as one, h5py.File(again) as other:
        for name in ("units/rnnspike_ks_p", "processing/rnnspike", "processing/rnnspike/intensity_psth"):
            assert one[name].attrs["object_id"] == other[name].attrs["object_id"]


def test_results_of_an_exported_file_take_the_place_of_the_old_ones(
    exported: Path, folder: Path, tmp_path: Path
) -> None:
    quick = {"models": "constant", "replicates": 0, "report": False, "out": tmp_path, "units": "id == '1'"}
    run = rnnspike.fit(exported, **quick)
    path = rnnspike.export(run, tmp_path / "second.nwb")
    assert validate(path=str(path)) == []
    with NWBHDF5IO(str(path), "r") as io:
        assert io.read().units.to_dataframe()["rnnspike_model"].tolist() == ["", "psth-gain"]


def test_nothing_is_overwritten_unasked_and_the_recording_never(exported: Path, folder: Path, tmp_path: Path) -> None:
    for path, overwrite, message in (
        (exported, False, "exists already"),
        (folder.parents[1] / "both.nwb", True, "is the recording itself"),
        (tmp_path / "no" / "a.nwb", False, "there is no folder"),
        (tmp_path / "a.h5", False, r"must end in \.nwb"),
    ):
        with pytest.raises(ConfigError, match=message):
            export_nwb(folder, path, overwrite=overwrite)
    with pytest.raises(ConfigError, match=r"--model glm: no unit .* was scored by it \(constant, psth, psth-gain\)"):
        export_nwb(folder, tmp_path / "a.nwb", ["glm"])
    assert not [*tmp_path.iterdir()]


def test_a_units_table_in_another_file_is_left_alone(folder: Path, tmp_path: Path) -> None:
    source = folder.parents[1] / "both.nwb"
    (tmp_path / "units.nwb").write_bytes(source.read_bytes())
    (tmp_path / "linked.nwb").write_bytes(source.read_bytes())
    with h5py.File(tmp_path / "linked.nwb", "r+") as file:
        del file["units"]
        file["units"] = h5py.ExternalLink("units.nwb", "/units")
    run = rnnspike.fit(tmp_path / "linked.nwb", models="constant", replicates=0, report=False, out=tmp_path / "runs")
    before = content_hash([tmp_path / "units.nwb"])
    with pytest.raises(ConfigError, match="/units is a link"):
        run.export_nwb(tmp_path / "out.nwb")
    assert content_hash([tmp_path / "units.nwb"]) == before and not (tmp_path / "out.nwb").exists()


def test_other_formats_are_written_as_nwb(tmp_path: Path) -> None:
    times = np.cumsum(0.004 + np.random.default_rng(0).exponential(0.03, 700))
    (tmp_path / "cell.txt").write_text("\n".join(map(str, times)))
    events = "\n".join(["start_time,stop_time", *(f"{k},{k + 0.5}" for k in range(1, 20))])
    (tmp_path / "trials.csv").write_text(events)
    given = {"models": "constant", "replicates": 0, "report": False, "out": tmp_path / "runs"}
    run = rnnspike.fit(tmp_path / "cell.txt", events=tmp_path / "trials.csv", **given)
    path = run.export_nwb(tmp_path / "cell.nwb")
    assert validate(path=str(path)) == []
    read = rnnspike.read_recording(path)
    assert (
        read.units[0].spike_times_s == pytest.approx(times)
        and read.units[0].metadata["rnnspike_model"] == "psth-gain"
    )


@pytest.mark.parametrize(
    ("given", "option"),
    [
        ({"time_scale": 0.001}, "--time-scale"),
        ({"event_offset": "250ms"}, "--event-offset"),
        ({"events": "trials.csv"}, "--events"),
    ],
)
def test_times_and_trials_are_those_of_the_fit(tmp_path: Path, given: dict[str, Any], option: str) -> None:
    times = np.cumsum(0.004 + np.random.default_rng(0).exponential(0.03, 700))
    trials = pd.DataFrame({"start_time": np.arange(1.0, 20.0), "stop_time": np.arange(1.0, 20.0) + 0.5})
    source, unit = tmp_path / "session.nwb", 1 / given.get("time_scale", 1)
    stored = Recording(source, "", 0, "nwb", (Unit("0", times * unit),), intervals={"trials": trials * unit})
    write_nwb(source, stored)
    (trials + 0.1).to_csv(tmp_path / "trials.csv", index=False)
    asked = {name: tmp_path / value if name == "events" else value for name, value in given.items()}
    quick = {"models": "constant", "replicates": 0, "report": False, "save_intensities": True}
    run = rnnspike.fit(source, out=tmp_path / "runs", **quick, **asked)
    done = export_nwb(run.folder, tmp_path / "out.nwb")
    assert done.notes == (f"{REWRITTEN} ({option})",) and validate(path=str(done.path)) == []
    read, fitted_to = rnnspike.read_recording(done.path), reopen(run).loaded
    assert read.units[0].spike_times_s == pytest.approx(times)
    for name, table in fitted_to.recording.intervals.items():
        assert read.intervals[name]["start_time"].tolist() == table["start_time"].tolist()
    with NWBHDF5IO(str(done.path), "r") as io:
        centres_s = io.read().processing["rnnspike"][f"intensity_{done.model}"].timestamps[:]
    assert centres_s[0] == pytest.approx(fitted_to.plan.start_s[0] + 0.5 * fitted_to.plan.bin_s)
    assert any(table["start_time"][0] == fitted_to.plan.start_s[0] for table in read.intervals.values())


def test_damage_is_no_intensity_that_was_not_stored(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    file = run / "units" / "0" / "intensity.npz"
    stored = dict(np.load(file))
    np.savez(file, constant=stored["constant"])
    notes = export_nwb(run, tmp_path / "a.nwb", ["psth", "constant"]).notes
    assert notes == ("intensity_psth: not stored for unit 0",)
    file.write_bytes(b"PK damaged")
    with pytest.raises(RunError, match=r"intensity\.npz: is damaged"):
        export_nwb(run, tmp_path / "b.nwb", ["psth"])
    assert not (tmp_path / "b.nwb").exists()


def test_the_command(folder: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["export", str(folder), "--nwb", str(tmp_path / "a.nwb"), "-m", "psth"])
    assert done.exit_code == 0 and done.stdout == f"{tmp_path / 'a.nwb'}\n"


def test_a_run_without_intensities_says_so(tmp_path: Path) -> None:
    run = fitted(tmp_path, 1, "plain", models=["constant"], replicates=0)
    done = CliRunner().invoke(cli, ["export", str(run), "--nwb", str(tmp_path / "a.nwb")])
    assert "without intensities: the run holds none (fit with --save-intensities)" in done.stderr
    assert validate(path=str(tmp_path / "a.nwb")) == []


def test_overlapping_windows_keep_the_bins_of_the_earlier_trial() -> None:
    grid = Grid(np.array([2.0, 0.0, 0.2]), n_bins=4, n_before=0, bin_s=0.1)
    reopened = SimpleNamespace(loaded=SimpleNamespace(plan=SimpleNamespace(grid=grid)))
    times_s, place = bin_times(reopened)  # type: ignore[arg-type]
    assert times_s == pytest.approx([0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 2.05, 2.15, 2.25, 2.35])
    assert place.tolist() == [4, 5, 6, 7, 10, 11, 0, 1, 2, 3]


def test_a_recording_that_changed_is_not_exported(folder: Path, tmp_path: Path) -> None:
    recording = rnnspike.as_recording([np.arange(1, 400) / 17], {"start": np.arange(9.0), "stop": np.arange(9) + 0.5})
    run = rnnspike.fit(replace(recording), models="constant", replicates=0, report=False, out=tmp_path / "runs")
    source = Path(run.provenance["input"])
    with h5py.File(source, "r+") as file:
        file["units/spike_times"][0] = 0.001
    with pytest.raises(RunError, match="changed since it was fitted"):
        run.export_nwb(tmp_path / "a.nwb")
    source.unlink()
    (tmp_path / "a.nwb").touch()
    with pytest.raises(RunError, match="is not there any more"):
        run.export_nwb(tmp_path / "a.nwb", overwrite=True)
