"""Basis functions of spike history, time since the last spike, and drive (science.md#bases, #glm-fit).

Lags and ages are counted in bins from the bin after the spike (lag 1) and may be fractional: a row of a
compacted design stands for several bins and is evaluated at their middle (``glm/compact_design.py``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import sparse

from rnnspike.models.numerics import lag_loops
from rnnspike.trials.data import FloatArray

#: Time constants of the exponential filters of a covariate, 1 to 128 ms.
COVARIATE_TAU_S = tuple(0.001 * 2.0**power for power in range(8))
#: Of these filters (by index) the squares are features too.
COVARIATE_SQUARES = (1, 4)


def raised_cosines(
    lag_s: FloatArray, n_functions: int, *, first_s: float, last_s: float, offset_s: float = 0.0
) -> FloatArray:
    r"""Return raised cosines in log time, (lag, function).

    With :math:`y=\log(t+b)`, :math:`B_j=\frac12(1+\cos(\mathrm{clip}((y-c_j)\pi/2d,-\pi,\pi)))`; the first peak is
    at ``first_s``, the last function ends at ``last_s`` and neighbours are d apart (Pillow 2008; science.md#bases).

    Examples
    --------
    >>> raised_cosines(np.array([0.002, 2.0]), 15, first_s=0.002, last_s=2.0)[:, 0].round(6).tolist()
    [1.0, 0.0]
    """
    first, last = np.log(first_s + offset_s), np.log(last_s + offset_s)
    spacing = (last - first) / (n_functions + 1)
    centres = first + spacing * np.arange(n_functions)
    y = np.log(np.maximum(np.asarray(lag_s, dtype=np.float64) + offset_s, 1e-12))
    phase = np.clip((y[:, None] - centres) * (np.pi / (2 * spacing)), -np.pi, np.pi)
    return np.asarray(0.5 * (1 + np.cos(phase)))


@dataclass(frozen=True)
class LogTimeBasis:
    """Boxcars at the first lags and raised cosines beyond, zero from ``last_s`` on.

    The grid adapts to the bins: the boxcars cover the first ``boxcar_s``, at least ``min_boxcars`` bins and at most
    ``max_boxcars``; cosines keep their spacing in log time and start no earlier than at the second bin. ``rhythm_s``
    adds raised cosines with equal spacing in time between two lags, ``rhythm_spacing_s`` apart: at the lags of a 20
    Hz rhythm, cosines in log time are too far apart to resolve it. None where the spacing is under two bins.
    """

    bin_s: float
    last_s: float = 2.0
    first_s: float = 0.002
    cosines_per_decade: float = 5.0
    boxcar_s: float = 0.004
    min_boxcars: int = 2
    max_boxcars: int = 8
    rhythm_s: tuple[float, float] | None = None
    rhythm_spacing_s: float = 0.0125

    @property
    def n_boxcars(self) -> int:
        """Number of boxcars, one bin each."""
        return int(np.clip(round(self.boxcar_s / self.bin_s), self.min_boxcars, self.max_boxcars))

    @property
    def first_peak_s(self) -> float:
        """Peak of the first raised cosine."""
        return max(self.first_s, 2 * self.bin_s)

    @property
    def n_cosines(self) -> int:
        """Number of raised cosines (15 from 2 ms to 2 s)."""
        return max(2, round(self.cosines_per_decade * float(np.log10(self.last_s / self.first_peak_s))))

    @property
    def n_functions(self) -> int:
        """Number of functions."""
        return self.n_boxcars + self.n_cosines + self.n_rhythm

    @property
    def n_rhythm(self) -> int:
        """Number of raised cosines with equal spacing in time."""
        if self.rhythm_s is None or self.rhythm_spacing_s < 2 * self.bin_s:
            return 0
        return round((self.rhythm_s[1] - self.rhythm_s[0]) / self.rhythm_spacing_s) - 1

    @property
    def n_lags(self) -> int:
        """Last lag in bins at which a function may be non-zero."""
        return round(self.last_s / self.bin_s)

    def at(self, lag_bins: FloatArray) -> FloatArray:
        """Return the functions at these lags in bins, (lag, function); zero below 1 and beyond ``last_s``."""
        lag = np.asarray(lag_bins, dtype=np.float64)
        boxes = (np.abs(lag[:, None] - np.arange(1, self.n_boxcars + 1)) < 0.25).astype(np.float64)
        cosines = raised_cosines(lag * self.bin_s, self.n_cosines, first_s=self.first_peak_s, last_s=self.last_s)
        inside = (lag >= 1) & (lag <= self.n_lags)
        functions = [boxes, cosines]
        if self.n_rhythm and self.rhythm_s:
            centres = self.rhythm_s[0] + self.rhythm_spacing_s * np.arange(1, self.n_rhythm + 1)
            phase = (lag[:, None] * self.bin_s - centres) / self.rhythm_spacing_s
            functions.append(0.5 * (1 + np.cos(np.pi * np.clip(phase, -1, 1))))
        return np.concatenate(functions, axis=1) * inside[:, None]

    def table(self, steps_per_bin: int = 1) -> FloatArray:
        """Return the functions at lags 0, 1/steps, ... , ``n_lags``: (n_lags * steps + 1, function)."""
        return _table(self, steps_per_bin)


@lru_cache(maxsize=32)
def _table(basis: LogTimeBasis, steps_per_bin: int) -> FloatArray:
    """Return a basis's table, cached because every training needs it; read-only."""
    table = basis.at(np.arange(basis.n_lags * steps_per_bin + 1) / steps_per_bin)
    table.flags.writeable = False
    return table


@dataclass(frozen=True)
class SplineBasis:
    """Uniform cubic B-splines over the bins of a window; a constant where ``spacing_bins`` is 0.

    Positions are in bins from the window's start (a bin's own position is its index); spline k is centred on
    ``(k - 1) * spacing``.
    """

    n_bins: int
    spacing_bins: float

    @property
    def order(self) -> int:
        """Functions that overlap at a position."""
        return 4 if self.spacing_bins > 0 else 1

    @property
    def n_functions(self) -> int:
        """Number of functions."""
        if self.spacing_bins <= 0:
            return 1
        return int(np.floor((self.n_bins - 1) / self.spacing_bins)) + 4

    def local(self, position_bins: FloatArray) -> tuple[npt.NDArray[np.int64], FloatArray]:
        """Return the first non-zero function (position,) and the values of the overlapping ones (position, order)."""
        position = np.asarray(position_bins, dtype=np.float64)
        if self.spacing_bins <= 0:
            return np.zeros(position.shape, np.int64), np.ones((*position.shape, 1))
        scaled = position / self.spacing_bins
        first = np.clip(np.floor(scaled).astype(np.int64), 0, self.n_functions - 4)
        u = scaled - first
        values = [(1 - u) ** 3, 3 * u**3 - 6 * u**2 + 4, -3 * u**3 + 3 * u**2 + 3 * u + 1, u**3]
        return first, np.stack(values, axis=-1) / 6.0

    def matrix(self, position_bins: FloatArray) -> sparse.csr_matrix:
        """Return the design (position, function), sparse."""
        first, values = self.local(position_bins)
        columns = first[:, None] + np.arange(self.order)
        indptr = np.arange(len(first) + 1) * self.order
        return sparse.csr_matrix((values.ravel(), columns.ravel(), indptr), shape=(len(first), self.n_functions))


def second_difference_penalty(n_functions: int, weights: FloatArray | float = 1.0) -> FloatArray:
    """Return D'WD of second differences as upper bands, (3, function): row d holds entries (k, k + d).

    ``weights`` (function - 2,), or one for all, is the diagonal of W, the penalty of each difference.
    """
    bands = np.zeros((3, n_functions))
    if n_functions < 3:
        return bands
    for offset, stencil in enumerate(([1, 4, 1], [-2, -2], [1])):
        for shift, value in enumerate(stencil):
            bands[offset, shift : shift + n_functions - 2] += value * np.asarray(weights)
    return bands


def ended_difference_penalty(n_functions: int) -> FloatArray:
    """Return D'D of second differences of functions that are 0 beyond the last, (function, function)."""
    differences = np.diff(np.eye(n_functions + 2), n=2, axis=0)[:, :n_functions]
    return np.asarray(differences.T @ differences)


def hat_functions(n_points: int, n_functions: int) -> FloatArray:
    """Return triangles over a line of points that sum to 1, (function, point)."""
    if n_functions < 2:
        return np.ones((1, n_points))
    places = np.linspace(0.0, n_functions - 1.0, n_points)
    return np.maximum(0.0, 1.0 - np.abs(places[None] - np.arange(n_functions)[:, None]))


def exponential_filters(values: FloatArray, tau_s: float, bin_s: float) -> FloatArray:
    """Return a covariate (trial, bin) through a causal exponential filter of unit gain, same shape.

    The filter starts from the steady state of the first value, so there is no transient from zero.
    """
    decay = float(np.exp(-bin_s / tau_s))
    return leaky_sum((1 - decay) * values, decay, values[:, 0] if values.shape[1] else None)


def leaky_sum(values: FloatArray, leak: float, before: FloatArray | None = None) -> FloatArray:
    """Return y_t = leak y_(t-1) + values_t along the last axis (row, time), from ``before`` (row,), or 0, on."""
    values = np.ascontiguousarray(values, np.float64)
    summed = np.empty_like(values)
    start = np.zeros(len(values)) if before is None else np.ascontiguousarray(before, np.float64)
    lag_loops.leaky_sum(values, leak, start, summed)
    return summed
