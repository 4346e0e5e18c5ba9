"""The main jobs as one call, for notebooks and scripts: what ``rnnspike fit`` and ``score`` do with one recording."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rnnspike.config import ELSEWHERE, FitSettings
from rnnspike.device import check_device
from rnnspike.errors import ConfigError
from rnnspike.runs.batch import fit_plan, fit_recording
from rnnspike.runs.engines.engine import engine_for
from rnnspike.runs.layout import base_of
from rnnspike.runs.plan import make_job
from rnnspike.runs.tasks import Progress

if TYPE_CHECKING:
    from rnnspike.rates.given import Quantity
    from rnnspike.runs.scoring import Rates


def fit(path: str | Path, *, overwrite: bool = False, progress: Progress | None = None, **settings: Any) -> Path:
    """Fit the ladder to a recording and return its run directory; a fit that is there already is not done again.

    Parameters
    ----------
    path
        A recording that ``read_recording`` takes.
    overwrite
        Replace another fit that lies in the run directory.
    progress
        Called with (tasks done, tasks in all, what was done last).
    settings
        Fields of ``FitSettings``: ``window=(-0.2, 1.0)``, ``units="n_spikes > 500"``, ``models=("glm", "stack")``,
        ``effort="fast"``, ``out=Path("runs")``, ``workers=2``, ...

    Returns
    -------
    Path
        The run directory.

    Raises
    ------
    RecordingError
        Where the recording cannot be read or has no trials to fit; it names the option that mends it.
    RunError
        Where the run directory holds another fit and ``overwrite`` is not asked for.
    """
    chosen = FitSettings(**settings)
    check_device(chosen.device)
    job, loaded = make_job(Path(path), chosen)
    from rnnspike.report.build import write_report

    scheduler, out = chosen.scheduler_file or chosen.scheduler, base_of(chosen.out)
    with engine_for(chosen.workers, chosen.task_timeout, scheduler, out, [Path(path)]) as engine:
        fit_recording(job, loaded, engine, progress, overwrite, on_complete=write_report)
    return job.folder


def score(
    path: str | Path,
    rates: Mapping[str, Rates],
    *,
    quantity: Quantity | Literal["auto"] = "auto",
    history: bool = True,
    add_history: bool = False,
    overwrite: bool = False,
    progress: Progress | None = None,
    **settings: Any,
) -> Path:
    """Score rates of models that were fitted elsewhere on the trials of a recording, as ``rnnspike score`` does.

    Parameters
    ----------
    path
        A recording that ``read_recording`` takes.
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
    settings
        Fields of ``FitSettings``, as for ``fit``; ``models`` are the rungs beside the rates, by default
        ``constant``, ``psth`` and ``psth-gain``; ``out`` is by default ``rnnspike_scores``. Everything is computed
        in this process: ``workers``, ``scheduler``, ``scheduler_file`` and ``task_timeout`` are refused.

    Returns
    -------
    Path
        The run directory.

    Raises
    ------
    RecordingError
        Where the recording cannot be read or has no trials to score.
    RatesError
        Where rates do not fit the trials, or cannot be rates.
    ConfigError
        Where a name is that of a model of the ladder, or for a setting that does not apply.
    RunError
        Where the run directory holds another run and ``overwrite`` is not asked for.
    """
    from rnnspike.report.build import write_report
    from rnnspike.runs.scoring import BASELINES, OUT, ScoreOptions, plan_scoring

    if unused := sorted({*settings} & (ELSEWHERE - {"out"})):
        raise ConfigError(f"{', '.join(unused)}: rates are scored in this process (leave this out)")
    chosen = FitSettings(**{"models": BASELINES, "out": OUT, **settings})
    plan = plan_scoring(Path(path), chosen, rates, ScoreOptions(quantity, history, add_history))
    fit_plan(plan, progress=progress, overwrite=overwrite, on_complete=write_report)
    return plan.job.folder
