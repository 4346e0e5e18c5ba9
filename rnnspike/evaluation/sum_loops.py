"""Loops of the evaluation that numpy does not take at speed, compiled as those of the models are."""

from __future__ import annotations

import numpy as np

from rnnspike.models.numerics.compilation import Count, Double, Index, compiled


@compiled
def serial_sums(
    first: Index,
    rows: Index,
    left: Double,
    piece: Index,
    chain: Index,
    of_piece: Double,
    pairs: Double,
    products: Double,
) -> None:
    """Fill ``pairs`` and sums of ``products`` (sample, lag) of intervals of one chain, from lag 0 on.

    Interval i of row r, ``first[r] <= i < first[r + 1]``, counts with what is ``left`` of it (interval,) less
    ``of_piece`` (sample, piece). A sample is put together of ``rows`` (sample, trial).
    """
    n_samples, n_lags = pairs.shape
    residual = np.empty(len(left))
    for s in range(n_samples):
        pairs[s], products[s] = 0.0, 0.0
        for row in rows[s]:
            begin, end = first[row], first[row + 1]
            for i in range(begin, end):
                residual[i] = left[i] - of_piece[s, piece[i]]
            for lag in range(n_lags):
                n, total = 0, 0.0
                for i in range(begin, end - lag):
                    if chain[i] == chain[i + lag]:
                        n += 1
                        total += residual[i] * residual[i + lag]
                pairs[s, lag] += n
                products[s, lag] += total


@compiled
def sum_by_stratum(values: Double, stratum: Count, sums: Double) -> None:
    """Add ``values`` (trial, bin) to ``sums`` (trial, stratum), by runs of bins of one stratum: most are long."""
    for r in range(len(sums)):
        own, of, here = sums[r], values[r], stratum[r]
        now, total = 0, 0.0
        for b in range(len(here)):
            if here[b] != now:
                own[now] += total
                now, total = int(here[b]), 0.0
            total += of[b]
        own[now] += total
