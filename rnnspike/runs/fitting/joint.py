"""What units share, and joint free runs of the models that read each other: ``population.json``.

Done once per recording, when its units are evaluated (science.md#joint-free-run, #shared-activity).
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from rnnspike.errors import ModelError
from rnnspike.evaluation.free_running.free_run import Predictive
from rnnspike.evaluation.scores.resampling import MIN_TRIALS
from rnnspike.evaluation.shared.capture import N_SAMPLES, JointRun, SharedActivity
from rnnspike.evaluation.shared.marks import MarkedRescaling, marked_rescaling
from rnnspike.evaluation.shared.statistics import pair_index
from rnnspike.models.packed import packed_folders
from rnnspike.models.population.joint import simulate_together
from rnnspike.models.registry import is_population, load
from rnnspike.runs.fitting.held_out import Stored
from rnnspike.runs.fitting.links import BASE
from rnnspike.runs.fitting.predictions import asked_rungs, held_out_file
from rnnspike.runs.fitting.training import capture_failure, model_folder
from rnnspike.runs.job import SHARED_SPIKES, Job, PlannedRecording, load_job
from rnnspike.runs.stored.population import POPULATION_FILE, SCHEMA
from rnnspike.runs.stored.store import write_json
from rnnspike.runs.tasks import member_name, members_of, rng_for
from rnnspike.trials.data import CountArray, IntArray, Trials, together

log = logging.getLogger(__name__)

#: Trials times bins times units times runs that the joint runs of one model may take, and those in memory at a time.
JOINT_BINS = {"fast": 6_000_000, "standard": 20_000_000, "thorough": 200_000_000}
BATCH_BINS = 4_000_000
#: Runs at the most and at the least: fewer trials are taken rather than fewer runs.
JOINT_RUNS, FEWEST_RUNS = {"fast": 8, "standard": 20, "thorough": 100}, 4
#: Units that are run together at the most, those with most spikes.
MOST_UNITS = 40


@dataclass(frozen=True)
class JointDesign:
    """Which units and trials are run together, and how often.

    ``trials`` (trial,) index into those of the session, all observed throughout; ``left_out`` says of other units why
    they are not among ``units``.
    """

    units: tuple[str, ...]
    left_out: dict[str, str]
    trials: IntArray
    n_runs: int


def write_population(job: Job) -> None:
    """Write ``population.json``: what units share against joint free runs, or why there are none."""
    found: dict[str, Any] = {}
    status, why = capture_failure(lambda: found.update(population(job, load_job(job))))
    if status == "failed":
        log.warning("%s: units were not run together: %s", job.name, why)
    write_json(job.folder / POPULATION_FILE, {"schema": SCHEMA, "status": status, "message": why, **found})


def population(job: Job, loaded: PlannedRecording) -> dict[str, Any]:
    """Return what ``population.json`` holds of a recording that could be run; ModelError says why it could not."""
    if not job.settings.replicates:
        raise ModelError("no free run was made (--replicates 0)")
    design = joint_design(job, loaded)
    trials = together([loaded.trials([unit]).take(design.trials) for unit in design.units])
    trials = replace(trials, others=loaded.others(design.units))
    rng = rng_for(job.id, "shared activity")
    reference = joint_runs(job, loaded, BASE, trials, design)
    shared = SharedActivity(trials.spikes, trials.condition, reference, trials.bin_s, N_SAMPLES, rng)
    models = [_model(BASE, design, shared.of_reference(), _marks(job, loaded, BASE, design))]
    remarks = []
    for name in joint_models(job):
        try:
            counts = joint_runs(job, loaded, name, trials, design)
        except ModelError as error:
            remarks.append(f"{name} was not run: {error}")
        else:
            models.append(_model(name, design, shared.of_model(counts), _marks(job, loaded, name, design)))
    data = shared.data
    return {
        "message": "; ".join(remarks) or None,
        "units": list(design.units),
        "left_out": design.left_out,
        "n_trials": shared.sharing.n_trials,
        "n_runs": design.n_runs,
        "window_ms": (1000 * trials.bin_s * shared.sharing.windows).tolist(),
        "lag_ms": (1000 * trials.bin_s * np.arange(shared.sharing.n_lags)).tolist(),
        "pairs": [[design.units[i], design.units[j]] for i, j in zip(*pair_index(trials.n_units), strict=True)],
        "recorded": {
            "noise_correlation": data.mean[0].tolist(),
            "variance_ratio": data.variance[0].tolist(),
            "correlogram": data.correlogram[0].tolist(),
            "pairs": data.pairs[0].tolist(),
        },
        "shared": {
            "deviance": shared.reference_deviance,
            "compared": shared.n_compared,
            "p": shared.reference_p,
            "p_side_by_side": shared.p_side_by_side,
            "p_shuffled": shared.p_shuffled,
        },
        "models": models,
    }


def joint_models(job: Job) -> list[str]:
    """Return the models that read other units."""
    return [name for name in asked_rungs(job.settings) if is_population(name)]


def joint_design(job: Job, loaded: PlannedRecording) -> JointDesign:
    """Return which units and trials are run together; ModelError where these are too few.

    Whole folds are taken, as far as the work allows.
    """
    units, left_out = units_together(job, loaded)
    trials, n_runs = trials_to_run_together(job, loaded, units)
    return JointDesign(units, left_out, trials, n_runs)


def units_together(job: Job, loaded: PlannedRecording) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the units that are looked at together, and of the others why they are not; ModelError below two.

    Units of the commonest observed time, those with most spikes where there are many; of two that share spikes the
    one with more.
    """
    n_spikes = {unit: len(loaded.spikes(unit).bins) for unit in loaded.plan.unit_ids}
    by_time: dict[bytes, list[str]] = {}
    for unit in loaded.plan.unit_ids:
        by_time.setdefault(loaded.observed_time(unit), []).append(unit)
    group, left_out, chosen = max(by_time.values(), key=len), dict[str, str](), list[str]()
    for unit in sorted(loaded.plan.unit_ids, key=lambda unit: -n_spikes[unit]):
        if unit not in group:
            left_out[unit] = "another observed time"
        elif not held_out_file(job, unit, BASE).is_file():
            left_out[unit] = f"{BASE} was not fitted"
        elif any(frozenset((unit, other)) in loaded.doubled for other in chosen):
            left_out[unit] = SHARED_SPIKES
        elif len(chosen) == MOST_UNITS:
            left_out[unit] = f"fewer spikes than {MOST_UNITS} others"
        else:
            chosen.append(unit)
    if len(chosen) < 2:
        why = "; ".join(f"{reason} ({n})" for reason, n in Counter(left_out.values()).items())
        raise ModelError(f"fewer than two units can be run together{f': {why}' if why else ''}")
    return tuple(unit for unit in loaded.plan.unit_ids if unit in chosen), left_out


