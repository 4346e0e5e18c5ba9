"""Calibration: observed and expected spikes, and uniformity of z, by what went before.

See science.md#time-rescaling, #calibration.

A model that has captured a dependence expects as many spikes as there are in every stratum of it. Each kind of
strata sorts the same bins another way; a kind's p is the tail of its summed deviance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from rnnspike.evaluation.departures.adaptation import count_edges
from rnnspike.evaluation.departures.capture import deviance, deviance_tail
from rnnspike.evaluation.departures.refractoriness import MAX_HORIZON_S, join_small, lag_edges, lag_strata
from rnnspike.evaluation.goodness_of_fit.rescaling import interval_index, kolmogorov_p, ks_distance
from rnnspike.evaluation.history import History, Strata, strata_of, sums_by_value
from rnnspike.evaluation.scores.resampling import benjamini_hochberg
from rnnspike.trials.data import FloatArray, IntArray, Trials

RECENT_S = 0.5
N_POSITIONS = 20
N_INTERVAL_STRATA = 6
SPIKE_INDEX_EDGES = (0, 1, 2, 3, 5, 9, 17, 33)
#: Least spikes expected in a stratum, at the unit's mean rate.
MIN_EXPECTED = 5.0
WITHIN_S = 0.003
#: Kind of strata -> what it sorts bins by, in words.
KINDS = {
    "lag": "time since the last spike",
    "previous_interval": "the interval before the last spike",
    "recent_count": "spikes in the last 500 ms",
    "position": "time in the trial",
    "spike_index": "rank of the spike in the trial",
    "condition": "condition",
}


@dataclass(frozen=True)
class Kind:
    """One way of sorting bins: its strata, their lower edges (in ``unit``), and the spikes observed in each.

    ``labels`` (stratum,) are the strata's names where they have any.
    """

    strata: Strata
    lowest: FloatArray
    unit: str
    observed: FloatArray
    labels: tuple[str, ...] | None = None


@dataclass(frozen=True)
class KindResult:
    """Expected spikes per stratum (stratum,), ``z = (O - E) / sqrt(E)``, and the p of the kind."""

    expected: FloatArray
    z: FloatArray
    p: float


class Calibration:
    """The kinds of strata of one unit: lag, previous interval, recent count, position, spike index, condition."""

    def __init__(self, history: History, trials: Trials) -> None:
        exposure = int(history.observed.sum())
        self._rate = float(history.spikes.sum(dtype=np.int64)) / max(exposure, 1)
        self._spikes = interval_index(history.spikes, history.observed)
        #: Stratum of each spike by what is known as it falls, which is when the next interval begins.
        self._at_spike: dict[str, npt.NDArray[np.integer]] = {}
        self.kinds: dict[str, Kind] = {
            "lag": self._lag(history),
            "previous_interval": self._previous_interval(history),
            "recent_count": self._recent_count(history),
            "position": self._position(history, trials.window_s[0]),
            "spike_index": self._spike_index(history),
            "condition": self._condition(history, trials),
        }
        self.kinds = {name: kind for name, kind in self.kinds.items() if kind.strata.n_strata > 1}
        self._within = lag_strata(history, np.array([1, 1 + history.in_bins(WITHIN_S)]))
        self.observed_within = float(self._within.by_trial(history.spikes).sum())

    def _kind(self, history: History, stratum: npt.NDArray[np.integer], lowest: npt.ArrayLike, unit: str) -> Kind:
        lowest = np.asarray(lowest, dtype=np.float64)
        return self._counted(history, strata_of(np.where(history.observed, stratum, -1), len(lowest)), lowest, unit)

    def _counted(self, history: History, strata: Strata, lowest: npt.NDArray[np.floating], unit: str) -> Kind:
        return Kind(strata, np.asarray(lowest, np.float64), unit, strata.by_trial(history.spikes).sum(axis=0))

    def _lag(self, history: History) -> Kind:
        edges = lag_edges(history.in_bins(MAX_HORIZON_S))
        fine = lag_strata(history, edges)
        edges = join_small(edges, self._rate * fine.size().sum(axis=0), MIN_EXPECTED)
        return self._counted(history, lag_strata(history, edges), edges[:-1] * history.bin_s * 1000, "ms")

    def _previous_interval(self, history: History) -> Kind:
        interval = np.where(history.lag_known, history.previous_interval, 0)
        known = interval[self._spikes]
        known = known[known > 0]
        levels = np.linspace(0, 1, N_INTERVAL_STRATA + 1)[:-1]
        enough = len(known) >= MIN_EXPECTED * N_INTERVAL_STRATA
        edges = np.unique(np.quantile(known, levels).round().astype(np.int64)) if enough else np.array([1])
        edges[0] = 1
        own = np.where(history.lag_known, history.silent_bins + 1, 0)[self._spikes]
        self._at_spike["previous_interval"] = np.searchsorted(edges, own, side="right") - 1
        return self._kind(history, _by_table(interval, edges), edges * history.bin_s * 1000, "ms")

    def _recent_count(self, history: History) -> Kind:
        count = history.recent_count(history.in_bins(RECENT_S))
        edges = count_edges(self._rate * sums_by_value(count))
        self._at_spike["recent_count"] = _by_table(count[self._spikes], edges)
        return self._kind(history, _by_table(count, edges), edges if len(edges) else [0], "spikes")

    def _position(self, history: History, start_s: float) -> Kind:
        n = max(1, min(N_POSITIONS, history.n_bins, int(history.spikes.sum() // MIN_EXPECTED)))
        piece = (np.arange(history.n_bins) * n // max(history.n_bins, 1)).astype(np.int16)
        lowest_s = start_s + np.arange(n) * history.n_bins * history.bin_s / n
        return self._kind(history, np.broadcast_to(piece, history.spikes.shape), lowest_s, "s")

    def _spike_index(self, history: History) -> Kind:
        index = history.spike_index()
        edges = np.array([edge for edge in SPIKE_INDEX_EDGES if edge <= index.max(initial=0)], dtype=np.int64)
        observed = np.where(history.observed, _by_table(index, edges), -1)
        expected = np.zeros(len(edges))
        found = self._rate * sums_by_value(observed)
        expected[: len(found)] = found
        bounds = join_small(np.append(edges, edges[-1] + 1), expected, MIN_EXPECTED)
        self._at_spike["spike_index"] = _by_table(index[self._spikes], bounds[:-1])
        return self._kind(history, _by_table(index, bounds[:-1]), bounds[:-1], "spikes")

    def _condition(self, history: History, trials: Trials) -> Kind:
        present, code = np.unique(trials.condition, return_inverse=True)
        code = code.astype(np.int16 if len(present) < 2**15 else np.int32)
        kind = self._kind(history, np.broadcast_to(code[:, None], history.spikes.shape), present, "condition")
        return replace(kind, labels=tuple(trials.conditions[c] for c in present))

    def of_model(self, expected: FloatArray) -> dict[str, KindResult]:
        """Return each kind's result for the expected counts (trial, bin) of one model."""
        results = {}
        for name, kind in self.kinds.items():
            total = kind.strata.by_trial(expected).sum(axis=0)
            z = (kind.observed - total) / np.sqrt(np.maximum(total, 1e-300))
            results[name] = KindResult(total, z, deviance_tail(float(deviance(kind.observed, total)), total))
        return results

    def expected_within(self, expected: FloatArray) -> float:
        """Return the spikes that a model expects within 3 ms after a spike."""
        return float(self._within.by_trial(expected).sum())

    def uniform_within_strata(self, z: FloatArray, n_draws: int = 5) -> float:
        """Return the least Benjamini-Hochberg p of KS tests of z within strata of the past before the interval.

        Strata are by the previous interval, the recent count and the spike index at the interval's start: what
        is known only at its end must not sort it. ``z`` (draw, spike) as from ``RescaledTrain.uniform``; each p
        is that of the median D of a few draws. 1 where no stratum has 20 intervals.
        """
        p = []
        for code in self._at_spike.values():
            for stratum in np.unique(code[:-1][code[:-1] >= 0]):
                chosen = 1 + np.flatnonzero(code[:-1] == stratum)
                if len(chosen) >= 20:
                    p.append(kolmogorov_p(float(np.median(ks_distance(z[:n_draws, chosen]))), len(chosen)))
        return float(benjamini_hochberg(p).min()) if p else 1.0

    def describe(self) -> dict[str, npt.NDArray[np.generic]]:
        """Return lower edges, names and observed spikes per kind, under the names of ``evaluation.curves``."""
        arrays: dict[str, npt.NDArray[np.generic]] = {"calibration.kinds": np.array(list(self.kinds), dtype=np.str_)}
        for name, kind in self.kinds.items():
            arrays[f"calibration.{name}.lowest"] = kind.lowest
            arrays[f"calibration.{name}.unit"] = np.array(kind.unit)
            arrays[f"calibration.{name}.observed"] = kind.observed
            if kind.labels is not None:
                arrays[f"calibration.{name}.label"] = np.array(kind.labels, dtype=np.str_)
        return arrays


def _by_table(values: npt.NDArray[np.integer], edges: IntArray) -> npt.NDArray[np.int16]:
    """Return the stratum of each small whole number by its lowest value, -1 below the first."""
    if not len(edges):
        return np.full(values.shape, -1, dtype=np.int16)
    table = (np.searchsorted(edges, np.arange(int(values.max(initial=0)) + 1), side="right") - 1).astype(np.int16)
    return np.where(values >= 0, table[np.maximum(values, 0)], -1)


def calibration_fields(results: Mapping[str, KindResult]) -> dict[str, float]:
    """Return what a row tells of calibration: the p of each kind, and the worst cell by lag."""
    fields = {f"calibration_p_{name}": result.p for name, result in results.items()}
    if "lag" in results:
        fields["calibration_worst_lag_z"] = float(results["lag"].z[np.argmax(np.abs(results["lag"].z))])
    return fields


def calibration_arrays(results: Mapping[str, KindResult]) -> dict[str, FloatArray]:
    """Return a model's expected spikes and z per kind, under the names of ``evaluation.curves``."""
    arrays = {f"calibration.{name}.expected": result.expected for name, result in results.items()}
    return arrays | {f"calibration.{name}.z": result.z for name, result in results.items()}
