"""What a fit was asked for, kept while it is not finished, so that others can finish it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnspike.config import ELSEWHERE, ONLY_FLAGS, FitSettings
from rnnspike.errors import damage_errors
from rnnspike.runs.job import Job
from rnnspike.runs.stored.store import read_json, write_json


@dataclass(frozen=True)
class Request:
    """The recording of an unfinished run, its name, the settings, and the source of each."""

    path: Path
    name: str
    settings: FitSettings
    sources: Mapping[str, str]


def keep_request(job: Job, provenance: Mapping[str, Any]) -> None:
    """Keep what a fit was asked for in its work folder."""
    settings = job.settings.model_dump(mode="json", exclude=set(ELSEWHERE))
    if job.settings.events is not None:
        settings["events"] = str(job.settings.events.absolute())
    sources = dict(provenance.get("sources", {}))
    request = {"input": str(job.path.absolute()), "name": job.name, "settings": settings, "sources": sources}
    write_json(job.work / "request.json", request)


def read_request(folder: Path, **changed: Any) -> Request:
    """Return what the unfinished fit in a run directory was asked for, with some settings ``changed``.

    Settings of ``config.ONLY_FLAGS`` are not taken from there.

    Raises
    ------
    RunError
        Where it does not say, or what says it is damaged.
    """
    file = folder / "work" / "request.json"
    found = read_json(file, {"input": str, "name": str, "settings": dict[str, Any], "sources": dict[str, str]})
    with damage_errors(file):
        kept = {name: value for name, value in found["settings"].items() if name not in ONLY_FLAGS}
        return Request(Path(found["input"]), found["name"], FitSettings(**{**kept, **changed}), found["sources"])
