"""A wrong name or value is one line in Python's terms."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import rnnspike
from rnnspike.api.terms import in_python
from rnnspike.errors import ConfigError, RecordingError, RunError


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"windw": (0, 1)}, "fit() has no argument 'windw'; did you mean 'window'?"),
        ({"xyz": 1}, "fit() has no argument 'xyz' (help(rnnspike.fit))"),
        ({"effort": "quick"}, "fit(): effort='quick' should be 'fast', 'standard' or 'thorough'"),
        ({"window": (1, 0)}, "fit(): window=(1, 0) must start before it stops"),
        ({"window": 3}, "fit(): window=3 is a start and a stop (-200ms 1s)"),
        ({"bin": "x"}, "fit(): bin='x': 'x' is not a duration (write 1ms, 0.5s or 2)"),
        ({"bin": "1"}, "fit(): bin='1': 1 has no unit and would be 1 seconds: write bin='1ms'; if you mean "),
        ({"folds": 2}, "fit(): folds=2 should be at least 3"),
        ({"min_spikes": "many"}, "fit(): min_spikes='many' should be a whole number"),
        ({"drop_duplicates": "maybe"}, "fit(): drop_duplicates='maybe' should be True or False"),
        ({"models": "lsmt"}, "fit(): models='lsmt': no model 'lsmt', did you mean 'lstm'? (there are constant, "),
        ({"models": ["all", "lsmt"]}, "fit(): models=['all', 'lsmt']: no model 'lsmt', did you mean 'lstm'?"),
        ({"progress": 3}, "fit(): progress=3 should be callable"),
        ({"scheduler": "a", "scheduler_file": "b"}, "fit(): scheduler and scheduler_file name a scheduler each"),
        ({"trials": pd.DataFrame()}, "trials: a table of trials goes with spikes in memory"),
    ],
)
def test_arguments_that_cannot_be_used(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        rnnspike.fit("session.nwb", **given)
    assert isinstance(caught.value, TypeError)
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_other_functions_check_their_arguments_too(tmp_path: Path) -> None:
    for call, message in (
        (lambda: rnnspike.fit(), "fit(): missing a required argument: 'recording'"),
        (
            lambda: rnnspike.compare(tmp_path, by="recordings"),
            "by='recordings' should be 'all', 'recording' or",
        ),
        (lambda: rnnspike.compare(tmp_path, agianst="glm"), "no argument 'agianst'; did you mean 'against'?"),
        (lambda: rnnspike.psth("x.nwb", level=2), "level=2 should be at most 0.9999"),
        (lambda: rnnspike.psth("x.nwb", bandwidth="wide"), "bandwidth='wide': 'wide' is not a duration"),
        (lambda: rnnspike.dynamics(), "dynamics() takes a run, or model_file and dt"),
        (lambda: rnnspike.simulate(), "simulate() takes a run, neuron='...' or network='...'"),
        (lambda: rnnspike.score("x.nwb", np.zeros(3)), "rates are given by the names of their models"),
        (lambda: rnnspike.fit(3), "spike_times: expected one array of spike times per unit, or a recording; got int"),
    ):
        with pytest.raises(ConfigError, match=re.escape(message)):
            call()


def test_advice_of_the_command_line_is_written_for_python(tmp_path: Path) -> None:
    spikes = [np.arange(100) / 10]
    with pytest.raises(RecordingError, match=r"no table of trials.*\(try segment='2s'\)"):
        rnnspike.plan_trials(rnnspike.as_recording(spikes))
    with pytest.raises(RunError):
        rnnspike.compare(tmp_path)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("try --units or --min-spikes 10", "try units or min_spikes=10"),
        ("(try --overwrite or another --out)", "(try overwrite=True or another out)"),
        ("--no-population, --condition COLUMN", "population=False, condition='COLUMN'"),
        ("a shorter --window", "a shorter window"),
        ("--out with {name}", "out with {name}"),
        ("no option", "no option"),
    ],
)
def test_options_in_messages(text: str, written: str) -> None:
    assert in_python(text) == written


def test_arguments_without_effect_are_refused(tmp_path: Path) -> None:
    for call, message in (
        (
            lambda: rnnspike.simulate(neuron="refractory", model="glm"),
            "simulate(): leave out model: no effect on simulated cells, which are not read from a run",
        ),
        (
            lambda: rnnspike.simulate(tmp_path, trials=5, bin="2ms"),
            "simulate(): leave out trials, bin: no effect on a run, which has its own trials, units and bins",
        ),
        (
            lambda: rnnspike.decode(tmp_path, covariate="x", prior="empirical"),
            "decode(): leave out prior: no effect with covariate",
        ),
        (lambda: rnnspike.decode(tmp_path, length="1s"), "decode(): leave out length: no effect without covariate"),
        (
            lambda: rnnspike.dynamics(tmp_path, dt="1ms", feedback=0),
            "dynamics(): leave out dt, feedback: no effect on a run, only with model_file",
        ),
        (
            lambda: rnnspike.dynamics(model_file="a.pt", dt="1ms", members=2),
            "dynamics(): leave out members: no effect with model_file, only on a run",
        ),
    ):
        with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
            call()


def test_values_that_are_the_defaults_are_none(tmp_path: Path) -> None:
    with pytest.raises(RunError):
        rnnspike.simulate(tmp_path, trials=200, duration="1s", bin=0.001)
    with pytest.raises(RunError):
        rnnspike.dynamics(tmp_path, models=[], feedback=[])
