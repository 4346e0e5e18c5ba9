from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

import rnnspike
from rnnspike.api.results.pictures import Pictures
from rnnspike.errors import ConfigError
from rnnspike.report.figures.drawing import Picture


@pytest.fixture(scope="module")
def run(folder: Path) -> rnnspike.FittedRun:
    return rnnspike.open_run(folder)


def test_a_run_is_the_path_of_its_folder(run: rnnspike.FittedRun, folder: Path) -> None:
    assert Path(run) == folder and os.fspath(run) == str(folder) and run / "rows.csv" == folder / "rows.csv"
    assert rnnspike.read_rows(run) == run.rows
    assert rnnspike.open_run(run).folder == folder
    assert rnnspike.reopen(run).units == run.units


def test_it_is_short_as_text_and_a_table_in_a_notebook(run: rnnspike.FittedRun, folder: Path) -> None:
    assert repr(run) == f"<FittedRun small: 2 units, 3 models, 0 findings; {folder}>"
    page = run._repr_html_()
    assert page.count("<tr>") == 7 and "bits/spike" in page
    unit = run.unit("0")
    assert repr(unit) == "<FittedUnit 0 of small: constant, psth, psth-gain>"
    assert unit._repr_html_().count("<tr>") == 4


def test_tables_have_proper_types(run: rnnspike.FittedRun) -> None:
    rows, pairs = run.rows_frame(), run.pairs_frame()
    assert len(rows) == 6 and rows["n_spikes"].dtype == "Int64" and rows["bits_per_spike"].dtype == "float64"
    assert list(rows["unit"]) == ["0", "0", "0", "1", "1", "1"]
    assert len(pairs) == 6 and pairs["gain"].dtype == "float64"
    assert len(run.unit(1).rows_frame()) == 3 and len(run.unit(1).pairs_frame()) == 3


def test_figures_are_those_of_the_report(run: rnnspike.FittedRun) -> None:
    assert run.figure_names == ["ladder", "steps"]
    picture = run.figure("ladder")
    assert picture._repr_png_().startswith(b"\x89PNG") and len(picture.numbers) > 0
    unit = run.unit("0")
    assert {"psth", "hazard", "ks"} <= set(unit.figure_names)
    assert unit.figure("psth") is run.unit("0").figure("psth")


def test_no_more_is_drawn_than_is_asked_for() -> None:
    def rest() -> Iterator[Picture]:
        for name in ("first", "second", "third"):
            drawn.append(name)
            yield Picture(name, Figure(), pd.DataFrame())

    drawn: list[str] = []
    pictures = Pictures(rest(), "small")
    assert pictures["second"].name == "second" and pictures["first"].name == "first" and drawn == ["first", "second"]
    assert pictures.names == ["first", "second", "third"] == drawn


def test_names_that_there_are_not(run: rnnspike.FittedRun) -> None:
    with pytest.raises(ConfigError, match=r"small: no figure 'stepz'; did you mean 'steps'\? \(there are ladder, st"):
        run.figure("stepz")
    with pytest.raises(ConfigError, match=r"no fitted unit '7' \(there are 0, 1\)"):
        run.unit(7)


def test_comparisons_are_rows(run: rnnspike.FittedRun) -> None:
    rows = rnnspike.compare(run, pair=("psth", "constant"), draws=100)
    assert [(row["model_a"], row["model_b"]) for row in rows] == [("psth", "constant")]
    assert rows == list(rnnspike.compare_stored([run.folder], pairs=[("psth", "constant")], draws=100))
    assert rows.frame()["n_units"].tolist() == [2] and "psth" in rows._repr_html_()
    assert repr(rows).startswith("<1 row of schema, recording, unit, model_a")
