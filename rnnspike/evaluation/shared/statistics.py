"""What units share within a trial: noise correlations, population variance, and the mean cross-correlogram.

See science.md#shared-activity. All are taken within condition, so that a response that every trial of a condition
repeats is not counted, and all are made to be set beside free runs of the same trials.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.fft import next_fast_len

from rnnspike.trials.data import CountArray, FloatArray, IntArray

#: Windows of counts, s; the whole trial comes last.
WINDOWS_S = (0.010, 0.050, 0.200)
#: Longest lag of the cross-correlogram, s.
LONGEST_LAG_S = 0.050


def count_windows(n_bins: int, bin_s: float) -> IntArray:
    """Return the windows in bins, ascending; the last is the whole trial."""
    wanted = {max(1, round(window / bin_s)) for window in WINDOWS_S}
    return np.array([*sorted(each for each in wanted if 2 * each <= n_bins), n_bins], dtype=np.int64)


@dataclass(frozen=True)
class SharedStatistics:
    """What units share, of several data sets at once.

    ``pairs`` (sample, window, pair) are noise correlations, NaN where a unit's counts do not vary; ``mean`` (sample,
    window) is their mean over pairs; ``variance`` (sample, window) the variance of the summed count over the sum of
    the units' own variances; ``correlogram`` (sample, lag) coincidences of all pairs over those of the shift
    predictor (spikes of different trials), lags 0, 1, ... bins.
    """

    pairs: FloatArray
    mean: FloatArray
    variance: FloatArray
    correlogram: FloatArray


def pair_index(n_units: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the first and the second unit of each pair, (pair,) each."""
    return np.triu_indices(n_units, 1)


