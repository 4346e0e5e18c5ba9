"""Which of many other units a model reads: those after whose spikes the residuals of the unit differ most from 0.

It takes a few operations per spike of another unit, so that a thousand of them can be looked at.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from rnnspike.models.population.features import sources_of
from rnnspike.observation import expected_counts
from rnnspike.trials.data import FloatArray, Trials

#: Lags in s between which residuals are summed.
BANDS_S = (0.001, 0.005, 0.02, 0.08, 0.32)


def strongest(train: Trials, offset: FloatArray, most: int) -> tuple[str, ...]:
    """Return at most so many other units, in order: all, or those that tell most of what the offset leaves.

    By the sum over bands of lags of the squared residual after a unit's spikes, each over its variance.

    Parameters
    ----------
    train
        Of one unit, with others.
    offset
        (trial, bin) log mu of its history model.
    most
        How many are wanted.
    """
    sources = tuple(sources_of(train))
    if len(sources) <= most or train.others is None:
        return sources
    seen, width = train.observed[:, :, 0], train.n_burn_in + train.n_bins
    expected = np.where(seen, expected_counts(np.exp(offset), train.observation), 0.0)
    residual = np.where(seen, train.spikes[:, :, 0], 0.0) - expected
    up_to = [np.pad(np.cumsum(each, axis=1), ((0, 0), (1, 0))) for each in (residual, expected)]
    edges = np.unique([max(1, round(edge / train.bin_s)) for edge in BANDS_S])
    ahead = np.empty((train.n_trials, width, 2, len(edges) - 1), np.float32)
    for band, ends in enumerate(pairwise(edges)):
        first, last = (np.clip(np.arange(width) - train.n_burn_in + edge, 0, train.n_bins) for edge in ends)
        for k, each in enumerate(up_to):  # what falls into the band after a spike in each bin
            ahead[:, :, k, band] = each[:, last] - each[:, first]
    by_place = ahead.reshape(train.n_trials * width, -1)
    scores = []
    for source in sources:
        row, at = train.others.places(source, train.session_index)
        more, variance = (np.ones(len(row), np.float32) @ by_place[row * width + at]).reshape(2, -1)
        scores.append(float((more**2 / np.maximum(variance, 1.0)).sum()))
    best = np.sort(np.argsort(-np.array(scores), kind="stable")[:most])
    return tuple(sources[j] for j in best)
