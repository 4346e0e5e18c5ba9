"""Tables of runs as one, and the files that they are written to."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from rnnspike.errors import ConfigError, RunError
from rnnspike.runs.rows import PROVENANCE, Column
from rnnspike.runs.stored.directory import read_rows
from rnnspike.runs.stored.gather import TABLES, gather
from rnnspike.runs.stored.table_files import GROUP, write_table
from tests.report.conftest import small_run

COLUMNS = (Column("unit", str, ""), Column("n", int, ""), Column("x", float, "", "Hz"), Column("ok", bool, ""))
LINES = [
    {"unit": "a", "n": 1, "x": 0.5, "ok": True},
    {"unit": "=b,\n", "n": None, "x": float("-inf"), "ok": None},
    {"unit": "c\udcff", "n": 3},
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("runs"))


def test_rows_are_those_of_the_run_with_all_columns_and_where_they_come_from(run: Path) -> None:
    lines = list(gather([run, run], TABLES["rows"]))
    rows = read_rows(run)
    assert len(lines) == 2 * len(rows)
    assert [tuple(line) for line in lines] == [tuple(column.name for column in TABLES["rows"].all_columns)] * len(
        lines
    )
    assert {name: lines[0][name] for name in rows[0]} == rows[0]
    provenance = json.loads((run / "run.json").read_text())
    assert lines[0]["sha256"] == provenance["sha256"] and lines[0]["run"] == str(run)


def test_pairs_are_those_of_the_run(run: Path) -> None:
    lines = list(gather([run], TABLES["pairs"]))
    stored = pd.read_csv(run / "pairs.csv")
    assert [line["gain"] for line in lines] == pytest.approx(stored["gain"].tolist(), nan_ok=True)


def test_trials_hold_every_log_likelihood_once(run: Path) -> None:
    lines = pd.DataFrame(gather([run], TABLES["trials"]))
    for unit, of_unit in lines.groupby("unit"):
        wide = of_unit.pivot(index="trial", columns="model", values="log_likelihood")
        stored = pd.read_csv(run / "units" / str(unit) / "per_trial.csv", index_col="trial")
        for model in wide.columns:
            assert wide[model].tolist() == pytest.approx(stored[f"ll_{model}"].tolist())
    assert list(lines.columns) == [column.name for column in TABLES["trials"].all_columns]
    assert lines.drop(columns=["ll"], errors="ignore").notna().all().all()


def test_a_run_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no finished run"):
        list(gather([tmp_path], TABLES["rows"]))


def test_csv(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", COLUMNS, LINES)
    text = (tmp_path / "t.csv").read_bytes().decode("utf-8")
    assert text == 'unit,n,x,ok\na,1,0.5,True\n"\'=b,\n",,-inf,\nc\\udcff,3,,\n'


def test_jsonl(tmp_path: Path) -> None:
    write_table(tmp_path / "t.jsonl", COLUMNS, LINES)
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert lines[1] == {"unit": "=b,\n", "n": None, "x": None, "ok": None} and lines[2]["unit"] == "c\udcff"


def test_parquet_keeps_types_units_and_null(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_table(tmp_path / "t.parquet", COLUMNS, LINES)
    table = parquet.read_table(tmp_path / "t.parquet")
    assert [str(field.type) for field in table.schema] == ["string", "int64", "double", "bool"]
    assert table.schema.field("x").metadata[b"unit"] == b"Hz"
    assert table.column("unit").to_pylist() == ["a", "=b,\n", "c\\udcff"]
    assert table.column("n").to_pylist() == [1, None, 3]


def test_parquet_is_written_some_lines_at_a_time(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    write_table(tmp_path / "t.parquet", COLUMNS[1:2], ({"n": i} for i in range(GROUP + 1)))
    assert parquet.ParquetFile(tmp_path / "t.parquet").num_row_groups == 2
    write_table(tmp_path / "none.parquet", COLUMNS, [])
    assert parquet.read_table(tmp_path / "none.parquet").num_rows == 0


def test_a_table_that_breaks_off_leaves_what_was_there(tmp_path: Path) -> None:
    def broken():
        yield LINES[0]
        raise RunError("damaged")

    for suffix in ("csv", "jsonl", "parquet"):
        file = tmp_path / f"t.{suffix}"
        file.write_text("before")
        with pytest.raises(RunError):
            write_table(file, COLUMNS, broken())
        assert file.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 3


def test_what_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"t.xlsx: must end in .csv, .jsonl, .parquet"):
        write_table(tmp_path / "t.xlsx", COLUMNS, LINES)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"needs pyarrow \(pip install 'rnnspike\[parquet\]'\)"):
        write_table(tmp_path / "t.parquet", COLUMNS, LINES)


def test_provenance_stands_last() -> None:
    assert all(table.all_columns[-len(PROVENANCE) :] == PROVENANCE for table in TABLES.values())
