"""``rnnspike psth``: rows, formats, pictures, exit codes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnspike.cli.main import main
from rnnspike.errors import ExitCode
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb


@pytest.fixture
def session(tmp_path: Path, rng) -> Path:
    """Ten trials of 1 s, units ``a`` (steps up at .5 s) and ``b`` (constant), sides by turns."""
    start = np.arange(20) * 2.0
    step = np.concatenate([s + 0.5 + np.sort(rng.uniform(0, 0.5, 20)) for s in start])
    even = np.sort(rng.uniform(0, 40, 800))
    table = pd.DataFrame({"start_time": start, "stop_time": start + 1, "side": ["left", "right"] * 10})
    units = tuple(Unit(name, times, np.array([[0.0, 40.0]])) for name, times in {"0": step, "1": even}.items())
    recording = Recording(tmp_path / "session.nwb", "", 0, "nwb", units, intervals={"trials": table})
    write_nwb(recording.path, recording)
    return recording.path


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["psth", *(str(argument) for argument in arguments)])
    captured = capsys.readouterr()
    return int(left.value.code or 0), captured.out, captured.err


def test_a_row_a_unit_and_condition_with_its_curves(session: Path, capsys) -> None:
    code, out, _ = run(capsys, session, "--condition", "side", "--draws", 100)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == ExitCode.OK
    assert [(row["unit"], row["condition"]) for row in rows] == [
        (unit, f"side={side}") for unit in "01" for side in ("left", "right")
    ]
    first = rows[0]
    assert first["schema"] == 1 and first["recording"] == "session" and first["n_trials"] == 10
    assert first["rate_hz"] == pytest.approx(20, abs=0.01) and first["modulated"] and first["peak_s"] > 0.5
    assert len({len(first[name]) for name in ("time_s", "psth_hz", "low_hz", "band_high_hz")}) == 1
    assert not rows[2]["modulated"] and rows[0]["bits_per_spike"] > 0.7 > 0.1 > rows[2]["bits_per_spike"]


def test_csv_has_a_line_a_point(session: Path, capsys) -> None:
    code, out, _ = run(capsys, session, "--units", "id == '0'", "--format", "csv", "--step", "10ms", "--draws", 100)
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == ExitCode.OK and len(rows) == 100
    assert float(rows[0]["time_s"]) == pytest.approx(0.005)
    assert all(float(row["band_low_hz"]) <= float(row["psth_hz"]) <= float(row["band_high_hz"]) for row in rows)


def test_table_and_json(session: Path, capsys) -> None:
    assert "bits/spike" in run(capsys, session, "--format", "table", "--draws", 100)[1]
    rows = json.loads(run(capsys, session, "--format", "json", "--draws", 100, "--bandwidth", "30ms")[1])
    assert [row["bandwidth_ms"] for row in rows] == [30, 30]


def test_same_seed_same_bytes(session: Path, capsys) -> None:
    assert run(capsys, session, "--draws", 100)[1] == run(capsys, session, "--draws", 100)[1]
    assert run(capsys, session, "--draws", 100)[1] != run(capsys, session, "--draws", 100, "--seed", 1)[1]


def test_rows_and_pictures_do_not_depend_on_the_workers_or_the_other_units(
    session: Path, capsys, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("rnnspike.report.psth.units.MOST_UNITS", 1)  # units of one task
    found = {}
    for n in (1, 2):
        folder = tmp_path / str(n)
        code, out, _ = run(
            capsys, session, "--condition", "side", "--draws", 100, "-j", n, "--pictures", folder, "-q"
        )
        assert code == ExitCode.OK
        found[n] = (out, {each.name: each.read_bytes() for each in folder.iterdir()})
    assert found[1] == found[2] and sorted(found[1][1]) == ["session_0.png", "session_1.png"]
    _, alone, _ = run(capsys, session, "--condition", "side", "--draws", 100, "--units", "id == '1'", "-q")
    assert alone.splitlines() == found[1][0].splitlines()[2:]


def test_a_picture_of_many_units_has_pages(session: Path, capsys, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("rnnspike.report.psth.raster.MOST_UNITS", 1)
    code, _, err = run(capsys, session, "--draws", 100, "--picture", tmp_path / "all.pdf")
    assert code == ExitCode.OK and b"/Count 2 " in (tmp_path / "all.pdf").read_bytes() and "all.pdf" in err
    code, _, err = run(capsys, session, "--draws", 100, "--picture", tmp_path / "all.png")
    assert code == ExitCode.OK and "2 units take 2 pictures of up to 1 units each; one .pdf would have pages" in err
    files = sorted(tmp_path.glob("*.png"))
    assert [file.name for file in files] == ["all_1.png", "all_2.png"] and all(str(file) in err for file in files)


def test_progress_is_told(session: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("rnnspike.report.psth.units.MOST_UNITS", 1)
    _, out, err = run(capsys, session, "--draws", 100, "-v")
    assert "session.nwb: 1/2 0" in err and "session.nwb: 2/2 1" in err and len(out.splitlines()) == 2


def test_pictures(session: Path, capsys, tmp_path: Path) -> None:
    one, many = tmp_path / "both.svg", tmp_path / "figures"
    code, _, err = run(capsys, session, "--draws", 100, "--picture", one, "--pictures", many)
    assert code == ExitCode.OK and "both.svg" in err
    assert one.read_text().startswith("<?xml")
    assert sorted(path.name for path in many.iterdir()) == ["session_0.png", "session_1.png"]


def test_one_bad_recording_does_not_stop_the_others(session: Path, capsys, monkeypatch, tmp_path: Path) -> None:
    missing = tmp_path / "missing.nwb"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{missing}\n{session}\n"))
    code, out, err = run(capsys, "-", "--draws", 100)
    assert code == ExitCode.SOME_FAILED and len(out.splitlines()) == 2
    assert "missing.nwb" in err and "Traceback" not in err
    assert run(capsys, missing)[0] == ExitCode.BAD_INPUT


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--min-spikes", "100000", "--strict"], ExitCode.NOTHING_USABLE, "fewer than --min-spikes"),
        (["--picture", "a.gif"], ExitCode.USAGE, "must end in .png"),
        (["--bandwidth", "wide"], ExitCode.USAGE, "wide"),
        (["--bandwidth", "0"], ExitCode.USAGE, "above zero"),
        (["--step", "-5ms"], ExitCode.USAGE, "--step': -5ms is not above zero"),
        (["--step", "0"], ExitCode.USAGE, "0 is not above zero"),
        (["--segment", "1s"], ExitCode.BAD_INPUT, "nothing to average over"),
        (["--align", "cue"], ExitCode.BAD_INPUT, "--align cue: table trials has no such column"),
    ],
)
def test_refusals(session: Path, capsys, arguments: list[str], code: ExitCode, words: str) -> None:
    found, out, err = run(capsys, session, *arguments)
    assert found == code and words in err and out == ""


def test_a_recording_without_trials_is_bad_input(tmp_path: Path, capsys) -> None:
    recording = Recording(tmp_path / "rest.nwb", "", 0, "nwb", (Unit("a", np.arange(0, 9, 0.05)),))
    write_nwb(recording.path, recording)
    code, out, err = run(capsys, recording.path)
    assert code == ExitCode.BAD_INPUT and out == "" and "average over trials" in err and "--segment" not in err


def test_picture_of_several_recordings(session: Path, capsys) -> None:
    code, _, err = run(capsys, session, session.with_name("other.nwb"), "--picture", "a.png")
    assert code == ExitCode.USAGE and "--pictures" in err


def test_recordings_of_one_name_have_rows_and_pictures_of_their_own(session: Path, capsys, tmp_path: Path) -> None:
    again = tmp_path / "again" / "session.nwb"
    again.parent.mkdir()
    again.write_bytes(session.read_bytes())
    figures = tmp_path / "figures"
    _, out, _ = run(capsys, session, again, "--draws", 100, "--units", "id == '0'", "--pictures", figures)
    names = [json.loads(line)["recording"] for line in out.splitlines()]
    assert names[0] == "session" and len(names[1]) == len("session-") + 8
    assert sorted(path.name for path in figures.iterdir()) == sorted(f"{name}_0.png" for name in names)
