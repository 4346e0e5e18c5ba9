"""The task of a fit that reads a unit's networks briefly as dynamical systems, and the rows of these readings."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from rnnspike.config import FitSettings
from rnnspike.dynamics.brief import BriefReading, brief_row, read_briefly, unread_row
from rnnspike.dynamics.fitted import fitted_case
from rnnspike.dynamics.rows import Row
from rnnspike.models.registry import MODELS, load
from rnnspike.rhythm import history_reach
from rnnspike.runs.fitting.training import capture_failure, has_models, model_folder, read_outcome
from rnnspike.runs.job import Job, load_job, unit_trials
from rnnspike.runs.stored.dynamics_store import write_brief, write_rows
from rnnspike.runs.stored.store import read_json, safe_name, write_json
from rnnspike.runs.tasks import Lost, Pair, Task, different_trainings, ladder, member_name, members_of, rng_for

#: Networks of a unit that are read at the most, and held-out trials on which each is.
N_NETWORKS, N_TRIALS = 4, 8


def network_to_read(settings: FitSettings) -> str | None:
    """Return the rung whose networks a fit reads: the last of the ladder that has a map from bin to bin per unit."""
    rungs = [name for name in ladder(settings.models) if MODELS[name].closed_loop and not MODELS[name].pooled]
    return rungs[-1] if rungs and settings.dynamics else None


def reading_file(job: Job, unit_id: str) -> Path:
    """Return where the rows of the readings of a unit lie until the run is written."""
    return job.work / f"reading_{safe_name(unit_id)}.json"


def read_network(job: Job, unit_id: str) -> None:
    """Read some networks of a unit, one a training; one that cannot be read is a row that says why."""
    model = network_to_read(job.settings)
    if model is None or reading_file(job, unit_id).is_file():
        return
    members = members_of(model, load_job(job).n_folds, job.settings.effort)
    fitted = [each for each in members if has_models(job, unit_id, Pair(*sorted(each)), (model,))]
    rows = [_member_row(job, unit_id, model, *member) for member in different_trainings(fitted, N_NETWORKS)]
    if not rows:
        outcome = read_outcome(job, model, unit_id, Pair(*sorted(members[0])))
        rows = [unread_row(job.name, unit_id, model, None, outcome["status"], outcome["message"])]
    write_json(reading_file(job, unit_id), {"rows": rows})


def _member_row(job: Job, unit_id: str, model: str, test: int, validation: int) -> Row:
    member, found = member_name(test, validation), list[BriefReading]()
    status, why = capture_failure(lambda: found.append(_read_member(job, unit_id, model, test, member)))
    if not found:
        return unread_row(job.name, unit_id, model, member, status, why)
    return brief_row(found[0], recording=job.name, unit=unit_id, model=model, seed=member)


def _read_member(job: Job, unit_id: str, model: str, test: int, member: str) -> BriefReading:
    """Read one network on trials of its test fold, and write its arrays."""
    rng = rng_for(job.id, unit_id, model, member, "brief reading")
    trials = unit_trials(job, (unit_id,))
    fitted: Any = load(model, model_folder(job, model, unit_id, None) / member)
    case = fitted_case(fitted, trials.take(load_job(job).folds == test), rng, n_trials=N_TRIALS)
    window_s = trials.n_bins * trials.bin_s
    reading = read_briefly(case, rng, history_s=history_own(job, unit_id), window_s=window_s)
    write_brief(job.folder / "dynamics" / safe_name(unit_id) / model / member, reading)
    return reading


@lru_cache(maxsize=4)
def history_own(job: Job, unit_id: str) -> float:
    """Return how far back (s) past spikes affect the rate of a unit."""
    trials = unit_trials(job, (unit_id,))
    counts, observed = trials.past_and_window()
    return history_reach(counts[:, :, 0], trials.bin_s, observed[:, :, 0], trials.condition)


def write_readings(job: Job, lost: Lost) -> None:
    """Write the rows of all units' readings; a unit whose task was lost has one that says why."""
    model = network_to_read(job.settings)
    if model is None:
        return
    rows: list[Row] = []
    for unit_id in load_job(job).plan.unit_ids:
        why = lost.get(Task("read", unit_id))
        if why is not None:
            rows.append(unread_row(job.name, unit_id, model, None, "failed", why))
        else:
            rows += read_json(reading_file(job, unit_id), {"rows": list[dict[str, Any]]})["rows"]
    write_rows(job.folder / "dynamics", rows)
