"""The methods of a run follow from its settings and rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rnnspike.evaluation.evaluate import EvaluationSettings
from rnnspike.models.registry import MODELS
from rnnspike.report.build import render
from rnnspike.report.load import Run, load_run
from rnnspike.report.methods.models import SENTENCES, model_sentence
from rnnspike.report.methods.text import methods
from rnnspike.trials.units import NOT_REQUESTED


def changed(run: Run, resolved: dict[str, Any] | None = None, **settings: Any) -> Run:
    """Return a run with other settings."""
    own = {name: {"value": value, "source": "flag"} for name, value in settings.items()}
    both = {**run.settings, "settings": {**run.settings["settings"], **own}}
    return replace(run, settings={**both, "resolved": {**both["resolved"], **(resolved or {})}})


@pytest.fixture(scope="module")
def run(whole_folder: Path) -> Run:
    return load_run(whole_folder)


def test_every_model_has_a_sentence() -> None:
    assert set(SENTENCES) == {name for name, each in MODELS.items() if not each.hidden}
    assert all(text.endswith(".") for text in SENTENCES.values())
    assert "given, not fitted here" in model_sentence("lfads")
    assert "`lfads` with spike history fitted on top" in model_sentence("lfads+history")


def test_the_text_holds_the_numbers_of_the_run(run: Run) -> None:
    text = methods(run).as_text()
    assert "30 trials of 0 to 0.5 s around start_time of the table trials" in text
    assert "bins of 1 ms that hold at most one" in text and "Conditions were told apart by side." in text
    assert "split into 3 folds of interleaved trials" in text and "effort fast" in text
    assert "7 models were compared" in text and "2 units were fitted." in text
    assert "(Rübel et al. 2022)" in text and "Time constants and frequencies are from the eigenvalues" in text
    assert f"rnnspike {run.provenance['versions']['rnnspike']} with Python" in text and "seed 0." in text
    settings = EvaluationSettings()
    assert f"of {settings.n_bootstrap} draws" in text and f"from {settings.n_flips} flips" in text
    for name in MODELS:
        assert (f" {name}: " in text) == (name in run.models)
    assert (
        "(lstm; 1 unit) were analysed as dynamical systems under the inputs silent, mean, condition side=left" in text
    )
    assert (
        "under the input silent: fixed and slow points were searched for from 16 starts per search, a brief" in text
    )
    assert "[@" not in text and "`" not in text


def test_other_settings_give_another_text(run: Run) -> None:
    few = "9 spikes in the windows, fewer than --min-spikes 50"
    other = changed(
        run,
        {"n_folds": 6, "observation": "poisson", "left_out": {"7": NOT_REQUESTED, "8": few}},
        bin=0.02, fold_scheme="blocked", segment=2.0, burn_in=0.5, units="id < 7", metrics=["nlb"], effort="standard",
    )  # fmt: skip
    text = methods(other).as_text()
    assert "6 folds of contiguous blocks" in text and "cut into 30 pieces of 2 s" in text
    assert "counted in bins of 20 ms" in text and "Up to 500 ms before each window" in text
    assert "1 further unit was excluded by id < 7. 1 unit was excluded: fewer than 50 spikes in the windows." in text
    assert "Neural Latents Benchmark were added (Pei et al. 2021)" in text
    assert "15 trainings of renewal and glm; 6 trainings of lstm" in text


def test_what_was_not_done_is_not_told(run_folder: Path) -> None:
    text = methods(load_run(run_folder)).as_text()
    assert "Models were not simulated." in text and "Networks" not in text and "Populations" not in text
    assert "Hochreiter" not in text and "Sussillo" not in text


def test_formats_of_the_text(run: Run) -> None:
    section = methods(run)
    markdown, bibtex = section.as_markdown(), section.as_bibtex()
    assert markdown.startswith("## Methods") and "`lstm`: a long short-term" in markdown
    assert "[https://doi.org/10.1162/neco.1997.9.8.1735](https://doi.org/10.1162/neco.1997.9.8.1735)" in markdown
    assert (
        bibtex.count("@article{brown2002,") == 1 and bibtex.rstrip().endswith("}") and "@software{rnnspike," in bibtex
    )


def test_the_page_holds_the_text(run_folder: Path) -> None:
    run = load_run(run_folder)
    page = render(run)
    assert 'id="methods-text"' in page and "The time-rescaling theorem" in page and "@article{brown2002," in page
    assert "(Efron 1987)" in page and "\\n" not in page.split('id="methods-text"')[1].split("</pre>")[0]
    assert page == render(run)


def test_names_from_files_are_data(run: Run) -> None:
    hostile = changed(run, {"align": "a\nb<script>[@x1]"})
    text = methods(hostile).as_text()
    assert r"a\nb<script>[@x1]" in text
    assert "b&lt;script&gt;" in render(hostile)
