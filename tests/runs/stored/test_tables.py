from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.errors import ConfigError, RunError
from rnnspike.evaluation.scores.comparison import TrialBootstrap, compare_models
from rnnspike.evaluation.scores.resampling import holm
from rnnspike.runs.rows import SCHEMA, row
from rnnspike.runs.stored.store import safe_name, write_json, write_jsonl
from rnnspike.runs.stored.tables import (
    by_protocol,
    compare_stored,
    find_runs,
    not_pooled,
    read_scored,
    read_unit_tables,
    unfinished_runs,
)


def write_run(folder: Path, gain: float = 0.3, n_units: int = 3, fold: bool = True) -> Path:
    """A run directory with as much in it as a comparison reads."""
    rng = np.random.default_rng(n_units)
    rows = []
    for unit in [f"u/{i}" for i in range(n_units)]:
        n = rng.poisson(8, 30) + 1
        table = {"trial": np.arange(30), "n_spikes": n, "exposure_bins": np.full(30, 1000), "ll_glm": -5.0 * n}
        table["ll_lstm"] = -5.0 * n + gain * n * np.log(2) + rng.standard_normal(30)
        if fold:
            table["fold"] = np.arange(30) % 5
        path = folder / "units" / safe_name(unit) / "per_trial.csv"
        path.parent.mkdir(parents=True)
        pd.DataFrame(table).to_csv(path, index=False)
        rows += [
            row(recording=folder.name, unit=unit, model=m, status="ok", bits_per_spike=0.1) for m in ("glm", "lstm")
        ]
    rows.append(row(recording=folder.name, unit="silent", model="glm", status="skipped"))
    write_jsonl(folder / "rows.jsonl", rows)
    write_json(folder / "done.json", {"schema": SCHEMA, "id": "0", "units": []})
    sha256 = hashlib.sha256(str(folder).encode()).hexdigest()
    write_json(folder / "run.json", {"input": "x.nwb", "sha256": sha256, "versions": {}})
    return with_settings(folder)


def test_tables_are_read_back(tmp_path: Path) -> None:
    tables = read_unit_tables(write_run(tmp_path / "a"))
    assert [table.unit for table in tables] == ["u/0", "u/1", "u/2"]
    assert list(tables[0].log_likelihoods) == ["glm", "lstm"]
    assert tables[0].fold is not None


def test_units_may_be_held_in_trials_of_their_own(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", n_units=2)
    for unit, first in (("u/0", 0), ("u/1", 10)):
        file = run / "units" / safe_name(unit) / "per_trial.csv"
        pd.read_csv(file).iloc[first : first + 20].to_csv(file, index=False)
    assert [table.trial[0] for table in read_unit_tables(run)] == [0, 10]
    (row,) = compare_stored([run], draws=200)
    assert (row["n_units"], row["n_trials"]) == (2, 30)
    assert row["gain"] == pytest.approx(0.3, abs=0.1)


def test_a_folder_of_runs_stands_for_all_of_them(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name) for name in ("a", "b")]
    assert find_runs([tmp_path]) == runs
    assert find_runs([runs[0], tmp_path]) == runs


def test_hidden_and_deep_runs_are_found(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / name) for name in (".a", "b/c/d/e/f/g/h")]
    write_run(tmp_path / ".cache" / "c")
    assert find_runs([tmp_path]) == runs


def test_a_table_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a")
    file = run / "units" / safe_name("u/0") / "per_trial.csv"
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(RunError, match=r"per_trial\.csv: is damaged"):
        read_unit_tables(run)


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no finished run"):
        find_runs([tmp_path])


def test_recordings_of_one_name_are_two(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / mouse / "session") for mouse in ("m1", "m2")]
    rows = list(compare_stored(runs, by="recording", draws=200))
    assert [row["n_recordings"] for row in rows] == [1, 1]
    assert rows[0]["recording"] == "session"
    assert rows[1]["recording"].startswith("session-")
    (whole,) = compare_stored(runs, draws=200)
    assert (whole["n_recordings"], whole["level"]) == (2, "recording")


