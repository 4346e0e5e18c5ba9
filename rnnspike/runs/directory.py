"""The run directory: what is written when a recording is done, and how it is read back."""

from __future__ import annotations

import datetime
import platform
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from rnnspike._version import __version__
from rnnspike.errors import RunError
from rnnspike.evaluation.evaluate import finalise_verdicts
from rnnspike.runs.claim import is_run, mark_id
from rnnspike.runs.job import Job, Loaded
from rnnspike.runs.rows import PAIR_COLUMNS, ROW_COLUMNS, SCHEMA, pair, row
from rnnspike.runs.store import read_json, read_jsonl, write_csv, write_json, write_jsonl
from rnnspike.trials.units import NOT_ASKED_FOR


def is_complete(folder: Path, content_id: str) -> bool:
    """Say whether a run directory holds the finished fit of this content id."""
    return mark_id(folder / "done.json") == content_id


def open_run(folder: str | Path) -> Path:
    """Return the folder if it is a complete run of this schema; RunError where it is not."""
    folder = Path(folder)
    mark = folder / "done.json"
    if not mark.is_file():
        inside = sorted(each.name for each in folder.glob("*/done.json")) if folder.is_dir() else []
        hint = f"; there are {len(inside)} run directories in it" if inside else ""
        hint = "; it was begun and not finished: run the same fit again" if is_run(folder) else hint
        raise RunError(f"{folder}: is no finished run directory (done.json is missing{hint})")
    done = read_json(mark)
    found = done.get("schema") if isinstance(done, dict) else None
    if found != SCHEMA:
        raise RunError(f"{folder}: has schema {found}, this version reads {SCHEMA} (fit it again)")
    return folder


def read_rows(folder: str | Path) -> list[dict[str, Any]]:
    """Return the rows of a run; RunError where they are missing or damaged."""
    file = Path(folder) / "rows.jsonl"
    rows = read_jsonl(file)
    if not all({"recording", "unit", "model", "bits_per_spike"} <= row.keys() for row in rows):
        raise RunError(f"{file}: is damaged, its lines are no rows (fit the recording again with --overwrite)")
    return rows


def write_run(
    job: Job, loaded: Loaded, finished: Sequence[Mapping[str, Any]], provenance: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Write everything that tells of the run as a whole, the completion mark last; return the rows with seconds.

    Stored rows have no ``seconds``: equal inputs give equal bytes, and time is provenance (run.json).
    """
    verdicts = finalise_verdicts({**each, "unit": unit["unit"]} for unit in finished for each in unit["rows"])
    evaluated: dict[str, list[dict[str, Any]]] = {unit["unit"]: [] for unit in finished}
    for each in verdicts:
        evaluated[each["unit"]].append(each)
    rows = [each for unit in finished for each in unit_rows(job.name, unit, evaluated[unit["unit"]])]
    for unit, why in (loaded.plan.left_out or {}).items():
        if why != NOT_ASKED_FOR:
            rows.append(left_out_row(job.name, loaded, unit, why))
    pairs = [pair(job.name, unit["unit"], each) for unit in finished for each in unit["pairs"]]
    stored = [{**each, "seconds": None} for each in rows]
    write_json(job.folder / "settings.json", settings_of(job, loaded, provenance))
    findings = [*loaded.recording.findings, *loaded.plan.findings]
    write_jsonl(job.folder / "findings.jsonl", [asdict(finding) for finding in findings])
    write_jsonl(job.folder / "rows.jsonl", stored)
    write_csv(job.folder / "rows.csv", stored, ROW_COLUMNS)
    write_csv(job.folder / "pairs.csv", pairs, PAIR_COLUMNS)
    seconds = {f"{each['unit']} {each['model']}": each["seconds"] for each in rows if each["seconds"] is not None}
    write_json(job.folder / "run.json", run_provenance(job, loaded, provenance, seconds))
    write_json(job.folder / "done.json", {"schema": SCHEMA, "id": job.id, "units": [u["unit"] for u in finished]})
    shutil.rmtree(job.work, ignore_errors=True)  # after the mark: a fit cut short in between is known as its own
    return rows


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


def left_out_row(recording: str, loaded: Loaded, unit: str, why: str) -> dict[str, Any]:
    """Return the row of a unit that was not fitted, which says why; model ``constant`` stands for all."""
    return row(recording=recording, unit=unit, model="constant", status="skipped", message=why)


def settings_of(job: Job, loaded: Loaded, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that matter with the source of each, and what they came to on this recording."""
    sources = provenance.get("sources", {})
    values = job.settings.model_dump(mode="json", exclude={"out", "workers"})
    plan = loaded.plan
    return {
        "settings": {key: {"value": value, "source": sources.get(key, "default")} for key, value in values.items()},
        "resolved": {
            "table": plan.table_name,
            "align": plan.options.align or "start_time",
            "window_s": plan.window_s,
            "n_trials": plan.n_trials,
            "n_folds": loaded.n_folds,
            "units": plan.unit_ids,
            "left_out": plan.left_out,
        },
    }


def run_provenance(
    job: Job, loaded: Loaded, provenance: Mapping[str, Any], seconds: Mapping[str, float]
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
        "out": str(job.settings.out),
        "workers": job.settings.workers,
        "seconds": seconds,
    }
