"""What a reader found in a file, before anything was checked or mended: the border between formats and checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.recording.data import Covariate, Finding, FloatArray

#: Time laid between segments that have no place on a common clock: longer than any burn-in.
SEGMENT_GAP_S = 10.0
#: Units of time as files write them, in seconds.
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}


@dataclass(frozen=True)
class RawUnit:
    """A unit as stored: ``times`` (spike,) float64 in any order, NaN and all; ``observed`` (interval, 2) or None."""

    id: str
    times: FloatArray
    observed: FloatArray | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Contents:
    """What a reader returns: as ``Recording``, not yet checked.

    ``sources`` are the files read (hashed for provenance); ``times_as_stored`` is the type of the stored spike
    times (``float32``, ``int64``); ``resolution_s`` the clock's tick where the file says.
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


def as_float(values: npt.ArrayLike) -> FloatArray:
    """Return values as float64 (a view where they are that already); ValueError where they are no real numbers."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"{array.dtype} where real numbers were expected")
    return array.astype(np.float64, copy=False)


def unique_names(names: Sequence[str]) -> list[str]:
    """Return the names, repeated ones told apart by a number (``a``, ``a_2``)."""
    taken: dict[str, int] = {}
    result: list[str] = []
    for name in names:
        taken[name] = taken.get(name, 0) + 1
        candidate = name if taken[name] == 1 else f"{name}_{taken[name]}"
        while candidate in result:
            candidate += "_"
        result.append(candidate)
    return result
