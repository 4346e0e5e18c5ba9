"""Places that cannot be written and options that cannot be met: one line that names the option, and exit code 3."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from rnnspike.cli.main import main
from rnnspike.errors import ExitCode

FIT = ("--replicates", 0, "-m", "constant", "--no-report")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_text("mine")
    return tmp_path / "file"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0), capsys.readouterr().err


def test_fit_into_a_file(session: Path, file: Path, capsys) -> None:
    code, err = run(capsys, "fit", session, *FIT, "--out", file)
    assert code == ExitCode.BAD_INPUT and "file/session: cannot be written" in err and "--out" in err
    code, err = run(capsys, "fit", session, *FIT, "--out", file.parent, "--log-file", file / "log")
    assert code == ExitCode.BAD_INPUT and err.startswith("rnnspike: --log-file") and len(err.splitlines()) == 1


def test_one_bad_output_does_not_stop_the_others(session: Path, tmp_path: Path, capsys) -> None:
    other = tmp_path / "other.nwb"
    shutil.copy(session, other)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "session").write_text("a file where the run would lie")
    code, err = run(capsys, "fit", session, other, *FIT, "--out", tmp_path / "runs")
    assert code == ExitCode.SOME_FAILED and (tmp_path / "runs" / "other" / "done.json").is_file()
    assert "runs/session: exists and is no run" in err


def test_a_full_disk_fails_one_recording(session: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "rows.jsonl")

    monkeypatch.setattr("rnnspike.runs.fitting.task.write_run", full)
    code, err = run(capsys, "fit", session, *FIT, "--out", tmp_path)
    assert code == ExitCode.SOME_FAILED and "session.nwb: rows.jsonl: No space left on device" in err


def test_a_gpu_that_is_not_there(session: Path, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, err = run(capsys, "fit", session, *FIT, "--out", tmp_path / "runs", "--device", "cuda")
    assert code == ExitCode.BAD_INPUT and "--device cpu" in err and len(err.splitlines()) == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("option", ["--picture", "--pictures"])
def test_pictures_of_psth(session: Path, file: Path, option: str, capsys) -> None:
    code, err = run(capsys, "psth", session, option, file / "x.png", "--draws", 100)
    assert code == ExitCode.BAD_INPUT and f"{option} {file}/x.png: cannot be written" in err


@pytest.mark.parametrize(
    ("option", "more"), [("--out", ()), ("--out", ("--format", "md")), ("--figures", ())], ids=str
)
def test_reports(fitted: Path, file: Path, option: str, more: tuple[str, ...], capsys) -> None:
    code, err = run(capsys, "report", fitted, option, file / "x", *more)
    assert code == ExitCode.BAD_INPUT and f"{option} {file}/x: cannot be written" in err
    assert len(err.splitlines()) == 1


def test_dynamics_of_a_file(file: Path, capsys) -> None:
    weights = torch.nn.RNN(1, 2).state_dict()
    save_file(dict(weights), file.parent / "rnn.safetensors")
    code, err = run(
        capsys, "dynamics", "--model-file", file.parent / "rnn.safetensors", "--dt", "10ms", "--out", file
    )
    assert code == ExitCode.BAD_INPUT and f"--out {file}: cannot be written: {file} is not a folder" in err


@pytest.mark.parametrize("command", ["simulate", "psth", "compare", "dynamics"])
def test_a_negative_seed_is_wrong_use(command: str, capsys) -> None:
    code, err = run(capsys, command, "x", "--seed", "-1")
    assert code == ExitCode.USAGE and "--seed" in err


def test_a_report_elsewhere_leaves_the_run_alone(fitted: Path, tmp_path: Path, capsys) -> None:
    assert run(capsys, "report", fitted, "--out", tmp_path / "x.html")[0] == ExitCode.OK
    assert (tmp_path / "x.html").is_file() and not (fitted / "report.html").exists()


@pytest.mark.parametrize("command", ["compare", "report"])
def test_what_is_left_out_is_told(fitted: Path, tmp_path: Path, command: str, capsys) -> None:
    for name in ("a", "b"):
        shutil.copytree(fitted, tmp_path / name)
    (tmp_path / "b" / "done.json").unlink()
    code, err = run(capsys, command, tmp_path)
    assert code == ExitCode.OK and "b: left out because it is not finished" in err and len(err.splitlines()) == 1
