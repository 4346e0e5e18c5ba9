"""From a recording with trials to honest single-trial history models and a report.

What the command line does, in a notebook::

    import rnnspike
    run = rnnspike.fit("session.nwb", window=(-0.2, 1.0), units="n_spikes > 500")
    run.rows_frame()

and the pieces it is made of: a recording, its trials, models, evaluation, simulated cells. Names are imported when
they are first used.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from rnnspike._version import __version__

if TYPE_CHECKING:
    from rnnspike.api.fitting import fit, score
    from rnnspike.api.inputs import as_recording
    from rnnspike.api.looking import inspect
    from rnnspike.api.networks import dynamics
    from rnnspike.api.planning import plan_trials, psth
    from rnnspike.api.results.inspection import Inspection
    from rnnspike.api.results.psths import Psths
    from rnnspike.api.results.run import FittedRun, FittedUnit, open_run
    from rnnspike.api.results.simulation import Simulation
    from rnnspike.api.results.tables import Rows
    from rnnspike.api.runs import compare, cosmooth, decode, export
    from rnnspike.api.simulating import simulate
    from rnnspike.config import FitSettings
    from rnnspike.evaluation.evaluate import evaluate_unit
    from rnnspike.models.registry import build, load
    from rnnspike.neurons.session import SessionOptions, simulate_cell
    from rnnspike.recording.data import ReadOptions, Recording
    from rnnspike.recording.read import read_recording
    from rnnspike.report.build import build_report
    from rnnspike.runs.dynamics import analyse_run
    from rnnspike.runs.simulation import simulate_run
    from rnnspike.runs.stored.directory import read_rows
    from rnnspike.runs.stored.reopen import reopen
    from rnnspike.runs.stored.tables import compare_stored
    from rnnspike.trials.data import TrialOptions, Trials
    from rnnspike.trials.split import assign_folds

_WHERE = {
    "fit": "api.fitting",
    "score": "api.fitting",
    "inspect": "api.looking",
    "psth": "api.planning",
    "plan_trials": "api.planning",
    "compare": "api.runs",
    "cosmooth": "api.runs",
    "decode": "api.runs",
    "dynamics": "api.networks",
    "export": "api.runs",
    "simulate": "api.simulating",
    "as_recording": "api.inputs",
    "open_run": "api.results.run",
    "FittedRun": "api.results.run",
    "FittedUnit": "api.results.run",
    "Inspection": "api.results.inspection",
    "Psths": "api.results.psths",
    "Rows": "api.results.tables",
    "Simulation": "api.results.simulation",
    "FitSettings": "config",
    "read_recording": "recording.read",
    "ReadOptions": "recording.data",
    "Recording": "recording.data",
    "TrialOptions": "trials.data",
    "Trials": "trials.data",
    "assign_folds": "trials.split",
    "build": "models.registry",
    "load": "models.registry",
    "evaluate_unit": "evaluation.evaluate",
    "simulate_cell": "neurons.session",
    "SessionOptions": "neurons.session",
    "read_rows": "runs.stored.directory",
    "reopen": "runs.stored.reopen",
    "simulate_run": "runs.simulation",
    "compare_stored": "runs.stored.tables",
    "analyse_run": "runs.dynamics",
    "build_report": "report.build",
}

__all__ = [
    "FitSettings",
    "FittedRun",
    "FittedUnit",
    "Inspection",
    "Psths",
    "ReadOptions",
    "Recording",
    "Rows",
    "SessionOptions",
    "Simulation",
    "TrialOptions",
    "Trials",
    "__version__",
    "analyse_run",
    "as_recording",
    "assign_folds",
    "build",
    "build_report",
    "compare",
    "compare_stored",
    "cosmooth",
    "decode",
    "dynamics",
    "evaluate_unit",
    "export",
    "fit",
    "inspect",
    "load",
    "open_run",
    "plan_trials",
    "psth",
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


class _Package(ModuleType):
    """The package, whose ``dynamics`` is the function, also once the folder of that name is imported.

    ``import rnnspike.dynamics.analyse as x`` then fails, as it goes through the function: write
    ``from rnnspike.dynamics import analyse``.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, but not a folder, as Python does when it is imported, where a function has its name."""
        if not (isinstance(value, ModuleType) and name in _WHERE):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
