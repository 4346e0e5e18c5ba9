"""``rnnspike cosmooth``: rows, formats, the picture, runs, refusals."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rnnspike
from rnnspike.cli.main import main
from rnnspike.errors import ConfigError, ExitCode
from rnnspike.neurons.session import SessionOptions, simulate_network
from rnnspike.recording.data import Unit
from rnnspike.recording.read import read_recording
from rnnspike.recording.write import write_nwb
from rnnspike.runs.rows import COSMOOTH


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four units on a hidden state; ``4`` holds most spikes of ``0`` again."""
    found = simulate_network("lorenz", 4, SessionOptions(n_trials=40, duration_s=0.6, inter_trial_s=0.2, seed=2))
    first = found.recording.units[0]
    double = Unit("4", first.spike_times_s[::2], first.observed_s, {"cell": "copy"})
    recording = replace(found.recording, units=(*found.recording.units, double))
    path = tmp_path_factory.mktemp("session") / "session.nwb"
    write_nwb(path, recording)
    return path


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as left:
        main(["cosmooth", *(str(argument) for argument in arguments)])
    captured = capsys.readouterr()
    return int(left.value.code or 0), captured.out, captured.err


def test_a_row_per_unit_and_method_and_one_of_all_units(session: Path, capsys) -> None:
    code, out, _ = run(capsys, session, "--latents", 1)
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == ExitCode.OK
    units = ["0", "1", "2", "3", "4", None]
    assert [(row["method"], row["unit"]) for row in rows] == [
        (method, unit) for method in ("psth", "ridge", "gpfa") for unit in units
    ]
    assert list(rows[0]) == [column.name for column in COSMOOTH if not column.name.startswith("fp_bps")]
    pooled = {row["method"]: row for row in rows if row["unit"] is None}
    assert pooled["ridge"]["co_bps_low"] < pooled["ridge"]["co_bps"] < pooled["ridge"]["co_bps_high"]
    assert pooled["ridge"]["n_spikes"] == sum(row["n_spikes"] for row in rows if row["method"] == "ridge") / 2
    ridge = {row["unit"]: row for row in rows if row["method"] == "ridge"}
    assert ridge["0"]["message"] == "does not read unit 4: shared spikes" and ridge["0"]["n_read"] == 3
    assert ridge["1"]["message"] is None and ridge["1"]["n_read"] == 4


