"""How much of what units share a joint model has captured (science.md#shared-activity).

Noise correlations of all pairs and windows are compared with those of free runs: of single-unit models side by side,
the reference, which share nothing but the design, and of models that run together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from rnnspike.evaluation.departures.capture import ALPHA, Capture, verdict
from rnnspike.evaluation.free_running.free_run import RUNAWAY_WINDOW_S, FreeRun, Predictive, escapes, predictive
from rnnspike.evaluation.free_running.spike_statistics import spike_sets, tile_counts
from rnnspike.evaluation.scores.resampling import MIN_TRIALS, bootstrap_weights
from rnnspike.evaluation.shared.statistics import SharedStatistics, Sharing, recombinations
from rnnspike.trials.data import BoolArray, CountArray, FloatArray, IntArray

#: Draws of the bootstrap over trials, shuffles of the recorded trials, and data sets put together of a model's runs.
N_BOOTSTRAP, N_SHUFFLES, N_SAMPLES = 1000, 199, 200
#: The least p that so many shuffles can give, and so many data sets.
LEAST_P_SHUFFLED, LEAST_P = 1 / (1 + N_SHUFFLES), 1 / (1 + N_SAMPLES)


@dataclass(frozen=True)
class JointRun:
    """What the free runs of one model come to.

    ``mean``, ``variance`` and ``correlogram`` are predictive checks of the recorded statistics (window or lag);
    ``pairs`` (window, pair) the model's mean noise correlations. ``capture`` is of what the reference leaves; that of
    the reference itself is 0. ``rate`` is the population's rate over the recorded one with its interval, ``run`` how
    the population fares, ``unstable`` (unit,) says which units run away by themselves.
    """

    mean: Predictive
    variance: Predictive
    correlogram: Predictive
    pairs: FloatArray
    capture: Capture
    rate: tuple[float, float, float]
    run: FreeRun
    unstable: BoolArray


@dataclass(frozen=True)
class _Runs:
    """Noise correlations of a model: their mean (pair,), those of data sets (sample, pair), and the runs behind."""

    mean: FloatArray
    samples: FloatArray
    n_runs: int

    def deviances(self, drawn: FloatArray, sd: FloatArray) -> FloatArray:
        """Return D of recorded correlations (..., pair) from the model's mean, which few runs leave uncertain."""
        return np.asarray((((drawn - self.mean) / sd) ** 2).sum(axis=-1) * self.n_runs / (self.n_runs + 1))

    def own_deviances(self, sd: FloatArray) -> FloatArray:
        """Return D of the model's own data sets, (sample,): put together of few runs they are too much alike."""
        return np.asarray((((self.samples - self.mean) / sd) ** 2).sum(axis=-1) * self.n_runs / (self.n_runs - 1))


