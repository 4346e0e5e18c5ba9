"""``rnnspike collect``, and ``rnnspike fit --shard`` before it."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rnnspike.cli.main import cli

OPTIONS = ("--replicates", "0", "-m", "constant", "--folds", "3", "--no-report")


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.fixture
def recordings(session: Path, tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.nwb" for name in "abc"]
    for path in paths:
        shutil.copy(session, path)
    return paths


def test_shards_of_recordings_are_fitted_whole_and_gathered(recordings: list[Path], tmp_path: Path) -> None:
    rows = []
    for k in (1, 2):
        done = invoke("fit", *recordings, *OPTIONS, "--out", tmp_path / "runs", "--shard", f"{k}/2")
        assert done.exit_code == 0
        rows.append([json.loads(line)["recording"] for line in done.stdout.splitlines()])
    assert [set(each) for each in rows] == [{"a", "c"}, {"b"}]
    result = invoke("collect", tmp_path / "runs", "--out", tmp_path / "rows.csv")
    assert (result.exit_code, result.stdout) == (0, f"{tmp_path / 'rows.csv'}\n")
    with (tmp_path / "rows.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["recording"] for line in lines] == ["a", "a", "b", "b", "c", "c"]
    assert {line["input"] for line in lines} == set(map(str, recordings))


def test_a_table_is_left_alone_where_nothing_was_found(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("mine\n")
    done = invoke("collect", tmp_path / "typo", "--out", tmp_path / "rows.csv")
    assert (done.exit_code, done.stdout) == (3, "") and (tmp_path / "rows.csv").read_text() == "mine\n"


def test_a_run_in_another_run_is_found_and_a_run_of_two_names_is_taken_once(
    recordings: list[Path], tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    assert invoke("fit", recordings[0], *OPTIONS, "--out", runs).exit_code == 0
    assert invoke("fit", recordings[1], *OPTIONS, "--out", runs / "a").exit_code == 0
    (tmp_path / "alias").symlink_to(runs)
    found = invoke("collect", runs, tmp_path / "alias", runs / "a" / ".", "--format", "jsonl")
    assert found.exit_code == 0
    assert [json.loads(line)["recording"] for line in found.stdout.splitlines()] == ["a", "a", "b", "b"]


def test_a_shard_without_a_task_does_not_say_that_all_is_done(session: Path, tmp_path: Path) -> None:
    done = invoke("fit", session, *OPTIONS, "--out", tmp_path / "runs", "--shard", "20/20")
    assert done.exit_code == 0 and "nothing for this shard to do now" in done.stderr
    assert "done before" not in done.stderr


def test_shards_by_the_variables_of_a_job_array(
    recordings: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"ID": "1", "MIN": "0", "MAX": "2"}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
    done = invoke("fit", *recordings, *OPTIONS, "--out", tmp_path / "runs", "--shard", "slurm")
    assert {json.loads(line)["recording"] for line in done.stdout.splitlines()} == {"b"}


def test_what_shards_of_one_recording_left_is_finished(session: Path, tmp_path: Path) -> None:
    part = invoke("fit", session, *OPTIONS, "--out", tmp_path / "runs", "--shard", "2/3")
    assert (part.exit_code, part.stdout) == (0, "")
    folder = tmp_path / "runs" / "session"
    assert f"this shard is done; when all shards are, run: rnnspike collect {folder}" in part.stderr
    unfinished = invoke("collect", tmp_path / "runs", "--no-finish")
    assert unfinished.exit_code == 3 and "not finished" in unfinished.stderr
    result = invoke("collect", folder, "--format", "jsonl")
    assert result.exit_code == 0, result.stderr
    assert {json.loads(line)["model"] for line in result.stdout.splitlines()} == {"constant", "psth-gain"}
    assert "session: finished" in result.stderr


def test_a_run_that_cannot_be_finished_does_not_stop_the_others(recordings: list[Path], tmp_path: Path) -> None:
    invoke("fit", recordings[0], *OPTIONS, "--out", tmp_path / "runs")
    invoke("fit", recordings[1], *OPTIONS, "--out", tmp_path / "runs", "--shard", "2/3")
    recordings[1].unlink()
    result = invoke("collect", tmp_path / "runs", "--format", "jsonl")
    assert result.exit_code == 1 and "b.nwb: no such file" in result.stderr
    assert {json.loads(line)["recording"] for line in result.stdout.splitlines()} == {"a"}


def test_a_shard_that_is_none_and_a_table_of_no_known_kind_are_refused(session: Path, tmp_path: Path) -> None:
    assert "shards are numbered from 1 to the number of shards" in str(
        invoke("fit", session, "--shard", "4/3").exception
    )
    assert "must end in .csv" in str(invoke("collect", tmp_path, "--out", tmp_path / "t.xls").exception)
