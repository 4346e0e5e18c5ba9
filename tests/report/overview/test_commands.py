"""Advice comes with the whole command: it names the recording, keeps the run's settings and can be run."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from rnnspike.cli.main import cli
from rnnspike.report import advice
from rnnspike.report.build import render
from rnnspike.report.load import Run, load_run
from rnnspike.report.overview import commands
from rnnspike.trials.query import NumberedText, matching_rows


@pytest.fixture
def run(run_folder: Path) -> Run:
    return load_run(run_folder)


def test_a_change_keeps_the_other_settings(run: Run) -> None:
    words = shlex.split(commands.fit_otherwise(run, "blocked", fold_scheme="blocked", models=None))
    assert words[:3] == ["rnnspike", "fit", "small.nwb"]
    assert words[words.index("--bin") + 1] == "0.001" and "--models" not in words
    assert words[-4:] == ["--fold-scheme", "blocked", "--out", "runs_blocked"]


def test_units_are_left_out_beside_those_that_were_asked_for(run: Run) -> None:
    settings = {**run.settings["settings"], "units": {"value": "n_spikes > 5", "source": "--units"}}
    run = replace(run, settings={**run.settings, "settings": settings})
    words = shlex.split(commands.fit_without(run, ["1", "a b"]))
    query = words[words.index("--units") + 1]
    rows = [{"id": name, "n_spikes": n} for name, n in (("0", 9), ("1", 9), ("2", 3))]
    assert matching_rows(query, rows) == [True, False, False]
    numbered = [{**row, "id": NumberedText.of(str(row["id"]), float(str(row["id"])))} for row in rows]
    assert matching_rows(query, numbered) == [True, False, False]


def test_what_is_to_be_done_has_a_command_that_the_program_takes(run: Run) -> None:
    """With --replicates 0 the run was not run free; its models are not the default ladder."""
    steps = advice.next_steps(run, "psth-gain", has_dynamics=False)
    whole = [step.command for step in steps if step.command]
    assert any("--out runs_run_free" in command and "--replicates" not in command for command in whole)
    for command in whole:
        found = CliRunner().invoke(cli, [*shlex.split(command)[1:3], "--help"])
        assert found.exit_code == 0
        known = found.output
        assert all(word in known for word in shlex.split(command) if word.startswith("--")), command


def test_networks_are_looked_into_where_the_run_lies(whole_folder: Path) -> None:
    run = load_run(whole_folder)
    assert commands.analyse(run) == "rnnspike dynamics rnnspike_runs/whole\nrnnspike report rnnspike_runs/whole"
    page = render(run)
    assert "<code>rnnspike fit whole.nwb" in page


@pytest.mark.parametrize(("n_foreign", "has_command"), [(20, True), (21, False)])
def test_a_command_lists_no_more_units_than_one_reads(run: Run, n_foreign: int, has_command: bool) -> None:
    one = next(row for row in run.rows if row["model"] == "psth-gain" and row["status"] == "ok")
    gates = ["contaminated"] * n_foreign + ["clean"]
    rows = [{**one, "unit": f"{u}", "contamination_gate": gate} for u, gate in enumerate(gates)]
    many = replace(run, rows=rows)
    (step,) = [each for each in advice.next_steps(many, "psth-gain", False) if "sort again" in each.text]
    assert (step.command is not None) == has_command
    if step.command:
        assert "id not in ['0', '1', " in step.command
