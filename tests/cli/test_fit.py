"""What ``rnnspike fit`` prints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from click.testing import CliRunner

from rnnspike.cli.fit import remarks
from rnnspike.cli.main import cli
from rnnspike.runs.rows import ROW_COLUMNS


def row(unit: str, model: str, message: str | None, status: str = "ok", recording: str = "a") -> dict[str, Any]:
    return {"recording": recording, "unit": unit, "model": model, "status": status, "message": message}


def test_remarks_name_units_and_models_once() -> None:
    rows = [
        row("1", "psth", "few trials"),
        row("1", "glm", "few trials; wide bins"),
        row("2", "psth", "few trials"),
        row("2", "glm", "few trials"),
        row("3", "constant", "3 spikes; too few", "skipped"),
    ]
    assert remarks(rows) == [
        "units 1, 2 (all models): few trials",
        "unit 1 (glm): wide bins",
        "unit 3 (all models): skipped: 3 spikes; too few",
    ]
    assert remarks([row("1", "psth", None)]) == []


def test_remarks_name_the_recording_where_there_are_several() -> None:
    rows = [row("1", "glm", "few trials"), row("1", "glm", "few trials", recording="b")]
    assert remarks(rows) == ["units a 1, b 1 (all models): few trials"]


def test_csv_has_the_columns_of_schema_1(session: Path, tmp_path: Path) -> None:
    options = ["--out", str(tmp_path), "--replicates", "0", "-m", "constant", "--no-report", "--format", "csv"]
    result = CliRunner().invoke(cli, ["fit", str(session), *options])
    assert tuple(result.stdout.splitlines()[0].split(",")) == ROW_COLUMNS
    stored = (tmp_path / "session" / "rows.csv").read_text().splitlines()[0].split(",")
    assert tuple(stored[: len(ROW_COLUMNS)]) == ROW_COLUMNS
