"""Compacted designs: bins with nearly equal predictors share one row (science.md#glm-fit).

A bin without a spike adds its expected count to the loss, so between spikes the loss is an integral of a function
that varies on the scale of the time since the last spike. Each bin with a spike keeps a row of its own; the others
are grouped in blocks whose width grows with that time, each evaluated at its middle and weighted by its number of
bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt

from rnnspike.models.numerics import lag_loops
from rnnspike.models.numerics.basis import LogTimeBasis
from rnnspike.models.past import UNKNOWN, Past, gap_edges, marked
from rnnspike.trials.data import FloatArray, IntArray

Float32Array = npt.NDArray[np.float32]
#: Bins after a spike that have their own rows; the width of later blocks is this fraction of the age.
_SINGLE_BINS = 5


class LagFunctions(Protocol):
    """Functions of the lag, zero beyond the last one; ``LogTimeBasis`` describes them."""

    def __hash__(self) -> int:
        """Return what their tables are kept by."""

    @property
    def n_functions(self) -> int:
        """Number of functions."""

    @property
    def n_lags(self) -> int:
        """Last lag in bins at which a function may be non-zero."""

    def table(self, steps_per_bin: int = 1) -> FloatArray:
        """Return the functions at lags 0, 1/steps, ... , ``n_lags``: (n_lags * steps + 1, function)."""


@dataclass(frozen=True)
class Rows:
    """Rows of a compacted design in order of trial and time; every array is (row,).

    ``centre`` is the middle in bins from the start of the burn-in (halves occur), ``first`` the first bin; ``bins``
    is how many bins the row stands for and ``spikes`` how many spikes it holds (rows with spikes are single bins).
    ``age`` is the middle's age in bins, ``longest + 1`` beyond, ``UNKNOWN`` where it is not known.
    """

    trial: IntArray
    first: IntArray
    centre: FloatArray
    bins: FloatArray
    spikes: FloatArray
    age: FloatArray

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self.trial)


def compact(past: Past, longest_age: int, widest: int) -> Rows:
    """Return the rows of the observed bins of the window; no block is wider than ``widest`` bins."""
    age, known = past.ages(longest_age)  # (trial, bin)
    spikes = past.spikes[:, past.n_burn_in :]
    elapsed = np.where((age == UNKNOWN) | (age > longest_age), known + 1, age)
    block = _block_of(int(elapsed.max(initial=1)), widest)[elapsed]
    has_spike = spikes > 0
    observed = past.observed[:, past.n_burn_in :]
    starts = np.ones(spikes.shape, dtype=bool)
    starts[:, 1:] = (block[:, 1:] != block[:, :-1]) | has_spike[:, 1:] | has_spike[:, :-1] | ~observed[:, :-1]
    starts[:, 1:] |= (age[:, 1:] == UNKNOWN) != (age[:, :-1] == UNKNOWN)
    flat = np.flatnonzero(starts & observed)
    bins = np.add.reduceat(observed.ravel(), flat, dtype=np.float64)  # observed bins up to the next row
    trial, first = np.divmod(flat, spikes.shape[1])
    first_age = age.ravel()[flat].astype(np.float64)
    moving = (first_age >= 1) & (first_age <= longest_age)
    middle = (bins - 1) / 2
    return Rows(
        trial=trial,
        first=first + past.n_burn_in,
        centre=first + past.n_burn_in + middle,
        bins=bins,
        spikes=spikes.ravel()[flat].astype(np.float64),
        age=np.where(moving, first_age + middle, first_age),
    )


@lru_cache(maxsize=32)
def _block_of(longest: int, widest: int) -> npt.NDArray[np.int32]:
    """Return the block of each elapsed time 0..longest: widths grow in proportion to the time."""
    block = np.zeros(longest + 1, dtype=np.int32)
    start, number = 1, 0
    while start <= longest:
        width = min(max(start // _SINGLE_BINS, 1), max(widest, 1))
        block[start : start + width] = number
        start, number = start + width, number + 1
    return block


def history_columns(rows: Rows, past: Past, basis: LagFunctions, fill: float) -> Float32Array:
    """Return the history features (row, function); unobserved bins count as ``fill`` spikes each."""
    table, up_to = _tables(basis)
    n_lags, stride = basis.n_lags, past.n_time + basis.n_lags + 1
    trial, bins = marked(past.spikes > 0)
    spike_key = trial * stride + bins
    row_key = rows.trial * stride
    low = np.searchsorted(spike_key, row_key + np.ceil(rows.centre - n_lags).astype(np.int64))
    low = np.maximum(low, np.searchsorted(spike_key, row_key))
    high = np.searchsorted(spike_key, row_key + rows.first)
    centre2, weight = (2 * rows.centre).astype(np.int64), past.spikes[trial, bins].astype(np.float32)
    features: Float32Array = np.zeros((rows.n_rows, basis.n_functions), dtype=np.float32)
    lag_loops.add_lagged(low, high, centre2, 2 * bins, weight, table, features)
    if fill > 0:
        _add_gaps(features, rows, past, up_to, fill)
    return features


@lru_cache(maxsize=8)
def _tables(basis: LagFunctions) -> tuple[Float32Array, Float32Array]:
    """Return the functions at half lags, (half lag, function), and their sums over bins up to each lag; cached."""
    table = basis.table(steps_per_bin=2).astype(np.float32)
    total = np.cumsum(basis.table(), axis=0)  # (lag + 1, function)
    up_to = np.empty_like(table)
    up_to[::2], up_to[1::2] = total, (total[1:] + total[:-1]) / 2
    return table, up_to


def _add_gaps(features: Float32Array, rows: Rows, past: Past, up_to: Float32Array, fill: float) -> None:
    """Add ``fill`` spikes in every unobserved bin to the history features (row, function)."""
    n_lags = len(up_to) // 2
    stride = past.n_time + 2 * n_lags + 1
    trial, start, stop = gap_edges(past, n_lags)
    keys = rows.trial * stride + rows.centre + n_lags
    low = np.searchsorted(keys, trial * stride + start + n_lags, side="right")
    high = np.searchsorted(keys, trial * stride + np.minimum(stop + n_lags, past.n_time) + n_lags)
    lag_loops.add_gaps(low, high, start, stop, rows.centre, up_to, fill, features)


def age_columns(rows: Rows, basis: LogTimeBasis) -> Float32Array:
    """Return the functions of the time since the last spike, and the flag that it is unknown: (row, function + 1)."""
    table = np.zeros((2 * basis.n_lags + 3, basis.n_functions + 1), dtype=np.float32)
    table[: 2 * basis.n_lags + 1, :-1] = basis.table(steps_per_bin=2)
    table[-1, -1] = 1.0
    index = np.where(rows.age == UNKNOWN, len(table) - 1, np.minimum(2 * rows.age, len(table) - 2))
    columns: Float32Array = table[index.astype(np.int64)]
    return columns
