"""Whose a run directory is: a fit takes one that is free or its own, and never touches what others put there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rnnspike.errors import RunError
from rnnspike.runs.job import Job
from rnnspike.runs.store import write_json

#: All that a fit, a report and ``dynamics`` write into a run directory.
WRITTEN = (
    *("done.json", "run.json", "settings.json", "findings.jsonl", "rows.jsonl", "rows.csv", "pairs.csv"),
    "report.html",
    *(f"units/*/{name}" for name in ("curves.npz", "per_trial.csv", "stack.json", "intensity.npz")),
    *("units/*/models/*/test*-stop*/**/*", "models/*/test*-stop*/**/*"),
    *("dynamics/rows.jsonl", "dynamics/summary.jsonl", "dynamics/*/*/*/*.npz", "dynamics/*/*/*/*.png"),
    "work/**/*",
)
FOLDERS = ("units", "models", "dynamics", "work")


def claim(job: Job, overwrite: bool = False) -> None:
    """Take the run directory for this fit; with ``overwrite`` throw away the run that lies in it.

    Raises
    ------
    RunError
        Where the directory is the recording's own, holds what is no run, holds another fit and ``overwrite`` is not
        asked for, or cannot be written.
    """
    folder, mark = job.folder, job.work / "id.json"
    _refuse_the_recording(job)
    try:
        if not is_run(folder) and _holds_anything(folder):
            raise RunError(
                f"{folder}: exists and is no run of rnnspike; nothing in it is touched (try another --out)"
            )
        if overwrite:
            remove_run(folder)
        unlike = mark_id(mark) != job.id if mark.is_file() else is_run(folder)
        if unlike or (folder / "done.json").is_file():
            raise RunError(f"{folder}: holds a fit with other settings or input (try --overwrite or another --out)")
        write_json(mark, {"id": job.id})
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error.strerror} (try another --out)") from error


def is_run(folder: Path) -> bool:
    """Say whether a folder is a run directory, finished or not: by the marks that a fit leaves."""
    return (
        mark_id(folder / "done.json") is not None
        or mark_id(folder / "work" / "id.json") is not None
        or "rnnspike" in _dictionary(_dictionary(_read(folder / "run.json")).get("versions"))
    )


def mark_id(file: Path) -> str | None:
    """Return the content id that a mark holds; None where the file is no mark."""
    found = _dictionary(_read(file)).get("id")
    return found if isinstance(found, str) else None


def remove_run(folder: Path) -> None:
    """Remove what rnnspike wrote into a run directory, and the folders that this leaves empty."""
    for pattern in WRITTEN:
        for file in [file for file in folder.glob(pattern) if file.is_symlink() or not file.is_dir()]:
            file.unlink()
    for name in FOLDERS:
        top = folder / name
        for inner in sorted([top, *top.rglob("*")], key=lambda each: len(each.parts), reverse=True):
            if inner.is_dir() and not inner.is_symlink() and not any(inner.iterdir()):
                inner.rmdir()


def _refuse_the_recording(job: Job) -> None:
    folder, recording = job.folder.resolve(), job.path.resolve()
    if folder == recording:
        raise RunError(f"{job.folder}: the run directory would be the recording itself (try another --out)")
    if recording.is_relative_to(folder):
        raise RunError(f"{job.folder}: the run directory would hold the recording {job.path} (try another --out)")
    if folder.is_relative_to(recording):
        raise RunError(f"{job.folder}: the run directory would lie in the recording {job.path} (try another --out)")


def _holds_anything(folder: Path) -> bool:
    if folder.is_dir():
        return any(not each.is_dir() for each in folder.rglob("*"))
    return folder.exists()


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _dictionary(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