def trials_to_run_together(job: Job, loaded: PlannedRecording, units: Sequence[str]) -> tuple[IntArray, int]:
    """Return the trials (trial,) that are run together, and how often."""
    n_before, effort = loaded.plan.grid.n_before, job.settings.effort
    whole = loaded.spikes(units[0]).observed[:, n_before:].all(axis=1)
    cost = loaded.plan.grid.n_bins * len(units)
    most = max(JOINT_BINS[effort] // (FEWEST_RUNS * cost), MIN_TRIALS)
    held = np.cumsum(np.bincount(loaded.folds[whole], minlength=loaded.n_folds))
    n_folds = max(1, int(np.searchsorted(held, most, side="right")))
    trials = np.empty(0, np.int64)
    while len(trials) < MIN_TRIALS and n_folds <= loaded.n_folds:  # a fold may hold one trial of each condition
        trials = within_conditions(np.flatnonzero(whole & (loaded.folds < n_folds)), loaded.plan.condition, most)
        n_folds += 1
    if len(trials) < MIN_TRIALS:
        why = "are observed throughout and share their condition with another"
        raise ModelError(f"{len(trials)} trials {why}: {MIN_TRIALS} at the least can be compared")
    n_runs = int(np.clip(JOINT_BINS[effort] // (len(trials) * cost), FEWEST_RUNS, JOINT_RUNS[effort]))
    return trials, n_runs


def within_conditions(trials: IntArray, condition: IntArray, most: int) -> IntArray:
    """Return at most so many of these trials, ascending, none alone in its condition: of fewer conditions if need be.

    Parameters
    ----------
    trials
        (trial,) index into ``condition``.
    condition
        Of every trial of the session.
    most
        How many are taken at the most.
    """
    members = [trials[condition[trials] == code] for code in np.unique(condition[trials])]
    members = [each for each in members if len(each) > 1]
    if sum(map(len, members)) > most:
        members = [members[k] for k in _spread(len(members), max(most // 2, 1))]
        members = [each[_spread(len(each), max(most // len(members), 2))] for each in members]
    return np.sort(np.concatenate([np.empty(0, np.int64), *members]))


def _spread(n: int, most: int) -> IntArray:
    """Return at most so many of n indices, evenly spaced."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).round().astype(np.int64)


def joint_runs(job: Job, loaded: PlannedRecording, name: str, trials: Trials, design: JointDesign) -> CountArray:
    """Return free runs of all units together (run, trial, bin, unit), each fold's trials by models without it."""
    runs = np.zeros((design.n_runs, *trials.counts.shape), np.uint8)
    folds = loaded.folds[design.trials]
    for test in np.unique(folds):
        here = np.flatnonzero(folds == test)
        folders = [held_out_folder(job, loaded, name, unit, int(test)) for unit in design.units]
        read = {
            folder: load(name, folder) for folder in dict.fromkeys(folders)
        }  # one for all of a population network
        models = [read[folder] for folder in folders]
        rngs = [rng_for(job.id, unit, int(test), "joint free run") for unit in design.units]
        some = trials.take(here)
        for batch in _batches(design.n_runs, some.counts.size):
            rows = np.tile(np.arange(len(here)), len(batch))
            counts = simulate_together(models, some, rngs, rows)
            runs[batch[:, None], here] = counts.reshape(len(batch), len(here), *counts.shape[1:])
    return runs


def _batches(n_runs: int, size: int) -> Iterator[IntArray]:
    step = max(1, BATCH_BINS // max(size, 1))
    for start in range(0, n_runs, step):
        yield np.arange(start, min(start + step, n_runs))


def held_out_folder(job: Job, loaded: PlannedRecording, name: str, unit: str, test: int) -> Path:
    """Return where a model of a unit lies that has not seen the test fold: the member that single free runs take."""
    member = next(each for each in members_of(name, loaded.n_folds, job.settings.effort) if each[0] == test)
    folder = model_folder(job, name, unit, loaded.group_of(name, unit)) / member_name(*member)
    if folder.name not in packed_folders(folder.parent):
        raise ModelError(f"{name} was not fitted to unit {unit}")
    return folder


def _marks(job: Job, loaded: PlannedRecording, name: str, design: JointDesign) -> MarkedRescaling | None:
    """Return the tests of all units' spikes as one process, over every held-out trial."""
    files = [held_out_file(job, unit, name) for unit in design.units]
    if not all(file.is_file() for file in files):
        return None
    every, n_before = np.arange(loaded.plan.n_trials), loaded.plan.grid.n_before
    counts = [loaded.spikes(unit).counts(every)[:, n_before:] for unit in design.units]
    observed = loaded.spikes(design.units[0]).observed[:, n_before:]
    mu = [Stored(file) for file in files]
    rng = rng_for(job.id, name, "marked rescaling")
    return marked_rescaling(mu, counts, observed, loaded.plan.observation, rng)


def _model(name: str, design: JointDesign, found: JointRun, marks: MarkedRescaling | None) -> dict[str, Any]:
    joint, capture = name != BASE, found.capture
    return {
        "model": name,
        "joint": joint,
        "noise_correlation": _check(found.mean),
        "variance_ratio": _check(found.variance),
        "correlogram": _check(found.correlogram),
        "pairs": found.pairs.tolist(),
        "deviance": capture.deviance,
        "p": capture.deviance_p,
        "capture": capture.score if joint else None,
        "capture_low": capture.low if joint else None,
        "capture_high": capture.high if joint else None,
        "verdict": capture.verdict if joint else None,
        **dict(zip(("rate_ratio", "rate_ratio_low", "rate_ratio_high"), map(_finite, found.rate), strict=True)),
        "stability": found.run.stability,
        "runaway": found.run.runaway,
        "unstable_units": [design.units[u] for u in np.flatnonzero(found.unstable)],
        "marks": None if marks is None else asdict(marks),
    }


def _check(found: Predictive) -> dict[str, list[float]]:
    return {name: getattr(found, name).tolist() for name in ("mean", "low", "high", "p")}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
