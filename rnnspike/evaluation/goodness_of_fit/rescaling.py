"""Time rescaling in discrete time: KS test, PIT, independence (science.md#time-rescaling).

Under the true model the integrated intensity between spikes is Exp(1) (Brown et al. 2002). In bins, a spike's
interval is the integral over the bins between it and the one before, plus a random part of its own bin
(Haslinger, Pipa & Brown 2010): ``xi = sum q - log(1 - r p)``, ``z = 1 - exp(-xi)``. Held-out trials are
concatenated on the rescaled clock, over observed bins only: exact by the memorylessness of the unit Poisson
process, where intervals pooled within short trials are not. The open interval at the end is censored and left
out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import kolmogorov, ndtri

from rnnspike.evaluation.history import trial_blocks
from rnnspike.evaluation.scores.resampling import autocorrelation, ljung_box_p
from rnnspike.observation import Observation, spike_probability
from rnnspike.trials.data import BoolArray, FloatArray, IntArray

#: Randomisations over which p is a median and D a range.
N_DRAWS = 20
#: D at which the test rejects at .05 for large n, times sqrt(n).
DETECTABLE = 1.36
N_LAGS = 10
#: Intervals below which p is exact; from there on Vrbik's approximation is within 1e-4.
EXACT_BELOW = 200


@dataclass(frozen=True)
class RescaledTrain:
    """A unit's spikes on a model's clock.

    Bernoulli: ``start`` (spike,) is ``1 - exp(-integral)`` at the start of the spike's bin, ``stop`` at its end,
    so that z is uniform between them. Poisson: ``clock`` (spike,) is the integral at the start of the bin and
    ``width`` (spike,) its ``mu``; spikes that share a bin are uniform on it.
    """

    observation: Observation
    start: FloatArray
    stop: FloatArray
    clock: FloatArray
    width: FloatArray

    @property
    def n(self) -> int:
        """Number of intervals."""
        return len(self.start)

    def uniform(self, r: FloatArray) -> FloatArray:
        """Return z (draw, spike), iid uniform under the model, from uniform random numbers ``r`` (draw, spike)."""
        if self.observation == "bernoulli":
            return np.asarray(self.start + r * (self.stop - self.start))
        position = np.sort(self.clock + r * self.width, axis=1)
        return np.asarray(-np.expm1(-np.diff(position, axis=1, prepend=0.0)))


def rescale(
    mu: FloatArray, counts: npt.NDArray[np.integer], observed: BoolArray | None, observation: Observation
) -> RescaledTrain:
    """Return the spikes of one unit on the clock of one model.

    Parameters
    ----------
    mu
        (trial, bin), trials in chronological order; or (bin,).
    counts
        Spikes as scored, of that shape; 0 or 1 under Bernoulli (more are refused: the test does not know where
        in the bin they fell).

    Raises
    ------
    ValueError
        A Bernoulli bin holds two spikes.
    """
    mu, counts = np.atleast_2d(mu), np.atleast_2d(counts)
    seen = np.ones(counts.shape, bool) if observed is None else np.atleast_2d(observed)
    passed, parts = 0.0, []  # the clock so far, and of each spike: the clock before its bin, its mu, its count
    for rows in trial_blocks(*counts.shape):
        flat, spikes = np.asarray(mu[rows], dtype=np.float64)[seen[rows]], counts[rows][seen[rows]]
        clock = passed + np.concatenate([[0.0], np.cumsum(flat)])
        where = np.flatnonzero(spikes)
        parts.append((clock[where], flat[where], spikes[where].astype(np.int64)))
        passed = float(clock[-1])
    clock, width, spikes = (np.concatenate(part) for part in zip(*parts, strict=True))
    if observation == "poisson":
        position, width = np.repeat(clock, spikes), np.repeat(width, spikes)
        return RescaledTrain(observation, position, position, position, width)
    if int(spikes.max(initial=0)) > 1:
        raise ValueError(
            "two spikes in a Bernoulli bin cannot be rescaled; use narrower bins or --observation poisson"
        )
    before = np.concatenate([[0.0], (clock + width)[:-1]])[: len(clock)]
    silence = np.exp(-(clock - before))
    p = np.minimum(spike_probability(width), 1 - 1e-12)
    return RescaledTrain(observation, 1 - silence, 1 - silence * (1 - p), clock, width)


@dataclass(frozen=True)
class KsTest:
    """Two-sided KS test of uniformity: medians over randomisations, the range of D, and what could be seen.

    ``d_detectable`` is the smallest D significant at .05 with this n; with 1e5 intervals anything real fails,
    so D is the figure to read. ``draw`` is the randomisation whose D is the median one.
    """

    d: float
    d_low: float
    d_high: float
    p: float
    n: int
    d_detectable: float
    draw: int = 0


def ks_distance(z: FloatArray) -> FloatArray:
    """Return the two-sided KS distance of each row (draw, n) from the uniform, looking at both sides of each step."""
    n = z.shape[1]
    ordered = np.sort(z, axis=1)
    rank = np.arange(1, n + 1) / n
    return np.asarray(np.maximum((rank - ordered).max(axis=1), (ordered - rank + 1 / n).max(axis=1)))


def kolmogorov_p(d: float, n: int) -> float:
    """Return the p of a KS distance by the asymptotic law with Vrbik's (2018) correction.

    Within 1e-4 of the exact law from 200 intervals on, within 6e-4 from 20 on.
    """
    root = math.sqrt(n)
    return float(kolmogorov(root * d + 1 / (6 * root) + (root * d - 1) / (4 * n)))


def _exact_p(d: float, n: int) -> float:
    from scipy.stats import kstwo  # takes a third of a second to import

    return float(np.clip(kstwo.sf(d, n), 0.0, 1.0))


def ks_test(z: FloatArray) -> KsTest:
    """Return the KS test of z (draw, n), draws being randomisations of the same intervals.

    p is the Kolmogorov probability, within 1e-4 of the exact one, never the asymptotic bands; NaN without any.
    """
    n = z.shape[1]
    if n == 0:
        return KsTest(math.nan, math.nan, math.nan, math.nan, 0, math.nan)
    d = ks_distance(z)
    order = np.argsort(d, kind="stable")
    middle = d[order[[(len(d) - 1) // 2, len(d) // 2]]]  # p falls with D, so its median is at the median D
    p = _exact_p if n < EXACT_BELOW else kolmogorov_p
    return KsTest(
        d=float(middle.mean()),
        d_low=float(d.min()),
        d_high=float(d.max()),
        p=float(np.mean([p(each, n) for each in middle])),
        n=n,
        d_detectable=DETECTABLE / math.sqrt(n),
        draw=int(order[len(d) // 2]),
    )


def draw_uniform(n: int, rng: np.random.Generator, n_draws: int = N_DRAWS) -> FloatArray:
    """Return the random numbers (draw, n) of the randomisations; the models of a unit share them."""
    return rng.random((n_draws, n))


def pit_curve(train: RescaledTrain, grid: FloatArray, z: FloatArray | None = None) -> FloatArray:
    """Return the non-randomised PIT (Czado, Gneiting & Held 2009) at ``grid``: its mean distribution function.

    The empirical distribution of z averaged over all randomisations; the diagonal under the true model. Under
    Poisson, where spikes share bins, it is averaged over the rows of ``z``.
    """
    if train.n == 0:
        return np.full(len(grid), np.nan)
    if train.observation == "poisson":
        assert z is not None
        return np.asarray(np.searchsorted(np.sort(z.ravel()), grid, side="right") / z.size)
    # a ramp narrower than 1e-4 is widened about its middle: invisible, and keeps the sums exact
    middle, half = (train.start + train.stop) / 2, np.maximum((train.stop - train.start) / 2, 5e-5)
    rises, falls = middle - half, middle + half
    return np.asarray((_ramps(rises, half, grid) - _ramps(falls, half, grid)) / train.n)


def _ramps(starts: FloatArray, half: FloatArray, grid: FloatArray) -> FloatArray:
    """Return the sum over i of ``max(0, u - start_i) / (2 half_i)`` at each u of the grid."""
    order = np.argsort(starts)
    slope = 1 / (2 * half[order])
    slopes = np.concatenate([[0.0], np.cumsum(slope)])
    offsets = np.concatenate([[0.0], np.cumsum(slope * starts[order])])
    reached = np.searchsorted(starts[order], grid)
    return np.asarray(grid * slopes[reached] - offsets[reached])


@dataclass(frozen=True)
class Independence:
    """Dependence between successive rescaled intervals, which the KS test does not see.

    ``autocorrelation`` (lag,) of the normal scores at lags 1 to 10, mean over randomisations; ``band`` is
    1.96/sqrt(n); ``ljung_box_p`` is the median over randomisations.
    """

    autocorrelation: FloatArray
    band: float
    ljung_box_p: float


def independence(z: FloatArray) -> Independence:
    """Return the autocorrelation of the normal scores of z (draw, n); NaN with fewer than 20 intervals."""
    n = z.shape[1]
    if n < 20:
        return Independence(np.full(N_LAGS, np.nan), math.nan, math.nan)
    few = z if n <= 20_000 else z[:5]
    scores = ndtri(np.clip(few, 1e-12, 1 - 1e-12)).T  # (n, draw)
    return Independence(
        autocorrelation(scores, N_LAGS).mean(axis=1),
        1.96 / math.sqrt(n),
        float(np.median(ljung_box_p(scores, N_LAGS))),
    )


def interval_index(spikes: npt.NDArray[np.integer], observed: BoolArray) -> tuple[IntArray, IntArray]:
    """Return trial and bin of each interval's spike, in the order of ``RescaledTrain``; each (interval,)."""
    trial, position = np.nonzero(np.where(observed, spikes, 0))
    repeat = spikes[trial, position]
    return np.repeat(trial, repeat), np.repeat(position, repeat)
