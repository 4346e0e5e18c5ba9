"""A fit from file to run directory, on a tiny simulated recording."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from rnnspike.cli.main import cli
from rnnspike.config import resolve_settings
from rnnspike.errors import ModelError, RecordingError, RunError
from rnnspike.models.glm.model import HistoryGlm
from rnnspike.models.networks.bin_clock.settings import EFFORTS, RecurrentSettings
from rnnspike.models.registry import MODELS as MODELS_BY_NAME
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.report.build import build_report
from rnnspike.runs.batch import fit_recording
from rnnspike.runs.engines.engine import engine_for
from rnnspike.runs.plan import make_job, tasks_of
from rnnspike.runs.rows import PAIR_COLUMNS, ROW_COLUMNS, SCHEMA
from rnnspike.runs.stored.reopen import reopen
from rnnspike.runs.stored.tables import compare_stored

MODELS = ["constant", "psth", "psth-gain"]


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two units, 40 trials of .5 s, the second one too quiet to be fitted."""
    rng = np.random.default_rng(3)
    path = tmp_path_factory.mktemp("data") / "session.nwb"
    starts = np.arange(40) * 1.0 + 1.0
    times = np.sort(rng.uniform(0, 42, 42 * 20))
    units = (
        Unit("7", times, np.array([[0.0, 42.0]])),
        Unit("8", np.array([1.1, 2.2, 3.3]), np.array([[0.0, 42.0]])),
    )
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 0.5})
    write_nwb(path, Recording(path, "", 0, "nwb", units, intervals={"trials": trials}))
    return path


def settings(out: Path, **more: object):
    return resolve_settings({"models": MODELS, "out": out, "replicates": 5, "report": False, **more}, environment={})[
        0
    ]


def fit(path: Path, out: Path, **more: object) -> tuple[Path, list[dict]]:
    job, loaded = make_job(path, settings(out, **more))
    return job.folder, fit_recording(job, loaded)


def test_a_unit_held_in_some_trials_has_a_row_for_each_of_those(tmp_path: Path) -> None:
    rng, path, starts = np.random.default_rng(3), tmp_path / "late.nwb", np.arange(40) * 1.0 + 1.0
    units = tuple(
        Unit(name, np.sort(rng.uniform(start_s, 42, 800)), np.array([[start_s, 42.0]]))
        for name, start_s in (("always", 0.0), ("late", 20.7))
    )
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 0.5})
    write_nwb(path, Recording(path, "", 0, "nwb", units, intervals={"trials": trials}))
    folder, rows = fit(path, tmp_path / "runs")
    table = pd.read_csv(folder / "units" / "late" / "per_trial.csv")
    assert table.trial.tolist() == list(range(20, 40))
    assert {row["unit"]: row["n_trials"] for row in rows} == {"always": 40, "late": 20}
    curves = np.load(folder / "units" / "late" / "curves.npz")
    for name in ("raster.trial", "example.trial", "free_run.trials", "free_raster.trials", "free_raster.psth.trial"):
        assert len(curves[name]) and set(curves[name]) <= set(table.trial), name
    assert "Not scored: 20 of 40 trials" in build_report(folder).read_text()
    assert [row["n_trials"] for row in compare_stored([folder], by="unit", draws=200)] == [40] * 3 + [20] * 3


def test_findings_of_units_that_were_not_asked_for_are_left_out(tmp_path: Path) -> None:
    rng, path, starts = np.random.default_rng(3), tmp_path / "double.nwb", np.arange(40) * 1.0 + 1.0
    times = {name: np.sort(np.repeat(rng.uniform(0, 42, 400), 2)) for name in ("a", "b")}  # each spike twice
    units = tuple(Unit(name, each, np.array([[0.0, 42.0]])) for name, each in times.items())
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 0.5})
    write_nwb(path, Recording(path, "", 0, "nwb", units, intervals={"trials": trials}))
    folder, _ = fit(path, tmp_path / "runs", units="id == 'a'", observation="poisson")
    findings = [json.loads(line) for line in (folder / "findings.jsonl").read_text().splitlines()]
    assert {each["unit"] for each in findings} - {None} == {"a"}