def test_one_recording_does_not_count_twice(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a" / "session")
    shutil.copytree(first, tmp_path / "b" / "session")
    with pytest.raises(RunError, match=r"holds unit u/0 of the same recording as .*a/session"):
        list(compare_stored([first, tmp_path / "b" / "session"], draws=200))


def test_units_of_one_recording_may_lie_in_several_runs(tmp_path: Path) -> None:
    first, second = write_run(tmp_path / "a" / "session"), write_run(tmp_path / "b" / "session")
    shutil.copy(first / "run.json", second / "run.json")
    for folder in (second / "units").iterdir():
        folder.rename(folder.with_name(folder.name.replace("u", "v", 1)))
    rows = (second / "rows.jsonl").read_text().replace('"u/', '"v/')
    (second / "rows.jsonl").write_text(rows)
    (row,) = compare_stored([first, second], draws=200)
    assert (row["n_recordings"], row["n_units"], row["level"]) == (1, 6, "unit")


def test_p_is_corrected_over_all_rows(tmp_path: Path) -> None:
    rows = list(compare_stored([write_run(tmp_path / "a", gain=0.05)], by="unit", draws=200))
    assert len(rows) == 3
    p = np.array([row["p"] for row in rows])
    assert [row["p_adjusted"] for row in rows] == pytest.approx(holm(p).tolist())


def test_a_unit_has_the_p_and_the_interval_of_its_own_run(tmp_path: Path) -> None:
    """By sign flips of its trials, not by the spread of a bootstrap, which gives any p for a large gain."""
    (row,) = compare_stored([write_run(tmp_path / "a", gain=3.0, n_units=1)])
    assert row["level"] == "trial"
    table = pd.read_csv(tmp_path / "a" / "units" / safe_name("u/0") / "per_trial.csv")
    bootstrap = TrialBootstrap(30, np.random.default_rng(1))
    found = compare_models(
        {m: table[f"ll_{m}"].to_numpy() for m in ("glm", "lstm")}, table["n_spikes"].to_numpy(), bootstrap
    )
    assert row["p"] == pytest.approx(found[0].p, abs=0.01)
    assert (row["gain"], row["gain_low"]) == pytest.approx((found[0].gain, found[0].gain_low), abs=0.02)


def test_everything_is_compared_by_default(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_run(tmp_path / name)
    (row,) = compare_stored([tmp_path], draws=200)
    assert (row["model_a"], row["model_b"], row["n_units"], row["n_recordings"]) == ("lstm", "glm", 6, 2)
    assert row["recording"] is None
    assert row["gain"] == pytest.approx(0.3, abs=0.1)


def test_by_recording_and_by_unit(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_run(tmp_path / name)
    assert [row["recording"] for row in compare_stored([tmp_path], by="recording", draws=200)] == ["a", "b"]
    assert len(list(compare_stored([tmp_path], by="unit", draws=200))) == 6


def test_against_one_model(tmp_path: Path) -> None:
    rows = list(compare_stored([write_run(tmp_path / "a")], against="lstm", draws=200))
    assert [(row["model_a"], row["model_b"]) for row in rows] == [("glm", "lstm")]
    assert rows[0]["gain"] < 0


def test_the_same_seed_gives_the_same_rows(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a")
    assert list(compare_stored([run], draws=200)) == list(compare_stored([run], draws=200))


def test_runs_may_be_given_in_any_order(tmp_path: Path) -> None:
    """Also where two recordings have one name, of which the first given keeps it."""
    runs = [write_run(tmp_path / mouse / "session", gain) for mouse, gain in (("m1", 0.1), ("m2", 0.5), ("m3", 0.2))]
    one, other = (next(compare_stored(each, draws=200)) for each in (runs, runs[::-1]))
    assert (one["gain_low"], one["gain_high"], one["p"]) == (other["gain_low"], other["gain_high"], other["p"])


def test_a_model_that_was_not_fitted_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gru: these runs hold glm, lstm"):
        list(compare_stored([write_run(tmp_path / "a")], pairs=[("gru", "glm")]))


def test_folds_that_are_not_stored_are_refused(tmp_path: Path) -> None:
    assert next(compare_stored([write_run(tmp_path / "a")], folds=True))["level"] == "fold"
    with pytest.raises(ConfigError, match="fold"):
        list(compare_stored([write_run(tmp_path / "b", fold=False)], folds=True))


def test_unfinished_runs_in_a_folder_are_found(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    write_json(tmp_path / "b" / "work" / "id.json", {"id": "1"})
    (tmp_path / "notes").mkdir()
    assert find_runs([tmp_path]) == [tmp_path / "a"]
    assert unfinished_runs([tmp_path, tmp_path / "a"]) == [tmp_path / "b"]
    with pytest.raises(RunError, match="not finished: run the same fit again"):
        find_runs([tmp_path / "b"])


def test_a_model_has_no_gain_over_itself(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--pair glm glm"):
        list(compare_stored([write_run(tmp_path / "a")], pairs=[("glm", "glm")], draws=200))


def test_models_that_no_unit_shares_are_an_error(tmp_path: Path) -> None:
    for name, model in (("a", "glm"), ("b", "lstm")):
        folder = write_run(tmp_path / name)
        for file in folder.glob("units/*/per_trial.csv"):
            pd.read_csv(file).drop(columns=f"ll_{model}").to_csv(file, index=False)
    for pairs in ([], [("glm", "lstm")]):
        with pytest.raises(RunError, match="no unit was scored by"):
            list(compare_stored([tmp_path], pairs=pairs, draws=200))


def with_settings(run: Path, **changed: object) -> Path:
    """A run whose settings say how it was scored."""
    values = {"bin": 0.001, "window": [-0.2, 1.0], "condition": [], "segment": None, "observation": "auto"}
    resolved = {"table": "trials", "align": "start_time", "observation": "bernoulli"}
    resolved |= {"window_s": [-0.2, 1.0], "n_trials": 30, "n_folds": 5}
    stored = {name: {"value": changed.get(name, value), "source": "flag"} for name, value in values.items()}
    resolved = {name: changed.get(f"resolved_{name}", value) for name, value in resolved.items()}
    write_json(run / "settings.json", {"settings": stored, "resolved": resolved})
    return run


@pytest.mark.parametrize(
    "change",
    [
        {"bin": 1.0},
        {"window": [0.0, 1.0]},
        {"window": None},
        {"condition": ["side"]},
        {"segment": 2.0},
        {"resolved_observation": "poisson"},
        {"resolved_table": "epochs"},
        {"resolved_align": "go"},
    ],
    ids=str,
)
def test_runs_that_were_not_scored_alike_are_never_pooled(tmp_path: Path, change: dict[str, object]) -> None:
    runs = [with_settings(write_run(tmp_path / name)) for name in "ab"]
    other = with_settings(write_run(tmp_path / "c"), **change)
    rows = list(compare_stored([*runs, other], draws=200))
    assert [row["n_recordings"] for row in rows] == [2, 1]
    assert len({row["protocol"] for row in rows}) == 2
    assert not_pooled(by_protocol(list(map(read_scored, runs)))) is None
    told = not_pooled(by_protocol(list(map(read_scored, [*runs, other]))))
    assert told is not None and "a, b (" in told and "; c (" in told and "\n" not in told


def test_one_recording_may_be_scored_in_two_ways(tmp_path: Path) -> None:
    first = with_settings(write_run(tmp_path / "a" / "session"))
    shutil.copytree(first, tmp_path / "b" / "session")
    second = with_settings(tmp_path / "b" / "session", bin=1.0)
    assert [row["n_units"] for row in compare_stored([first, second], draws=200)] == [3, 3]


def test_a_run_that_does_not_say_is_a_group_of_its_own(tmp_path: Path) -> None:
    runs = [with_settings(write_run(tmp_path / "a"))]
    runs.append(with_settings(write_run(tmp_path / "b"), resolved_observation=None))
    assert [row["n_recordings"] for row in compare_stored(runs, draws=200)] == [1, 1]
