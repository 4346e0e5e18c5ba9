"""Trials: spike counts aligned to events, binned and masked; the input of every model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from rnnspike.observation import Observation
from rnnspike.trials.others import OtherUnits

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
CountArray = npt.NDArray[np.uint8]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SessionCounts:
    """Spikes of every trial of the session, in order of time: the input of a slow gain.

    Shared by all subsets of the trials (``Trials.session_index`` refers to it).
    ``start_s``, ``stop_s`` (trial,) are start and stop of the window in session time; ``counts`` and
    ``exposure_bins`` (trial, unit) are spikes and observed bins within it; ``condition`` (trial,).
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
        bool (trial, bin, unit), False outside observed time: such bins are never scored and do not count as silent.
    burn_in, burn_in_observed
        (trial, burn_bin, unit), the recorded spikes directly before the window, and which of its bins are observed.
    covariates, covariates_burn_in
        float32 (trial, bin, channel) and (trial, burn_bin, channel); 0 where missing (bins in which a
        requested covariate is missing are not ``observed``).
    covariate_names
        One per channel.
    condition
        (trial,) index into ``conditions``; all 0 without ``--condition``.
    conditions
        Names of the conditions.
    start_s
        (trial,) session time of the window's start, s.
    group
        (trial,) trials whose windows overlap are in one group: what they share would leak between folds, so they go
        into one fold. The burn-in does not count.
    session, session_table, session_index
        Spikes of all trials of the session, the rows of their table, and the index of each of these trials in them.
    unit_ids
        Ids of the units, as in the recording.
    bin_s
        Bin width, s.
    window_s
        Start and stop of the window around time zero, s.
    observation
        ``bernoulli`` or ``poisson``: how bins are scored.
    has_repeats
        False if the recording was cut into segments, which have no trial average.
    others
        Units recorded together with these, which population models read; None where they are not known.
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
    others: OtherUnits | None = None

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
        """Rows of the trial table, in the order of the trials."""
        return self.session_table.iloc[self.session_index].reset_index(drop=True)

    @property
    def spikes(self) -> CountArray:
        """Counts as scored by the observation model: 0 or 1 for Bernoulli, counts for Poisson."""
        return np.minimum(self.counts, 1) if self.observation == "bernoulli" else self.counts

    @property
    def n_merged(self) -> int:
        """Number of spikes that are not scored because they share a bin with another (0 for Poisson)."""
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
        """Return only these trials, in the given order.

        Parameters
        ----------
        index
            (trial,) integers, or a boolean mask over all trials.
        """
        chosen = np.asarray(index)
        if chosen.dtype == np.bool_:
            chosen = np.flatnonzero(chosen)
        per_trial = ["counts", "observed", "burn_in", "burn_in_observed", "covariates", "covariates_burn_in"]
        per_trial += ["condition", "start_s", "group", "session_index"]
        return replace(self, **{name: getattr(self, name)[chosen] for name in per_trial})

    def unit(self, index: int) -> Trials:
        """Return the trials of one unit, shapes (trial, bin, 1).

        Parameters
        ----------
        index
            Index of the unit.
        """
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


def together(units: Sequence[Trials]) -> Trials:
    """Return the trials of several units as one.

    Parameters
    ----------
    units
        The same trials of different units, on one grid.
    """
    session = replace(
        units[0].session,
        counts=np.concatenate([each.session.counts for each in units], axis=1),
        exposure_bins=np.concatenate([each.session.exposure_bins for each in units], axis=1),
    )
    return replace(
        units[0],
        counts=np.concatenate([each.counts for each in units], axis=2),
        observed=np.concatenate([each.observed for each in units], axis=2),
        burn_in=np.concatenate([each.burn_in for each in units], axis=2),
        burn_in_observed=np.concatenate([each.burn_in_observed for each in units], axis=2),
        session=session,
        unit_ids=tuple(unit_id for each in units for unit_id in each.unit_ids),
    )


@dataclass(frozen=True)
class TrialOptions:
    """How trials are chosen, aligned and binned; everything has a default (the first trials table).

    Attributes
    ----------
    table
        Interval or event table; None: the first.
    align
        Column of the table that is time zero; None: ``start_time``.
    window_s
        Start and stop relative to time zero, s; None: the shortest common window of the table's intervals.
    condition
        Columns that define conditions.
    units
        Query of the units to use, on id, n_spikes, rate_hz and the metadata.
    covariates
        Names of time series to use as input.
    bin_s
        Bin width, s.
    burn_in_s
        Recorded time before the window that models may use, s.
    segment_s
        Length of the segments into which a recording without trials is cut, s.
    observation
        ``auto`` is Bernoulli up to 2 ms bins, Poisson above.
    min_spikes
        Leave out units with fewer spikes in the windows.
    most_per_bin
        Leave out units with more spikes per bin on average.
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
