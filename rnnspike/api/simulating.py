"""``simulate``: trials of a cell or network that is known, or of a fitted model."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import numpy as np

from rnnspike.api.arguments import File, Seed
from rnnspike.api.calls import ArgumentError, interface, refuse_unused
from rnnspike.api.results.simulation import Simulation
from rnnspike.api.results.tables import Rows
from rnnspike.config import duration as _duration
from rnnspike.neurons.session import Session, SessionOptions, simulate_cell, simulate_network
from rnnspike.recording.data import Covariate, FloatArray, Recording
from rnnspike.report.load import load_run
from rnnspike.report.tallies import headline_model
from rnnspike.runs.simulation import simulate_run
from rnnspike.runs.stored.reopen import reopen


@interface()
def simulate(
    run: File | None = None,
    *,
    neuron: str | None = None,
    network: str | None = None,
    model: str | None = None,
    out: File | None = None,
    trials: int = 200,
    duration: Annotated[float | str, _duration("duration")] = 1.0,
    inter_trial: Annotated[float | str, _duration("inter-trial")] = 2.0,
    units: int | None = None,
    conditions: int = 1,
    bin: Annotated[float | str, _duration("bin")] = 0.001,
    seed: Seed = 0,
    allow_pickle: bool = False,
    follow_links: bool = False,
    overwrite: bool = False,
) -> Simulation:
    """Simulate trials of a cell or network whose intensity is known, or of a fitted model.

    Parameters
    ----------
    run
        A run directory, or what ``fit`` returned: a fitted model runs free over its trials.
    neuron, network
        In place of a run, a simulated cell or network (``rnnspike simulate --list``).
    model
        Model of the run; default the stack, or the best model.
    out
        NWB file to write.
    trials
        Cell or network: number of trials.
    duration
        Cell or network: length of a trial (s).
    inter_trial
        Cell or network: recorded time before each trial (s).
    units
        Cell or network: number of units.
    conditions
        Cell or network: number of stimuli.
    bin
        Cell or network: bin width (s).
    seed
        Seed of all random numbers.
    allow_pickle, follow_links
        As of ``fit``: runs do not keep them.
    overwrite
        Replace the file if it exists.

    Returns
    -------
    Simulation
        ``recording``, which ``fit`` takes, and ``frame()`` with one row per unit.

    Raises
    ------
    ArgumentError
        Where not one of run, neuron and network is given, or an argument that has no effect beside it.
    RunError
        Where there is no such run or model.
    ConfigError
        Where there is no such cell, or the file exists.
    """
    if sum(each is not None for each in (run, neuron, network)) != 1:
        raise ArgumentError("simulate() takes a run, neuron='...' or network='...' (rnnspike simulate --list)")
    granted = {"allow_pickle": allow_pickle, "follow_links": follow_links}
    layout = {"trials": trials, "duration": duration, "inter_trial": inter_trial, "conditions": conditions}
    if run is not None:
        where = "on a run, which has its own trials, units and bins"
        refuse_unused(simulate, {**layout, "units": units, "bin": bin}, where)
        reopened = reopen(run, **granted)
        simulated = simulate_run(reopened, model or headline_model(load_run(run)), seed)
        found = Simulation(simulated.recording, Rows(simulated.rows))
    else:
        refuse_unused(simulate, {"model": model, **granted}, "on simulated cells, which are not read from a run")
        options = SessionOptions(trials, float(duration), float(inter_trial), float(bin), conditions, seed)
        made = simulate_cell(neuron, units, options) if neuron else simulate_network(str(network), units, options)
        found = Simulation(_with_truth(made), Rows(made.rows()), session=made)
    return found if out is None else replace(found, path=found.write(out, overwrite))


def _with_truth(session: Session) -> Recording:
    """Return the recording of a simulated session with its true intensity among the covariates."""
    truth = {name: _series(name, *each) for name, each in session.truth.items()}
    return replace(session.recording, covariates={**session.recording.covariates, **truth})


def _series(name: str, times_s: FloatArray, values: Any, unit: str) -> Covariate:
    column = np.asarray(values).reshape(len(times_s), -1)
    return Covariate(name, unit, len(times_s), column.shape[1], lambda: (times_s, column))
