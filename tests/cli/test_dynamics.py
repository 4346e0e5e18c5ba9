from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rnnspike.cli.main import main
from rnnspike.errors import ExitCode


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["dynamics", *arguments])
    return int(left.value.code or 0)


@pytest.fixture
def oscillator_file(tmp_path: Path) -> Path:
    """An nn.RNN that turns at 25 Hz and forgets over 100 ms, at steps of 1 ms."""
    angle = 2 * np.pi / 40
    turn = np.exp(-1 / 100) * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    module = torch.nn.RNN(1, 2, bias=False)
    with torch.no_grad():
        module.weight_hh_l0.copy_(torch.from_numpy(turn))
        module.weight_ih_l0.fill_(1.0)
    save_file({**module.state_dict(), "fc.weight": torch.ones(1, 2)}, tmp_path / "osc.safetensors")
    return tmp_path / "osc.safetensors"


QUICK = ["--starts", "32", "--seeds", "2"]


def test_a_model_file_gives_its_time_constant_and_frequency(oscillator_file: Path, capsys) -> None:
    assert run("--model-file", str(oscillator_file), "--dt", "1ms", *QUICK, "--format", "jsonl") == ExitCode.OK
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["seed"] for row in rows] == ["0", "1", None]
    for row in rows:
        assert row["slowest_tau_ms"] == pytest.approx(100, rel=1e-4) and row["frequencies_hz"] == [25.0]
    assert rows[2]["n_seeds"] == 2 and rows[2]["slowest_tau_ms_low"] is not None


def test_dt_scales_everything(oscillator_file: Path, capsys) -> None:
    run("--model-file", str(oscillator_file), "--dt", "10ms", *QUICK, "--format", "csv", "--cell", "linear")
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert float(rows[-1]["slowest_tau_ms"]) == pytest.approx(1000, rel=1e-4)
    assert rows[-1]["frequencies_hz"] == "[2.5]" and float(rows[-1]["superposition"]) < 1e-12


def test_inputs_conditions_and_feedback_are_named(oscillator_file: Path, tmp_path: Path, capsys) -> None:
    np.save(tmp_path / "inputs.npy", np.random.default_rng(0).normal(size=(6, 100, 1)))
    np.save(tmp_path / "conditions.npy", [[0.0], [0.2]])
    files = ["--inputs", str(tmp_path / "inputs.npy"), "--conditions", str(tmp_path / "conditions.npy")]
    out = tmp_path / "out"
    arguments = ["--model-file", str(oscillator_file), "--dt", "1ms", "--starts", "32", "--seeds", "1", *files]
    code = run(*arguments, "--feedback", "0", "--link", "logit", "--out", str(out), "--format", "json")
    rows = json.loads(capsys.readouterr().out)
    assert code == ExitCode.OK
    assert [row["input"] for row in rows if row["seed"]] == [
        "silent",
        "mean",
        "closed-loop",
        "condition 0",
        "condition 1",
    ]
    assert sorted(path.name for path in (out / "osc").iterdir()) == [
        "closed-loop.npz",
        "condition-0.npz",
        "condition-1.npz",
        "mean.npz",
        "memory.npz",
        "memory.png",
        "silent.npz",
        "state_space.png",
    ]
    assert len((out / "rows.jsonl").read_text().splitlines()) == 5


def test_several_files_are_seeds(oscillator_file: Path, tmp_path: Path, capsys) -> None:
    other = tmp_path / "other.pt"
    torch.save(torch.nn.RNN(1, 2).state_dict(), other)
    run("--model-file", str(oscillator_file), "--model-file", str(other), "--dt", "1ms", *QUICK, "--format", "jsonl")
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["seed"] for row in rows] == ["osc", "other", None]
    assert rows[2]["slowest_tau_ms_low"] < rows[2]["slowest_tau_ms_high"] == pytest.approx(100, rel=1e-4)


