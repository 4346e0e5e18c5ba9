"""Ogata's battery on the rescaled train (science.md#time-rescaling; Ogata 1988, Pouzat & Chaffiol 2009).

Under the true model the spikes are a Poisson process of rate 1 on the rescaled clock. The KS test of intervals
(Berman's) looks at their law alone; these look at where the spikes lie on the clock and how they cluster.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rnnspike.evaluation.goodness_of_fit.rescaling import kolmogorov_p, ks_distance
from rnnspike.trials.data import FloatArray

#: Boundary ``a + b sqrt(t)`` that a Wiener process leaves on [0, 1] with probability .05 (Kendall, Marin & Robert
#: 2007).
WIENER_A, WIENER_B = 0.299944595870772, 2.34797018726827
N_POINTS = 101
N_WIDTHS = 20
WIENER_TIME = np.linspace(0.0, 1.0, N_POINTS)
WIENER_BAND = WIENER_A + WIENER_B * np.sqrt(WIENER_TIME)


@dataclass(frozen=True)
class OgataBattery:
    """Five tests of a rescaled train of n spikes; NaN where there are fewer than 20.

    ``uniform_p``: the spike times on [0, Lambda(T)] are uniform. ``berman_p``: the intervals are exponential.
    ``wiener`` (point,) at ``WIENER_TIME``: scaled sums of ``xi - 1``, which should stay within ``+-WIENER_BAND``
    (``wiener_inside``). ``variance`` (width,) of counts in ``windows``, with the band of a Poisson process and
    ``variance_inside``, the share of widths within it. ``survivor`` (point,) is the share of intervals longer
    than ``survivor_at``, whose logarithm is a line.
    """

    uniform_p: float
    berman_p: float
    wiener: FloatArray
    wiener_inside: bool
    windows: FloatArray
    variance: FloatArray
    variance_low: FloatArray
    variance_high: FloatArray
    variance_inside: float
    survivor_at: FloatArray
    survivor: FloatArray


def ogata_battery(xi: FloatArray) -> OgataBattery:
    """Return the battery for rescaled intervals (interval,), iid Exp(1) under the true model."""
    n = len(xi)
    times = np.cumsum(xi)
    wiener = wiener_path(xi, WIENER_TIME)
    windows, variance, low, high = variance_time(times)
    at = np.linspace(0, 6, N_POINTS)
    enough = n >= 20
    survivor = 1 - np.searchsorted(np.sort(xi), at, side="right") / max(n, 1)
    inside = (variance >= low) & (variance <= high)
    return OgataBattery(
        uniform_p=_ks_p(times[:-1] / times[-1]) if enough else math.nan,
        berman_p=_ks_p(-np.expm1(-xi)) if enough else math.nan,
        wiener=wiener,
        wiener_inside=bool((np.abs(wiener) <= WIENER_BAND).all()),
        windows=windows,
        variance=variance,
        variance_low=low,
        variance_high=high,
        variance_inside=float(inside.mean()) if enough else math.nan,
        survivor_at=at,
        survivor=survivor,
    )


def _ks_p(u: FloatArray) -> float:
    return kolmogorov_p(float(ks_distance(u[None])[0]), len(u))


def wiener_path(xi: FloatArray, share: FloatArray) -> FloatArray:
    """Return ``sum of the first n t intervals, less n t, over sqrt(n)`` at shares t: about a Wiener process."""
    sums = np.concatenate([[0.0], np.cumsum(xi - 1.0)])
    return np.asarray(sums[np.floor(share * len(xi)).astype(np.int64)] / math.sqrt(max(len(xi), 1)))


def variance_time(times: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return window widths on the rescaled clock, variance of the counts in them, and its 95 % band.

    Windows tile the clock; a unit Poisson process has variance equal to the width w, with sampling variance
    ``(2 w^2 + w) / m`` over m windows.
    """
    total = float(times[-1]) if len(times) else 0.0
    widths = np.geomspace(1.0, max(total / 20, 1.0), N_WIDTHS)
    variance = np.full(len(widths), np.nan)
    spread = np.full(len(widths), np.nan)
    for i, width in enumerate(widths):
        m = int(total // width)
        if m >= 10:
            counts = np.bincount((times[times < m * width] / width).astype(np.int64), minlength=m)[:m]
            variance[i], spread[i] = counts.var(ddof=1), math.sqrt((2 * width**2 + width) / m)
    return widths, variance, widths - 1.96 * spread, widths + 1.96 * spread
