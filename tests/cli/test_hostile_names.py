"""Recordings whose names mean something to terminals, pages, spreadsheets and file systems."""

from __future__ import annotations

import csv
import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.cli.main import main
from rnnspike.cli.terminal.output import Log
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb

IDS = ["[/nope]", "back\\", "\x1b]0;owned\x07", "=1+1", "a\nb", "</script><b>", "../../up", "x" * 300]
CONDITIONS = ["[/x]\x1b[31m</script>", "=$\\frac{\u202e"]
QUICK = ["--effort", "fast", "-m", "constant", "-m", "psth", "--replicates", "0", "--min-spikes", "5"]
#: What may not reach a terminal or a log, apart from line ends.
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def write(path: Path, ids: list[str]) -> Path:
    rng = np.random.default_rng(0)
    held = np.array([[0.0, 14.0]])
    units = tuple(Unit(each, np.sort(rng.uniform(0, 14, 200)), held, {"kind": each, "=k": "=v"}) for each in ids)
    start = np.arange(12) + 1.0
    trials = pd.DataFrame({"start_time": start, "stop_time": start + 0.3, "[c] $": (CONDITIONS * 6)})
    session = {"session_description": "[/about] \x1b[2J"}
    write_nwb(path, Recording(path, "", 0, "nwb", units, intervals={"trials": trials}, session=session))
    return path


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("names") / "hostile.nwb", IDS)


@pytest.fixture(scope="module")
def run_folder(hostile: Path) -> Path:
    out = hostile.parent / "runs"
    with pytest.raises(SystemExit) as left:
        main(["fit", str(hostile), *QUICK, "--condition", "[c] $", "--out", str(out)])
    assert left.value.code == 0
    return out / "hostile"


def call(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[str, str]:
    with pytest.raises(SystemExit) as left:
        main([str(each) for each in arguments])
    out, err = capsys.readouterr()
    assert left.value.code == 0, err
    return out, err


def test_a_fit_ends_in_its_table(hostile: Path, run_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "fit",
        hostile,
        *QUICK,
        "--condition",
        "[c] $",
        "--out",
        run_folder.parent,
        "--format",
        "table",
        "-v",
    ]
    out, err = call(capsys, *arguments)
    assert not RAW.search(out + err)
    for shown in ("[/nope]", "back\\ ", "\\x1b]0;owned\\x07", "a\\nb", "</script><b>"):
        assert shown in out


def test_a_log_has_a_line_a_message(tmp_path: Path) -> None:
    log = Log(-2, str(tmp_path / "log"))
    log.info("unit \x1b[2J\nerror: \udce9")
    log._file.close()
    assert (tmp_path / "log").read_text("utf-8") == "unit \\x1b[2J\\nerror: \\udce9\n"


@pytest.mark.parametrize("output", ["table", "jsonl", "json"])
def test_inspect_shows_them(hostile: Path, capsys: pytest.CaptureFixture[str], output: str) -> None:
    out, err = call(capsys, "inspect", hostile, "--format", output, "-v")
    assert not RAW.search(out + err) and "[/about]" in out and "[c] $" in out


def test_json_rows_keep_the_true_names(run_folder: Path, hostile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = call(capsys, "fit", hostile, *QUICK, "--condition", "[c] $", "--out", run_folder.parent)
    assert list(dict.fromkeys(json.loads(line)["unit"] for line in out.splitlines())) == IDS


def test_no_file_leaves_the_run_and_no_cell_is_a_formula(run_folder: Path) -> None:
    assert len(list((run_folder / "units").iterdir())) == len(IDS)
    assert sorted(each.name for each in run_folder.parent.parent.iterdir()) == ["hostile.nwb", "runs"]
    for file in run_folder.rglob("*.csv"):
        with file.open(newline="") as opened:
            cells = [cell for line in csv.reader(opened) for cell in line]
        assert not [cell for cell in cells if re.match(r"[=+\-@\t\r]", cell) and not re.match(r"[+-]?[\d.]", cell)]


def test_reports_and_comparisons(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = call(capsys, "report", run_folder, "--format", "md")
    assert not RAW.search(out + err) and "<b>" not in out.replace("\\<b\\>", "")
    page = (run_folder / "report.html").read_text("utf-8")
    payload = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
    assert [json.loads(each)["unit"] for each in payload[1:]][5] == "</script><b>"
    out, _ = call(capsys, "compare", run_folder, "--by", "unit", "--draws", "100")
    assert {json.loads(line)["unit"] for line in out.splitlines()} == set(IDS)
    out, _ = call(capsys, "compare", run_folder, "--by", "unit", "--draws", "100", "--format", "csv")
    assert "'=1+1" in out


def test_pictures_of_them(hostile: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["psth", hostile, "--condition", "[c] $", "--min-spikes", "5", "--draws", "100"]
    call(capsys, *common, "--pictures", tmp_path / "each")
    assert len(list((tmp_path / "each").iterdir())) == len(IDS)
    out, _ = call(capsys, *common, "--picture", tmp_path / "all.svg", "--format", "table")
    assert not RAW.search(out) and "\\frac{\\u202e" in (tmp_path / "all.svg").read_text("utf-8")


@pytest.mark.skipif(sys.platform == "darwin", reason="its file names are UTF-8")
def test_a_name_that_is_not_utf_8(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "a.nwb", ["u"]).rename(tmp_path / os.fsdecode(b"caf\xe9.nwb"))
    out, _ = call(capsys, "inspect", path, "--format", "table")
    assert "caf\\udce9.nwb" in out
    call(capsys, "fit", path, *QUICK, "--out", tmp_path / os.fsdecode(b"r\xe9"))
    (run,) = (tmp_path / os.fsdecode(b"r\xe9")).iterdir()
    assert run.name.isascii() and Path(json.loads((run / "run.json").read_text())["input"]) == path
    call(capsys, "report", run, "--out", tmp_path / "page.html")
    call(capsys, "compare", run, "--draws", "100")
    call(capsys, "simulate", run, "--model", "psth", "--out", tmp_path / "simulated.nwb")
