"""Rates of other models scored as rungs: on known rates the figures are those of the ladder."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import rnnspike
from rnnspike.cli.main import cli
from rnnspike.config import FitSettings
from rnnspike.errors import ConfigError, RunError
from rnnspike.models.glm.given_drive import FittedHistory
from rnnspike.neurons.session import SessionOptions, simulate_cell
from rnnspike.neurons.truth import true_intensity
from rnnspike.recording.write import write_nwb
from rnnspike.report import tallies, words
from rnnspike.report.colours import colours
from rnnspike.report.load import load_run
from rnnspike.runs.batch import fit_plan
from rnnspike.runs.fitting.predictions import UnitPredictions
from rnnspike.runs.job import load_recording
from rnnspike.runs.plan import Plan
from rnnspike.runs.scoring import BASELINES, ScoreOptions, plan_scoring
from rnnspike.runs.stored.reopen import reopen
from rnnspike.runs.stored.tables import compare_stored
from rnnspike.runs.tasks import Task
from tests.runs.test_lost import WHY, Lossy, contents


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "cell.nwb"
    simulate_cell("refractory", 2, SessionOptions(n_trials=30, duration_s=0.5, seed=3)).write(path)
    return path


@pytest.fixture(scope="module")
def truth(recording: Path) -> np.ndarray:
    """The true mu, (trial, bin, unit)."""
    read = rnnspike.read_recording(recording)
    mu = true_intensity(read, rnnspike.plan_trials(read).trials())
    assert mu is not None
    return mu


@pytest.fixture(scope="module")
def folder(recording: Path, truth: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The true rates with history, and their mean over trials without."""
    mean = np.broadcast_to(truth.mean(axis=0), truth.shape)
    out = tmp_path_factory.mktemp("runs")
    run = rnnspike.score(recording, {"true": truth}, quantity="counts", out=out / "a", replicates=4)
    rnnspike.score(recording, {"mean": mean}, history=False, out=out / "b", replicates=4, report=False)
    return run.folder


def rows_by_model(folder: Path) -> dict[tuple[str, str], dict]:
    return {(row["unit"], row["model"]): row for row in rnnspike.read_rows(folder)}


def test_true_rates_have_the_figures_of_the_oracle(folder: Path) -> None:
    rows = rows_by_model(folder)
    for unit in {unit for unit, _ in rows}:
        given, oracle = rows[unit, "true"], rows[unit, "oracle"]
        assert given["given"] == "with history"
        assert "not run free" in given["message"]
        apart = {"model", "given", "message"}
        assert {k: v for k, v in given.items() if k not in apart} == {
            k: v for k, v in oracle.items() if k not in apart
        }
        assert given["refractory_verdict"] in ("captured", "consistent")


def test_given_rates_are_in_pairs_curves_and_on_the_page(folder: Path) -> None:
    run = load_run(folder)
    assert run.models == ["constant", "psth", "psth-gain", "true", "oracle"]
    assert (run.units[0], "true", "psth-gain") in run.gains
    assert "true" in run.curves(run.units[0])["models"]
    page = (folder / "report.html").read_text()
    assert "rnnspike score cell.nwb --intensity true=true --rates counts" in page
    assert json.loads((folder / "settings.json").read_text())["resolved"]["rates"][0]["quantity"] == "counts"
    compared = list(compare_stored([folder], pairs=[("true", "psth")]))
    assert [(row["model_a"], row["model_b"]) for row in compared] == [("true", "psth")]


def test_rates_without_history_are_run_free_and_capture_nothing(folder: Path) -> None:
    rows = rows_by_model(folder.parents[1] / "b" / folder.name)
    row = next(row for (_, model), row in rows.items() if model == "mean")
    assert row["given"] == "without history"
    assert row["free_run_rate_ratio"] == pytest.approx(1.0, abs=0.3)
    assert row["free_run_stability"] == "stable"
    assert row["refractory_verdict"] in ("missed", "nothing to capture", "cannot be judged")
    assert row["message"] is None


def test_stored_predictions_have_the_score_of_their_rung(recording: Path, folder: Path, tmp_path: Path) -> None:
    run = rnnspike.fit(
        recording, models=("psth",), save_intensities=True, replicates=0, report=False, out=tmp_path / "fit"
    )
    units = reopen(run).units
    stored = [np.load(run / "units" / unit / "intensity.npz")["psth"] for unit in units]
    scored = rnnspike.score(
        recording, {"mine": np.stack(stored, axis=2)}, replicates=0, report=False, out=tmp_path / "s", history=False
    )
    rows = rows_by_model(scored)
    for unit in units:
        assert rows[unit, "mine"]["bits_per_spike"] == pytest.approx(rows[unit, "psth"]["bits_per_spike"], abs=1e-6)


