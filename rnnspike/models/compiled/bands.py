"""Symmetric bands: solving with a Cholesky factor of one, and the entries of its inverse within the band.

A factor L is kept by columns, (column, apart): ``[j, d]`` is L[j + d, j].
"""

from __future__ import annotations

import numpy as np

from rnnspike.models.compiled import Double, compiled


@compiled
def solve(factor: Double, values: Double) -> None:
    """Replace ``values`` (row, right-hand side) by (LL')^-1 times them."""
    n, width = factor.shape
    for j in range(n):
        values[j] /= factor[j, 0]
        for d in range(1, min(width, n - j)):
            share, own, other = factor[j, d], values[j], values[j + d]
            for k in range(len(own)):
                other[k] -= share * own[k]
    for j in range(n - 1, -1, -1):
        for d in range(1, min(width, n - j)):
            share, own, other = factor[j, d], values[j], values[j + d]
            for k in range(len(own)):
                own[k] -= share * other[k]
        values[j] /= factor[j, 0]


@compiled
def inverse(factor: Double, entries: Double) -> None:
    """Fill the entries of (LL')^-1 within the band: ``[i, width - 1 + d]`` is that of row i and column i + d.

    Takahashi's recursion: L'Z = L^-1, whose right side is lower triangular, gives each row of Z from those below it.
    """
    n, width = factor.shape
    middle = width - 1
    row = np.zeros(width)
    for i in range(n - 1, -1, -1):
        reach = min(width, n - i)
        row[:] = 0.0
        for k in range(1, reach):
            share, below = factor[i, k] / factor[i, 0], entries[i + k]
            for d in range(1, reach):
                row[d] -= share * below[middle + d - k]
        own = 1.0 / factor[i, 0] ** 2
        for d in range(1, reach):
            own -= factor[i, d] / factor[i, 0] * row[d]
            entries[i, middle + d] = row[d]
            entries[i + d, middle - d] = row[d]
        entries[i, middle] = own
