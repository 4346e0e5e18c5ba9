"""Types of the settings that functions take by name: those of ``FitSettings``, which holds defaults and meanings.

The types are wider than those of ``FitSettings``: a duration may be text (``"1ms"``), several names one text.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, TypedDict

import numpy as np
from pydantic import Field

#: A path, a ``Recording``, a Neo block or segment, a pynapple ``TsGroup``, a SpikeInterface sorting, or spike times.
Source: TypeAlias = Any
File: TypeAlias = str | os.PathLike[str]
#: Seconds, or text with a unit: ``"1ms"``.
Seconds: TypeAlias = float | str
Texts: TypeAlias = str | Sequence[str]
Ids: TypeAlias = str | int | Sequence[str | int]
Seed: TypeAlias = Annotated[int, Field(ge=0)]
Workers: TypeAlias = Annotated[int, Field(ge=1)]


class ReadArguments(TypedDict, total=False):
    """How a recording is read."""

    time_scale: float | None
    event_offset: Seconds
    events: File | None
    units_table: str | None
    sampling_rate: float | None
    drop_duplicates: bool
    allow_pickle: bool
    follow_links: bool


class ChosenArguments(TypedDict, total=False):
    """Which trials and units; ``trials`` may be a table for spikes that are in memory, ``units`` a list of ids."""

    trials: Any
    align: str | None
    window: Sequence[Seconds] | None
    condition: Texts
    units: str | Sequence[Any] | None
    segment: Seconds | None
    min_spikes: int


class TrialArguments(ChosenArguments, total=False):
    """How trials are made of them."""

    covariate: Texts
    bin: Seconds
    burn_in: Seconds
    observation: Literal["auto", "bernoulli", "poisson"]


class PlanArguments(TrialArguments, ReadArguments, total=False):
    """How a recording is read, and trials are made of it."""


class FoldArguments(TypedDict, total=False):
    """How trials are held out."""

    folds: int | None
    fold_scheme: Literal["interleaved", "blocked"]


class EngineArguments(TypedDict, total=False):
    """Where the work is done."""

    workers: int
    scheduler: str | None
    scheduler_file: File | None
    task_timeout: Seconds | None


class ScoreArguments(PlanArguments, FoldArguments, EngineArguments, total=False):
    """How models are fitted and scored, and what is written."""

    models: Texts | None
    effort: Literal["fast", "standard", "thorough"]
    replicates: int
    metrics: Texts
    save_intensities: bool
    seed: int
    report: bool
    out: File


class FitArguments(ScoreArguments, total=False):
    """All settings of a fit."""

    population: bool
    dynamics: bool
    device: Literal["auto", "cpu", "cuda"]


class CosmoothArguments(ChosenArguments, ReadArguments, FoldArguments, total=False):
    """Trials, units and folds of co-smoothing."""

    bin: Seconds


def several(values: Any) -> tuple[str, ...]:
    """Return one name or several as a tuple; numbers, of numpy too, are ids."""
    return tuple(map(str, [values] if np.isscalar(values) else values))


def is_path(value: Any) -> bool:
    """Say whether a value is a path, and not several."""
    return isinstance(value, str) or hasattr(value, "__fspath__")


def path_of(value: File | None) -> Path | None:
    """Return a path that may be None."""
    return None if value is None else Path(value)