def test_run_directory(session: Path, tmp_path: Path) -> None:
    folder, rows = fit(session, tmp_path)
    assert [(row["unit"], row["model"], row["status"]) for row in rows] == [
        ("7", "constant", "ok"),
        ("7", "psth", "ok"),
        ("7", "psth-gain", "ok"),
        ("8", "constant", "skipped"),
    ]
    assert tuple(rows[0])[: len(ROW_COLUMNS)] == ROW_COLUMNS
    stored = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    assert [{**row, "seconds": None} for row in rows] == stored
    pairs = pd.read_csv(folder / "pairs.csv")
    assert tuple(pairs.columns) == PAIR_COLUMNS
    assert len(pairs) == 3
    per_trial = pd.read_csv(folder / "units" / "7" / "per_trial.csv")
    gain = per_trial["ll_psth"].sum() - per_trial["ll_constant"].sum()
    assert gain / per_trial["n_spikes"].sum() / np.log(2) == pytest.approx(rows[1]["bits_per_spike"], abs=1e-9)
    assert rows[0]["bits_per_spike"] == 0
    assert json.loads((folder / "done.json").read_text())["schema"] == SCHEMA
    assert not (folder / "work").exists()
    assert {"settings.json", "findings.jsonl", "rows.csv", "run.json", "trials.csv"} <= {
        each.name for each in folder.iterdir()
    }


def test_equal_bytes_for_any_number_of_workers(session: Path, tmp_path: Path) -> None:
    one, _ = fit(session, tmp_path / "one")
    job, loaded = make_job(session, settings(tmp_path / "two", workers=2))
    with engine_for(2) as engine:
        fit_recording(job, loaded, engine)
    files = sorted(each.relative_to(one) for each in one.rglob("*") if each.is_file())
    assert files == sorted(each.relative_to(job.folder) for each in job.folder.rglob("*") if each.is_file())
    differ = [str(f) for f in files if (one / f).read_bytes() != (job.folder / f).read_bytes()]
    assert differ == ["run.json"]


def test_finished_work_is_not_done_again_and_other_fits_are_not_overwritten(session: Path, tmp_path: Path) -> None:
    folder, _ = fit(session, tmp_path)
    before = (folder / "done.json").stat().st_mtime_ns
    _, again = fit(session, tmp_path)
    assert len(again) == 4
    assert (folder / "done.json").stat().st_mtime_ns == before
    with pytest.raises(RunError, match="--overwrite"):
        fit(session, tmp_path, seed=1)


