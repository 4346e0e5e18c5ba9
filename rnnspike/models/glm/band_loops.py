"""Symmetric band matrices: solutions from a Cholesky factor, and the entries of the inverse within the band.

A factor L is stored by columns, (column, apart): ``[j, d]`` is L[j + d, j].
"""

from __future__ import annotations

import numpy as np

from rnnspike.models.numerics.compilation import Double, compiled


@compiled
def solve(factor: Double, values: Double) -> None:
    """Replace ``values`` (row, right-hand side) by (LL')^-1 times them."""
    n, width = factor.shape
    for j in range(n):
        own, pivot = values[j], factor[j, 0]
        for k in range(len(own)):
            own[k] /= pivot
        for d in range(1, min(width, n - j)):
            share, other = factor[j, d], values[j + d]
            for k in range(len(own)):
                other[k] -= share * own[k]
    for j in range(n - 1, -1, -1):
        own, pivot = values[j], factor[j, 0]
        for d in range(1, min(width, n - j)):
            share, other = factor[j, d], values[j + d]
            for k in range(len(own)):
                own[k] -= share * other[k]
        for k in range(len(own)):
            own[k] /= pivot


@compiled
def inverse(factor: Double, entries: Double) -> None:
    """Fill the entries of (LL')^-1 within the band: ``[i, width - 1 + d]`` is that of row i and column i + d.

    Takahashi's recursion: L'Z = L^-1, whose right side is lower triangular, gives each row of Z from the rows below.
    """
    n, width = factor.shape
    middle = width - 1
    row = np.zeros(width)
    for i in range(n - 1, -1, -1):
        reach = min(width, n - i)
        for d in range(1, reach):
            row[d] = 0.0
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
