"""Runs with damaged files: one line that names the file and the cure, and the other runs go on."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnspike.cli.main import main
from rnnspike.errors import ExitCode

Damage = Callable[[Path], object]
OF_ALL = ("done.json", "settings.json", "run.json", "rows.jsonl", "units/0/per_trial.csv")
OF_A_REPORT = ("pairs.csv", "findings.jsonl", "units/0/curves.npz", "units/0/stack.json")


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main([str(argument) for argument in arguments])
    return int(left.value.code or 0), *capsys.readouterr()


@pytest.fixture
def broken(fitted: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(fitted, tmp_path / "broken"))


@pytest.fixture
def unpacked(broken: Path) -> Path:
    """The run with the models of a unit in a folder, as they lie there during a fit."""
    file = broken / "units/0/models.zip"
    with zipfile.ZipFile(file) as packed:
        packed.extractall(broken / "units/0/models")
    file.unlink()
    return broken


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-20])


WHOLE: dict[str, Damage] = {
    "missing": Path.unlink,
    "a folder": a_folder,
    "bytes": lambda file: file.write_bytes(bytes(range(256)) * 9),
    "a text": lambda file: file.write_text('"text"'),
    "a list": lambda file: file.write_text("[1]"),
    "too deep": lambda file: file.write_text("[" * 100_000),
}


def is_told(err: str, file: str, where: Path) -> bool:
    (line,) = err.splitlines()
    return (str(where / file) in line or (str(where) in line and file == "done.json")) and "again" in line


@pytest.mark.parametrize("damage", WHOLE)
@pytest.mark.parametrize(
    ("command", "file"),
    [*(("compare", each) for each in OF_ALL), *(("report", each) for each in (*OF_ALL, *OF_A_REPORT))],
)
def test_a_damaged_file(broken: Path, command: str, file: str, damage: str, capsys) -> None:
    WHOLE[damage](broken / file)
    code, _, err = run(capsys, command, broken)
    assert code == ExitCode.BAD_INPUT and is_told(err, file, broken), err


def entry(*way: Any, to: Any) -> Damage:
    """Set one entry of a JSON file; of one of lines, of its first."""

    def change(file: Path) -> None:
        lines = file.read_text().split("\n") if file.suffix == ".jsonl" else [file.read_text()]
        document = inner = json.loads(lines[0])
        for key in way[:-1]:
            inner = inner[key]
        inner.pop(way[-1]) if to is ... else inner.__setitem__(way[-1], to)
        file.write_text("\n".join([json.dumps(document), *lines[1:]]))

    return change


def column(name: str, to: str) -> Damage:
    """Set the first cell of a column of a CSV, or rename it."""

    def change(file: Path) -> None:
        lines = [line.split(",") for line in file.read_text().splitlines()]
        lines[bool(to)][lines[0].index(name)] = to or "other"
        file.write_text("\n".join(map(",".join, lines)))

    return change


CHANGED: list[tuple[str, str, Damage]] = [
    ("compare", "done.json", entry("id", to=...)),
    ("compare", "done.json", entry("units", to="0")),
    ("compare", "run.json", entry("sha256", to=5)),
    ("compare", "settings.json", entry("settings", "bin", "value", to="1 ms")),
    ("compare", "settings.json", entry("settings", "window", to=3)),
    ("compare", "settings.json", entry("resolved", to=...)),
    ("compare", "rows.jsonl", entry("unit", to=0)),
    ("compare", "rows.jsonl", entry("bits_per_spike", to="high")),
    ("compare", "rows.jsonl", entry("bits_per_spike", to=1e300)),
    ("compare", "rows.jsonl", entry("status", to="fine")),
    ("compare", "units/0/per_trial.csv", column("trial", "")),
    ("compare", "units/0/per_trial.csv", column("trial", "-1")),
    ("compare", "units/0/per_trial.csv", column("n_spikes", "many")),
    ("compare", "units/0/per_trial.csv", column("ll_psth", "inf")),
    ("compare", "units/0/per_trial.csv", column("ll_psth", "nan")),
    ("compare", "units/0/per_trial.csv", column("ll_psth", "1e300")),
    ("compare", "units/0/per_trial.csv", column("fold", "0.5")),
    ("report", "units/0/per_trial.csv", column("condition", "")),
    ("report", "pairs.csv", column("gain", "x")),
    ("report", "pairs.csv", column("gain", "")),
    ("report", "settings.json", entry("resolved", "n_trials", to="all")),
    ("report", "settings.json", entry("settings", "bin", "source", to=...)),
    ("report", "run.json", entry("versions", to=["1"])),
    ("report", "units/0/stack.json", entry("0", to=[0.5])),
]


@pytest.mark.parametrize(("command", "file", "change"), CHANGED)
def test_an_entry_of_another_type(broken: Path, command: str, file: str, change: Damage, capsys) -> None:
    change(broken / file)
    code, _, err = run(capsys, command, broken)
    assert code == ExitCode.BAD_INPUT and is_told(err, file, broken), err


def test_arrays_of_other_shapes(broken: Path, capsys) -> None:
    file = broken / "units/0/curves.npz"
    with np.load(file) as stored:
        np.savez(file, **{name: np.zeros(3) for name in stored.files})
    code, _, err = run(capsys, "report", broken)
    (line,) = err.splitlines()
    assert code == ExitCode.BAD_INPUT and line.startswith(f"rnnspike: error: {broken}: ") and "--overwrite" in line


@pytest.mark.parametrize("more", [("--format", "md"), ("--out", "{}/page.html"), ("--figures", "{}/figures")])
def test_the_reports_of_other_runs_go_on(fitted: Path, broken: Path, more: tuple[str, str], capsys) -> None:
    (broken / "settings.json").write_text("{}")
    whole = shutil.copytree(fitted, broken.parent / "whole")
    code, out, err = run(capsys, "report", broken, whole, *(each.format(broken.parent) for each in more))
    assert code == ExitCode.SOME_FAILED and is_told(err, "settings.json", broken)
    assert out and "broken" not in out.replace(str(broken.parent), "")


def test_the_comparison_of_other_runs_goes_on(fitted: Path, broken: Path, tmp_path: Path, capsys) -> None:
    a_folder(broken / "rows.jsonl")
    alone = run(capsys, "compare", fitted, "--draws", 100)
    code, out, err = run(capsys, "compare", broken, fitted, tmp_path / "nothing", "--draws", 100)
    assert (code, out) == (ExitCode.SOME_FAILED, alone[1]) and len(err.splitlines()) == 2


@pytest.mark.parametrize("damage", [*WHOLE, "cut"])
@pytest.mark.parametrize("name", ["weights.safetensors", "config.json"])
def test_damaged_models(unpacked: Path, tmp_path: Path, name: str, damage: str, capsys) -> None:
    file = unpacked / "units/0/models/psth/test0-stop0" / name
    {**WHOLE, "cut": cut}[damage](file)
    code, _, err = run(capsys, "simulate", unpacked, "--model", "psth", "--out", tmp_path / "x.nwb")
    assert code == ExitCode.BAD_INPUT and str(file.parent) in err and "--overwrite" in err and err.count("\n") == 1


@pytest.mark.parametrize("damage", [*WHOLE, "cut"])
def test_damaged_packed_models(broken: Path, tmp_path: Path, damage: str, capsys) -> None:
    {**WHOLE, "cut": cut}[damage](broken / "units/0/models.zip")
    code, _, err = run(capsys, "simulate", broken, "--model", "psth", "--out", tmp_path / "x.nwb")
    told = (
        "psth of unit 0 is missing from the run"
        if damage in ("missing", "a folder")
        else "units/0/models.zip: is damaged and"
    )
    assert code == ExitCode.BAD_INPUT and told in err and err.count("\n") == 1


def test_weights_of_another_model(unpacked: Path, tmp_path: Path, capsys) -> None:
    folder = unpacked / "units/0/models/psth"
    shutil.copy(folder / "test1-stop1/weights.safetensors", folder / "test0-stop0")
    code, _, err = run(capsys, "simulate", unpacked, "--model", "psth", "--out", tmp_path / "x.nwb")
    assert code == ExitCode.BAD_INPUT and "test0-stop0/config.json: is damaged" in err
