from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from rnnspike.cli.inspect import COLUMNS
from rnnspike.cli.main import main
from rnnspike.errors import ExitCode
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as left:
            main(["inspect", *map(str, arguments)])
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return call


def write(path: Path, times: Any, trials: bool = True) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["nwb_version"] = "2.8.0"
        units = file.create_group("units")
        units["id"], units["spike_times"], units["spike_times_index"] = [4], np.asarray(times), [len(times)]
        units["quality"] = np.array([b"good [really]"])
        units["obs_intervals"], units["obs_intervals_index"] = [[0.0, 50.0]], [1]
        if trials:
            table = file.create_group("intervals/trials")
            table["id"], table["start_time"] = np.arange(12), np.arange(12) * 4.0
            table["stop_time"], table["odour"] = np.arange(12) * 4.0 + 3, np.array([b"a", b"b"] * 6)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return write(tmp_path / "good.nwb", np.linspace(0.1, 49.0, 300))


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    return write(tmp_path / "bad.nwb", np.arange(1, 300) * 160.0)


def rows_of(out: str) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for line in out.splitlines():
        row = json.loads(line)
        found.setdefault(row["row"], []).append(row)
    return found


def test_rows(run: Run, good: Path) -> None:
    code, out, err = run(good)
    rows = rows_of(out)
    assert (code, err) == (ExitCode.OK, "")
    assert all(row["schema"] == 1 and row["recording"] == str(good) for kind in rows.values() for row in kind)
    assert rows["unit"][0]["name"] == "4" and rows["unit"][0]["rate_hz"] == pytest.approx(6.0)
    assert rows["table"][0]["columns"]["odour"] == "condition (2)"
    assert rows["suggestion"][0]["message"] == f"rnnspike fit {good} --condition odour"


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_table_fits_its_width(run: Run, good: Path, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    code, out, _ = run(good, "--format", "table")
    assert code == ExitCode.OK and "odour (2 levels)" in out and "quality good [r" in out and "start_time" in out
    assert all(len(line) <= width for line in out.splitlines() if "rnnspike fit" not in line)


def test_csv_and_json(run: Run, good: Path) -> None:
    _, out, _ = run(good, "--format", "csv")
    table = list(csv.DictReader(io.StringIO(out)))
    assert list(table[0]) == list(COLUMNS) and [row["row"] for row in table][:2] == ["recording", "unit"]
    _, out, _ = run(good, "--format", "json")
    assert len(json.loads(out)) == len(table)
    assert json.loads(table[1]["metadata"]) == {"quality": "good [really]"}


def test_one_bad_file_does_not_stop_the_others(run: Run, good: Path, bad: Path, tmp_path: Path) -> None:
    code, out, err = run(tmp_path / "gone.nwb", bad, good)
    assert code == ExitCode.SOME_FAILED
    assert len(err.splitlines()) == 2 and "gone.nwb: no such file" in err and "--time-scale 0.001" in err
    assert {row["recording"] for row in rows_of(out)["unit"]} == {str(bad), str(good)}


def test_all_bad(run: Run, bad: Path) -> None:
    code, out, _ = run(bad)
    assert code == ExitCode.BAD_INPUT
    errors = [row for row in rows_of(out)["finding"] if row["level"] == "error"]
    assert [(row["name"], row["option"]) for row in errors] == [("spike-times-scale", "--time-scale 0.001")]


def test_the_option_mends_it(run: Run, bad: Path) -> None:
    code, out, _ = run(bad, "--time-scale", "0.001")
    assert code == ExitCode.OK and "--time-scale 0.001" in rows_of(out)["suggestion"][0]["message"]


def test_an_error_keeps_the_suggestion_from_the_table(run: Run, bad: Path) -> None:
    _, out, _ = run(bad, "--format", "table")
    assert "spike-times-scale" in out and "rnnspike fit" not in out


def test_an_error_leaves_no_suggestion_among_the_rows(run: Run, bad: Path) -> None:
    assert not {"suggestion", "alternative"} & set(rows_of(run(bad)[1]))


def test_other_events_are_named_with_their_modulation(run: Run, tmp_path: Path) -> None:
    start = np.arange(40) * 2.0
    table = pd.DataFrame({"start_time": start, "stop_time": start + 2, "cue_time": start + 1})
    spikes = np.sort(np.concatenate([start + lag for lag in (0.3, 0.7, 1.03, 1.05, 1.08, 1.6)]))
    recording = Recording(tmp_path / "a.nwb", "", 0, "nwb", (Unit("0", spikes),), intervals={"trials": table})
    write_nwb(recording.path, recording)
    rows = rows_of(run(recording.path)[1])
    assert "--align cue_time --window -1 1" in rows["suggestion"][0]["message"]
    (other,) = rows["alternative"]
    assert other["name"] == "trials.start_time" and other["message"] == f"rnnspike fit {recording.path}"
    assert rows["suggestion"][0]["modulation"] > other["modulation"]
    _, out, _ = run(recording.path, "--format", "table")
    assert "around others: trials.start_time (" in out.replace("\n", " ")


def test_an_unreadable_file_is_a_row_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty.nwb").write_bytes(b"")
    code, out, err = run(tmp_path / "empty.nwb")
    assert code == ExitCode.BAD_INPUT and "empty.nwb" in err
    assert rows_of(out)["finding"][0]["name"] == "unreadable"


def test_paths_from_stdin(run: Run, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{good}\n\n"))
    assert run("-")[0] == ExitCode.OK


def test_a_closed_pipe(good: Path) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)  # the reader is gone before anything is written
    command = [sys.executable, "-m", "rnnspike", "inspect", str(good)]
    with os.fdopen(write_end, "wb") as pipe:
        done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == ExitCode.CLOSED_PIPE
    assert "Traceback" not in done.stderr and "Error" not in done.stderr


def test_many_units_are_shown_on_request(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "many.txt"
    path.write_text("\n".join(" ".join(str(0.05 + 0.1 * i + u / 1000) for i in range(3 + u % 2)) for u in range(50)))
    assert "10 more units" in run(path, "--format", "table")[1]
    assert "more units" not in run(path, "--format", "table", "-v")[1]


def test_start_up_needs_no_heavy_library(good: Path) -> None:
    """pynwb, neo, torch and scipy stay out: they would take several times as long as the whole command."""
    code = (
        "import sys\nfrom rnnspike.cli.main import main\n"
        f"try: main(['inspect', {str(good)!r}, '--format', 'table'])\n"
        "finally: print(sorted({'pynwb', 'neo', 'torch', 'scipy', 'quantities', 'hdmf'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]" and done.returncode == 0


def test_a_reader_that_crashes_leaves_the_others(run: Run, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from rnnspike.recording.formats.text import spike_times

    crashing = good.with_name("crashing.txt")
    crashing.write_text("0.5\n")
    monkeypatch.setattr(spike_times, "read_text", lambda *_: os.kill(os.getpid(), signal.SIGSEGV))
    code, out, err = run(crashing, good, "--format", "jsonl")
    assert code == ExitCode.SOME_FAILED and len(rows_of(out)["unit"]) == 1
    assert err == f"rnnspike: error: {crashing}: {rows_of(out)['finding'][0]['message']}\n"


def test_debug_shows_where_a_reader_failed(
    good: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rnnspike.recording.formats.nwb import file

    monkeypatch.setattr(file, "read_nwb", lambda *_: {}["what"])
    with pytest.raises(SystemExit) as left:
        main(["--debug", "inspect", str(good)])
    err = capsys.readouterr().err
    assert left.value.code == ExitCode.BAD_INPUT and "(KeyError: 'what')" in err and "Traceback" in err


def test_an_empty_name_is_told_as_an_unset_variable(run: Run) -> None:
    code, _, err = run("")
    assert code == ExitCode.USAGE and "a name is empty" in err
