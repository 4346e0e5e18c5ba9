"""The two departures from the reference that a model may capture, refractoriness and adaptation.

See science.md#capture.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from rnnspike.evaluation.departures.adaptation import RecentCounts, recent_counts
from rnnspike.evaluation.departures.capture import (
    ALPHA,
    Capture,
    Draws,
    capture_score,
    deviance,
    deviance_tail,
    verdict,
)
from rnnspike.evaluation.departures.others import OthersActivity
from rnnspike.evaluation.departures.refractoriness import recovery_horizon, refractory_strata
from rnnspike.evaluation.history import History, Strata
from rnnspike.evaluation.scores.resampling import MIN_TRIALS
from rnnspike.trials.data import FloatArray, IntArray


class Departure:
    """Strata of bins, what was observed in them, and what the reference makes of it.

    ``observed`` and ``reference`` are sums per trial and stratum, (trial, stratum); ``n_strata`` is how many are free
    to differ.
    """

    def __init__(self, history: History, strata: Strata | RecentCounts, reference: FloatArray) -> None:
        self.strata = strata
        self.observed, _ = self.sums(history.spikes)
        self.reference, cells = self.sums(reference)
        totals = self.observed.sum(axis=0)
        self.n_strata = (
            strata.n_free if isinstance(strata, RecentCounts) else int((self.reference.sum(axis=0) > 0).sum())
        )
        self.reference_deviance = float(deviance(totals, self.levelled(self.reference.sum(axis=0), totals)))
        self.reference_p = self.tail(self.reference_deviance, cells)
        self._draws: Draws | None = None

    def sums(self, values: npt.NDArray[np.generic]) -> tuple[FloatArray, FloatArray]:
        """Return sums per trial and stratum of values (trial, bin), and totals of the cells that ``tail`` takes."""
        if isinstance(self.strata, RecentCounts):
            return self.strata.by_trial(values)
        by_trial = self.strata.by_trial(values)
        return by_trial, by_trial.sum(axis=0)

    def levelled(self, expected: FloatArray, observed: FloatArray) -> FloatArray:
        """Return expected counts (..., stratum) as they are compared with the observed ones."""
        return self.strata.levelled(expected, observed) if isinstance(self.strata, RecentCounts) else expected

    def tail(self, value: float, cells: FloatArray) -> float:
        """Return the probability of a deviance as large under a model that expects these cells."""
        if isinstance(self.strata, RecentCounts):
            return self.strata.tail(value, cells)
        return deviance_tail(value, cells)

    def _drawn(self, weights: FloatArray) -> Draws:
        """Return the draws of these weights, made when first asked for."""
        if self._draws is None or self._draws.weights is not weights:
            self._draws = Draws.of(self.observed, self.reference, weights, self.n_strata, self.levelled)
        return self._draws

    def capture(
        self, expected: FloatArray, weights: FloatArray, memoryless: bool = False
    ) -> tuple[Capture, FloatArray]:
        """Return the capture of a model, and its expected counts per stratum (stratum,).

        ``expected`` (trial, bin) are its expected counts, ``weights`` (draw, trial) the bootstrap's; ``memoryless``
        says that it knows no spike history, so that it captures nothing. There is
        nothing to capture where the reference's deviance is not significant at .05; too few trials give no
        interval.
        """
        sums, cells = self.sums(expected)
        observed = self.observed.sum(axis=0)
        totals = self.levelled(sums.sum(axis=0), observed)
        value = float(deviance(observed, totals))
        result = Capture(
            score=None,
            low=None,
            high=None,
            deviance=value,
            deviance_p=self.tail(value, cells),
            reference_deviance=self.reference_deviance,
            reference_p=self.reference_p,
            n_strata=self.n_strata,
            verdict="nothing to capture",
        )
        if self.reference_p >= ALPHA or self.reference_deviance <= self.n_strata:
            return result, totals
        low = high = None
        if len(self.observed) >= MIN_TRIALS:
            low, high = self._drawn(weights).interval(sums)
        score = capture_score(value, self.reference_deviance, self.n_strata)
        result = replace(result, score=score, low=low, high=high)
        return replace(result, verdict=verdict(result, result.deviance_p < ALPHA, memoryless)), totals


class Departures:
    """The departures of a unit from its reference, and the recovery horizon (bins) between the first two.

    ``shared`` is that by the other units' activity, from the unit's own model; None until ``add_others``.
    """

    def __init__(self, history: History, reference: FloatArray) -> None:
        self.horizon = recovery_horizon(history, reference)
        lags, self.lag_edges = refractory_strata(history, reference, self.horizon)
        self.counts: RecentCounts = recent_counts(history, reference, self.horizon)
        self.refractory = Departure(history, lags, reference)
        self.adaptation = Departure(history, self.counts, reference)
        self.shared: Departure | None = None

    def add_others(self, history: History, activity: OthersActivity, reference: FloatArray) -> None:
        """Add the departure by the others' activity from what the unit's own model expects, (trial, bin)."""
        self.shared, self._activity = Departure(history, activity.strata, reference), activity

    def by_kind(self) -> list[tuple[str, Departure]]:
        """Return each departure with the name that rows and curves know it by."""
        both = [("refractory", self.refractory), ("adaptation", self.adaptation)]
        return [*both, *([("shared", self.shared)] if self.shared is not None else [])]

    def describe(self, bin_s: float) -> dict[str, FloatArray | IntArray]:
        """Return edges of the strata and observed counts, under the names of ``evaluation.curves``."""
        window, lowest = self.counts.window_s, self.counts.lowest_count
        follows = np.append(np.diff(window) == 0, False) if len(window) else np.zeros(0, bool)
        highest = np.where(follows, np.append(lowest[1:], 0)[: len(lowest)] - 1, -1)
        lag_ms = 1000 * bin_s * self.lag_edges
        return self._describe_others() | {
            "refractory.lag_low_ms": lag_ms[:-1],
            "refractory.lag_high_ms": lag_ms[1:],
            "refractory.observed": self.refractory.observed.sum(axis=0),
            "adaptation.window_ms": 1000 * window,
            "adaptation.count_low": lowest,
            "adaptation.count_high": highest,
            "adaptation.observed": self.adaptation.observed.sum(axis=0),
            "recovery_ms": np.array(1000 * bin_s * self.horizon),
        }

    def _describe_others(self) -> dict[str, FloatArray | IntArray]:
        if self.shared is None:
            return {}
        return {
            "shared.window_ms": 1000 * self._activity.strata.window_s,
            "shared.quantile": self._activity.quantile,
            "shared.observed": self.shared.observed.sum(axis=0),
        }
