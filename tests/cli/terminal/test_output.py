"""What is told on stderr of a recording: of many units with the same finding, the first ones and how many more."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnspike.cli.terminal.output import MOST_ALIKE, Log, log_findings
from rnnspike.recording.data import Finding
from rnnspike.trials.units import NOT_REQUESTED


def findings(n_units: int) -> list[Finding]:
    own = [Finding("short-isis", "warning", f"unit {u}: 3 intervals under 1 ms", 3, str(u)) for u in range(n_units)]
    return [Finding("float32-times", "warning", "rounded times", 9), *own]


@pytest.mark.parametrize("n_units", [1, MOST_ALIKE, MOST_ALIKE + 1, 1000])
def test_a_finding_of_many_units_takes_few_lines(n_units: int, capsys, tmp_path: Path) -> None:
    log_file = tmp_path / "log.txt"
    log = Log(log_file=str(log_file))
    log_findings(log, "s.nwb", findings(n_units), {})
    log.close()
    lines = capsys.readouterr().err.splitlines()
    assert sum("s.nwb: float32-times: rounded times" in line for line in lines) == 1
    assert sum("intervals under 1 ms" in line for line in lines) == min(n_units, MOST_ALIKE)
    more = [line for line in lines if " more " in line]
    assert len(more) == (n_units > MOST_ALIKE)
    if more:
        assert f"s.nwb: short-isis: {n_units - MOST_ALIKE} more like these (-v lists all)" in more[0]
    assert log_file.read_text().count("intervals under 1 ms") == n_units  # the log file has them all


def test_pairs_of_units_are_many_too(capsys) -> None:
    pairs = [Finding("units-share-spikes", "warning", f"units 0 and {u} share 20 spikes", 20) for u in range(1, 30)]
    log_findings(Log(), "s.nwb", pairs, {})
    assert len(capsys.readouterr().err.splitlines()) == MOST_ALIKE + 1


def test_verbose_lists_all(capsys) -> None:
    log_findings(Log(verbosity=1), "s.nwb", findings(50), {str(u): "too quiet" for u in range(50)})
    text = capsys.readouterr().err
    assert text.count("intervals under 1 ms") == 50 and text.count("left out: too quiet") == 50
    assert " more " not in text


def test_of_many_units_left_out_the_first_are_told(capsys) -> None:
    left_out = {"x": NOT_REQUESTED} | {str(u): f"{u} spikes" for u in range(MOST_ALIKE + 3)}
    log_findings(Log(), "s.nwb", [], left_out)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == MOST_ALIKE + 1 and lines[-1].endswith("s.nwb: 3 more units left out (-v lists all)")
