"""The suite's judge finds each fault that it is there for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from benchmarks.fuzz import oracle, readers
from benchmarks.fuzz.cases import Case, Truth
from benchmarks.fuzz.server import Outcome

TRUTH = Truth({"a": np.array([0.6, 0.7, 0.95])}, np.array([0.5]), 1)
ROWS = [
    {"recording": "in/x.nwb", "row": "unit", "name": "a", "n_spikes": 3},
    {"recording": "in/x.nwb", "row": "table", "name": "trials", "n_rows": 1},
]
CASE = Case("inspect", "", ("inspect", "--format", "jsonl", "in/x.nwb"))
GOOD = Outcome(0, "".join(json.dumps(row) + "\n" for row in ROWS).encode(), b"", 0.1, 0, 0, ())


def judged(case: Case, outcome: Outcome, folder: Path) -> set[str]:
    return {fault.partition(":")[0] for fault in oracle.faults(case, outcome, folder)[0]}


def test_nothing_is_wrong_with_a_good_end(tmp_path: Path) -> None:
    case = replace(CASE, truth=TRUTH, good=("x.nwb", TRUTH), forbidden=("secret",))
    assert judged(case, GOOD, tmp_path) == set()


@pytest.mark.parametrize(("fault", "changes"), [
    ("time", {"code": None}), ("signal", {"code": -11}), ("exit", {"code": 70, "stderr": b"x"}),
    ("memory", {"grown_bytes": 1 << 30}), ("memory", {"stderr": b"Unable to allocate 7 GiB"}),
    ("processes", {"left_behind": 1}), ("silent", {"code": 3}), ("written", {"changed": ("canary",)}),
    ("traceback", {"code": 1, "stderr": b"Traceback (most recent call last)\nValueError: x"}),
    ("stderr", {"stderr": b"x\n" * 500}), ("stderr", {"stderr": b"x" * 5000}),
    ("warning", {"stderr": b"/a/b.py:3: RuntimeWarning: invalid value"}),
    ("encoding", {"stdout": b"\xff"}), ("control", {"stderr": b"\x1b[2J"}), ("control", {"stdout": b'"\xc2\x9b"'}),
    ("jsonl", {"stdout": b"no json"}), ("outside", {"stdout": b'"secret"'}), ("blamed", {"stderr": b"is damaged"}),
])  # fmt: skip
def test_ends_and_streams(tmp_path: Path, fault: str, changes: dict[str, object]) -> None:
    case = replace(CASE, forbidden=("secret",), is_valid_hdf5=True)
    assert fault in judged(case, replace(GOOD, **changes), tmp_path)


def test_wrong_counts(tmp_path: Path) -> None:
    few = replace(GOOD, stdout=GOOD.stdout.replace(b'"n_spikes": 3', b'"n_spikes": 2'))
    assert judged(replace(CASE, truth=TRUTH), few, tmp_path) == {"values"}
    assert judged(replace(CASE, good=("x.nwb", TRUTH)), few, tmp_path) == {"batch"}


def test_spikes_in_windows(tmp_path: Path) -> None:
    case = replace(CASE, arguments=("psth", "--format", "jsonl"), truth=TRUTH)
    row = {"unit": "a", "n_spikes": 2, "n_trials": 1}
    right = replace(GOOD, stdout=json.dumps(row).encode())
    assert judged(case, right, tmp_path) == set()
    assert judged(case, replace(right, stdout=json.dumps({**row, "n_spikes": 3}).encode()), tmp_path) == {"values"}


def test_a_formula_in_csv(tmp_path: Path) -> None:
    case = replace(CASE, arguments=("inspect", "--format", "csv"))
    assert judged(case, replace(GOOD, stdout=b"name\n=1+1\n"), tmp_path) == {"formula"}
    assert judged(case, replace(GOOD, stdout=b"name\n-1.5\n"), tmp_path) == set()


@pytest.mark.parametrize("page", [
    '<script type="application/json">{"a": "\\x3c"}</script>', '<p><img src=x onerror="alert(1)">',
    '<script type="application/json">"<!--"</script>',
])  # fmt: skip
def test_pages(tmp_path: Path, page: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text(page)
    assert judged(CASE, GOOD, tmp_path) == {"page"}


def test_the_simple_reader_keeps_to_what_is_beyond_doubt(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.nwb", "w") as file:
        file["units/id"] = np.array([[7], [8]])
        file["units/spike_times"] = np.array([0.1, 0.3, 0.2, 0.2])
        file["units/spike_times_index"] = np.array([2, 4])
        file["intervals/trials/start_time"], file["intervals/trials/stop_time"] = [1.0], [2.0]
    # the second unit repeats a time, which is a matter of options
    assert readers.read(tmp_path / "x.nwb") == readers.Read(2, {0: 2}, ids=["7", "8"], n_trials=1)


def test_text_is_counted_where_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("unit,time_s\n3,0.100000\n4,0.200000\n3,0.300000\n")
    assert readers.read(tmp_path / "x.csv").by_id == {"3": 2, "4": 1}
    (tmp_path / "x.csv").write_text("unit,time_s\n3,0.100000\n4,0.2o0000\n")
    assert readers.read(tmp_path / "x.csv").by_id == {}
