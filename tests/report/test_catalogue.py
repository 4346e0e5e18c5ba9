"""A figure is declared once: page, export and documentation have those that are declared, and no others."""

from __future__ import annotations

import importlib
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from rnnspike.report.catalogue import (
    CAPTURED,
    COMPARISON,
    DECODED_COVARIATE,
    DECODING,
    GLANCE,
    NETWORK,
    NETWORK_POPULATION,
    PAIRS,
    POPULATION,
    SINGLE_TRIALS,
    UNIT_GROUPS,
)
from rnnspike.report.cells import page_columns
from rnnspike.report.figures.declaration import Figure
from rnnspike.report.figures.export import unit_figures
from rnnspike.report.load import load_run
from rnnspike.report.payload import unit_payload
from rnnspike.runs.rows import COLUMNS

ROOT = Path(__file__).parents[2]
UNIT = tuple(figure for _, figures in UNIT_GROUPS for figure in figures)
DECLARED = (
    *GLANCE,
    *CAPTURED,
    *POPULATION,
    *PAIRS,
    *SINGLE_TRIALS,
    *DECODING,
    *DECODED_COVARIATE,
    *UNIT,
    *NETWORK,
    *NETWORK_POPULATION,
    *COMPARISON,
)


def test_scripts_draw_the_figures_that_are_declared() -> None:
    templates = resources.files("rnnspike.report") / "templates"
    scripts = "\n".join(each.read_text("utf-8") for each in templates.iterdir() if each.name.endswith(".js"))
    assert set(re.findall(r'\bfigure\("([\w-]+)"', scripts)) == {figure.id for figure in DECLARED}


@pytest.mark.parametrize("figure", DECLARED, ids=lambda figure: f"{figure.id} {figure.title}")
def test_what_a_figure_names_is_there(figure: Figure) -> None:
    for path in figure.paper:
        module, name = path.split(":")
        assert callable(getattr(importlib.import_module(f"rnnspike.report.figures.{module}"), name))
    assert bool(figure.needs) == bool(figure.lacking)


def test_sections_of_the_documentation_are_the_figures_in_order() -> None:
    """Each section shows pictures of its own figure only."""
    text = (ROOT / "docs" / "report.md").read_text()
    sections = dict(re.findall(r"^### (.+?)\n(.*?)(?=^#|\Z)", text, re.M | re.S))
    titles = [figure.title for figure in DECLARED]
    assert [title for title in sections if title in titles] == titles
    for figure in DECLARED:
        drawn = [path.split(":")[1] for path in figure.paper]
        shown = re.findall(r"\]\(figures/(\w+)\.svg\)", sections[figure.title])
        assert all(any(picture.startswith(name) for name in drawn) for picture in shown), figure.title


def test_a_figure_without_its_arrays_is_missing_in_page_and_export(run_folder: Path) -> None:
    """The small run has no free runs."""
    run = load_run(run_folder)
    curves = run.curves("0")
    lacking = {figure.id: figure.lacking for figure in UNIT if figure.lacks(curves)}
    assert unit_payload(run, "0")["lacking"] == lacking
    assert lacking["f-isi"] == "no free run was made (--replicates 0)" and "f-hazard" not in lacking
    drawn = {picture.name for picture in unit_figures(run, "0")}
    assert drawn & {"isi", "fano", "predictive", "hazard", "ks", "psth"} == {"hazard", "ks", "psth"}


def test_empty_arrays_are_none() -> None:
    figure = Figure("x", "", "", "", "", "", needs=("a", "b"), lacking="why")
    assert figure.lacks({"a": np.ones(3)}) and figure.lacks({"a": np.ones(3), "b": np.ones(0)})
    assert not figure.lacks({"a": np.ones(3), "b": np.array(1.0)})


@pytest.mark.parametrize("across", [False, True])
def test_columns_of_the_page_are_those_of_the_rows(across: bool) -> None:
    names = {column.name for column in COLUMNS} | {"sufficient"}
    for column in page_columns(across):
        ends = [f"{column['key']}_{end}" for end in ("low", "high")] if column["interval"] else []
        assert {column["key"], *ends} <= names
    assert ("recording" in [column["key"] for column in page_columns(across)]) == across
