"""Small trials and recordings built in memory, and where the real recordings are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import settings

from rnnspike.trials.data import SessionCounts, Trials

ROOT = Path(__file__).parents[1]
SAMPLE_DATA = ROOT / "sample_data"
SHARED_DATA = ROOT.parent / "shared" / "data"

#: No example fails on the time that it takes.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session", autouse=True)
def warnings_are_errors_in_children(pytestconfig: pytest.Config) -> Iterator[None]:
    """A warning ends a worker or a command in a process of its own, as pyproject.toml says it of the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONWARNINGS", ",".join(pytestconfig.getini("filterwarnings")))
        yield


@pytest.fixture(autouse=True)
def no_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables have their default width, whatever the shell that runs the tests says."""
    monkeypatch.delenv("COLUMNS", raising=False)


@pytest.fixture
def sample_data() -> Path:
    return SAMPLE_DATA


@pytest.fixture
def shared_data() -> Path:
    """The folder of real recordings; a test that needs it is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder of real recordings is not here")
    return SHARED_DATA


def trials_from_counts(
    counts: np.ndarray,
    *,
    observed: np.ndarray | None = None,
    burn_in: np.ndarray | None = None,
    burn_in_observed: np.ndarray | None = None,
    condition: np.ndarray | None = None,
    covariates: np.ndarray | None = None,
    bin_s: float = 0.001,
    observation: str = "bernoulli",
    has_repeats: bool = True,
) -> Trials:
    """Trials from an array of counts (trial, bin, unit), back to back, one second apart."""
    n_trials, n_bins, n_units = counts.shape
    counts = counts.astype(np.uint8)
    observed = np.ones(counts.shape, bool) if observed is None else observed
    burn_in = np.zeros((n_trials, 0, n_units), np.uint8) if burn_in is None else burn_in.astype(np.uint8)
    burn_in_observed = np.ones(burn_in.shape, bool) if burn_in_observed is None else burn_in_observed
    condition = np.zeros(n_trials, np.int64) if condition is None else condition.astype(np.int64)
    n_channels = 0 if covariates is None else covariates.shape[2]
    covariates = np.zeros((n_trials, n_bins, 0), np.float32) if covariates is None else covariates.astype(np.float32)
    start_s = np.arange(n_trials) * (n_bins * bin_s + 1.0)
    session = SessionCounts(
        start_s=start_s,
        stop_s=start_s + n_bins * bin_s,
        counts=(counts * observed).sum(axis=1, dtype=np.int64),
        exposure_bins=observed.sum(axis=1, dtype=np.int64),
        condition=condition,
    )
    return Trials(
        counts=counts * observed,
        observed=observed,
        burn_in=burn_in,
        burn_in_observed=burn_in_observed,
        covariates=covariates,
        covariates_burn_in=np.zeros((n_trials, burn_in.shape[1], n_channels), np.float32),
        covariate_names=tuple(f"covariate{i}" for i in range(n_channels)),
        condition=condition,
        conditions=tuple(str(c) for c in range(int(condition.max(initial=0)) + 1)),
        start_s=start_s,
        group=np.arange(n_trials),
        session=session,
        session_table=pd.DataFrame({"start_time": start_s}),
        session_index=np.arange(n_trials),
        unit_ids=tuple(str(u) for u in range(n_units)),
        bin_s=bin_s,
        window_s=(0.0, n_bins * bin_s),
        observation=observation,  # type: ignore[arg-type]
        has_repeats=has_repeats,
    )


@pytest.fixture
def make_trials() -> Callable[..., Trials]:
    return trials_from_counts


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240229)
