"""What ``rnnspike fit`` prints."""

from __future__ import annotations

from typing import Any

from rnnspike.cli.fit import remarks


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
