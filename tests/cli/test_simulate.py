from __future__ import annotations

import json
from pathlib import Path

import pytest

from rnnspike.cli.main import main
from rnnspike.errors import ExitCode
from rnnspike.neurons.networks import NETWORKS
from rnnspike.neurons.registry import CELLS
from rnnspike.recording.read import read_recording


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(["simulate", *arguments])
    return int(left.value.code or 0)


def test_a_cell_is_written_with_a_row_a_unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cell.nwb"
    code = run("--neuron", "adapting", "--trials", "5", "--duration", "300ms", "--units", "2", "--out", str(out))
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert code == ExitCode.OK
    assert [(row["recording"], row["unit"], row["cell"]) for row in rows] == [
        (str(out), "0", "adapting"),
        (str(out), "1", "adapting"),
    ]
    recording = read_recording(out)
    assert len(recording.units) == 2
    assert len(recording.intervals["trials"]) == 5
    assert "true_intensity_1" in recording.covariates


@pytest.mark.parametrize("arguments", [["--list"], ["--neuron", "list"]])
def test_cells_are_listed(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments, "--format", "jsonl") == ExitCode.OK
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["neuron"] for row in rows] == [*CELLS, *NETWORKS]


def test_a_network_is_written_with_its_links(tmp_path: Path) -> None:
    out = tmp_path / "network.nwb"
    assert run("--network", "chain", "--units", "3", "--trials", "5", "--out", str(out), "-q") == ExitCode.OK
    units = read_recording(out).units
    assert [unit.metadata["driven_by"] for unit in units] == ["none", "0", "1"]
    assert {unit.metadata["hidden_drive"] for unit in units} == {"none"}


def test_the_seed_decides(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        run("--neuron", "poisson", "--trials", "3", "--seed", seed, "--out", str(tmp_path / f"{name}.nwb"), "-q")
    a, b, c = ((tmp_path / f"{name}.nwb").read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], ExitCode.USAGE, "--neuron NAME"),
        (["--neuron", "poisson"], ExitCode.USAGE, "--out"),
        (["somewhere", "--neuron", "poisson", "--out", "x.nwb"], ExitCode.USAGE, "RUN directory, --neuron"),
        (["--network", "torus", "--out", "{}/x.nwb"], ExitCode.BAD_INPUT, "no such network"),
        (["--network", "mixed", "--units", "3", "--out", "{}/x.nwb"], ExitCode.BAD_INPUT, "8 units at the least"),
        (
            ["run", "--trials", "5", "--bin", "1ms", "--out", "x.nwb"],
            ExitCode.USAGE,
            "leave out --trials, --bin: no effect on a RUN, which has its own trials",
        ),
        (
            ["--neuron", "poisson", "--model", "glm", "--out", "x.nwb"],
            ExitCode.USAGE,
            "leave out --model: no effect on simulated cells",
        ),
        (["--neuron", "granule", "--out", "{}/x.nwb"], ExitCode.BAD_INPUT, "no such cell"),
        (["--neuron", "coupled-pair", "--units", "1", "--out", "{}/x.nwb"], ExitCode.BAD_INPUT, "multiple of 2"),
        (["--neuron", "poisson", "--out", "{}/no/x.nwb"], ExitCode.BAD_INPUT, "no folder"),
        (["--neuron", "poisson", "--bin", "0", "--out", "{}/x.nwb"], ExitCode.USAGE, "--bin"),
    ],
)
def test_wrong_use_is_one_line_with_its_code(
    arguments: list[str], code: ExitCode, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*(argument.format(tmp_path) for argument in arguments)) == code
    assert message in capsys.readouterr().err


def test_a_file_is_replaced_only_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "cell.nwb"
    out.write_text("mine")
    arguments = ["--neuron", "poisson", "--trials", "2", "--out", str(out)]
    assert run(*arguments) == ExitCode.BAD_INPUT
    assert "--overwrite" in capsys.readouterr().err
    assert out.read_text() == "mine"
    assert run(*arguments, "--overwrite") == ExitCode.OK
