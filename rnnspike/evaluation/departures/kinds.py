"""Which way a unit departs from the reference that knows no spike history (science.md#kinds).

A deviance has no sign, so before any model is said to capture a departure its direction is told, from the data and
the reference alone: a dip or an excess of spikes soon after a spike, and a rate that falls or rises with the number
of recent spikes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, pdtr, pdtrc, stdtrit

from rnnspike.evaluation.departures.adaptation import WINDOWS_S
from rnnspike.evaluation.departures.capture import ALPHA
from rnnspike.evaluation.departures.others import OthersActivity
from rnnspike.evaluation.departures.refractoriness import join_small, lag_edges, lag_strata
from rnnspike.evaluation.history import History, Strata, strata_of
from rnnspike.evaluation.scores.resampling import MIN_TRIALS, holm
from rnnspike.observation import garwood
from rnnspike.trials.data import FloatArray, IntArray

RefractoryKindName = Literal["dip", "excess", "dip and excess", "none"]
AdaptationKindName = Literal["falling", "rising", "mixed", "none"]

#: Lags (s) of the ratio that is told, two bins at the least; of the early strata at the least; of the plateau.
RATIO_S, EARLY_S, PLATEAU_S = 0.002, 0.010, 0.100
#: Expected spikes of an early stratum: with fewer none is significant, however large the departure.
LEAST_EXPECTED = 4.0
#: Expectations are brought to the data by lag up to the longest, and by piece of the trial, in so many rounds.
LONGEST_LAG_S, N_POSITIONS, N_FITTINGS = 1.0, 50, 4
#: Largest log factor of the trend: beyond, later lags are too few to tell.
MOST_TREND = 10.0


@dataclass(frozen=True)
class RefractoryKind:
    """What the early lags show.

    ``ratio`` is recorded over expected spikes (reference) at lags up to 2 ms (two bins at the least), ``low`` and
    ``high`` its 95 % interval (Garwood 1936); None where no spike is expected there. ``recovery_ms`` is the first lag
    at which the smoothed ratio passes half of its plateau; None where there is no dip.
    """

    kind: RefractoryKindName
    ratio: float | None
    low: float | None
    high: float | None
    recovery_ms: float | None


def refractory_kind(history: History, reference: FloatArray, horizon: int) -> RefractoryKind:
    """Return the kind of departure at short lags since the last spike.

    Strata of lags up to the recovery ``horizon`` (bins; 10 ms at the least) are early: one bin wide at first, and the
    first 2 ms together. Later lags, up to 100 ms or twice as far, are the plateau. An early stratum dips where its
    recorded spikes are fewer than the reference expects (``reference`` (trial, bin), expected counts), and
    significantly fewer than the plateau's share of them: given the sum of both, the early count is binomial, so that
    a slow gain that raises all lags alike is no departure. Counts that vary more over trials than Poisson ones are
    worth as many spikes fewer. Holm's correction over strata and directions.
    """
    n_early = max(horizon, history.in_bins(EARLY_S))
    n_all = max(history.in_bins(PLATEAU_S), 2 * n_early)
    lags = lag_strata(history, np.arange(1, n_all + 2))
    observed, expected = (lags.by_trial(values) for values in (history.spikes, reference))  # (trial, lag)
    edges = _early_edges(expected.sum(axis=0), n_early, _n_ratio(history))
    worth = 1 / _dispersion(_pooled(observed, edges), _pooled(expected, edges))
    observed, expected = observed.sum(axis=0), expected.sum(axis=0)
    o, e = worth * _pooled(observed, edges), worth * _pooled(expected, edges)
    fewer = _fewer(o, e, float(observed[n_early:].sum()), float(expected[n_early:].sum()))
    more = _more(o, e * np.maximum(_trend(observed, expected, edges.mean(axis=1), n_early), 1.0))
    below, above = (holm(np.concatenate([fewer, more])) < ALPHA).reshape(2, -1)
    dips, excesses = np.flatnonzero(below), np.flatnonzero(above)
    ratio, low, high = _early_ratio(_n_ratio(history), observed, expected)
    kind: RefractoryKindName = "none"
    if len(dips):
        kind = "dip and excess" if (excesses > dips[0]).any() else "dip"
    elif len(excesses):
        kind = "excess"
    recovery = half_recovery_bins(observed, expected, n_early) if len(dips) else math.nan
    return RefractoryKind(
        kind, ratio, low, high, recovery * history.bin_s * 1000 if math.isfinite(recovery) else None
    )


def _n_ratio(history: History) -> int:
    return max(2, history.in_bins(RATIO_S))


def _early_edges(expected: FloatArray, n_early: int, n_ratio: int) -> IntArray:
    """Return first lag, and lag after the last, of early strata (stratum, 2): the first 2 ms, then the others."""
    edges = lag_edges(n_early)
    each = np.add.reduceat(expected[:n_early], edges[:-1] - 1)
    edges = join_small(edges, each, LEAST_EXPECTED)
    return np.concatenate([[[1, 1 + n_ratio]], np.stack([edges[:-1], edges[1:]], axis=1)])


def _pooled(values: FloatArray, edges: IntArray) -> FloatArray:
    """Return sums of values by lag (..., lag), lags from 1, in strata between edges (stratum, 2): (..., stratum)."""
    total = np.concatenate([np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)], axis=-1)
    return np.asarray(total[..., edges[:, 1] - 1] - total[..., edges[:, 0] - 1])


def _dispersion(observed: FloatArray, expected: FloatArray) -> FloatArray:
    """Return the variance over trials of counts (trial, stratum) over that of Poisson ones, 1 at the least."""
    o = observed.sum(axis=0)
    mean = expected * (o / np.maximum(expected.sum(axis=0), 1e-300))
    return np.asarray(np.maximum(((observed - mean) ** 2).sum(axis=0) / np.maximum(o, 1.0), 1.0))


def _fewer(o: FloatArray, e: FloatArray, late_o: float, late_e: float) -> FloatArray:
    """Return p (stratum,) of so few spikes, 1 where they are no fewer than the reference expects.

    Given the sum with those at later lags the early count is binomial: a reference that is off by one factor at all
    lags makes no dip.
    """
    whole = np.floor(o)
    p = bdtr(whole, whole + late_o, e / np.maximum(e + late_e, 1e-300)) if late_e > 0 else pdtr(whole, e)
    return np.where(o < e, p, 1.0)


def _more(o: FloatArray, e: FloatArray) -> FloatArray:
    """Return p (stratum,) of so many spikes where ``e`` are expected."""
    return np.where(o > e, pdtrc(np.maximum(np.floor(o) - 1, 0), e), 1.0)


def _trend(observed: FloatArray, expected: FloatArray, lag: FloatArray, n_early: int) -> FloatArray:
    """Return the factor of the expectations at early lags (stratum,) that later lags lead to, at most.

    A line in log O / E over the later lags (lag,), carried on to the early ones, upper end of its 95 % interval:
    under a drive that the reference does not know the ratio falls with the lag, as long intervals come at low rates.
    """
    x = np.arange(len(observed) - n_early, dtype=np.float64)
    o, e = observed[n_early:], expected[n_early:]
    if o.sum() < 2 * LEAST_EXPECTED:
        return np.ones(len(lag))
    slope = float(np.nan_to_num(poisson_slope(x, o, e)))
    fitted = e * np.exp(slope * x)
    level = math.log(o.sum() / fitted.sum())
    weight = fitted * math.exp(level)
    centre = float(weight @ x / weight.sum())
    spread = max(float(weight @ (x - centre) ** 2), 1e-300)
    place = lag - 1.5 - n_early  # the middle of a stratum that is one bin wide is half a bin beyond its lag
    reach = 1.96 * np.sqrt(1 / weight.sum() + (place - centre) ** 2 / spread)
    return np.asarray(np.exp(np.minimum(level + slope * place + reach, MOST_TREND)))


def _early_ratio(
    n: int, observed: FloatArray, expected: FloatArray
) -> tuple[float | None, float | None, float | None]:
    o, e = float(observed[:n].sum()), float(expected[:n].sum())
    if e <= 0:
        return None, None, None
    low, high = garwood(np.array([o]))
    return o / e, float(low[0]) / e, float(high[0]) / e


def half_recovery_bins(observed: FloatArray, expected: FloatArray, n_early: int) -> float:
    """Return the first lag, in bins, at which the smoothed ratio O / E (lag,) passes half of its plateau.

    The plateau is the ratio over the lags beyond the early ones. The ratio at lag k is taken over the fewest lags
    from k on that expect enough spikes, so that the first bin can show recovery by itself; NaN where it never does.
    """
    plateau = observed[n_early:].sum() / max(float(expected[n_early:].sum()), 1e-300)
    o, e = (np.concatenate([[0.0], np.cumsum(values)]) for values in (observed, expected))
    for k in range(len(observed)):
        stop = int(np.searchsorted(e, e[k] + LEAST_EXPECTED))
        if stop > len(observed):
            break
        if o[stop] - o[k] >= plateau / 2 * (e[stop] - e[k]):
            return float(k + 1)
    return math.nan


@dataclass(frozen=True)
class AdaptationKind:
    """How the rate goes with the number of recent spikes.

    ``window_ms`` (window,); ``slope`` (window,) is the change of log O / E per recent spike, ``low`` and ``high`` its
    95 % interval over trials.
    """

    kind: AdaptationKindName
    window_ms: FloatArray
    slope: FloatArray
    low: FloatArray
    high: FloatArray


def adaptation_kind(history: History, reference: FloatArray, horizon: int, weights: FloatArray) -> AdaptationKind:
    """Return the kind of dependence on recent spikes, of bins beyond the recovery ``horizon`` (bins).

    For each window the recorded spikes are regressed on the recent count, with the reference's expected counts
    (trial, bin) as exposure and with effects of the lag since the last spike and of the time in the trial: what the
    last interval alone explains, or a PSTH that is too smooth, is no adaptation. The variance is the larger of that
    over trials and of that given the past; p of the windows and of their sum by bootstrap over trials (``weights``
    (draw, trial)) of all together (Westfall and Young 1993, step-down).
    """
    eligible = history.observed & (history.silent_bins >= horizon)
    counts = [
        (window, np.where(eligible, history.recent_count(n_back), -1))
        for window in WINDOWS_S
        if (n_back := history.in_bins(window)) > horizon
    ]
    return _dependence(history, reference, eligible, counts, weights)


def others_kind(
    history: History, reference: FloatArray, activity: OthersActivity, weights: FloatArray
) -> AdaptationKindName:
    """Return how the rate goes with the other units' activity, by the slopes on the rank of a bin (science.md#kinds).

    ``reference`` (trial, bin) is what the unit's own model expects; effects as in ``adaptation_kind``.
    """
    counts = list(zip(activity.window_s, activity.ranks, strict=True))
    return _dependence(history, reference, history.observed, counts, weights).kind


def _dependence(
    history: History,
    reference: FloatArray,
    eligible: np.ndarray,
    counts: Sequence[tuple[float, np.ndarray]],
    weights: FloatArray,
) -> AdaptationKind:
    """Return how the rate goes with the ``counts`` (trial, bin) of each window, -1 where a bin is left out."""
    effects = (_lag_stratum(history, eligible), _position_stratum(history, eligible))
    levelled = _levelled(history, np.where(eligible, reference, 0.0), effects)
    windows, found = [], []
    for window, count in counts:
        estimate = _slope(history, count, levelled, effects)
        if estimate is not None:
            windows.append(1000 * window)
            found.append(estimate)
    if not found:
        empty = np.empty(0)
        return AdaptationKind("none", empty, empty, empty, empty)
    slope, error = (np.array(column) for column in list(zip(*found, strict=True))[:2])
    influence = np.stack([each for *_, each in found], axis=1) / error  # (trial, window)
    sign, significant = _tested(slope / error, influence, weights)
    falls, rises = bool((significant & (sign < 0)).any()), bool((significant & (sign > 0)).any())
    kind: AdaptationKindName = "mixed" if falls and rises else "falling" if falls else "rising" if rises else "none"
    reach = float(stdtrit(history.n_trials - 1, 0.975)) * error
    return AdaptationKind(kind, np.array(windows), slope, slope - reach, slope + reach)


def _tested(z: FloatArray, influence: FloatArray, weights: FloatArray) -> tuple[FloatArray, np.ndarray]:
    """Return z of the windows and of their sum, and which of them are significant, (window + 1,) each.

    ``influence`` (trial, window) sums to a deviation of z from its expectation. Step-down: the largest is compared
    with the largest of all in draws, the next one with that of the rest.
    """
    influence = np.column_stack([influence, influence.sum(axis=1)])
    scale = np.sqrt((influence**2).sum(axis=0))
    z = np.append(z, z.sum()) / np.append(np.ones(len(z)), max(scale[-1], 1e-300))
    drawn = np.abs((weights - 1) @ (influence / np.maximum(scale, 1e-300)))
    order = np.argsort(-np.abs(z))
    rest = np.maximum.accumulate(drawn[:, order[::-1]], axis=1)[:, ::-1]  # largest of this and the less significant
    p = np.maximum.accumulate((rest >= np.abs(z[order])).mean(axis=0))
    significant = np.zeros(len(z), bool)
    significant[order] = p < ALPHA
    return z, significant


def _levelled(history: History, expected: FloatArray, effects: Sequence[Strata]) -> FloatArray:
    """Return expected counts (trial, bin) brought to the recorded spikes in all strata of either effect.

    Both at once, by iterative proportional fitting.
    """
    observed = [strata.by_trial(history.spikes).sum(axis=0) for strata in effects]
    for _ in range(N_FITTINGS):
        for strata, o in zip(effects, observed, strict=True):
            e = strata.by_trial(expected).sum(axis=0)
            factor = np.where(e > 0, o / np.maximum(e, 1e-300), 0.0)
            expected *= np.append(factor, 0.0)[strata.stratum]
    return expected


def _lag_stratum(history: History, eligible: np.ndarray) -> Strata:
    longest = history.in_bins(LONGEST_LAG_S)
    edges = lag_edges(longest)
    lag = np.where(history.lag_known, history.silent_bins + 1, longest + 1)
    number = np.searchsorted(edges, np.minimum(lag, longest + 1), side="right")
    return strata_of(np.where(eligible, number, -1), len(edges) + 1)


def _position_stratum(history: History, eligible: np.ndarray) -> Strata:
    piece = np.arange(history.n_bins) * N_POSITIONS // max(history.n_bins, 1)
    return strata_of(np.where(eligible, np.broadcast_to(piece, eligible.shape), -1), N_POSITIONS)


def _slope(
    history: History, count: np.ndarray, levelled: FloatArray, effects: Sequence[Strata]
) -> tuple[float, float, FloatArray] | None:
    """Return slope of log O / E on the recent count, its error, and each trial's part in it (trial,).

    None where the count does not vary. The variance over trials is that of sums with the trial left out (HC3).
    Bins of equal count and strata, of which there are many, are fitted as one.
    """
    at, n = np.flatnonzero(count >= 0), history.n_trials
    y, e = (values.ravel()[at].astype(np.float64) for values in (history.spikes, levelled))
    if n < MIN_TRIALS or y.sum() < 10:
        return None
    cell, *groups = _cells([count.ravel()[at], *(each.stratum.ravel()[at] for each in effects)])
    x, strata = groups[0].astype(np.float64), groups[1:]
    y_cell, e_cell = np.bincount(cell, y), np.bincount(cell, e)
    expected = [np.maximum(np.bincount(stratum, e_cell), 1e-300) for stratum in strata]
    for _ in range(N_FITTINGS):
        for stratum, total in zip(strata, expected, strict=True):
            x -= (np.bincount(stratum, e_cell * x) / total)[stratum]
    slope, trend = 0.0, np.ones(len(x))
    for _ in range(N_FITTINGS):
        trend = np.exp(np.clip(slope * x, -MOST_TREND, MOST_TREND))
        mean = e_cell * trend
        information = float(mean @ x**2)
        if information < 1e-9:
            return None
        slope += float(np.clip((y_cell - mean) @ x / information, -1.0, 1.0))
    trial, expected_now = at // history.n_bins, e * trend[cell]
    left = np.bincount(trial, (y - expected_now) * x[cell], n)
    part = np.bincount(trial, expected_now * (x**2)[cell], n) / information
    influence = left / information / np.maximum(1 - part, 1e-3)
    over_trials = math.sqrt(float(influence @ influence) * n / (n - 1))
    error = max(over_trials, 1 / math.sqrt(information))
    return slope, error, influence * (error / max(over_trials, 1e-300))


def _cells(numbers: Sequence[np.ndarray]) -> list[npt.NDArray[np.intp]]:
    """Return the cell (bin,) of each bin by its small whole ``numbers``, and the numbers (cell,) of each cell."""
    code, sizes = np.zeros(len(numbers[0]), np.intp), [int(each.max()) + 1 for each in numbers]
    for each, size in zip(numbers, sizes, strict=True):
        code *= size
        code += each
    found = np.flatnonzero(np.bincount(code))
    place = np.empty(found[-1] + 1, np.intp)
    place[found] = np.arange(len(found))
    return [place[code], *np.unravel_index(found, sizes)]


def poisson_slope(x: FloatArray, observed: FloatArray, expected: FloatArray, n_steps: int = 25) -> FloatArray:
    """Return b of ``E[O] = E exp(a + b x)`` by maximum likelihood.

    ``x`` (stratum,); ``observed`` and ``expected`` (..., stratum). NaN where there is no finite maximum.
    """
    b = np.zeros(observed.shape[:-1])
    total = observed.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        target = (observed @ x) / total
        for _ in range(n_steps):
            share = expected * np.exp(b[..., None] * (x - x.mean()))
            share = share / share.sum(axis=-1, keepdims=True)
            mean = share @ x
            variance = share @ x**2 - mean**2
            b = b + np.clip((target - mean) / variance, -1.0, 1.0)
    return np.where(np.abs(b) < 20, b, np.nan)


def kind_fields(history: History, reference: FloatArray, horizon: int, weights: FloatArray) -> dict[str, Any]:
    """Return what every row of a unit tells of its kinds (``runs.rows``)."""
    early = refractory_kind(history, reference, horizon)
    fields: dict[str, Any] = {
        "refractory_kind": early.kind,
        "refractory_ratio": early.ratio,
        "refractory_ratio_low": early.low,
        "refractory_ratio_high": early.high,
        "refractory_recovery_ms": early.recovery_ms,
    }
    late = adaptation_kind(history, reference, horizon, weights)
    fields["adaptation_kind"] = late.kind
    for i, window in enumerate(late.window_ms):
        name = f"adaptation_slope_{window:.0f}ms"
        fields |= {name: late.slope[i], f"{name}_low": late.low[i], f"{name}_high": late.high[i]}
    return fields
