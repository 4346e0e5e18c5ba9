"""``rnnspike decode``: table, formats, refusals; several runs."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

import rnnspike
from rnnspike.cli.decode import render_covariate
from rnnspike.cli.main import main
from rnnspike.errors import ExitCode
from rnnspike.neurons.registry import cell_spec
from rnnspike.neurons.session import SessionOptions, simulate_session
from rnnspike.recording.write import write_nwb
from rnnspike.runs.rows import DECODE_COLUMNS, DECODE_COVARIATE_COLUMNS


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = SessionOptions(48, duration_s=0.5, inter_trial_s=0.3, n_conditions=2, seed=1)
    path = tmp_path_factory.mktemp("session") / "two.nwb"
    write_nwb(path, simulate_session([cell_spec("refractory"), cell_spec("adapting")], options).recording)
    settings = {"condition": ("condition",), "effort": "fast", "replicates": 0, "report": False}
    return rnnspike.fit(path, models=("psth", "renewal"), out=tmp_path_factory.mktemp("runs"), **settings).folder


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["decode", *(str(argument) for argument in arguments)])
    captured = capsys.readouterr()
    return int(left.value.code or 0), captured.out, captured.err


def test_the_table_says_what_was_decoded(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, fitted, "--format", "table")
    assert code == ExitCode.OK
    assert "two: 2 conditions, 48 held-out trials, 2 units together; 1.00 bits would be all" in out
    assert [line.split()[0] for line in out.splitlines() if line.startswith("psth")] == ["psth", "psth-gain"]
    assert "results are in the run directory" in err


def test_rows_as_jsonl_and_csv(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, fitted, "--models", "renewal", "--unit", "1", "--format", "jsonl")
    row = json.loads(out)
    assert code == ExitCode.OK and row["model"] == "renewal" and row["n_units"] == 1
    assert out == (fitted / "decode.jsonl").read_text()
    _, out, _ = run(capsys, fitted, "--format", "csv")
    assert tuple(next(csv.reader(io.StringIO(out)))) == DECODE_COLUMNS


def test_a_run_that_cannot_be_decoded_does_not_stop_the_others(
    fitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, tmp_path, fitted, "--format", "jsonl")
    assert code == ExitCode.SOME_FAILED and len(out.splitlines()) == 2 and str(tmp_path) in err
    code, out, err = run(capsys, fitted, "-m", "gru")
    assert code == ExitCode.BAD_INPUT and out == ""
    assert "gru was not fitted (--models; it has constant, psth, psth-gain, renewal)" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--length", "1s"), "leave out --length: no effect without --covariate"),
        (("--covariate", "x", "--prior", "empirical"), "leave out --prior: no effect with --covariate"),
    ],
)
def test_options_without_effect_are_refused(
    arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "somewhere", *arguments)
    assert code == ExitCode.USAGE and message in err


def test_a_covariate_that_the_run_was_not_fitted_with(fitted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, fitted, "--covariate", "position", "--length", "250ms")
    assert code == ExitCode.BAD_INPUT and out == ""
    assert "was fitted without covariates: fit it with --covariate position" in err
    row = dict.fromkeys(DECODE_COVARIATE_COLUMNS) | {
        "recording": "two",
        "model": "glm",
        "covariate": "position",
        "window_ms": 250.0,
        "n_windows": 1,
        "n_units": 2,
        **{f"rms_error{end}": value for end, value in (("", 3.25), ("_low", 3.0), ("_high", 4.0))},
        "prior_rms_error": 9.0,
        "chance_error": 10.0,
        "error_p": 0.005,
        "information": 1.5,
        "message": "a remark",
    }
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(render_covariate([row]))
    text = console.export_text()
    assert "two: position in 1 window of 250 ms, 2 units together" in text and "a remark" in text
    assert "3.25 (3 to 4)" in text and "< 0.005" in text and "1.500" in text
