"""Does one task of a fit, in whatever process an engine has."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rnnspike.memory import give_back
from rnnspike.models.packed import FOLDER, pack
from rnnspike.models.registry import is_population
from rnnspike.runs.fitting.finish import finish_unit, read_finished
from rnnspike.runs.fitting.joint import write_population
from rnnspike.runs.fitting.links import write_links
from rnnspike.runs.fitting.reading import read_network, write_readings
from rnnspike.runs.fitting.single_trials import write_single_trials
from rnnspike.runs.fitting.training import fit_pooled, fit_together, fit_unit
from rnnspike.runs.job import Job, load_job
from rnnspike.runs.stored.claim import is_complete, refuse_vanished, remove_leftovers
from rnnspike.runs.stored.directory import write_run
from rnnspike.runs.tasks import Lost, Task
from rnnspike.threads import one_thread

#: Called when a run directory is complete, with it and whether a report is wanted: a function that can be pickled.
OnComplete = Callable[[Path, bool], None]


def run_task(job: Job, task: Task, lost: Lost, provenance: Mapping[str, Any], on_complete: OnComplete | None) -> None:
    """Do one task (in a worker or here); ``lost`` are those that it needs and that were given up."""
    try:
        with one_thread():
            _do(job, task, lost, provenance, on_complete)
    except FileNotFoundError:
        refuse_vanished(job)
        raise
    finally:
        give_back()


def _do(job: Job, task: Task, lost: Lost, provenance: Mapping[str, Any], on_complete: OnComplete | None) -> None:
    if task.kind == "write":
        _write(job, lost, provenance, on_complete)
        return
    refuse_vanished(job)
    if task.kind == "finish":
        assert task.unit is not None
        finish_unit(job, task.unit, lost)
    elif task.kind == "read":
        assert task.unit is not None
        read_network(job, task.unit)
    elif task.kind == "together":
        assert task.rung is not None
        fit_together(job, task.rung)
    elif task.kind == "pooled":
        assert task.rung is not None and task.pair is not None
        fit_pooled(job, task.pair, task.rung, task.group)
    else:
        assert task.unit is not None and task.pair is not None
        fit_unit(job, task.unit, task.pair)


def _write(job: Job, lost: Lost, provenance: Mapping[str, Any], on_complete: OnComplete | None) -> None:
    """Write what tells of the run as a whole, unless it is complete, and do what comes after."""
    if is_complete(job.folder, job.id):
        remove_leftovers(job.folder)  # of a fit that was killed after its completion mark
    else:
        refuse_vanished(job)
        loaded = load_job(job)
        if any(is_population(name) for name in job.settings.models):
            write_links(job)
            write_population(job)
            write_single_trials(job)
        write_readings(job, lost)
        remove_leftovers(job.folder)  # of workers that were killed
        pack(job.folder / FOLDER)
        finished = (read_finished(job, unit, lost, loaded.recording) for unit in loaded.plan.unit_ids)
        write_run(job, loaded, list(finished), provenance, lost)
    if on_complete is not None:
        on_complete(job.folder, job.settings.report)
    if is_complete(job.folder, job.id):
        shutil.rmtree(job.work, ignore_errors=True)  # last, since the lock of the run directory lies in it
