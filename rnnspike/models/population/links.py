"""What each other unit's past adds to a unit, tested (science.md#links)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2

from rnnspike.models.population.design import MOST_FEATURES, MOST_SILENT, SILENT_PER_SPIKE, Design
from rnnspike.models.population.features import LagBasis, kernel
from rnnspike.models.population.screening import strongest
from rnnspike.models.population.solve import solve
from rnnspike.trials.data import FloatArray, Trials

#: Other units that are tested at the most; longest lag at which a peak is looked for, s.
MOST_TESTED, LONGEST_S = 32, 0.16


@dataclass(frozen=True)
class SourceTest:
    """The test of one source: its statistic, degrees of freedom and p, and where its kernel is farthest from 0.

    ``gain`` in bits/spike is what the statistic exceeds its expectation by; ``peak`` is the kernel there (log rate).
    """

    source: str
    statistic: float
    df: int
    p: float
    gain: float
    peak: float
    peak_lag_ms: float


def source_tests(trials: Trials, offset: FloatArray) -> list[SourceTest]:
    """Return the test of each other unit, from one fit; of more than ``MOST_TESTED``, those that tell most.

    Of trials with many spikes, evenly spaced ones are taken: with fewer than ``SILENT_PER_SPIKE`` sampled silent bins
    per spike, the sampling would add to the statistics.

    Each source's block of weights without its own penalty, those of all others at theirs: Wald's statistic against
    chi-squared.

    Parameters
    ----------
    trials
        Of one unit, with others.
    offset
        (trial, bin) log mu of its history model, of models that were not fitted to the trial.
    """
    sources, basis = strongest(trials, offset, MOST_TESTED), LagBasis.of(trials)
    if not sources:
        return []
    n_features = (1 + SILENT_PER_SPIKE) * len(sources) * basis.n_columns  # per spike
    most = min(MOST_SILENT // SILENT_PER_SPIKE, MOST_FEATURES // n_features)
    some = np.arange(0, trials.n_trials, max(1, -(-int(trials.spikes[trials.observed].sum()) // most)))
    design = Design.of(trials.take(some), offset[some], sources, basis)
    solution = solve(design.problem)
    weights, statistics = design.raw_weights(solution), solution.block_tests()
    n_spikes, df = max(float(design.problem.spikes.sum()), 1.0), basis.n_columns
    n_lags = max(1, round(LONGEST_S / trials.bin_s))
    tests = []
    for source, own, statistic in zip(sources, weights, statistics, strict=True):
        if not np.isfinite(statistic):
            continue
        shape = kernel(own, basis, n_lags)
        peak = int(np.argmax(np.abs(shape)))
        gain = (statistic - df) / (2 * n_spikes * np.log(2))
        lag_ms = 1000 * (peak + 1) * trials.bin_s
        tests.append(
            SourceTest(
                source, float(statistic), df, float(chi2.sf(statistic, df)), float(gain), float(shape[peak]), lag_ms
            )
        )
    return tests
