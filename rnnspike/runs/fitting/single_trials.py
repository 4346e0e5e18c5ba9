"""Held-out trials of all units at once, for the page: spikes, what models add to each rate, the shared state.

Done once per recording, when its units are evaluated: ``population.npz`` (``runs.stored.population``).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from rnnspike.errors import ModelError
from rnnspike.models.population.shared_state import FittedSharedState
from rnnspike.models.registry import load
from rnnspike.observation import expected_counts
from rnnspike.runs.fitting.held_out import Stored
from rnnspike.runs.fitting.joint import held_out_folder, joint_models, units_together
from rnnspike.runs.fitting.links import BASE
from rnnspike.runs.fitting.predictions import held_out_file
from rnnspike.runs.fitting.training import capture_failure
from rnnspike.runs.job import Job, PlannedRecording, load_job
from rnnspike.runs.stored.population import TRIALS_FILE
from rnnspike.runs.stored.store import write_arrays
from rnnspike.trials.data import FloatArray, IntArray
from rnnspike.trials.split import spread_over

log = logging.getLogger(__name__)

#: Trials whose spikes are kept, those whose states are, and pieces of the window in which rates are compared.
SPIKE_TRIALS, STATE_TRIALS, PIECES = 24, 120, 64
#: The fold whose trials are taken: all are held out of the same trainings, so that their states are of one network.
FOLD = 0

Arrays = dict[str, npt.ArrayLike]


def write_single_trials(job: Job) -> None:
    """Write ``population.npz``; without it where fewer than two units were recorded together and fitted."""
    found: Arrays = {}
    status, why = capture_failure(lambda: found.update(single_trials(job, load_job(job))))
    if status == "failed":
        log.warning("%s: single trials of the population are not shown: %s", job.name, why)
    if found:
        write_arrays(job.folder / TRIALS_FILE, found)


def single_trials(job: Job, loaded: PlannedRecording) -> Arrays:
    """Return what ``population.npz`` holds; ModelError where there are fewer than two units."""
    units, _ = units_together(job, loaded)
    held = np.flatnonzero((loaded.folds == FOLD) & loaded.spikes(units[0]).observed.any(axis=1))
    some = held[spread_over(loaded.plan.condition[held], SPIKE_TRIALS)]
    return {
        "unit": np.array(units, dtype=str),
        "bin_s": loaded.plan.bin_s,
        "window_s": loaded.plan.window_s,
        "conditions": np.array(loaded.plan.conditions, dtype=str),
        "trial": some,
        "condition": loaded.plan.condition[some],
        **_spikes(loaded, units, some),
        **_gains(job, loaded, units, some),
        **_states(job, loaded, units, held),
    }


def _spikes(loaded: PlannedRecording, units: Sequence[str], trials: IntArray) -> Arrays:
    counts = np.stack([loaded.spikes(unit).counts(trials)[:, loaded.plan.grid.n_before :] for unit in units], axis=1)
    trial, unit, at = np.nonzero(counts)
    return {"spike.trial": trial.astype(np.uint16), "spike.unit": unit.astype(np.uint16), "spike.bin": at}


def _gains(job: Job, loaded: PlannedRecording, units: Sequence[str], trials: IntArray) -> Arrays:
    """Return log2 of the spikes that each model expects over those that the GLM does (model, trial, piece, unit)."""
    n_before, observation = loaded.plan.grid.n_before, loaded.plan.observation
    observed = loaded.spikes(units[0]).observed[trials, n_before:]
    n_bins = observed.shape[1]
    starts = np.linspace(0, n_bins, min(PIECES, n_bins), endpoint=False).astype(np.int64)

    def expected(unit: str, model: str) -> FloatArray:
        file = held_out_file(job, unit, model)
        if not file.is_file():
            return np.full((len(trials), len(starts)), np.nan)
        mu = Stored(file)[trials].astype(np.float64)
        return np.asarray(np.add.reduceat(np.where(observed, expected_counts(mu, observation), 0.0), starts, axis=1))

    models = joint_models(job)
    base = np.stack([expected(unit, BASE) for unit in units], axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):  # a piece that was not observed is undefined
        gains = [np.log2(np.stack([expected(unit, name) for unit in units], axis=2) / base) for name in models]
    return {
        "model": np.array(models, dtype=str),
        "piece_s": loaded.plan.window_s[0] + loaded.plan.bin_s * starts,
        "gain": np.array(gains, np.float32),
    }


def _states(job: Job, loaded: PlannedRecording, units: Sequence[str], held: IntArray) -> Arrays:
    """Return the first three principal components of a network's hidden units on held-out trials."""
    found = next(_networks(job, loaded, units[0]), None)
    if found is None:
        return {}
    name, model = found
    rows = held[spread_over(loaded.plan.condition[held], STATE_TRIALS)]
    trials = loaded.trials([model.unit_ids[0]]).take(rows)
    hidden = model.cell.hidden(model.states(model.residuals(trials)))[:, model.clock.warm_up :]
    flat = hidden.reshape(-1, hidden.shape[-1]).astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(flat.T))
    axes = vectors[:, ::-1][:, :3]
    axes = axes * np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0))  # whatever the solver
    width_s = model.clock.width * trials.bin_s
    return {
        "state.model": name,
        "state.trial": rows,
        "state.condition": loaded.plan.condition[rows],
        "state.time_s": loaded.plan.window_s[0] + width_s * np.arange(hidden.shape[1]),
        "state.component": ((hidden - flat.mean(axis=0)) @ axes).astype(np.float32),
        "state.explained": values[::-1][:3] / max(float(values.sum()), 1e-300),
    }


def _networks(job: Job, loaded: PlannedRecording, unit: str) -> Iterator[tuple[str, FittedSharedState]]:
    """Yield the networks of all units, each by its name, that have not seen the fold."""
    for name in joint_models(job):
        with suppress(ModelError):  # it was not fitted
            model = load(name, held_out_folder(job, loaded, name, unit, FOLD))
            if isinstance(model, FittedSharedState):
                yield name, model
