"""``plan_trials`` and ``psth``: a recording aligned to its trials, and averaged over them."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated, Any, Unpack

from pydantic import BeforeValidator, Field

from rnnspike.api.arguments import PlanArguments, Source
from rnnspike.api.calls import interface, settings_of
from rnnspike.api.inputs import split, usable
from rnnspike.api.results.psths import Psths
from rnnspike.config import FitSettings, duration
from rnnspike.recording.data import Recording
from rnnspike.report.psth import rows
from rnnspike.report.psth.units import PsthOptions, psths
from rnnspike.runs.engines.engine import engine_for
from rnnspike.runs.stored.store import run_name
from rnnspike.runs.tasks import Progress
from rnnspike.trials import plan
from rnnspike.trials.data import TrialOptions
from rnnspike.trials.plan import TrialPlan
from rnnspike.units_of_time import parse_duration


def _bandwidth(value: Any) -> Any:
    return value if value in ("leave-one-out", "shimazaki") else parse_duration(value, "bandwidth")


Bandwidth = Annotated[float | str, BeforeValidator(_bandwidth)]
Step = Annotated[float | str, duration("step")] | None


@interface(PlanArguments)
def psth(
    recording: Source,
    *,
    bandwidth: Bandwidth = "leave-one-out",
    level: Annotated[float, Field(ge=0.5, le=0.9999)] = 0.95,
    draws: Annotated[int, Field(ge=100)] = 1000,
    step: Step = None,
    seed: Annotated[int, Field(ge=0)] = 0,
    workers: Annotated[int, Field(ge=1)] = 1,
    progress: Progress | None = None,
    **settings: Unpack[PlanArguments],
) -> Psths:
    """Return the trial average of each unit: smoothed, with pointwise and simultaneous bands, by condition.

    Parameters
    ----------
    recording
        As of ``fit``.
    bandwidth
        SD of the Gaussian kernel (s), or how to choose it: ``leave-one-out``, ``shimazaki``.
    level
        Coverage probability of the bands.
    draws
        Resamplings of the trials.
    step
        Distance between points of a curve (s); default by the bandwidth.
    seed
        Seed of the resampling.
    workers
        Processes.
    progress
        Called with (units done, units in all, the last one).
    **settings

    Returns
    -------
    Psths
        ``frame()``, ``curves_frame()`` and ``figure()`` of all units, and each unit's arrays.

    Raises
    ------
    RecordingError
        Where the recording cannot be used, or has no trials to average.
    """
    found, chosen = _read("psth", recording, settings)
    options = PsthOptions(bandwidth, level, draws, None if step is None else float(step), seed)  # type: ignore[arg-type]
    planned, name = rows.planned(found, chosen.trial_options()), run_name(found.path)
    with engine_for(workers) if workers > 1 else nullcontext() as engine:
        found_psths = psths(planned, options, engine=engine, tell=progress or (lambda *_: None))
        return Psths(name, planned, tuple(found_psths))


@interface(PlanArguments)
def plan_trials(
    recording: Source, options: TrialOptions | None = None, **settings: Unpack[PlanArguments]
) -> TrialPlan:
    """Align a recording to its trials, choose units, and say what is masked or left out; nothing is binned yet.

    Parameters
    ----------
    recording
        As of ``fit``.
    options
        Which trials to make, in place of settings.
    **settings

    Returns
    -------
    TrialPlan
        ``plan.trials()`` bins its units.

    Raises
    ------
    RecordingError
        Where the recording cannot be used, or the trials cannot be made.
    """
    found, chosen = _read("plan_trials", recording, settings)
    return plan.plan_trials(found, options or chosen.trial_options())


def _read(function: str, recording: Source, settings: Any) -> tuple[Recording, FitSettings]:
    """Return a recording without findings of level error, and the settings of a call."""
    trials, named = split(settings)
    chosen = settings_of(function, named)
    return usable(recording, trials, chosen.read_options()), chosen
