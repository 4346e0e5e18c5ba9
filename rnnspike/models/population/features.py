"""What the spikes of another unit add to the log intensity: bases of their lag (science.md#coupling)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rnnspike.models.glm.compact_design import Rows, history_columns
from rnnspike.models.past import Past, convolve_history, leaky_traces
from rnnspike.trials.data import FloatArray, Trials

#: Lags at which the raised cosines peak, in s; those below one bin are left out. The first one is narrow: of units on
#: one electrode the sorter loses spikes that come within a millisecond of each other.
PEAKS_S = (0.001, 0.0025, 0.006, 0.015, 0.04, 0.08)
#: Time constants of the leaky traces, and the shortest trials for which each is of use, in s.
TRACES_S = ((0.25, 0.0), (1.0, 1.0))


@dataclass(frozen=True)
class LagBasis:
    """Raised cosines in log lag between given peaks, the first one flat down to the first bin, and leaky traces.

    ``peaks`` and ``taus`` are in bins.
    """

    peaks: tuple[float, ...]
    taus: tuple[float, ...]

    @staticmethod
    def of(trials: Trials) -> LagBasis:
        """Return the basis for bins and trials like these."""
        window_s = trials.n_bins * trials.bin_s
        peaks = tuple(peak / trials.bin_s for peak in PEAKS_S if peak > 0.99 * trials.bin_s)
        return LagBasis(peaks, tuple(tau / trials.bin_s for tau, least in TRACES_S if window_s > least))

    @property
    def n_columns(self) -> int:
        """Number of functions and traces."""
        return len(self.peaks) + len(self.taus)

    @property
    def n_functions(self) -> int:
        """Number of raised cosines."""
        return len(self.peaks)

    @property
    def n_lags(self) -> int:
        """Last lag in bins at which a raised cosine may be non-zero."""
        return round(2 * self.peaks[-1]) if self.peaks else 1

    def table(self, steps_per_bin: int = 1) -> FloatArray:
        """Return the raised cosines at lags 0, 1/steps, ... , ``n_lags``: (n_lags * steps + 1, function)."""
        lag = np.arange(self.n_lags * steps_per_bin + 1) / steps_per_bin
        log_lag, functions = np.log(np.maximum(lag, 1e-9)), []
        for j, peak in enumerate(self.peaks):
            before = self.peaks[j - 1] if j else None
            after = self.peaks[j + 1] if j + 1 < len(self.peaks) else 2 * peak
            rise = np.ones_like(lag) if before is None else _ramp(log_lag, before, peak)
            functions.append(np.where(lag <= peak, rise, 1 - _ramp(log_lag, peak, after)) * (lag >= 1))
        return np.stack(functions, axis=1) if functions else np.zeros((len(lag), 0))

    @cached_property
    def functions(self) -> FloatArray:
        """The raised cosines at lags 1, 2, ... bins, (lag, function)."""
        return self.table()[1:]


def _ramp(log_lag: FloatArray, low: float, high: float) -> FloatArray:
    """Return half a cosine from 0 at one lag to 1 at another."""
    share = np.clip((log_lag - np.log(low)) / (np.log(high) - np.log(low)), 0.0, 1.0)
    return np.asarray(0.5 * (1 - np.cos(np.pi * share)))


def past_of(trials: Trials, unit_id: str) -> Past:
    """Return the spikes of another unit over burn-in and window of these trials."""
    assert trials.others is not None
    counts, observed = trials.others.read(unit_id, trials.session_index)
    return Past(counts, observed, trials.n_burn_in)


def mean_count(past: Past) -> float:
    """Return the mean spikes of an observed bin: what an unobserved one counts as."""
    return float(past.spikes.sum(dtype=np.int64)) / max(int(past.observed.sum()), 1)


def columns(past: Past, rows: Rows, basis: LagBasis, fill: float) -> npt.NDArray[np.float32]:
    """Return the features of one unit's past at some bins, (row, column)."""
    traces = leaky_traces(past, basis.taus, fill)
    found = [traces[k][rows.trial, rows.first - past.n_burn_in] for k in range(len(basis.taus))]
    return np.column_stack([history_columns(rows, past, basis, fill), *found]).astype(np.float32)


def gain(past: Past, weights: FloatArray, basis: LagBasis, fill: float) -> FloatArray:
    """Return what one unit's past adds in every bin of the window (trial, bin), for weights (column,)."""
    kernel = basis.functions @ weights[: basis.n_functions]
    total = convolve_history(past, kernel, fill * kernel)
    for weight, trace in zip(weights[basis.n_functions :], leaky_traces(past, basis.taus, fill), strict=True):
        total = total + weight * trace
    return total


def kernel(weights: FloatArray, basis: LagBasis, n_lags: int) -> FloatArray:
    """Return the log gain after a spike at lags 1, 2, ... bins, (lag,)."""
    lags = np.arange(n_lags, dtype=np.float64)
    total = np.zeros(n_lags)
    n = min(n_lags, basis.n_lags)
    total[:n] = basis.functions[:n] @ weights[: basis.n_functions]
    for weight, tau in zip(weights[basis.n_functions :], basis.taus, strict=True):
        total += weight * np.exp(-lags / tau)
    return total


def sources_of(trials: Trials) -> Sequence[str]:
    """Return the other units that these trials know."""
    return trials.others.unit_ids if trials.others is not None else ()


def shuffled(trials: Trials) -> Trials:
    """Return the trials with those of every other unit shuffled on their own (science.md#population-null)."""
    return trials if trials.others is None else replace(trials, others=trials.others.with_shuffled_trials())