class SharedActivity:
    """The recorded trials of units that were recorded together, and the runs of the reference.

    Parameters
    ----------
    recorded
        (trial, bin, unit) spikes as scored, every bin observed.
    condition
        (trial,).
    reference
        (run, trial, bin, unit) free runs of single-unit models side by side.
    bin_s
        Bin width, s.
    n_samples
        Data sets that are put together of a model's runs.
    rng
        Source of shuffles and bootstrap draws.
    """

    def __init__(
        self,
        recorded: CountArray,
        condition: IntArray,
        reference: CountArray,
        bin_s: float,
        n_samples: int,
        rng: np.random.Generator,
    ) -> None:
        self.recorded, self.condition, self.bin_s, self.n_samples = recorded, condition, bin_s, n_samples
        self.sharing = Sharing(recorded[None], condition, bin_s)
        self.data: SharedStatistics = self.sharing.statistics(self.sharing.as_recorded())
        statistics = self._simulate(reference)
        self._of_reference = reference, statistics
        pairs = statistics.pairs.reshape(n_samples, -1)
        spread = pairs.std(axis=0) * math.sqrt(len(reference) / (len(reference) - 1))
        found = self.data.pairs.reshape(-1)
        self._usable = np.isfinite(found) & np.isfinite(spread) & (spread > 0)
        self._sd = spread[self._usable]
        self.n_compared = int(self._usable.sum())
        self._reference = self._runs(pairs, len(reference))
        self._found = found[self._usable]
        self.reference_deviance = float(self._reference.deviances(self._found, self._sd))
        own = self._reference.own_deviances(self._sd)
        self.p_side_by_side = _tail(self.reference_deviance, own)
        shuffled = self.sharing.shuffled_pairs(N_SHUFFLES, rng).reshape(N_SHUFFLES, -1)[:, self._usable]
        centre = np.nan_to_num(shuffled.mean(axis=0))
        apart = ((np.stack([self._found, *shuffled]) - centre) / self._sd) ** 2
        totals = apart.sum(axis=1)
        self.p_shuffled = _tail(totals[0], totals[1:])
        self._weights = bootstrap_weights(self.sharing.n_trials, N_BOOTSTRAP, rng)
        drawn = self.sharing.resampled_pairs(self._weights).reshape(N_BOOTSTRAP, -1)[:, self._usable]
        self._drawn = np.where(np.isfinite(drawn), drawn, self._found)
        #: What the chance of the recorded trials adds to every D.
        self.chance = float((self._drawn.var(axis=0) / self._sd**2).sum())

    @property
    def reference_p(self) -> float:
        """P of nothing shared: the larger of those against the reference and against shuffled trials."""
        return max(self.p_side_by_side, self.p_shuffled)

    def _simulate(self, counts: CountArray) -> SharedStatistics:
        sharing = Sharing(counts, self.condition, self.bin_s)
        return sharing.statistics(recombinations(len(counts), sharing.n_trials, self.n_samples))

    def _runs(self, pairs: FloatArray, n_runs: int) -> _Runs:
        usable = pairs[:, self._usable]
        mean = _mean(usable)
        return _Runs(mean, np.where(np.isfinite(usable), usable, mean), n_runs)

    def of_reference(self) -> JointRun:
        """Return what the reference's runs come to."""
        return self._compared(*self._of_reference)

    def of_model(self, counts: CountArray) -> JointRun:
        """Return what a model's runs (run, trial, bin, unit) of the same trials come to."""
        return self._compared(counts, self._simulate(counts))

    def _compared(self, counts: CountArray, statistics: SharedStatistics) -> JointRun:
        checks = {
            name: predictive(getattr(self.data, name)[0], getattr(statistics, name))
            for name in ("mean", "variance", "correlogram")
        }
        pairs = _mean(statistics.pairs)
        runs = self._runs(statistics.pairs.reshape(self.n_samples, -1), len(counts))
        rate, run, unstable = self._stability(counts)
        return JointRun(
            **checks,
            pairs=pairs,
            capture=self._capture(runs, run.stability == "stable"),
            rate=rate,
            run=run,
            unstable=unstable,
        )

    def _capture(self, runs: _Runs, is_stable: bool) -> Capture:
        """Return the capture; replicates of a network that is not stable differ too much to clear it."""
        value = float(runs.deviances(self._found, self._sd))
        found = Capture(
            score=None,
            low=None,
            high=None,
            deviance=value,
            deviance_p=_tail(value, runs.own_deviances(self._sd)),
            reference_deviance=self.reference_deviance,
            reference_p=self.reference_p,
            n_strata=self.n_compared,
            verdict="nothing to capture",
        )
        to_explain = self.reference_deviance - self.chance
        if self.reference_p >= ALPHA or to_explain <= 0:
            return found
        found = replace(found, score=1.0 - max(0.0, value - self.chance) / to_explain)
        if self.sharing.n_trials >= MIN_TRIALS:
            low, high = self._interval(runs)
            found = replace(found, low=low, high=high)
        return replace(found, verdict=verdict(found, found.deviance_p < ALPHA or not is_stable))

    def _interval(self, runs: _Runs) -> tuple[float | None, float | None]:
        """Return the bootstrap interval over trials; a draw adds their chance to D a second time."""
        left = np.maximum(runs.deviances(self._drawn, self._sd) - 2 * self.chance, 0.0)
        explain = self._reference.deviances(self._drawn, self._sd) - 2 * self.chance
        with np.errstate(divide="ignore", invalid="ignore"):
            scores = np.where(explain > 0, 1.0 - left / explain, -np.inf)
        low, high = (float(each) for each in np.quantile(scores, [0.025, 0.975], method="lower"))
        return (low if math.isfinite(low) else None), (high if math.isfinite(high) else None)

    def _stability(self, counts: CountArray) -> tuple[tuple[float, float, float], FreeRun, BoolArray]:
        """Return the population's rate ratio and stability, and which units run away by themselves."""
        own = [self._escapes(counts[..., u], self.recorded[..., u]) for u in range(counts.shape[3])]
        whole = counts.sum(axis=3, dtype=np.uint16), self.recorded.sum(axis=2, dtype=np.uint16)
        by_trial = [each.sum(axis=-1, dtype=np.float64) for each in whole]
        rate = population_rate(by_trial[0].mean(axis=0), by_trial[1])
        return rate, self._escapes(*whole), np.array([each.stability != "stable" for each in own])

    def _escapes(self, counts: npt.NDArray[np.unsignedinteger], recorded: npt.NDArray[np.unsignedinteger]) -> FreeRun:
        everywhere = np.ones(recorded.shape, bool)
        runs, data = (spike_sets(each, everywhere, self.condition, self.bin_s) for each in (counts, recorded[None]))
        window = max(1, min(round(RUNAWAY_WINDOW_S / self.bin_s), data.n_bins))
        n = len(data.row)
        ratio = len(runs.row) / runs.n_runs / n if n else math.nan
        return escapes(runs, ratio, int(tile_counts(data, window).max(initial=0)))


def population_rate(simulated: FloatArray, recorded: FloatArray) -> tuple[float, float, float]:
    """Return the rate of free runs over the recorded one with its 95 % interval; NaN where nothing fires.

    Parameters
    ----------
    simulated
        (trial,) spikes of all units, mean over runs.
    recorded
        (trial,) those recorded.

    Notes
    -----
    A ratio of sums paired over trials, its interval on the log scale with Student's t: it holds the chance of the
    recorded trials as well as that of the runs.
    """
    n, total = len(recorded), float(recorded.sum())
    ratio = float(simulated.sum()) / total if total > 0 else math.nan
    if n < 2 or not ratio > 0:
        return ratio, math.nan, math.nan
    apart = recorded - simulated / ratio
    reach = float(stdtrit(n - 1, 0.975)) * math.sqrt(n * float(apart.var(ddof=1))) / total
    return ratio, ratio * math.exp(-reach), ratio * math.exp(reach)


def _mean(samples: FloatArray) -> FloatArray:
    """Return the mean over samples of what is known, 0 where nothing is."""
    known = np.isfinite(samples)
    return np.asarray(np.where(known, samples, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1))


def _tail(value: float, drawn: FloatArray) -> float:
    """Return the share of draws as large, the value itself counted among them."""
    return float((1 + np.count_nonzero(drawn >= value)) / (1 + len(drawn)))
