"""The run directory: what is written when a recording is done, and how it is read back."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from rnnspike._version import __version__
from rnnspike.config import ELSEWHERE, without_folder
from rnnspike.errors import RunError, damage_errors
from rnnspike.evaluation.departures.verdicts import finalise_verdicts
from rnnspike.files import write_file
from rnnspike.recording.overview.summary import unit_names
from rnnspike.runs.job import Job, PlannedRecording
from rnnspike.runs.rows import PAIR_COLUMNS, ROW_COLUMNS, SCHEMA, pair, row
from rnnspike.runs.stored.claim import is_run
from rnnspike.runs.stored.store import frame_csv, read_json, read_jsonl, write_csv, write_json, write_jsonl
from rnnspike.runs.stored.trials import TRIALS_FILE, trials_table
from rnnspike.runs.tasks import Lost, Task
from rnnspike.trials.units import NOT_REQUESTED, of_requested_units


class _Setting(BaseModel):
    value: Any
    source: str


#: What is read of the files that tell of the run as a whole.
MARK = {"id": str, "units": list[str]}
PROVENANCE = {"input": str, "sha256": str}
VERSIONS = dict[str, str]
RESOLVED = {
    "table": str | None,
    "align": str | None,
    "observation": str | None,
    "window_s": list[float],
    "n_trials": int,
    "n_folds": int,
    "unit_names": dict[str, str] | None,
    "conditions": list[str] | None,
}
SETTINGS = {"settings": dict[str, _Setting]}
FINDING = {
    "id": str,
    "level": str,
    "message": str,
    "count": int | None,
    "option": str | None,
    "unit": str | None,
    "rows": list[int] | None,
}


def open_run(folder: str | os.PathLike[str]) -> Path:
    """Return the folder if it is a complete run of this schema; RunError where it is not."""
    folder = Path(folder)
    mark = folder / "done.json"
    if not mark.is_file():
        inside = sorted(each.name for each in folder.glob("*/done.json")) if folder.is_dir() else []
        hint = f"; there are {len(inside)} run directories in it" if inside else ""
        hint = "; it was begun and not finished: run the same fit again" if is_run(folder) else hint
        raise RunError(f"{folder}: is no finished run directory (done.json is missing{hint})")
    if (found := read_json(mark, {}).get("schema")) != SCHEMA:
        raise RunError(f"{folder}: has schema {found}, this version reads {SCHEMA} (fit it again with --overwrite)")
    read_mark(folder)
    return folder


def read_mark(folder: Path) -> dict[str, Any]:
    """Return content id and fitted ``units`` of a run."""
    return read_json(folder / "done.json", MARK)


def read_provenance(folder: Path, **more: Any) -> dict[str, Any]:
    """Return where a run came from, ``input`` and ``sha256``; ``more`` keys that there must be, with their types."""
    return read_json(folder / "run.json", PROVENANCE | more)


def read_settings(folder: Path, **more: Any) -> dict[str, Any]:
    """Return the ``settings`` of a run, each with ``value`` and ``source``; ``more`` keys that there must be."""
    return read_json(folder / "settings.json", SETTINGS | more)


def read_rows(folder: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Return the rows of a run, one per unit and model.

    Parameters
    ----------
    folder
        The run directory.

    Raises
    ------
    RunError
        Where they are missing or damaged.
    """
    file = Path(folder) / "rows.jsonl"
    with damage_errors(file):
        return [row(**each) for each in read_jsonl(file, {})]


def recording_name(folder: Path) -> str:
    """Return the name that a recording has in the rows of its run."""
    rows = read_rows(folder)
    return str(rows[0]["recording"]) if rows else folder.name


