"""From a recording with trials to honest single-trial history models and a report.

What the command line does, in a notebook::

    import rnnspike
    folder = rnnspike.fit("session.nwb", window=(-0.2, 1.0), units="n_spikes > 500")
    rows = rnnspike.read_rows(folder)

and the pieces it is made of: a recording, its trials, models, evaluation, simulated cells. Names are imported when
they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rnnspike._version import __version__

if TYPE_CHECKING:
    from rnnspike.api import fit, score
    from rnnspike.config import FitSettings
    from rnnspike.evaluation.evaluate import evaluate_unit
    from rnnspike.models.registry import build, load
    from rnnspike.models.simulate import simulate
    from rnnspike.neurons.session import SessionOptions, simulate_cell
    from rnnspike.recording.data import ReadOptions, Recording
    from rnnspike.recording.read import read_recording
    from rnnspike.report.build import build_report
    from rnnspike.runs.cosmooth import cosmooth
    from rnnspike.runs.decoding.conditions import decode
    from rnnspike.runs.decoding.covariate import decode_covariate
    from rnnspike.runs.dynamics import analyse_run
    from rnnspike.runs.simulation import simulate_run
    from rnnspike.runs.stored.directory import read_rows
    from rnnspike.runs.stored.reopen import reopen
    from rnnspike.runs.stored.tables import compare_stored
    from rnnspike.trials.data import TrialOptions, Trials
    from rnnspike.trials.plan import plan_trials
    from rnnspike.trials.split import assign_folds

_WHERE = {
    "fit": "api",
    "score": "api",
    "FitSettings": "config",
    "read_recording": "recording.read",
    "ReadOptions": "recording.data",
    "Recording": "recording.data",
    "plan_trials": "trials.plan",
    "TrialOptions": "trials.data",
    "Trials": "trials.data",
    "assign_folds": "trials.split",
    "build": "models.registry",
    "load": "models.registry",
    "simulate": "models.simulate",
    "evaluate_unit": "evaluation.evaluate",
    "simulate_cell": "neurons.session",
    "SessionOptions": "neurons.session",
    "read_rows": "runs.stored.directory",
    "reopen": "runs.stored.reopen",
    "simulate_run": "runs.simulation",
    "compare_stored": "runs.stored.tables",
    "analyse_run": "runs.dynamics",
    "decode": "runs.decoding.conditions",
    "decode_covariate": "runs.decoding.covariate",
    "cosmooth": "runs.cosmooth",
    "build_report": "report.build",
}

__all__ = [
    "FitSettings",
    "ReadOptions",
    "Recording",
    "SessionOptions",
    "TrialOptions",
    "Trials",
    "__version__",
    "analyse_run",
    "assign_folds",
    "build",
    "build_report",
    "compare_stored",
    "cosmooth",
    "decode",
    "decode_covariate",
    "evaluate_unit",
    "fit",
    "load",
    "plan_trials",
    "read_recording",
    "read_rows",
    "reopen",
    "score",
    "simulate",
    "simulate_cell",
    "simulate_run",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'rnnspike' has no attribute {name!r}")
    return getattr(importlib.import_module(f"rnnspike.{_WHERE[name]}"), name)


def __dir__() -> list[str]:
    return __all__
