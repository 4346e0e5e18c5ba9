"""What decoding takes from a run: its models, the units that have them, and predictions as in the fit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from rnnspike.errors import RunError
from rnnspike.evaluation.scores.resampling import Interval
from rnnspike.models.protocol import FittedModel
from rnnspike.models.registry import MODELS
from rnnspike.runs.stored.reopen import Reopened, reopen
from rnnspike.runs.stored.store import read_stack, safe_name
from rnnspike.trials.data import FloatArray, Trials


@lru_cache(maxsize=1)
def reopen_once(folder: Path, granted: tuple[tuple[str, bool], ...]) -> Reopened:
    """Return a run for several calls of a worker."""
    return reopen(folder, **dict(granted))


def fitted_models(
    run: Reopened, wanted: Sequence[str], default: Collection[str], more: Callable[[str], bool] = lambda name: False
) -> list[str]:
    """Return the models wanted, in the ladder's order; RunError where one was not fitted.

    None wanted: those of ``default`` that were, and ``more`` of them.
    """
    fitted = [name for name in MODELS if any(_has(run, name, unit) for unit in run.units)]
    has = f"(--models; it has {', '.join(fitted)})"
    for unknown in [name for name in wanted if name not in fitted]:
        raise RunError(f"{run.job.folder}: {unknown} was not fitted {has}")
    chosen = wanted or [name for name in fitted if name in default or more(name)]
    if not chosen:
        raise RunError(f"{run.job.folder}: holds none of {', '.join(default)} {has}")
    return [name for name in fitted if name in chosen]


def units_with(run: Reopened, wanted: Sequence[str], models: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the units wanted that have all of the models, and those that do not; RunError where none has."""
    for unknown in [unit for unit in wanted if unit not in run.units]:
        raise RunError(f"{run.job.folder}: has no fitted unit {unknown} (--unit; it has {', '.join(run.units[:20])})")
    asked = [unit for unit in run.units if unit in (wanted or run.units)]
    kept = [unit for unit in asked if all(_has(run, name, unit) for name in models)]
    if not kept:
        raise RunError(f"{run.job.folder}: no unit has {' and '.join(models)}")
    return kept, [unit for unit in asked if unit not in kept]


def without(left_out: Sequence[str]) -> list[str]:
    """Return a remark on units that were left out."""
    if not left_out:
        return []
    return [f"without unit{'s' * (len(left_out) > 1)} {', '.join(left_out)}: not fitted by all models"]


def _has(run: Reopened, model: str, unit: str) -> bool:
    if model == "stack":
        return len(stack_pools(run, unit)) == run.loaded.n_folds
    return MODELS[model].fitted and not MODELS[model].hidden and bool(run.members(model, unit))


def stack_pools(run: Reopened, unit: str) -> dict[str, tuple[dict[str, float], float]]:
    """Return the stack's weights and scale of each test fold."""
    return read_stack(run.job.folder / "units" / safe_name(unit) / "stack.json")


def members_of_fold(run: Reopened, name: str, unit: str, fold: int) -> list[FittedModel]:
    """Return the members of a model that have not seen a fold."""
    return [run.load(name, unit, member) for member in run.members(name, unit) if member[0] == fold]


def mean_log_mu(models: Sequence[FittedModel], trials: Trials) -> FloatArray:
    """Return the mean of models' log mu (trial, bin, unit), as members are averaged in a fit (science.md#folds)."""
    return np.asarray(np.mean([np.log(model.intensity(trials)) for model in models], axis=0))


def interval(name: str, found: Interval) -> dict[str, float]:
    """Return the columns of an estimate with its interval."""
    return {name: float(found.value[0]), f"{name}_low": float(found.low[0]), f"{name}_high": float(found.high[0])}


def over_folds(name: str, by_fold: FloatArray) -> dict[str, float]:
    """Return the columns of a value of each fold: median, lowest and highest."""
    return {
        name: float(np.median(by_fold)),
        f"{name}_low": float(by_fold.min()),
        f"{name}_high": float(by_fold.max()),
    }
