"""What was dropped is listed with its numbers and reasons, from what the run holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rnnspike.report.build import render
from rnnspike.report.load import Run, load_run
from rnnspike.report.overview.dropped import Dropped, dropped, spans


def finding(finding_id: str, message: str, **more: Any) -> dict[str, Any]:
    empty = dict.fromkeys(("unit", "option", "rows", "count"))
    return {**empty, "id": finding_id, "level": "warning", "message": message, **more}


@pytest.fixture
def run(run_folder: Path) -> Run:
    """A run of 30 trials and units 0 and 1, without trials 5 to 7 of unit 1, that lost something of each kind."""
    whole = load_run(run_folder)
    settings = {
        **whole.settings,
        "resolved": {
            **whole.settings["resolved"],
            "left_out": {"7": "12 spikes", "8": "not in --units", "9": "not in --units"},
        },
    }
    lost = {**whole.rows[-1], "status": "failed", "message": "no memory", "bits_per_spike": None}
    findings = [
        finding("conditions-missing", "2 trials have no value in side: dropped", count=2, rows=[3, 31]),
        finding("multi-spike-bins", "unit 0: 4 of 900 spikes share a bin", count=4, unit="0"),
        finding("multi-spike-bins", "unit 7: 3 of 12 spikes share a bin", count=3, unit="7"),
    ]
    made = replace(whole, settings=settings, rows=[*whole.rows[:-1], lost], findings=findings)
    trials = made.per_trial("1")
    made._per_trial["1"] = trials[~trials.trial.isin([5, 6, 7])]
    return made


def test_spans() -> None:
    assert spans([4, 1, 2, 3, 9, 8]) == "1 to 4, 8, 9" and spans([]) == ""


def test_trials_units_spikes_and_fits_are_named_with_their_reasons(run: Run) -> None:
    trials, units, spikes, fits = dropped(run)
    assert trials == Dropped(
        "Trials: 2 rows of trials were not used; 3 of 30 trials are not observed in some unit",
        (
            ("table trials, 2 rows: 3, 31", "2 trials have no value in side: dropped"),
            ("3 trials: 5 to 7", "not observed in unit 1"),
        ),
    )
    assert units.what == "Units: 3 of 5 units are not fitted"
    assert units.lines == (("unit 7", "12 spikes"), ("2 units: 8, 9", "not in --units"))
    assert spikes == Dropped(
        "Spikes: 4 spikes are not scored, of 1 unit", (("unit 0", "unit 0: 4 of 900 spikes share a bin"),)
    )
    assert fits == Dropped("Fits: 1 model of a unit has no score", (("unit 1, psth-gain", "failed: no memory"),))


def test_the_page_lists_them_or_says_that_there_is_nothing(run: Run, run_folder: Path) -> None:
    run._per_trial.clear()  # the stored curves are of all trials
    page = render(run)
    assert "table trials, 2 rows: 3, 31" in page and "failed: no memory" in page
    assert "Nothing: every trial, unit and spike of the windows is scored." not in page
    whole = replace(load_run(run_folder), findings=[])
    assert dropped(whole) == []
    assert "Nothing: every trial, unit and spike of the windows is scored." in render(whole)


def test_a_long_list_is_folded() -> None:
    lines = tuple((f"unit {k}", "why") for k in range(7))
    assert Dropped("x", lines).is_long and not Dropped("x", lines[:6]).is_long
