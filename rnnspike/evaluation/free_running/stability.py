r"""Quasi-renewal analysis: the rates that a history filter sustains when fed its own spikes.

See science.md#quasi-renewal.

Given a mean rate A, the spikes before the last one act on average, and the hazard at time s after the last spike is

.. math:: \lambda(s|A) = \exp\!\Big(c + h_1(s) + A\int_s^\infty (e^{h(u)}-1)\,du\Big)

with h the filter of every spike and h_1 that of the last one. The rate that follows is
:math:`f(A) = 1/\int_0^\infty S(s)\,ds`. Fixed points f(A) = A are rates that sustain themselves, stable where the
slope is below 1 (Naud and Gerstner 2012; Gerhard, Deger and Truccolo 2017).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rnnspike.trials.data import FloatArray

SlowGain = Callable[[FloatArray, int], FloatArray]
#: Points of the grid of rates that is searched for crossings.
N_RATES = 400
#: Of which so many at a time: what is made of them stays in the cache.
RATES_AT_A_TIME = 20


@dataclass(frozen=True)
class QuasiRenewal:
    """Self-sustaining rates in Hz and what they mean.

    ``stable``: one stable rate below the ceiling; ``fragile``: a stable one, and an unstable one above it from which
    the rate runs away; ``divergent``: none below the ceiling.
    """

    verdict: Literal["stable", "fragile", "divergent"]
    stable_hz: tuple[float, ...]
    unstable_hz: tuple[float, ...]


def next_rate(
    rate_hz: FloatArray,
    log_drive: float,
    kernel: FloatArray,
    last_spike: FloatArray,
    bin_s: float,
    slow: SlowGain | None = None,
) -> FloatArray:
    """Return f(A) in Hz for rates A (rate,).

    Parameters
    ----------
    rate_hz
        Mean rates A.
    log_drive
        Log of the expected count of a bin without history.
    kernel, last_spike
        Log gain of every spike, and what the last one adds to it, at lags 1, 2, ... bins, (lag,) each.
    slow
        Log gain of what is no filter (leaky traces in a logarithm) at lags 1..n after a spike, the spikes before it
        at the mean rate: a function of rates (rate,) and n that returns (rate, lag).
    """
    n = max(len(kernel), len(last_spike))
    h = np.pad(kernel, (0, n - len(kernel)))
    first = h + np.pad(last_spike, (0, n - len(last_spike)))
    excess = np.expm1(np.minimum(h, 50.0)) * bin_s
    beyond = np.append(np.cumsum(excess[::-1])[::-1][1:], 0.0)  # integral from the next lag on, (lag,)
    log_mu = log_drive + first + rate_hz[:, None] * beyond
    settled = np.full(len(rate_hz), log_drive)  # beyond the filter the hazard is constant
    if slow is not None:
        gain = slow(rate_hz, n)
        log_mu, settled = log_mu + gain, settled + gain[:, -1]
    mu = np.exp(np.clip(log_mu, -50.0, 5.0))
    survivor = np.exp(-np.cumsum(mu, axis=1))
    tail = np.exp(np.clip(settled, -50.0, 5.0))
    waiting = 1.0 + survivor[:, :-1].sum(axis=1) + survivor[:, -1] / -np.expm1(-tail)
    return np.asarray(1.0 / (bin_s * waiting))


def quasi_renewal(
    log_drive: float,
    kernel: FloatArray,
    last_spike: FloatArray,
    bin_s: float,
    refractory_s: float | None = None,
    slow: SlowGain | None = None,
) -> QuasiRenewal:
    """Return the self-sustaining rates of a filter and their verdict.

    The ceiling is .9 over the absolute refractory time where there is one, else one spike a bin.

    Examples
    --------
    >>> silent_after = np.log(np.full(5, 0.01))
    >>> quasi_renewal(np.log(0.02), silent_after, np.zeros(0), 0.001).verdict
    'stable'
    """
    ceiling = 0.9 / refractory_s if refractory_s else 1.0 / bin_s
    rates = np.geomspace(1e-3, ceiling, N_RATES)
    some = np.array_split(rates, N_RATES // RATES_AT_A_TIME)
    above = np.concatenate([next_rate(each, log_drive, kernel, last_spike, bin_s, slow) for each in some]) - rates
    crossing = np.flatnonzero(np.sign(above[:-1]) != np.sign(above[1:]))
    stable: list[float] = []
    unstable: list[float] = []
    for i in crossing:
        share = above[i] / (above[i] - above[i + 1])
        rate = float(rates[i] + share * (rates[i + 1] - rates[i]))
        (stable if above[i] > 0 else unstable).append(rate)
    if not stable or stable[0] > 0.95 * ceiling:
        return QuasiRenewal("divergent", tuple(stable), tuple(unstable))
    runs_away = any(rate > stable[0] for rate in unstable)
    return QuasiRenewal("fragile" if runs_away else "stable", tuple(stable), tuple(unstable))
