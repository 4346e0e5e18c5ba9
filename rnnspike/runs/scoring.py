"""Rates of models that were fitted elsewhere, scored as rungs of a fit whose held-out prediction is given.

The job of such a run carries the rates (``Job.rates``). Its tasks are those of a fit of the baselines, which give
bits/spike their null and capture its reference, and each unit's evaluation puts the given rates beside them
(``fitting.predictions``): rows, pairs, curves and pages are those of a fit, on the same trials and folds. Nothing is
fitted to the given rates, unless spike history on top of them is asked for: a further model, fitted on the splits of
the GLM. Whether their model saw the trials that are scored is for its author to say; what the
spikes say about it is a finding (``rates.checks``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy.typing as npt

from rnnspike.config import FitSettings
from rnnspike.errors import ConfigError
from rnnspike.models.registry import ADDED_HISTORY, MODELS
from rnnspike.rates.given import Quantity
from rnnspike.rates.prepare import prepare
from rnnspike.rates.read import read_rates, table_of
from rnnspike.recording.data import Finding
from rnnspike.runs.job import keep_loaded
from rnnspike.runs.plan import Plan, make_job, plan_of
from rnnspike.runs.tasks import content_id

#: The rungs beside the given rates, where no others are asked for, and the folder of the run directories.
BASELINES = ("constant", "psth", "psth-gain")
OUT = Path("rnnspike_scores")

#: A file (``FILE`` or ``FILE:KEY``), an array (trial, bin, unit), or arrays by name (``rates.read.table_of``).
Rates = str | Path | npt.NDArray[Any] | Mapping[str, Any]


@dataclass(frozen=True)
class ScoreOptions:
    """What is known of given rates.

    Attributes
    ----------
    quantity
        What the values are (``rates.given.QUANTITIES``); ``auto``: inferred from the spikes.
    history
        Whether the rates depend on the unit's recorded past.
    add_history
        Whether spike history is fitted on top of each, as a further model.
    """

    quantity: Quantity | Literal["auto"] = "auto"
    history: bool = True
    add_history: bool = False


def check_name(name: str) -> None:
    """Raise ConfigError where a model cannot be called so."""
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]{0,39}", name, re.ASCII):
        raise ConfigError(f"--intensity {name}: a name has up to 40 letters, digits and . _ + - (lfads, my-glm)")
    if name in MODELS:
        raise ConfigError(f"--intensity {name}: is a model of the ladder (try my-{name})")


def plan_scoring(
    path: Path,
    settings: FitSettings,
    given: Mapping[str, Rates],
    options: ScoreOptions = ScoreOptions(),
    sources: Mapping[str, str] | None = None,
) -> Plan:
    """Read a recording and rates, and return the tasks that score these.

    Parameters
    ----------
    path
        The recording.
    settings
        As of a fit; ``models`` are the rungs beside the rates.
    given
        By name of the model, its rates.
    options
        What is known of them.
    sources
        Where the settings are from.

    Returns
    -------
    Plan
        Its findings are those of the recording, the trials and the rates.

    Raises
    ------
    RecordingError
        Where the recording cannot be used.
    RatesError
        Where rates cannot be read or do not fit the trials.
    ConfigError
        Where a name is that of a rung, or of rates with history added.
    """
    for name in given:
        check_name(name)
        if options.add_history and name + ADDED_HISTORY in given:
            raise ConfigError(f"--intensity {name + ADDED_HISTORY}: is what {name} with history added is called")
    job, loaded = make_job(path, settings)
    found: list[Finding] = []
    rates = []
    for name, each in given.items():
        table = read_rates(str(each)) if isinstance(each, str | Path) else table_of(each, name)
        prepared, more = prepare(name, table, loaded.plan, options.quantity, options.history, options.add_history)
        rates.append(prepared)
        found += more
    own = [each.in_settings() for each in rates]
    job = replace(job, rates=tuple(rates), id=content_id(job.id, own))
    loaded = replace(loaded, plan=replace(loaded.plan, findings=(*loaded.plan.findings, *found)))
    keep_loaded(job, loaded)
    return plan_of(job, loaded, sources)
