"""Figures for papers: there, with text as text, and with the numbers that they show."""

from __future__ import annotations

import shutil
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from rnnspike.cli.main import cli
from rnnspike.report.figures import export
from rnnspike.report.figures.drawing import STYLE, write_picture
from rnnspike.report.figures.export import unit_figures, write_comparison_figures, write_figures
from rnnspike.report.load import load_run
from rnnspike.report.network import network_payload


@pytest.fixture(scope="module")
def written(whole_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    write_figures(load_run(whole_folder), folder)
    return folder


def test_every_figure_of_a_unit_has_picture_and_numbers(written: Path) -> None:
    names = {file.stem for file in (written / "unit_0").iterdir()}
    assert names - {"adaptation"} == {
        "raster", "psth", "single_trials", "hazard", "calibration", "ks", "pit", "independence", "ogata", "isi",
        "autocorrelation", "serial", "fano", "predictive", "unit_ladder", "session", "training", "stack",
    }  # fmt: skip
    for name in names:
        for suffix in ("svg", "png", "csv"):
            assert (written / "unit_0" / f"{name}.{suffix}").stat().st_size > 0
        assert "<text" in (written / "unit_0" / f"{name}.svg").read_text()


def test_numbers_are_those_of_the_run(written: Path, whole_folder: Path) -> None:
    run = load_run(whole_folder)
    curves = run.curves("0")
    table = pd.read_csv(written / "unit_0" / "predictive.csv")
    glm = table[(table.model == "glm") & (table.statistic == "cv")]
    k, j = list(curves["free_run.models"]).index("glm"), list(curves["statistic.names"]).index("cv")
    assert glm.p.item() == pytest.approx(curves["statistic.p"][k, j])
    steps = pd.read_csv(written / "steps.csv", dtype={"unit": str})
    first = steps[(steps.model == "psth") & (steps.unit == "1")]
    pair = run.pairs[(run.pairs.unit == "1") & (run.pairs.model_a == "psth") & (run.pairs.model_b == "constant")]
    assert first.gain.item() == pytest.approx(pair.gain.item())
    raster = pd.read_csv(written / "unit_0" / "raster.csv")
    recorded = raster[raster.raster == "recorded"]
    assert len(recorded) == np.isin(curves["raster.trial"], recorded.trial.unique()).sum()
    assert set(raster.condition) == {"left", "right"}


def test_conditions_have_a_curve_each(written: Path, whole_folder: Path) -> None:
    table = pd.read_csv(written / "unit_0" / "psth.csv")
    curves = load_run(whole_folder).curves("0")
    for k, side in enumerate(("left", "right")):
        mine = table[table.condition == side]
        np.testing.assert_allclose(mine.rate_hz, curves["smooth.rate_hz"][k], rtol=1e-5)
        assert {"low_hz", "high_hz", "stack_hz"} <= set(mine)
    text = (written / "unit_0" / "raster.svg").read_text()
    assert ">left</text>" in text and "time from start_time (s)" in text


def test_numbers_stand_beside_the_gains(written: Path) -> None:
    steps = pd.read_csv(written / "steps.csv")
    first = steps[(steps.model == "renewal")].gain
    words = f"{first.median():+.3f}, units {first.min():+.3f} to {first.max():+.3f}"
    assert words in (written / "steps.svg").read_text()


def test_networks_have_their_figures(written: Path, whole_folder: Path) -> None:
    (folder,) = (written / "network" / "0" / "lstm").iterdir()
    names = {file.stem for file in folder.iterdir()}
    assert {"timescales", "decay", "gradient", "bend", "state_space_silent", "eigenvalues_closed-loop"} <= names
    table = pd.read_csv(folder / "eigenvalues_silent.csv")
    payload = network_payload(load_run(whole_folder))
    assert payload is not None
    silent = next(each for each in payload["networks"][0]["inputs"] if each["name"] == "silent")
    assert len(table) == silent["n"] * silent["n_modes"]


def test_calibration_names_the_conditions(written: Path) -> None:
    table = pd.read_csv(written / "unit_0" / "calibration.csv")
    assert table[table.kind == "condition"].stratum.tolist() == ["left", "right"]
    assert ">left</text>" in (written / "unit_0" / "calibration.svg").read_text()


def test_equal_runs_give_equal_figures(written: Path, whole_folder: Path, tmp_path: Path) -> None:
    with mpl.rc_context(STYLE):
        files = [file for each in unit_figures(load_run(whole_folder), "0") for file in write_picture(each, tmp_path)]
    assert all(file.read_bytes() == (written / "unit_0" / file.name).read_bytes() for file in files)


def test_comparison_has_ladders_and_a_forest(whole_folder: Path, run_folder: Path, tmp_path: Path) -> None:
    write_comparison_figures([load_run(whole_folder), load_run(run_folder)], tmp_path)
    forest = pd.read_csv(tmp_path / "forest.csv")
    means = forest[forest.unit == "mean"].recording.tolist()
    assert means == ["whole", "small", "1 scored alike", "1 scored alike"]  # their protocols differ: not pooled
    assert np.isfinite(forest.gain).all()
    assert len(pd.read_csv(tmp_path / "ladders.csv")) == 2


def test_runs_of_one_name_have_folders_of_their_own(
    run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "unit_figures", lambda run, unit: iter(()))  # drawn in other tests
    runs = [tmp_path / name / "session" for name in "abc"]
    for run in runs:
        shutil.copytree(run_folder, run)
    figures = tmp_path / "figures"
    result = CliRunner().invoke(cli, ["report", *map(str, runs), "--figures", str(figures)])
    assert result.exit_code == 0, result.output
    hashed = f"session-{load_run(runs[0]).provenance['sha256'][:8]}"
    assert {each.name for each in figures.iterdir() if each.is_dir()} == {"session", hashed, f"{hashed}-2"}
    assert pd.read_csv(figures / "ladders.csv")["recording"].nunique() == 3
