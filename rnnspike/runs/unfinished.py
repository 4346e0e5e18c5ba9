"""Finishes fits that were begun elsewhere: by shards that each did a part, or by a process that was stopped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rnnspike.errors import RunError
from rnnspike.recording.provenance import Source
from rnnspike.runs.active import FitOptions
from rnnspike.runs.batch import fit_planned
from rnnspike.runs.engines.engine import Engine
from rnnspike.runs.events import Event
from rnnspike.runs.job import Job, job_id, keep_loaded, load_recording
from rnnspike.runs.plan import Plan, plan_of
from rnnspike.runs.stored.claim import mark_id
from rnnspike.runs.stored.request import read_request


def finish_runs(
    folders: Sequence[Path], engine: Engine, options: FitOptions, granted: Mapping[str, bool] | None = None
) -> Iterator[Event]:
    """Do what is left of unfinished fits and yield what happens; the index of an event is that of its folder.

    Parameters
    ----------
    folders
        Run directories that were begun and not finished.
    engine
        Where the work is done.
    options
        As of ``fit_recordings``.
    granted
        Settings of ``config.ONLY_FLAGS`` (``allow_pickle=True``), which are not taken from the run.
    """
    calls = ((i, plan_again, (folder, dict(granted or {}))) for i, folder in enumerate(folders))
    return fit_planned(calls, engine, options)


def plan_again(folder: Path, granted: Mapping[str, bool]) -> Plan:
    """Read the recording of an unfinished run again and return its tasks.

    Raises
    ------
    RunError
        Where the run does not say what it was asked for, or the recording has changed since it was begun.
    """
    request = read_request(folder, out=folder.parent, **granted)
    loaded = load_recording(request.path, request.settings)
    source = Source.of(loaded.recording)
    job = Job(request.path, request.name, folder, request.settings, job_id(source, request.settings), source)
    if mark_id(job.work / "id.json") != job.id:
        raise RunError(f"{folder}: {request.path} or the version of rnnspike changed since the fit was begun")
    keep_loaded(job, loaded)
    return plan_of(job, loaded, request.sources)
