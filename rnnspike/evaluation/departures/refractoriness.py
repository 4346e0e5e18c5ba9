"""Refractoriness: spikes at short lags since the last one, observed and expected (science.md#capture, #hazard)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnspike.evaluation.history import History, Strata, strata_of, trial_blocks
from rnnspike.recording.checks.violations import VIOLATION_S, Violations
from rnnspike.trials.data import FloatArray, IntArray, Trials

MIN_HORIZON_S = 0.005
MAX_HORIZON_S = 0.100
#: Lags of the hazard curve.
HAZARD_S = 0.200


def lag_edges(n_lags: int) -> IntArray:
    """Return edges of strata of lags 1 to ``n_lags`` in bins: one bin wide up to 10, then 1.3 times as wide each.

    Examples
    --------
    >>> lag_edges(16)
    array([ 1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11, 14, 17])
    """
    edges = list(range(1, min(n_lags, 10) + 2))
    while edges[-1] <= n_lags:
        edges.append(min(n_lags + 1, max(edges[-1] + 1, round(edges[-1] * 1.3))))
    return np.array(edges, dtype=np.int64)


def lag_strata(history: History, edges: IntArray) -> Strata:
    """Return the strata of bins at risk whose lag since the last spike is known and within the edges (bins)."""
    lag = np.where(history.lag_known & history.observed, history.silent_bins + 1, 0)
    of_lag = np.full(int(edges[-1]) + 1, -1, dtype=np.int16)
    of_lag[edges[0] : edges[-1]] = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
    return strata_of(of_lag[np.minimum(lag, int(edges[-1]))], len(edges) - 1)


def join_small(edges: IntArray, expected: FloatArray, least: float) -> IntArray:
    """Return edges with neighbouring strata joined until each expects at least this many spikes."""
    kept, running = [int(edges[0])], 0.0
    for edge, amount in zip(edges[1:], expected, strict=True):
        running += float(amount)
        if running >= least:
            kept.append(int(edge))
            running = 0.0
    if len(kept) > 1:
        kept[-1] = int(edges[-1])  # a remainder goes into the last stratum
    else:
        kept.append(int(edges[-1]))
    return np.array(kept, dtype=np.int64)


def recovery_horizon(history: History, reference: FloatArray) -> int:
    """Return how many bins after a spike the data stay under the reference's expectation.

    The first stratum of lags, each with at least 5 expected spikes, in which the observed spikes reach the
    expectation of the reference (dense expected counts, (trial, bin)) ends the recovery; the result lies
    between 5 and 100 ms.
    """
    longest, shortest = history.in_bins(MAX_HORIZON_S), history.in_bins(MIN_HORIZON_S)
    edges = lag_edges(longest)
    strata = lag_strata(history, edges)
    expected = strata.by_trial(reference).sum(axis=0)
    observed = strata.by_trial(history.spikes).sum(axis=0)
    joined = join_small(edges, expected, 5.0)
    groups = np.searchsorted(edges, joined)[:-1]
    reached = np.add.reduceat(observed, groups) >= np.add.reduceat(expected, groups)
    last = int(joined[:-1][reached][0]) - 1 if reached.any() else longest
    return int(np.clip(last, shortest, longest))


def refractory_strata(history: History, reference: FloatArray, horizon: int) -> tuple[Strata, IntArray]:
    """Return the strata of the capture score and their edges in bins, up to the recovery horizon.

    One bin wide at first, then widening; strata with less than one spike expected by the reference are joined
    to their neighbours.
    """
    edges = lag_edges(horizon)
    fine = lag_strata(history, edges)
    edges = join_small(edges, fine.by_trial(reference).sum(axis=0), 1.0)
    return lag_strata(history, edges), edges


@dataclass(frozen=True)
class HazardCurve:
    """Hazard by lag of the data: spikes at a lag over the bins at risk at it (science.md#hazard).

    All (lag,), lags 1 to n in bins. ``low`` and ``high`` bound the hazard by 1.96 binomial standard errors
    (the increments of Greenwood's variance), ``survivor`` is the product limit, with Greenwood's band.
    """

    at_risk: FloatArray
    spikes: FloatArray
    hazard: FloatArray
    low: FloatArray
    high: FloatArray
    survivor: FloatArray
    survivor_low: FloatArray
    survivor_high: FloatArray


def hazard_strata(history: History) -> Strata:
    """Return one stratum per lag from one bin to 200 ms (at most 400 bins)."""
    n_lags = min(history.in_bins(HAZARD_S), 400)
    return lag_strata(history, np.arange(1, n_lags + 2))


def hazard_curve(at_risk: FloatArray, spikes: FloatArray) -> HazardCurve:
    """Return the hazard of the data with Greenwood's band; NaN at lags that no bin is at risk at.

    Lags that run into a trial's end or a gap are censored there, as in Kaplan and Meier.
    """
    n, d = np.maximum(at_risk, 1e-300), np.minimum(spikes, at_risk)
    hazard = np.where(at_risk > 0, d / n, np.nan)
    error = np.sqrt(hazard * (1 - hazard) / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        increments = np.where(at_risk > d, d / (n * np.maximum(at_risk - d, 1e-300)), 0.0)
    survivor: FloatArray = np.cumprod(np.where(at_risk > 0, 1 - d / n, 1.0), dtype=np.float64)
    spread = 1.96 * survivor * np.sqrt(np.cumsum(increments))
    return HazardCurve(
        at_risk=at_risk,
        spikes=spikes,
        hazard=hazard,
        low=np.maximum(hazard - 1.96 * error, 0.0),
        high=hazard + 1.96 * error,
        survivor=survivor,
        survivor_low=np.maximum(survivor - spread, 0.0),
        survivor_high=np.minimum(survivor + spread, 1.0),
    )


def violations(trials: Trials) -> Violations | None:
    """Return the refractory violations in one unit's bins, None where these are wider than 4 ms.

    Spikes count as a pair up to so many bins apart that tau is as near 1.5 ms as the bins allow.
    """
    if trials.bin_s > 0.004:
        return None
    n_lags = max(0, round(VIOLATION_S / trials.bin_s - 0.5))
    n_spikes = n_pairs = 0
    for rows in trial_blocks(trials.n_trials, trials.n_bins):
        counts = np.where(trials.observed[rows], trials.counts[rows], 0)[:, :, 0].astype(np.int64)
        n_spikes += int(counts.sum())
        n_pairs += int((counts * (counts - 1) // 2).sum())
        n_pairs += sum(int((counts[:, lag:] * counts[:, :-lag]).sum()) for lag in range(1, n_lags + 1))
    exposure_s = float(trials.observed.sum()) * trials.bin_s
    return Violations(n_pairs, n_spikes, exposure_s, tau_s=(n_lags + 0.5) * trials.bin_s)