def read_rows_with_seconds(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a run with the training times that its run.json holds."""
    seconds = read_provenance(folder, seconds=dict[str, float] | None).get("seconds") or {}
    return [{**each, "seconds": seconds.get(f"{each['unit']} {each['model']}")} for each in read_rows(folder)]


def write_run(
    job: Job,
    loaded: PlannedRecording,
    finished: Sequence[Mapping[str, Any]],
    provenance: Mapping[str, Any],
    lost: Lost | None = None,
) -> None:
    """Write everything that tells of the run as a whole, the completion mark last.

    Stored rows have no ``seconds``: equal inputs give equal bytes, and time is provenance (run.json). The mark names
    tasks that were ``lost``.
    """
    verdicts = finalise_verdicts({**each, "unit": unit["unit"]} for unit in finished for each in unit["rows"])
    evaluated: dict[str, list[dict[str, Any]]] = {unit["unit"]: [] for unit in finished}
    for each in verdicts:
        evaluated[each["unit"]].append(each)
    rows = [each for unit in finished for each in unit_rows(job.name, unit, evaluated[unit["unit"]])]
    for unit, why in (loaded.plan.left_out or {}).items():
        if why != NOT_REQUESTED:
            rows.append(left_out_row(job.name, unit, why))
    pairs = [pair(job.name, unit["unit"], each) for unit in finished for each in unit["pairs"]]
    stored = [{**each, "seconds": None} for each in rows]
    write_json(job.folder / "settings.json", settings_of(job, loaded, provenance))
    findings = of_requested_units((*loaded.recording.findings, *loaded.plan.findings), loaded.plan.left_out)
    write_jsonl(job.folder / "findings.jsonl", [asdict(finding) for finding in findings])
    write_jsonl(job.folder / "rows.jsonl", stored)
    write_csv(job.folder / "rows.csv", stored, ROW_COLUMNS)
    write_csv(job.folder / "pairs.csv", pairs, PAIR_COLUMNS)
    write_file(job.folder / TRIALS_FILE, frame_csv(trials_table(loaded.plan)))
    seconds = {f"{each['unit']} {each['model']}": each["seconds"] for each in rows if each["seconds"] is not None}
    write_json(job.folder / "run.json", run_provenance(job, loaded, provenance, seconds))
    units = [unit["unit"] for unit in finished if Task("finish", unit["unit"]) not in (lost or {})]
    mark: dict[str, Any] = {"schema": SCHEMA, "id": job.id, "units": units}
    write_json(job.folder / "done.json", mark | ({"lost": list(lost.values())} if lost else {}))


def unit_rows(
    recording: str, finished: Mapping[str, Any], evaluated: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Return a unit's rows: evaluated ones, and those of rungs that were skipped or failed."""
    scored = {each["model"]: each for each in evaluated}
    outcomes = {rung["model"]: rung for rung in finished["rungs"]}
    rows = []
    for name in [*outcomes, *(name for name in scored if name not in outcomes)]:
        outcome = {key: value for key, value in outcomes.get(name, {}).items() if value is not None}
        values = {"status": "ok", **scored.get(name, {}), **outcome}
        rows.append(row(**{**values, "recording": recording, "unit": finished["unit"], "model": name}))
    return rows


def left_out_row(recording: str, unit: str, why: str) -> dict[str, Any]:
    """Return the row of a unit that was not fitted, which says why; model ``constant`` stands for all."""
    return row(recording=recording, unit=unit, model="constant", status="skipped", message=why)


def settings_of(job: Job, loaded: PlannedRecording, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that matter with the source of each, and what they came to on this recording.

    Files are named without their folders, which run.json holds: equal runs are equal wherever they were begun.
    """
    sources = {key: without_folder(source) for key, source in provenance.get("sources", {}).items()}
    values = job.settings.model_dump(mode="json", exclude=set(ELSEWHERE)) | {"events": job.settings.events_name}
    plan = loaded.plan
    return {
        "settings": {key: {"value": value, "source": sources.get(key, "default")} for key, value in values.items()},
        "resolved": {
            "table": plan.table_name,
            "align": plan.options.align or "start_time",
            "window_s": plan.window_s,
            "observation": plan.observation,
            "n_trials": plan.n_trials,
            "n_folds": loaded.n_folds,
            "units": plan.unit_ids,
            "unit_names": unit_names(loaded.recording),
            "conditions": plan.conditions,
            "left_out": plan.left_out,
            **({"rates": [rates.in_settings() for rates in job.rates]} if job.rates else {}),
        },
    }


def run_provenance(
    job: Job, loaded: PlannedRecording, provenance: Mapping[str, Any], seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Return where the run came from: the only file that may differ between two equal runs."""
    packages = ("numpy", "scipy", "torch", "pandas", "pynwb", "neo", "h5py")
    return {
        "input": str(job.path.absolute()),
        "sha256": loaded.recording.sha256,
        "size_bytes": loaded.recording.size_bytes,
        "format": loaded.recording.format,
        "versions": {
            "rnnspike": __version__,
            "python": platform.python_version(),
            **{package: metadata.version(package) for package in packages},
        },
        "argv": provenance.get("argv", sys.argv),
        "host": platform.node(),
        "start": provenance.get("start"),
        "end": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "events": None if job.settings.events is None else str(job.settings.events.absolute()),
        "sources": provenance.get("sources", {}),
        "out": str(job.settings.out),
        "workers": job.settings.workers,
        "scheduler": job.settings.scheduler or job.settings.scheduler_file,
        "seconds": seconds,
    }