def test_interrupted_fit_goes_on_to_the_same_rows(session: Path, tmp_path: Path, monkeypatch) -> None:
    _, whole = fit(session, tmp_path / "whole")
    job, loaded = make_job(session, settings(tmp_path / "cut"))
    with pytest.raises(KeyboardInterrupt), monkeypatch.context() as patch:
        patch.setattr("rnnspike.runs.fitting.task.finish_unit", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        fit_recording(job, loaded)
    resumed = fit_recording(job, loaded)
    assert [{**row, "seconds": None} for row in resumed] == [{**row, "seconds": None} for row in whole]


def invoke(*arguments: object):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_one_bad_recording_does_not_stop_the_others(session: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.nwb"
    bad.write_bytes(b"not a recording")
    options = ["--out", tmp_path / "runs", "--replicates", 0, "--no-report", *[x for m in MODELS for x in ("-m", m)]]
    result = invoke("fit", bad, session, *options)
    assert result.exit_code == 1
    assert len(result.stdout.splitlines()) == 5  # one of the bad recording
    assert all(json.loads(line)["schema"] == SCHEMA for line in result.stdout.splitlines())
    assert "bad.nwb" in result.stderr
    assert "Traceback" not in result.stderr
    assert invoke("fit", bad, *options).exit_code == 3


def test_dry_run_lists_the_tasks(session: Path, tmp_path: Path) -> None:
    result = invoke("fit", session, "--dry-run", "--out", tmp_path, "-m", "psth")
    tasks = [json.loads(line) for line in result.stdout.splitlines()]
    assert [task["task"] for task in tasks] == ["fit"] * 10 + ["finish"]
    assert re.search(r"1 unit, 11 tasks: about \d+ s with -j 1, 0\.\d GB$", result.stderr.strip())
    assert not any(tmp_path.iterdir())


def test_unknown_model_is_refused_with_a_hint(session: Path) -> None:
    result = invoke("fit", session, "-m", "lstn")
    assert result.exception is not None
    assert "did you mean 'lstm'" in str(result.exception)


def test_findings_of_units_that_were_not_asked_for_are_not_told(tmp_path: Path) -> None:
    """Unit 8 repeats a spike time; whoever fits unit 7 alone is not bothered with it."""
    rng = np.random.default_rng(0)
    trains = [np.sort(rng.uniform(0, 42, 800)) for _ in range(2)]
    trains[1][5] = trains[1][4]
    units = tuple(Unit(name, train, np.array([[0.0, 42.0]])) for name, train in zip("78", trains, strict=True))
    trials = pd.DataFrame({"start_time": np.arange(40) + 1.0, "stop_time": np.arange(40) + 1.5})
    path = tmp_path / "session.nwb"
    write_nwb(path, Recording(path, "", 0, "nwb", units, intervals={"trials": trials}))
    options = ["--replicates", 0, "--no-report", "-m", "psth"]
    assert "duplicate-spikes" in invoke("fit", path, *options, "--out", tmp_path / "both").stderr
    alone = invoke("fit", path, *options, "--units", "id == '7'", "--out", tmp_path / "one")
    assert alone.exit_code == 0
    assert "duplicate-spikes" not in alone.stderr


def test_a_run_is_taken_up_again_from_another_folder(session: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(session.parent)
    folder, _ = fit(Path(session.name), tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    assert reopen(folder).units == ["7"]


def test_many_recordings_are_fitted_side_by_side_and_come_in_order(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five recordings, one of them none, on two workers: the same rows and errors as on one."""
    monkeypatch.setattr("rnnspike.cli.terminal.progress.LONG_S", np.inf)  # the time left depends on the machine
    paths = [tmp_path / f"{name}.nwb" for name in ("d", "bad", "b", "c", "a")]
    for path in paths:
        path.write_bytes(b"not a recording" if path.stem == "bad" else session.read_bytes())
    options = ["--replicates", 0, *[x for m in MODELS for x in ("-m", m)]]
    found = {}
    for n_workers in (1, 2):
        out = tmp_path / str(n_workers)
        found[n_workers] = invoke("fit", *paths, *options, "-j", n_workers, "--out", out)
        assert found[n_workers].exit_code == 1
        assert "bad.nwb" in found[n_workers].stderr
        assert all((out / name / "report.html").is_file() for name in "abcd")
    rows = {n: [json.loads(line) for line in result.stdout.splitlines()] for n, result in found.items()}
    names = ["d"] * 4 + ["bad"] + [name for name in "bca" for _ in range(4)]
    assert [row["recording"] for row in rows[2]] == names
    assert [{**row, "seconds": None} for row in rows[1]] == [{**row, "seconds": None} for row in rows[2]]
    told = {n: [line for line in result.stderr.splitlines() if ": about " not in line] for n, result in found.items()}
    assert [line.replace("/1/", "/2/") for line in told[1]] == told[2]


def test_what_a_worker_raises_comes_back_whole() -> None:
    error = RecordingError("a.nwb", "no unit is left", "--min-spikes 10", "none-left")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_a_rung_trained_on_some_trials_says_so_and_others_do_not(session: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("rnnspike.runs.fitting.training.MOST_TRAINING_SPIKES", 120)
    _, rows = fit(session, tmp_path, models=["psth", "renewal"])
    said = {row["model"]: row["message"] for row in rows if row["unit"] == "7"}
    assert "of the training trials" in said["renewal"]
    assert "of the training trials" not in str(said["psth"])


def test_networks_of_all_units_and_folds_in_one_batch(session: Path, tmp_path: Path, monkeypatch) -> None:
    """What a GPU does, on a CPU: the same rows, but for rounding, also of a unit of three spikes."""
    tiny = RecurrentSettings(n_hidden=4, n_updates=10, n_rows=4, chunk_s=0.1, n_validations=2)
    monkeypatch.setitem(EFFORTS, "fast", tiny)
    # with some seeds two epochs score alike, and rounding chooses between them
    asked = {"models": ["lstm"], "effort": "fast", "replicates": 0, "min_spikes": 1, "seed": 3}
    _, alone = fit(session, tmp_path / "alone", **asked)
    for module in ("fitting.training", "fitting.predictions", "plan"):
        monkeypatch.setattr(f"rnnspike.runs.{module}.is_together", lambda name, _: MODELS_BY_NAME[name].together)
    job, loaded = make_job(session, settings(tmp_path / "together", **asked))
    kinds = [task.kind for task in tasks_of(loaded, job.settings)]
    assert kinds == ["fit"] * kinds.count("fit") + ["together", "finish", "read", "finish", "read"]
    together = fit_recording(job, loaded)
    for one, other in zip(alone, together, strict=True):
        assert (one["unit"], one["model"], one["status"]) == (other["unit"], other["model"], other["status"])
        if one["log_likelihood"] is not None:
            assert other["log_likelihood"] == pytest.approx(one["log_likelihood"], abs=0.05)
    assert [row["status"] for row in together if row["model"] == "lstm"] == ["ok", "ok"]


def test_a_refused_run_directory_exits_with_3_and_in_a_batch_with_1(session: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.nwb"
    other.write_bytes(session.read_bytes())
    options = ["--out", tmp_path / "runs", "--replicates", 0, "--no-report", "-m", "constant"]
    assert invoke("fit", session, *options).exit_code == 0
    refused = invoke("fit", session, *options, "--seed", 1)
    assert refused.exit_code == 3 and "try --overwrite" in refused.stderr.splitlines()[-1]
    assert invoke("fit", session, other, *options, "--seed", 1).exit_code == 1


def test_overwrite_never_takes_the_recording(session: Path, tmp_path: Path) -> None:
    """A Phy-like folder given as the recording, and its parent as --out."""
    recording = tmp_path / "rec"
    recording.mkdir()
    (recording / "0.txt").write_text("\n".join(str(0.5 + 0.3 * i + (i % 7) / 100) for i in range(400)))
    options = ["--segment", "2s", "--overwrite", "--replicates", 0, "--no-report", "-m", "constant"]
    refused = invoke("fit", recording, *options, "--out", tmp_path)
    assert refused.exit_code == 3 and "the recording itself" in refused.stderr
    assert [each.name for each in recording.iterdir()] == ["0.txt"]


def test_what_is_done_before_is_said_unless_it_is_done_again(session: Path, tmp_path: Path) -> None:
    options = ["--out", tmp_path, "--replicates", 0, "--no-report", "-m", "constant"]
    said = [invoke("fit", session, *options, *more).stderr for more in ([], [], ["--overwrite"])]
    assert ["tasks: done before" in each for each in said] == [False, True, False]
    assert "tasks: about " in said[0] and "tasks: about " in said[2]


def test_recordings_of_one_file_name_are_named_by_their_paths(session: Path, tmp_path: Path) -> None:
    again = tmp_path / "again" / session.name
    again.parent.mkdir()
    again.write_bytes(session.read_bytes())
    options = ["--out", tmp_path / "runs", "--replicates", 0, "--no-report", "-m", "constant"]
    lines = invoke("fit", session, again, *options).stderr.splitlines()
    assert lines and all(f"{session}: " in line or f"{again}: " in line for line in lines)
    assert any("left out" in line for line in lines)


def test_a_unit_whose_glm_cannot_be_fitted_still_has_the_network_on_the_drive(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise ModelError("the Hessian is singular")

    monkeypatch.setattr(HistoryGlm, "fit", refuse)
    _, rows = fit(session, tmp_path, models=["glm", "spike-lstm", "spike-lstm-glm"], effort="fast", units="id == '7'")
    status = {row["model"]: row["status"] for row in rows}
    assert status["spike-lstm"] == "ok"
    assert (status["glm"], status["spike-lstm-glm"]) == ("skipped", "skipped")
    message = next(row["message"] for row in rows if row["model"] == "spike-lstm-glm")
    assert message == "needs glm, which could not be fitted (the Hessian is singular)"


def test_networks_have_a_drive_where_it_is_a_constant(tmp_path: Path) -> None:
    """Five pieces: no repeats, too few trials for a gain, no covariate."""
    rng = np.random.default_rng(0)
    train = np.sort(rng.choice(10_000, 600, replace=False)) / 1000.0
    write_nwb(tmp_path / "s.nwb", Recording(tmp_path, "", 0, "nwb", (Unit("0", train, np.array([[0.0, 10.0]])),)))
    _, rows = fit(tmp_path / "s.nwb", tmp_path, models=["lstm"], effort="fast", segment=2.0)
    assert {row["model"]: row["status"] for row in rows}["lstm"] == "ok"
