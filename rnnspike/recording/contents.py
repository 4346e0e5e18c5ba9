"""What a reader returns, before checks and cleaning: the interface between formats and checks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.recording.data import Covariate, Finding, FloatArray
from rnnspike.recording.findings import found
from rnnspike.wording import counted

#: Gap between segments that have no common clock: longer than any burn-in.
SEGMENT_GAP_S = 10.0
#: Units of time as files write them, in seconds.
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class RawUnit:
    """A unit as stored: ``times`` (spike,) float64, unsorted and with NaN; ``observed`` (interval, 2) or None."""

    id: str
    times: FloatArray
    observed: FloatArray | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contents:
    """What a reader returns: like ``Recording``, but not yet checked.

    ``sources`` are the files read (hashed for provenance); ``times_as_stored`` is the type of the stored spike
    times (``float32``, ``int64``); ``resolution_s`` is the clock's tick if the file states it.
    What is ``in_memory`` was read from no file.
    """

    format: str
    units: tuple[RawUnit, ...]
    intervals: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    events: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    covariates: Mapping[str, Covariate] = field(default_factory=dict)
    invalid_s: FloatArray = field(default_factory=lambda: np.empty((0, 2)))
    span_s: tuple[float, float] | None = None
    session: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    sources: tuple[Path, ...] = ()
    times_as_stored: str = "float64"
    resolution_s: float | None = None
    in_memory: bool = False


def as_float(values: npt.ArrayLike) -> FloatArray:
    """Return values as float64 (a view if they already are); ValueError if they are not real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{array.dtype} where real numbers were expected")
    return array.astype(np.float64, copy=False)


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names with a number added to repeated ones (``a``, ``a_2``)."""
    taken: dict[str, int] = {}
    result: dict[str, None] = {}
    for name in names:
        taken[name] = taken.get(name, 0) + 1
        candidate = name if taken[name] == 1 else f"{name}_{taken[name]}"
        while candidate in result:
            candidate += "_"
        result[candidate] = None
    return list(result)


def repeated_ids(ids: Sequence[str]) -> list[Finding]:
    """Return the finding that unit ids repeat (``unique_names`` numbers them); none if all differ."""
    repeated = [name for name, count in Counter(ids).items() if count > 1]
    if not repeated:
        return []
    shown = ", ".join(repeated[:5]) + (", ..." if len(repeated) > 5 else "")
    n_repeated = len(ids) - len(set(ids))
    message = (
        f"{counted(n_repeated, 'unit{s} repeat{v} the id of another')} ({shown}): numbered, as in {repeated[0]}_2"
    )
    return [found("unit-ids-repeated", message, count=n_repeated)]