def test_forward_prediction_has_its_own_score(session: Path, capsys) -> None:
    code, out, _ = run(capsys, session, "--forward", "100ms", "--method", "ridge", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == ExitCode.OK and len(rows) == 6
    assert "co_bps" not in rows[0] and rows[-1]["unit"] == ""
    assert 0.0 < float(rows[-1]["fp_bps"]) < 0.5
    code, _, err = run(capsys, session, "--forward", "2s", "--method", "ridge")
    assert code == ExitCode.BAD_INPUT
    assert "--forward 2s leaves nothing to predict from in trials of 0.6 s (try a shorter --forward)" in err
    code, _, err = run(capsys, session, "--forward", "3ms", "--method", "ridge")
    assert code == ExitCode.BAD_INPUT
    assert "--forward 3ms is less than a bin of 10 ms (try --forward 10ms or a narrower --bin)" in err


def test_table_and_picture(session: Path, capsys, tmp_path: Path) -> None:
    picture = tmp_path / "figures" / "bars.svg"
    code, out, _ = run(
        capsys, session, "--method", "psth", "--method", "ridge", "--format", "table", "--picture", picture
    )
    assert code == ExitCode.OK and "all units" in out and "ridge co-bps" in out and "unit 4 (ridge)" in out
    drawn = picture.read_text()
    assert "co-bps (bits/spike)" in drawn and "ridge" in drawn and "all units" in drawn
    code, _, err = run(capsys, session, "--picture", tmp_path / "bars.bmp")
    assert code == ExitCode.USAGE and "bars.bmp must end in .png, .svg or .pdf" in err


def test_segments_skip_the_average(session: Path, capsys) -> None:
    code, out, err = run(capsys, session, "--segment", "1s", "--method", "psth", "--method", "ridge", "-v")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == ExitCode.OK
    assert [row["status"] for row in rows] == ["skipped", *["ok"] * 6]
    assert "nothing to average" in rows[0]["message"] and rows[0]["co_bps"] is None
    assert "session.nwb: psth skipped: the recording was cut into segments: nothing to average over" in err
    assert "session.nwb: 1/2 psth skipped" in err and "session.nwb: 2/2 ridge" in err


def test_more_latents_than_units_are_said_and_the_other_methods_go_on(session: Path, capsys) -> None:
    code, out, _ = run(capsys, session, "--latents", 9, "--method", "gpfa", "--format", "table")
    assert code == ExitCode.OK and "\ngpfa: 9 latents are more" in out
    code, out, err = run(capsys, session, "--latents", 9, "--method", "gpfa", "--method", "psth")
    rows = [json.loads(line) for line in out.splitlines()]
    assert code == ExitCode.OK and [row["method"] for row in rows] == ["gpfa", *["psth"] * 6]
    assert rows[0]["message"] == "9 latents are more than the 5 units (try --latents 4)"
    assert f"session.nwb: gpfa skipped: {rows[0]['message']}" in err


def test_a_unit_without_a_score_says_why(session: Path, tmp_path: Path) -> None:
    recording = read_recording(session)
    units = [
        replace(each, spike_times_s=each.spike_times_s[: 3 if each.id == "1" else None]) for each in recording.units
    ]
    write_nwb(tmp_path / "few.nwb", replace(recording, units=tuple(units)))
    rows = rnnspike.cosmooth(tmp_path / "few.nwb", method=["ridge"], min_spikes=0)
    by_unit = {row["unit"]: row for row in rows}
    assert by_unit["1"]["co_bps"] is None
    assert by_unit["1"]["message"] == "no score: fewer than 10 spikes are scored"
    assert by_unit["2"]["message"] is None and by_unit[None]["message"] is None
    none = rnnspike.cosmooth(tmp_path / "few.nwb", method=["ridge"], min_spikes=0, window=(0.0, 0.01))
    assert none[-1]["unit"] is None and none[-1]["message"] == "no score: no unit has 10 scored spikes"


def test_settings_of_a_configuration_that_concern_trials_and_folds_count(
    session: Path, capsys, tmp_path: Path
) -> None:
    (tmp_path / "c.toml").write_text(
        'effort = "fast"\nbin = "2ms"\nseed = 5\nmodels = ["glm"]\nfolds = 4\nwindow = [0.1, "500ms"]\n'
    )
    _, out, _ = run(capsys, session, "--method", "psth", "--config", tmp_path / "c.toml")
    alone = rnnspike.cosmooth(session, method=["psth"], folds=4, window=(0.1, 0.5))
    found = [{**json.loads(line), "seconds": None} for line in out.splitlines()]
    assert found == [{**row, "seconds": None} for row in alone]
    (tmp_path / "c.toml").write_text('effort = "fast"\n')  # of a fit, fast has four folds
    _, out, _ = run(capsys, session, "--method", "psth", "--config", tmp_path / "c.toml")
    five = rnnspike.cosmooth(session, method=["psth"])
    assert [json.loads(line)["co_bps"] for line in out.splitlines()] == [row["co_bps"] for row in five]


def test_settings_that_do_not_apply_are_refused(session: Path) -> None:
    with pytest.raises(ConfigError, match="no argument 'effort'"):
        rnnspike.cosmooth(session, effort="fast")


def test_a_run_lends_its_trials_and_folds(session: Path, capsys, tmp_path: Path) -> None:
    folder = rnnspike.fit(session, models="constant", folds=4, out=tmp_path, report=False, window=(0.1, 0.5)).folder
    rows = rnnspike.cosmooth(folder, method=["ridge"])
    apart = rnnspike.cosmooth(session, method=["ridge"], folds=4, window=(0.1, 0.5))
    assert [row["co_bps"] for row in rows] == [row["co_bps"] for row in apart]
    assert rows[0]["bin_ms"] == 10 and rows[0]["recording"] == "session"
    code, _, err = run(capsys, folder, "--window", "0", "0.5")
    assert code == ExitCode.BAD_INPUT
    assert "a run has its own trials, units and folds: leave out --window" in err


def test_one_unit_has_no_others(session: Path, capsys) -> None:
    code, _, err = run(capsys, session, "--units", "id == '1'")
    assert code == ExitCode.BAD_INPUT
    assert "1 unit is left, and at least two are needed (try --units or --min-spikes 10)" in err


def test_the_same_seed_gives_the_same_rows(session: Path) -> None:
    first, again, other = (rnnspike.cosmooth(session, method=["ridge"], seed=seed) for seed in (0, 0, 1))

    def scores(rows: list[dict]) -> np.ndarray:
        return np.array([(row["co_bps"], row["co_bps_low"]) for row in rows], float)

    np.testing.assert_array_equal(scores(first), scores(again))
    np.testing.assert_array_equal(scores(first)[:, 0], scores(other)[:, 0])
    assert (scores(first)[:, 1] != scores(other)[:, 1]).any()


def test_figures_of_a_real_recording(shared_data: Path) -> None:
    rows = rnnspike.cosmooth(shared_data / "nd_it_bp1005.nwb", method=["psth", "ridge"], window=(0.1, 1.0))
    pooled = {row["method"]: row["co_bps"] for row in rows if row["unit"] is None}
    assert 0.045 < pooled["ridge"] < 0.065 and pooled["psth"] < 0.02
