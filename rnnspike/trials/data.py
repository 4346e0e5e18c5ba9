"""What is modelled: spike counts aligned to events, binned and masked; the input of every model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
CountArray = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]
Observation = Literal["bernoulli", "poisson"]


@dataclass(frozen=True)
class SessionCounts:
    """Spikes of every trial of the session, in order of time: the recorded past that a slow gain reads.

    Shared unchanged by all subsets of the trials (``Trials.session_index`` points into it).
    ``start_s``, ``stop_s`` (trial,) are the window's ends in session time; ``counts`` and ``exposure_bins``
    (trial, unit) are spikes and observed bins within it; ``condition`` (trial,).
    """

    start_s: FloatArray
    stop_s: FloatArray
    counts: IntArray
    exposure_bins: IntArray
    condition: IntArray


@dataclass(frozen=True)
class Trials:
    """Trials of some units on a common grid of bins.

    Attributes
    ----------
    counts
        uint8 (trial, bin, unit), spikes per bin; 0 where not observed.
    observed
        bool (trial, bin, unit), False outside observed time: such bins are never scored and are not silence.
    burn_in, burn_in_observed
        (trial, burn_bin, unit), the recorded spikes just before the window and where they are known.
    covariates, covariates_burn_in
        float32 (trial, bin, channel) and (trial, burn_bin, channel); 0 where absent (bins where a requested
        covariate is absent are not ``observed``).
    condition
        (trial,) index into ``conditions``; one condition where none was asked for.
    start_s
        (trial,) session time of the window's start.
    group
        (trial,) trials with a common number share recorded time (window or burn-in of one over the window of
        another) as far as that can leak between folds, and go into one fold.
    session, session_table, session_index
        Spikes of all trials of the session, the rows of their table, and where each of these trials stands in them.
    has_repeats
        False where the recording was cut into segments: there is nothing to average over.
    """

    counts: CountArray
    observed: BoolArray
    burn_in: CountArray
    burn_in_observed: BoolArray
    covariates: npt.NDArray[np.float32]
    covariates_burn_in: npt.NDArray[np.float32]
    covariate_names: tuple[str, ...]
    condition: IntArray
    conditions: tuple[str, ...]
    start_s: FloatArray
    group: IntArray
    session: SessionCounts
    session_table: pd.DataFrame
    session_index: IntArray
    unit_ids: tuple[str, ...]
    bin_s: float
    window_s: tuple[float, float]
    observation: Observation = "bernoulli"
    has_repeats: bool = True

    @property
    def n_trials(self) -> int:
        """Number of trials."""
        return int(self.counts.shape[0])

    @property
    def n_bins(self) -> int:
        """Bins in a window."""
        return int(self.counts.shape[1])

    @property
    def n_burn_in(self) -> int:
        """Bins of burn-in before the window."""
        return int(self.burn_in.shape[1])

    @property
    def n_units(self) -> int:
        """Number of units."""
        return int(self.counts.shape[2])

    @property
    def table(self) -> pd.DataFrame:
        """Rows of the trials' table, in the order of the trials."""
        return self.session_table.iloc[self.session_index].reset_index(drop=True)

    @property
    def spikes(self) -> CountArray:
        """Counts as the observation model scores them: 0 or 1 under Bernoulli, counts under Poisson."""
        return np.minimum(self.counts, 1) if self.observation == "bernoulli" else self.counts

    @property
    def n_merged(self) -> int:
        """Spikes that share a bin with another and are therefore not scored (0 under Poisson)."""
        if self.observation == "poisson":
            return 0
        return int(np.maximum(self.counts.astype(np.int64) - 1, 0)[self.observed].sum())

    def past_and_window(self) -> tuple[CountArray, BoolArray]:
        """Return spikes (as scored) and observed mask of burn-in and window, (trial, burn_bin + bin, unit)."""
        burn_in = np.minimum(self.burn_in, 1) if self.observation == "bernoulli" else self.burn_in
        return (
            np.concatenate([burn_in, self.spikes], axis=1),
            np.concatenate([self.burn_in_observed, self.observed], axis=1),
        )

    def take(self, index: Sequence[int] | npt.NDArray[Any]) -> Trials:
        """Return these trials only, in the order given (``index`` is integers or a boolean mask)."""
        chosen = np.asarray(index)
        if chosen.dtype == np.bool_:
            chosen = np.flatnonzero(chosen)
        per_trial = ["counts", "observed", "burn_in", "burn_in_observed", "covariates", "covariates_burn_in"]
        per_trial += ["condition", "start_s", "group", "session_index"]
        return replace(self, **{name: getattr(self, name)[chosen] for name in per_trial})

    def unit(self, index: int) -> Trials:
        """Return the trials of one unit, shapes (trial, bin, 1)."""
        one = slice(index, index + 1)
        session = replace(
            self.session, counts=self.session.counts[:, one], exposure_bins=self.session.exposure_bins[:, one]
        )
        per_unit = ("counts", "observed", "burn_in", "burn_in_observed")
        return replace(
            self,
            **{name: getattr(self, name)[:, :, one] for name in per_unit},
            session=session,
            unit_ids=self.unit_ids[one],
        )


@dataclass(frozen=True)
class TrialOptions:
    """Which trials, aligned how, on which bins; everything has a default (the first trials table).

    ``window_s`` None means the shortest common window of the table's intervals. ``segment_s`` cuts a recording
    without trials. ``observation`` auto is Bernoulli up to 2 ms bins, Poisson above. ``min_spikes`` leaves out
    units with fewer spikes in the windows, ``most_per_bin`` those with more spikes a bin on average.
    """

    table: str | None = None
    align: str | None = None
    window_s: tuple[float, float] | None = None
    condition: tuple[str, ...] = ()
    units: str | None = None
    covariates: tuple[str, ...] = ()
    bin_s: float = 0.001
    burn_in_s: float = 2.0
    segment_s: float | None = None
    observation: Literal["auto", "bernoulli", "poisson"] = "auto"
    min_spikes: int = 50
    most_per_bin: float = math.inf
