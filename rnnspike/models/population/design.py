"""The bins that a coupling model is fitted to, with the features of every source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rnnspike.models.glm.compact_design import Rows
from rnnspike.models.numerics.sampling import sample_bins
from rnnspike.models.past import marked
from rnnspike.models.population.features import LagBasis, columns, mean_count, past_of
from rnnspike.models.population.solve import BLOCK, Problem, Solution
from rnnspike.trials.data import FloatArray, Trials

#: Silent bins per spike in a training, and the fewest and most there are. Five per spike score like forty.
SILENT_PER_SPIKE, FEWEST_SILENT, MOST_SILENT = 8, 20_000, 200_000
#: Rows times columns that bound the silent bins further where there are many sources: 160 MB.
MOST_FEATURES = 40_000_000


@dataclass(frozen=True)
class Design:
    """Sampled bins of the trials with the standardised features of every source."""

    problem: Problem
    mean: FloatArray
    sd: FloatArray
    fills: tuple[float, ...]

    @staticmethod
    def of(train: Trials, offset: FloatArray, sources: Sequence[str], basis: LagBasis) -> Design:
        """Return the design of these sources at all bins with spikes and a sample of the silent ones."""
        seen = train.observed[:, :, 0]
        trial, at = marked(seen)
        spikes, base = train.spikes[:, :, 0][seen].astype(np.float64), offset[seen]
        kept, bins = sample_bins(
            base, spikes, n_silent(int(np.count_nonzero(spikes)), len(sources) * basis.n_columns)
        )
        order = np.argsort(kept, kind="stable")  # in order of time, as the features are computed
        kept, bins = kept[order], bins[order]
        first = at[kept] + train.n_burn_in
        rows = Rows(trial[kept], first, first.astype(np.float64), bins, spikes[kept], np.zeros(len(kept)))
        n = basis.n_columns
        features = np.empty((len(kept), n * len(sources)), np.float32)
        fills = []
        for j, source in enumerate(sources):
            past = past_of(train, source)
            fills.append(mean_count(past))
            features[:, j * n : (j + 1) * n] = columns(past, rows, basis, fills[-1])
        weight = bins / bins.sum()
        mean = (weight @ features).astype(np.float64)
        features -= mean.astype(np.float32)
        blocks = (slice(start, start + BLOCK) for start in range(0, len(kept), BLOCK))
        variance = sum(weight[here] @ features[here] ** 2 for here in blocks)
        sd = np.sqrt(np.maximum(variance, 1e-12)).astype(np.float64)
        features /= sd.astype(np.float32)
        problem = Problem(features, base[kept], bins, spikes[kept], train.observation, n)
        return Design(problem, mean, sd, tuple(fills))

    def raw_weights(self, solution: Solution) -> FloatArray:
        """Return the weights of features that are not standardised, (source, column)."""
        return np.asarray((solution.at[1:] / self.sd).reshape(len(solution.strengths), -1))

    def raw_intercept(self, solution: Solution) -> float:
        """Return the intercept that belongs to them."""
        return float(solution.at[0] - solution.at[1:] @ (self.mean / self.sd))


def n_silent(n_spikes: int, n_columns: int) -> int:
    """Return how many silent bins a design takes at the most."""
    wanted = int(np.clip(SILENT_PER_SPIKE * n_spikes, FEWEST_SILENT, MOST_SILENT))
    return min(wanted, max(FEWEST_SILENT, MOST_FEATURES // max(n_columns, 1) - n_spikes))