class Sharing:
    """Runs of the same trials, from which data sets are put together trial by trial.

    ``counts`` (run, trial, bin, unit), every bin observed; ``condition`` (trial,). Trials that are alone in their
    condition are left out.
    """

    def __init__(self, counts: CountArray, condition: IntArray, bin_s: float) -> None:
        _, code, n = np.unique(condition, return_inverse=True, return_counts=True)
        kept = n[code] > 1
        self.counts, self.n_runs = counts[:, kept], len(counts)
        _, code = np.unique(code[kept], return_inverse=True)
        self.n_trials, self.n_bins, self.n_units = self.counts.shape[1:]
        self.condition = code
        self._in_condition = (code == np.arange(int(code.max(initial=-1)) + 1)[:, None]).astype(np.float32)
        self._n = self._in_condition.sum(axis=1)
        self.windows = count_windows(self.n_bins, bin_s)
        self.n_lags = min(round(LONGEST_LAG_S / bin_s), self.n_bins - 1) + 1
        self._tiles = [self._tiled(length) for length in self.windows]
        # Of Fourier transforms, so long that lags do not wrap round.
        self._length = next_fast_len(self.n_bins + self.n_lags - 1, real=True)
        self._coincidences = np.stack([self._lagged(run.astype(np.float32)) for run in self.counts])

    def as_recorded(self) -> IntArray:
        """Return the choice of the first run of every trial, (1, trial)."""
        return np.zeros((1, self.n_trials), np.int64)

    def statistics(self, choice: IntArray) -> SharedStatistics:
        """Return the statistics of data sets of which trial t is that of run ``choice`` (sample, trial)."""
        found = [[self._of_window(w, runs) for w in range(len(self.windows))] for runs in choice]
        pairs = np.array([[each[0] for each in sample] for sample in found])
        mean = _mean_known(pairs)
        variance = np.array([[each[1] for each in sample] for sample in found])
        return SharedStatistics(pairs, mean, variance, np.stack([self._correlogram(runs) for runs in choice]))

    def shuffled_pairs(self, n_samples: int, rng: np.random.Generator) -> FloatArray:
        """Return noise correlations (sample, window, pair) of the first run with each unit's trials shuffled.

        Each unit's on their own within condition, so that nothing that units share within a trial is left.
        """
        samples = []
        for _ in range(n_samples):
            order = np.stack([self._permutation(rng) for _ in range(self.n_units)], axis=1)  # (trial, unit)
            unit = np.arange(self.n_units)
            tiles = (each[0].transpose(1, 0, 2)[:, order, unit].transpose(1, 0, 2) for each in self._tiles)
            samples.append([_correlations(self._products(each).sum(axis=0)) for each in tiles])
        return np.array(samples)

    def resampled_pairs(self, weights: FloatArray) -> FloatArray:
        """Return noise correlations (draw, window, pair) of the first run under ``weights`` (draw, trial)."""
        drawn = []
        for tiles in self._tiles:
            products = self._products(tiles[0])  # (trial, unit, unit)
            i, j = pair_index(self.n_units)
            own = weights @ np.einsum("tii->ti", products)
            both = weights @ products[:, i, j]
            with np.errstate(divide="ignore", invalid="ignore"):
                drawn.append(both / np.sqrt(own[:, i] * own[:, j]))
        return np.stack(drawn, axis=1)

    def _permutation(self, rng: np.random.Generator) -> IntArray:
        order = np.empty(self.n_trials, np.int64)
        for code in range(len(self._n)):
            here = np.flatnonzero(self.condition == code)
            order[here] = rng.permutation(here)
        return order

    def _tiled(self, length: int) -> npt.NDArray[np.float32]:
        """Return counts in windows side by side, (run, trial, window, unit)."""
        n = self.n_bins // length
        tiles = self.counts[:, :, : n * length].reshape(self.n_runs, self.n_trials, n, length, self.n_units)
        return np.asarray(tiles.sum(axis=3, dtype=np.float32))

    def _deviations(self, tiles: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return counts (trial, window, unit) less the mean of their condition, scaled for unbiased variances."""
        flat = tiles.reshape(self.n_trials, -1)
        mean = (self._in_condition @ flat) / self._n[:, None]
        scale = np.sqrt(self._n / (self._n - 1))
        return np.asarray((flat - mean[self.condition]) * scale[self.condition, None]).reshape(tiles.shape)

    def _products(self, tiles: npt.NDArray[np.float32]) -> FloatArray:
        """Return the products of deviations summed over windows, (trial, unit, unit)."""
        deviation = self._deviations(tiles)
        return np.asarray(np.matmul(deviation.transpose(0, 2, 1), deviation), np.float64)

    def _of_window(self, window: int, runs: IntArray) -> tuple[FloatArray, float]:
        flat = self._deviations(self._tiles[window][runs, np.arange(self.n_trials)]).reshape(-1, self.n_units)
        products = (flat.T @ flat).astype(np.float64)
        own = float(np.trace(products))
        return _correlations(products), float(products.sum()) / own if own > 0 else np.nan

    def _lagged(self, trains: npt.NDArray[np.float32]) -> FloatArray:
        """Return coincidences of different units of trains (trial, bin, unit), by lag from 0 bins on (trial, lag)."""
        total, own = trains.sum(axis=2), np.zeros((len(trains), self._length // 2 + 1))
        for u in range(trains.shape[2]):
            own += np.abs(np.fft.rfft(trains[:, :, u], self._length, axis=1)) ** 2
        power = np.abs(np.fft.rfft(total, self._length, axis=1)) ** 2 - own
        return np.fft.irfft(power, self._length, axis=1)[:, : self.n_lags]

    def _correlogram(self, runs: IntArray) -> FloatArray:
        """Return coincidences over those of spikes of different trials of a condition, (lag,)."""
        at = np.arange(self.n_trials)
        chosen = self.counts[runs, at].reshape(self.n_trials, -1).astype(np.float32)
        summed = (self._in_condition @ chosen).reshape(len(self._n), self.n_bins, self.n_units)
        found = self._in_condition @ self._coincidences[runs, at]  # (condition, lag)
        apart = ((self._lagged(summed) - found) / (self._n - 1)[:, None]).sum(axis=0)
        return np.where(apart > 0.5, found.sum(axis=0) / np.maximum(apart, 0.5), np.nan)


def _correlations(products: FloatArray) -> FloatArray:
    """Return the correlations of all pairs (pair,) from summed products (unit, unit)."""
    i, j = pair_index(len(products))
    own = np.diag(products)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(products[i, j] / np.sqrt(own[i] * own[j]))


def _mean_known(values: FloatArray) -> FloatArray:
    """Return the mean over the last axis of what is known, NaN where nothing is."""
    known = np.isfinite(values)
    return np.asarray(
        np.where(known, values, 0.0).sum(axis=-1) / np.where(known.any(axis=-1), known.sum(axis=-1), np.nan)
    )


def recombinations(n_runs: int, n_trials: int, n_samples: int, seed: int = 0) -> IntArray:
    """Return of which run a data set takes each trial, (sample, trial): the same for every model of as many runs."""
    return np.random.default_rng(seed).integers(0, n_runs, (n_samples, n_trials))