def test_units_without_rates_are_skipped(recording: Path, truth: np.ndarray, tmp_path: Path) -> None:
    unit = rnnspike.plan_trials(rnnspike.read_recording(recording)).unit_ids[1]
    given = {"rates": truth[:, :, 1:], "unit_ids": [unit]}
    folder = rnnspike.score(recording, {"one": given}, quantity="counts", replicates=0, report=False, out=tmp_path)
    rows = rows_by_model(folder)
    status = {of: row["status"] for (of, model), row in rows.items() if model == "one"}
    assert status.pop(unit) == "ok"
    assert [*status.values()] == ["skipped"]
    findings = [json.loads(line) for line in (folder / "findings.jsonl").read_text().splitlines()]
    assert "rates-units-missing" in {each["id"] for each in findings}
    with pytest.raises(RunError, match="other settings or input"):
        given["rates"] = 1.1 * given["rates"]
        rnnspike.score(recording, {"one": given}, quantity="counts", replicates=0, report=False, out=tmp_path)


@pytest.fixture(scope="module")
def added(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """History on top of the held-out trial average of refractory cells, beside the GLM."""
    out = tmp_path_factory.mktemp("added")
    shared = {"replicates": 4, "folds": 4}
    run = rnnspike.fit(recording, models=("psth",), save_intensities=True, report=False, out=out / "fit", **shared)
    psth = [np.load(run / "units" / unit / "intensity.npz")["psth"] for unit in reopen(run).units]
    rates = {"smooth": np.stack(psth, axis=2)}
    return rnnspike.score(
        recording, rates, history=False, add_history=True, models=("glm",), out=out / "score", **shared
    ).folder


def test_history_on_top_of_smooth_rates_gains_what_the_glm_does(added: Path) -> None:
    rows = rows_by_model(added)
    gains = load_run(added).gains
    for unit in {unit for unit, _ in rows}:
        plain, history, glm = (rows[unit, model] for model in ("smooth", "smooth+history", "glm"))
        assert history["bits_per_spike"] - plain["bits_per_spike"] > 0.1
        assert history["bits_per_spike"] == pytest.approx(glm["bits_per_spike"], rel=0.15)
        assert (plain["refractory_verdict"], history["refractory_verdict"]) == ("missed", "captured")
        assert history["ks_d"] < 0.5 * plain["ks_d"]
        gain, low, high = gains[unit, "smooth+history", "smooth"]
        assert 0 < low < gain < high
        assert f"history gains {gain:+.3f} bits/spike over smooth ({low:.3f} to {high:.3f})" in history["message"]


def test_added_history_is_run_free(added: Path) -> None:
    for (_, model), row in rows_by_model(added).items():
        if model == "smooth+history":
            assert row["given"] == "history added"
            assert row["free_run_stability"] == "stable"
            assert row["free_run_rate_ratio"] == pytest.approx(1.0, abs=0.3)
            assert row["quasi_renewal"] is not None and row["late_history"] is not None


@pytest.mark.parametrize("name", ["a", "b", "c", "d", "smooth", "lfads"])
def test_added_history_has_other_colours_than_the_rates(name: str) -> None:
    assert colours(name) != colours(f"{name}+history")


def test_the_page_tells_what_added_history_gains(added: Path) -> None:
    run = load_run(added)
    assert run.models == ["constant", "psth-gain", "smooth", "smooth+history", "glm", "oracle"]
    steps = {step["model"]: step["over"] for step in tallies.steps(run)}
    assert steps["smooth+history"] == "smooth"
    middle = np.median(
        [gain for (_, *pair), (gain, _, _) in run.gains.items() if pair == ["smooth+history", "smooth"]]
    )
    said = f"Spike history fitted on top of smooth gains {middle:+.3f} bits/spike (median over units)"
    assert f"{said}; the 95 % interval is above 0 on 2 of 2 units." in " ".join(words.summary(run))
    assert "--no-history --add-history" in words.repeat_command(run)


def test_true_rates_of_a_poisson_cell_gain_nothing_from_history(tmp_path: Path) -> None:
    path = tmp_path / "poisson.nwb"
    simulate_cell("poisson", 2, SessionOptions(n_trials=60, duration_s=0.5, seed=3)).write(path)
    read = rnnspike.read_recording(path)
    truth = true_intensity(read, rnnspike.plan_trials(read).trials())
    assert truth is not None
    shared = {"add_history": True, "effort": "fast", "replicates": 0, "report": False, "out": tmp_path}
    run = load_run(rnnspike.score(path, {"true": truth}, quantity="counts", **shared))
    for unit in run.units:
        gain, low, _ = run.gains[unit, "true+history", "true"]
        assert low < 0 and -0.02 < gain < 0.003
    assert all("not run free" in row["message"] for row in run.rows if row["model"] == "true+history")


def fitted_on_top(path: Path, rates: np.ndarray, out: Path) -> dict[int, FittedHistory]:
    """The model of each test fold, first member, of a recording's only unit."""
    settings = FitSettings(models=BASELINES, out=out, effort="fast", folds=4)
    plan = plan_scoring(path, settings, {"mine": rates}, ScoreOptions("counts", history=False, add_history=True))
    rung = UnitPredictions(plan.job, plan.units[0]).rungs()["mine+history"]
    assert rung.free_runner is not None, rung.message
    found = {test: rung.free_runner(test) for test in range(4)}
    return {test: model for test, model in found.items() if isinstance(model, FittedHistory)}


def test_history_of_a_fold_does_not_see_its_spikes(tmp_path: Path) -> None:
    """Without every other spike of fold 0, its model is the same; those of folds 2 and 3, trained on it, are not."""
    made = simulate_cell("refractory", 1, SessionOptions(n_trials=24, duration_s=0.5, seed=3)).recording
    whole, thinned = tmp_path / "whole.nwb", tmp_path / "thinned.nwb"
    write_nwb(whole, made)
    loaded = load_recording(whole, FitSettings(folds=4))
    spikes_s = made.units[0].spike_times_s
    start_s = loaded.plan.start_s[loaded.folds == 0]
    held_out = ((spikes_s[:, None] >= start_s) & (spikes_s[:, None] < start_s + 0.5)).any(axis=1)
    kept = ~held_out | (np.cumsum(held_out) % 2 == 0)
    write_nwb(thinned, replace(made, units=(replace(made.units[0], spike_times_s=spikes_s[kept]),)))
    rates = np.full((24, loaded.plan.grid.n_bins, 1), 0.02)
    before, after = (fitted_on_top(path, rates, tmp_path / path.stem) for path in (whole, thinned))
    pairs = {test: (before[test].glm.coefficients.flat(), after[test].glm.coefficients.flat()) for test in (0, 2, 3)}
    assert {test: np.array_equal(*pair) for test, pair in pairs.items()} == {0: True, 2: False, 3: False}


def test_a_name_that_added_history_takes_is_refused(recording: Path, truth: np.ndarray) -> None:
    with pytest.raises(ConfigError, match=r"rates mine\+history: is what mine with history added is called"):
        rnnspike.score(recording, {"mine": truth, "mine+history": truth}, add_history=True)


@pytest.mark.parametrize("name", ["glm", "drive", "a b", "", "x" * 41])
def test_names_that_would_be_taken_for_others_are_refused(recording: Path, truth: np.ndarray, name: str) -> None:
    with pytest.raises(ConfigError, match="rates"):
        rnnspike.score(recording, {name: truth})


def test_equal_bytes_for_any_number_of_workers(
    recording: Path, truth: np.ndarray, folder: Path, tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    two = rnnspike.score(
        recording,
        {"true": truth},
        quantity="counts",
        out=tmp_path,
        replicates=4,
        workers=2,
        progress=lambda done, n_tasks, _: told.append((done, n_tasks)),
    )
    assert contents(two.folder) == contents(folder)
    assert told == [(k + 1, len(told)) for k in range(len(told))]
    assert json.loads((two / "run.json").read_text())["workers"] == 2


class Sent(Lossy):
    """Does calls as other processes get them, and notes their bytes."""

    def __init__(self, *lost: Task) -> None:
        super().__init__(*lost)
        self.n_bytes: list[int] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        sent = pickle.dumps((fn, args))
        self.n_bytes.append(len(sent))
        return super().submit(*pickle.loads(sent)[:1], *pickle.loads(sent)[1])


def test_a_lost_unit_fails_alone_and_tasks_do_not_carry_the_rates(
    recording: Path, truth: np.ndarray, tmp_path: Path
) -> None:
    mean = np.broadcast_to(truth.mean(axis=0), truth.shape)
    first = {"true": truth, "mean": mean}

    def plan(out: str) -> Plan:
        settings = FitSettings(models=BASELINES, out=tmp_path / out, replicates=0, folds=3, report=False)
        return plan_scoring(recording, settings, first, ScoreOptions("counts"))

    lost = Task("finish", plan("lost").units[1])
    sent = Sent(lost)
    fit_plan(plan("lost"), sent)
    assert max(sent.n_bytes) < 20_000 < truth.nbytes
    rows = rows_by_model(tmp_path / "lost" / "cell")
    failed = {key for key, row in rows.items() if row["status"] == "failed"}
    assert failed == {(lost.unit, model) for model in ("constant", "psth", "psth-gain", "true", "mean", "oracle")}
    assert {rows[key]["message"] for key in failed} == {f"{lost.label}: {WHY}"}
    fit_plan(plan("lost"))
    fit_plan(plan("whole"))
    assert contents(tmp_path / "lost") == contents(tmp_path / "whole")
    assert not (tmp_path / "lost" / "cell" / "work").exists()


def test_dry_run_lists_the_tasks(recording: Path, truth: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "rates.npy", truth)
    given = ["--intensity", f"mine={tmp_path / 'rates.npy'}", "--rates", "counts"]
    command = ["score", str(recording), *given, "--out", str(tmp_path / "o"), "--folds", "4", "-j", "3", "--dry-run"]
    done = CliRunner().invoke(cli, command)
    assert done.exit_code == 0, done.output
    tasks = [json.loads(line) for line in done.stdout.splitlines()]
    assert [task["task"] for task in tasks].count("finish") == 2
    assert "2 units, " in done.stderr and " with -j 3, " in done.stderr
    assert not (tmp_path / "o").exists()


def test_the_command(recording: Path, truth: np.ndarray, tmp_path: Path) -> None:
    np.savez(tmp_path / "rates.npz", mine=truth * 1000)
    (tmp_path / "fits.toml").write_text('models = ["glm"]\nout = "fits"\nworkers = 2\nreplicates = 0\n')
    arguments = [
        "score",
        str(recording),
        "--metrics",
        "nlb",
        "--intensity",
        f"mine={tmp_path / 'rates.npz'}:mine",
        "--out",
        str(tmp_path / "o"),
    ]
    done = CliRunner().invoke(
        cli, [*arguments, "--config", str(tmp_path / "fits.toml"), "--no-report", "--format", "jsonl"]
    )
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["model"] for row in rows} == {"constant", "psth", "psth-gain", "mine", "oracle"}
    assert all(row["nlb_bits_per_spike"] is not None for row in rows)
    assert "read as spikes/s" in done.stderr and "cell.nwb: 2 units scored; run" in done.stderr
    wrong = CliRunner().invoke(cli, [*arguments[:5], "mine"])
    assert wrong.exit_code == 2 and "'mine' is not NAME=FILE" in wrong.stderr
    stored = json.loads((tmp_path / "o" / "cell" / "settings.json").read_text())["settings"]
    assert stored["models"] == {"value": ["constant", "psth", "psth-gain"], "source": "default"}
    assert stored["replicates"] == {"value": 0, "source": "fits.toml"}
    np.savez(tmp_path / "one.npz", rates=truth[:, :, :1] * 1000, unit_ids=[rows[0]["unit"]])
    one = [*arguments[:2], "--intensity", f"one={tmp_path / 'one.npz'}", "--out", str(tmp_path / "p")]
    added = ["--add-history", "--effort", "fast"]
    done = CliRunner().invoke(cli, [*one, *added, "--replicates", "0", "--no-report", "--format", "jsonl"])
    status = {(row["model"], row["status"]) for row in map(json.loads, done.stdout.splitlines())}
    assert {("one+history", "ok"), ("one+history", "skipped")} <= status
    assert "no rates of 1 of 2 units" in done.stderr and "cell.nwb: 1 unit scored; run" in done.stderr
    named_glm = CliRunner().invoke(cli, [*arguments[:5], "glm=rates.npz"])
    assert named_glm.exit_code == 3
    assert "--intensity glm: is a model of the ladder (try my-glm)" in named_glm.stderr
    missing = CliRunner().invoke(cli, [*arguments[:5], f"mine={tmp_path / 'none.npy'}"])
    assert missing.exit_code == 3
    assert "there is no such file" in missing.stderr
