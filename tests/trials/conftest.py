"""Recordings built in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnspike.recording.data import Covariate, Recording, Unit


def recording_of(
    spikes: Mapping[str, Sequence[float]],
    trials: Mapping[str, Sequence[Any]] | None = None,
    *,
    observed: Mapping[str, Any] | None = None,
    series: Mapping[str, tuple[Any, Any]] | None = None,
    metadata: Mapping[str, Mapping[str, Any]] | None = None,
    **fields: Any,
) -> Recording:
    """A recording of these spike times (unit -> s), observed intervals, trials table and time series."""
    observed, metadata = observed or {}, metadata or {}
    units = tuple(
        Unit(
            name,
            np.asarray(times, float),
            np.asarray(observed[name], float).reshape(-1, 2) if name in observed else None,
            metadata.get(name, {}),
        )
        for name, times in spikes.items()
    )
    covariates = {}
    for name, (times, values) in (series or {}).items():
        values = np.asarray(values, float).reshape(len(times), -1)
        loaded = (np.asarray(times, float), values)
        covariates[name] = Covariate(name, "a.u.", len(times), values.shape[1], lambda loaded=loaded: loaded)
    if trials is not None:
        fields.setdefault("intervals", {"trials": pd.DataFrame(dict(trials))})
    return Recording(Path("session.nwb"), "0" * 64, 1, "nwb", units, covariates=covariates, **fields)


@pytest.fixture
def make_recording() -> Callable[..., Recording]:
    return recording_of
