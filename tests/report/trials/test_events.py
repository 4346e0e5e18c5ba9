"""Events that are marked in trials: those in the window, by name, and whether they move from trial to trial."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnspike.report.build import build_report
from rnnspike.report.load import Run, load_run
from rnnspike.report.trials.events import MOST_EVENTS, events_of, session_payload


@pytest.fixture
def run_with(run_folder: Path) -> Any:
    """A run of 30 trials of 0 to .5 s whose table of trials has these columns too."""

    def build(**columns: Any) -> Run:
        run = load_run(run_folder)
        assert run.trials is not None
        table = run.trials[["trial", "start_s", "condition"]].assign(**columns)
        made = replace(run)
        made.__dict__["trials"] = table
        return made

    return build


def test_times_outside_the_window_and_time_zero_are_left_out(run_with: Any) -> None:
    moving = np.linspace(0.1, 0.9, 30)
    run = run_with(at_cue=0.2, at_go=moving, at_stop_time=0.5, at_late=40.0, at_zero=0.0, at_never=np.nan)
    cue, go = events_of(run)
    assert (cue.name, cue.constant_s) == ("cue", 0.2)
    assert go.name == "go" and go.constant_s is None
    np.testing.assert_array_equal(go.time_s, np.where(moving < 0.499, moving, np.nan))


def test_an_event_that_some_trials_lack_is_marked_in_each_trial(run_with: Any) -> None:
    (event,) = events_of(run_with(at_lick=np.where(np.arange(30) % 2, 0.2, np.nan)))
    assert event.constant_s is None and np.isfinite(event.time_s).sum() == 15


def test_of_two_names_for_the_same_times_one_is_kept_and_of_many_the_most_frequent(run_with: Any) -> None:
    columns = {f"at_{k}": np.where(np.arange(30) >= k, 0.01 * (k + 1), np.nan) for k in range(9)}
    names = [event.name for event in events_of(run_with(**columns, at_again=columns["at_0"]))]
    assert names == [str(k) for k in range(MOST_EVENTS)]


def test_the_page_names_time_zero_conditions_and_events(whole_folder: Path) -> None:
    found = session_payload(load_run(whole_folder))
    assert (found["time"], found["zero"]) == ("time from start_time", "start_time")
    assert (found["columns"], found["conditions"]) == (["side"], ["left", "right"])
    assert found["events"] == []  # trials stop where the window ends


def test_a_run_of_an_older_version_still_has_a_page(whole_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "older"
    shutil.copytree(whole_folder, folder)
    (folder / "trials.csv").unlink()
    run = load_run(folder)
    for name in ("conditions", "unit_names"):
        run.settings["resolved"].pop(name)
    assert run.trials is None and run.unit_names == {}
    found = session_payload(run)
    assert found["events"] == [] and found["conditions"] == ["left", "right"]
    assert build_report(folder).is_file()


def test_segments_have_no_event_at_zero(run_with: Any) -> None:
    run = run_with()
    run.settings["settings"]["segment"] = {"value": 2.0, "source": "default"}
    assert session_payload(run)["time"] == "time in the segment"


def test_trials_of_the_run_are_those_of_the_units(run_folder: Path) -> None:
    run = load_run(run_folder)
    assert isinstance(run.trials, pd.DataFrame)
    per_trial = run.per_trial("0")
    np.testing.assert_allclose(run.trials.start_s[per_trial.trial], per_trial.start_s)
    assert run.trials.columns.tolist() == ["trial", "start_s", "condition", "at_stop_time"]
    assert run.trials.at_stop_time.tolist() == [0.5] * 30