def test_files_of_one_name_are_told_apart(oscillator_file: Path, tmp_path: Path, capsys) -> None:
    other = tmp_path / "again" / "osc.pt"
    other.parent.mkdir()
    torch.save(torch.nn.RNN(1, 2).state_dict(), other)
    files = ("--model-file", str(oscillator_file), "--model-file", str(other))
    run(*files, "--dt", "1ms", *QUICK, "--out", str(tmp_path / "out"), "--format", "jsonl")
    seeds = [json.loads(line)["seed"] for line in capsys.readouterr().out.splitlines()][:2]
    assert len(set(seeds)) == 2 and seeds[0] == "osc"
    assert all((tmp_path / "out" / seed).is_dir() for seed in seeds)


def test_table_says_what_stands_beside(oscillator_file: Path, capsys) -> None:
    run("--model-file", str(oscillator_file), "--dt", "1ms", *QUICK, "--format", "table")
    shown = capsys.readouterr()
    assert "100 ms" in shown.out and "they agree" in shown.out and "without --inputs" in shown.err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], ExitCode.BAD_INPUT, "takes run directories"),
        (["{}/osc.safetensors"], ExitCode.BAD_INPUT, "no finished run"),
        (["run", "--dt", "1ms", "--out", "x"], ExitCode.USAGE, "leave out --dt, --out: no effect on a RUN"),
        (
            ["--model-file", "a.pt", "--dt", "1ms", "-m", "gru", "-j", "2"],
            ExitCode.USAGE,
            "leave out --models, --workers: no effect with --model-file",
        ),
        (["--model-file", "{}/osc.safetensors"], ExitCode.BAD_INPUT, "--dt 1ms"),
        (["--model-file", "{}/osc.safetensors", "--dt", "0"], ExitCode.USAGE, "--dt"),
        (["--model-file", "{}/osc.safetensors", "--dt", "x"], ExitCode.USAGE, "not a duration"),
        (["--model-file", "{}/osc.safetensors", "--dt", "1ms", "--cell", "gru"], ExitCode.BAD_INPUT, "gates"),
        (["--model-file", "{}/absent.pt", "--dt", "1ms"], ExitCode.BAD_INPUT, "absent.pt: no such file"),
        (
            ["--model-file", "{}/osc.safetensors", "--dt", "1ms", "--feedback", "4"],
            ExitCode.BAD_INPUT,
            "--feedback",
        ),
        (
            ["--model-file", "{}/osc.safetensors", "--dt", "1ms", "--readout", "none", "--feedback", "0"],
            ExitCode.BAD_INPUT,
            "--readout",
        ),
    ],
)
def test_failures_are_one_line(oscillator_file: Path, arguments, code, message, capsys) -> None:
    filled = [argument.replace("{}", str(oscillator_file.parent)) for argument in arguments]
    assert run(*filled, "-q") == code
    said = capsys.readouterr()
    assert message in said.err and "Traceback" not in said.err and not said.out
    if code != ExitCode.USAGE:
        assert len(said.err.strip().splitlines()) == 1


def test_a_task_that_reaches_further_than_gradients_is_said(oscillator_file: Path, capsys) -> None:
    arguments = ["--model-file", str(oscillator_file), "--dt", "1ms", *QUICK, "--format", "jsonl"]
    for history, said in (("2s", True), ("10ms", False)):
        run(*arguments, "--history", history)
        shown = capsys.readouterr()
        row = json.loads(shown.out.splitlines()[-1])
        reached = row["memory_horizon_ms"] is None or row["memory_horizon_ms"] > 2000
        assert ("training hardly used" in (row["message"] or "")) is (said and not reached)
        assert "assumed to be the tanh of nn.RNN" in shown.err and "\r" not in shown.err
    run(*arguments, "--cell", "rnn")
    assert "tanh" not in capsys.readouterr().err


def test_a_short_memory_is_warned_of(tmp_path: Path, capsys) -> None:
    module = torch.nn.RNN(1, 1, bias=False)
    with torch.no_grad():
        module.weight_hh_l0.fill_(0.5)
    torch.save(module.state_dict(), tmp_path / "short.pt")
    run("--model-file", str(tmp_path / "short.pt"), "--dt", "1ms", *QUICK, "--history", "100ms", "--format", "table")
    assert "history reaches 100 ms, gradients only 7 ms" in " ".join(capsys.readouterr().out.split())
