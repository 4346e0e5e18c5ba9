"""Trials that a fitted model makes on its own, as a recording."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnspike.models.simulate import simulate
from rnnspike.recording.data import FloatArray, Recording, Unit
from rnnspike.runs.stored.reopen import Reopened
from rnnspike.runs.tasks import rng_for
from rnnspike.trials.data import Trials


@dataclass(frozen=True)
class SimulatedRun:
    """A simulated recording and a row per unit."""

    recording: Recording
    rows: list[dict[str, Any]]


def simulate_run(run: Reopened, model: str, seed: int = 0) -> SimulatedRun:
    """Run a rung free over every held-out trial of every unit, from the recorded past before each window.

    Spikes lie in the middle of their bins; the trials keep their place in the session, and only their windows are
    observed.

    Parameters
    ----------
    run
        A run that was reopened.
    model
        A rung of it.
    seed
        Seed of the spikes.

    Returns
    -------
    SimulatedRun
        The recording that was drawn, with its true intensity.
    """
    units, rows = [], []
    for unit_id in run.units:
        trials = run.trials(unit_id)
        counts = np.zeros((trials.n_trials, trials.n_bins), np.uint8)
        for test in range(run.loaded.n_folds):
            here = np.flatnonzero(run.loaded.folds == test)
            rng = rng_for(run.job.id, unit_id, model, test, seed, "simulate")
            counts[here] = simulate(run.held_out_model(model, unit_id, test), trials.take(here), rng)
        counts[~trials.observed[:, :, 0]] = 0
        units.append(Unit(unit_id, spike_times(counts, trials), windows(trials), {"model": model}))
        exposure_s = float(trials.observed.sum()) * trials.bin_s
        n_spikes = int(counts.sum())
        rows.append(
            {"unit": unit_id, "cell": model, "n_trials": trials.n_trials, "n_spikes": n_spikes}
            | {"rate_hz": n_spikes / exposure_s}
        )
    table = trial_table(trials)
    name = f"{run.job.name} simulated by {model}"
    recording = Recording(
        path=Path(name),
        sha256="",
        size_bytes=0,
        format="nwb",
        units=tuple(units),
        intervals={"trials": table},
        session={"session_description": f"{name}: free run of a fitted model"},
    )
    return SimulatedRun(recording, rows)


def spike_times(counts: np.ndarray[Any, Any], trials: Trials) -> FloatArray:
    """Return spike times (spike,) in session seconds of counts (trial, bin); bins of two spikes are split evenly."""
    trial, at = np.nonzero(counts)
    many = counts[trial, at].astype(np.int64)
    first = np.repeat(np.cumsum(many) - many, many)
    place = (np.arange(many.sum()) - first + 0.5) / np.repeat(many, many)
    times = trials.start_s[np.repeat(trial, many)] + (np.repeat(at, many) + place) * trials.bin_s
    return np.sort(times)


def windows(trials: Trials) -> FloatArray:
    """Return the windows (interval, 2) in session seconds, overlapping ones merged."""
    start = np.sort(trials.start_s)
    stop = start + trials.n_bins * trials.bin_s
    merged: list[list[float]] = []
    for low, high in zip(start, stop, strict=True):
        if merged and low <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], high)
        else:
            merged.append([float(low), float(high)])
    return np.array(merged)


def trial_table(trials: Trials) -> pd.DataFrame:
    """Return the trials as an interval table."""
    table = pd.DataFrame({"start_time": trials.start_s, "stop_time": trials.start_s + trials.n_bins * trials.bin_s})
    if len(trials.conditions) > 1:
        table["condition"] = [trials.conditions[c] for c in trials.condition]
    return table
