"""Simulated cells, and running them: with spikes drawn, or with recorded spikes.

A cell is a deterministic recursion: its state at the start of a bin is a function of its spikes in earlier bins and
of its input, and the intensity of the bin is a function of that state and the bin's input. The intensity given the
recorded past is therefore known exactly, both during and after a simulation.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from rnnspike.observation import draw
from rnnspike.trials.data import CountArray, FloatArray

#: State of cells in one bin: arrays whose first axes are (row, unit).
State = tuple[FloatArray, ...]

#: Upper limit of the intensity of all cells, so that a simulation cannot diverge (science.md#free-run).
CEILING_HZ = 5000.0
#: Intensities below this are set to zero: less than one spike in 10^9 bins of 1 ms.
FLOOR_HZ = 1e-6
_SIGNIFICANT_BITS = 7


class Cell(Protocol):
    """Parameters of a kind of cell; all methods are pure and vectorised over rows (trials) and units."""

    def start(self, n_rows: int, n_units: int, bin_s: float) -> State:
        """Return the resting state, after a long silence."""

    def intensity_hz(self, state: State, x: FloatArray) -> FloatArray:
        """Return the intensity (row, unit) of a bin, given the state at its start and the bin's input."""

    def advance(self, state: State, x: FloatArray, spikes: CountArray, bin_s: float) -> State:
        """Return the state at the start of the next bin; ``x`` and ``spikes`` (row, unit) are this bin's."""


def simulate(cell: Cell, x: FloatArray, bin_s: float, rng: np.random.Generator) -> tuple[CountArray, FloatArray]:
    """Simulate cells from rest; return spike counts (0 or 1) and the ``mu`` from which they were drawn.

    Parameters
    ----------
    cell
        The kind of cell.
    x
        Input (row, bin, unit), dimensionless, used as described by each cell. Rows are independent.
    bin_s
        Bin width in seconds.
    rng
        Random generator; one uniform number is drawn per bin.

    Returns
    -------
    counts
        uint8 (row, bin, unit).
    mu
        float64 of that shape, exact: ``P(spike | past, input) = 1 - exp(-mu)`` (science.md#observation-model).
    """
    return _run(cell, x, bin_s, None, rng)


def intensity(cell: Cell, counts: npt.NDArray[np.integer], x: FloatArray, bin_s: float) -> FloatArray:
    """Return ``mu`` (row, bin, unit) of each bin given the earlier spikes of its row, and the input.

    For spikes drawn by ``simulate`` it equals the ``mu`` from which they were drawn, to the last bit.
    """
    return _run(cell, x, bin_s, np.asarray(counts, dtype=np.uint8), None)[1]


def round_intensity(lambda_hz: FloatArray) -> FloatArray:
    """Round intensities to 7 significant bits (by at most .8 %), within the lower and upper limit.

    Spikes are drawn from the rounded intensity, so that a file can store it compactly and exactly.
    """
    mantissa, exponent = np.frexp(np.minimum(lambda_hz, CEILING_HZ))
    scale = 2.0**_SIGNIFICANT_BITS
    rounded: FloatArray = np.ldexp(np.rint(mantissa * scale) / scale, exponent)
    return np.where(rounded < FLOOR_HZ, 0.0, rounded)


def _run(
    cell: Cell, x: FloatArray, bin_s: float, given: CountArray | None, rng: np.random.Generator | None
) -> tuple[CountArray, FloatArray]:
    n_rows, n_bins, n_units = x.shape
    by_bin = np.ascontiguousarray(np.moveaxis(x, 1, 0))  # (bin, row, unit)
    counts = np.zeros(by_bin.shape, dtype=np.uint8)
    mu = np.zeros(by_bin.shape)
    state = cell.start(n_rows, n_units, bin_s)
    for k in range(n_bins):
        mu[k] = round_intensity(cell.intensity_hz(state, by_bin[k])) * bin_s
        if given is not None:
            counts[k] = given[:, k]
        elif rng is not None:
            counts[k] = draw(mu[k], "bernoulli", rng)
        state = cell.advance(state, by_bin[k], counts[k], bin_s)
    return np.moveaxis(counts, 0, 1).copy(), np.moveaxis(mu, 0, 1).copy()


def lag_at_rest(n_rows: int, n_units: int) -> FloatArray:
    """Return the time since the last spike (row, unit) for a long silence."""
    return np.full((n_rows, n_units), np.inf)


def next_lag(lag_s: FloatArray, spikes: CountArray, bin_s: float) -> FloatArray:
    """Return the time since the last spike, in seconds, at the next bin (one bin width right after a spike)."""
    return np.where(spikes > 0, 0.0, lag_s) + bin_s


def is_refractory(lag_s: FloatArray, absolute_s: float) -> npt.NDArray[np.bool_]:
    """Return which bins are absolutely refractory: the first ``absolute_s / bin_s`` after a spike."""
    return lag_s < absolute_s + 1e-9
