"""``fit`` and ``score``: models on the held-out trials of one recording."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Unpack

from rnnspike.api.arguments import FitArguments, ScoreArguments, Source
from rnnspike.api.calls import ArgumentError, interface, settings_of
from rnnspike.api.inputs import file_of, split
from rnnspike.api.results.run import FittedRun, open_run
from rnnspike.device import check_device
from rnnspike.report.build import write_report
from rnnspike.runs.batch import fit_plan, fit_recording
from rnnspike.runs.engines.engine import engine_of
from rnnspike.runs.plan import make_job
from rnnspike.runs.scoring import BASELINES, OUT, ScoreOptions, plan_scoring
from rnnspike.runs.tasks import Progress


@interface(FitArguments)
def fit(
    recording: Source, *, overwrite: bool = False, progress: Progress | None = None, **settings: Unpack[FitArguments]
) -> FittedRun:
    """Fit the ladder to a recording and return its run; a fit that is there already is not done again.

    Parameters
    ----------
    recording
        A path, a ``Recording``, a Neo block, a pynapple ``TsGroup``, a SpikeInterface sorting, or spike times
        (``as_recording``). Spikes in memory are written once as NWB, beside the run directories.
    overwrite
        Replace another fit that lies in the run directory.
    progress
        Called with (tasks done, tasks in all, what was done last).
    **settings

    Returns
    -------
    FittedRun
        Rows, figures and units of the run; it stands for the path of the run directory.

    Raises
    ------
    RecordingError
        Where the recording cannot be read or has no trials to fit; it names the argument that mends it.
    RunError
        Where the run directory holds another fit and ``overwrite`` is not asked for.
    ConfigError
        For an argument that there is not, or a value that cannot be used.
    """
    trials, named = split(settings)
    chosen = settings_of("fit", named)
    check_device(chosen.device)
    path, chosen = file_of(recording, trials, chosen)
    job, loaded = make_job(path, chosen)
    with engine_of(chosen, [path]) as engine:
        fit_recording(job, loaded, engine, progress, overwrite, on_complete=write_report)
    return open_run(job.folder)


@interface(ScoreArguments, models=BASELINES, out=OUT)
def score(
    recording: Source,
    rates: Any,
    *,
    quantity: Literal["auto", "hz", "counts", "log-hz", "log-counts"] = "auto",
    history: bool = True,
    add_history: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    **settings: Unpack[ScoreArguments],
) -> FittedRun:
    """Score rates of models that were fitted elsewhere on the trials of a recording, as ``rnnspike score`` does.

    Parameters
    ----------
    recording
        As of ``fit``.
    rates
        By name of the model, its rates: an array (trial, bin, unit) in the order of the run's trials and units; a
        dictionary with such an array as ``rates`` and ``unit_ids``, ``trial`` or ``start_s`` (one per trial) beside
        it; or a file (``rates.read.read_rates``). Bins are those of the run, or a multiple or divisor of them.
    quantity
        What the values are: ``hz`` (spikes/s), ``counts`` (expected counts of the array's bins), ``log-hz``,
        ``log-counts``, or ``auto``: inferred from the spikes.
    history
        Whether the rates depend on the unit's recorded past. Those that do not are run free and capture nothing.
    add_history
        Also fit spike history on top of each rate, scored as the model ``NAME+history``.
    overwrite
        Replace another run that lies in the run directory.
    progress
        Called with (tasks done, tasks in all, what was done last).
    **settings

    Returns
    -------
    FittedRun
        The run, as of ``fit``.

    Raises
    ------
    RecordingError
        Where the recording cannot be read or has no trials to score.
    RatesError
        Where rates do not fit the trials, or cannot be rates.
    ArgumentError, ConfigError
        Where a name is that of a model of the ladder, or for an argument that cannot be used.
    RunError
        Where the run directory holds another run and ``overwrite`` is not asked for.
    """
    trials, named = split(settings)
    chosen = settings_of("score", named, models=BASELINES, out=OUT)
    path, chosen = file_of(recording, trials, chosen)
    if not isinstance(rates, Mapping):
        raise ArgumentError("score(): rates are given by the names of their models: {'lfads': array}")
    plan = plan_scoring(path, chosen, rates, ScoreOptions(quantity, history, add_history))
    with engine_of(chosen, [path]) as engine:
        fit_plan(plan, engine, progress, overwrite, on_complete=write_report)
    return open_run(plan.job.folder)
