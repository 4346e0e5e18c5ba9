"""The arrays that figures are drawn from, and their names.

One array per name. Those of models are stacked, models first: M models in the order of ``models``, or F models in
the order of ``free_run.models`` (those that were run free). Arrays that an analysis could not make are absent
(no free run: no F arrays; fewer than 10 spikes: no arrays at all). NaN where undefined. Trials are named by their
number in the session, the column ``trial`` of the per-trial table.

==================================  ==================  ======  ==============================================
name                                shape               unit    meaning
==================================  ==================  ======  ==============================================
models                              (M,) text                   models in the order of all (M, ...) arrays
reference                           () text                     reference of the capture scores
bin_s, window_s                     (), (2,)            s       bin width; window around time zero
hazard.lag_ms                       (lag,)              ms      lag since the last spike, 1 bin to 200 ms
hazard.at_risk, hazard.spikes       (lag,)                      bins at risk, spikes at that lag
hazard.data, .low, .high            (lag,)              1/bin   hazard of the data with 95 % band (Greenwood)
hazard.model                        (M, lag)            1/bin   mean expected count of the bins at risk
survivor.data, .low, .high          (lag,)                      product limit of the data, Greenwood's band
refractory.lag_low_ms, lag_high_ms  (stratum,)          ms      strata of the score: low <= lag < high
refractory.observed                 (stratum,)          spikes  O
refractory.expected                 (M, stratum)        spikes  E: deviance and capture follow from O and E
adaptation.window_ms                (stratum,)          ms      window that spikes were counted in, before the bin
adaptation.count_low, count_high    (stratum,)          spikes  strata: low <= count <= high (-1: no upper end)
adaptation.observed                 (stratum,)          spikes  O, bins beyond the recovery horizon only
adaptation.expected                 (M, stratum)        spikes  E, brought to the sum of O in each window
shared.window_ms                    (stratum,)          ms      window that the other units' spikes were counted in
shared.quantile                     (stratum,)          -       share of expected spikes in less active bins
shared.observed                     (stratum,)          spikes  O
shared.expected                     (M, stratum)        spikes  E, brought to the sum of O in each window
recovery_ms                         ()                  ms      recovery horizon
calibration.kinds                   (K,) text                   lag, previous_interval, recent_count, position,
                                                                spike_index, condition: those there are
calibration.<kind>.lowest           (stratum,)          .unit   lower edge of each stratum (position: time)
calibration.<kind>.unit             () text                     ms, s, spikes or condition
calibration.<kind>.label            (stratum,) text             of condition alone: its label
calibration.<kind>.observed         (stratum,)          spikes  O
calibration.<kind>.expected, .z     (M, stratum)        spikes  E; z = (O - E) / sqrt(E)
ks.grid                             (u,)                        grid of the PIT
ks.pit                              (M, u)                      mean distribution of z (non-randomised PIT)
ks.z_rank                           (point,)                    ranks (1 to n) of ks.z, at most 2000 of them
ks.z                                (M, point)                  sorted z of the randomisation with the median D
ks.n                                ()                          number of intervals
ks.band                             ()                          1.36/sqrt(n): half-width of the 95 % band
independence.lag                    (10,)                       lag in intervals
independence.autocorrelation        (M, 10)                     of the normal scores of z
independence.band                   ()                          1.96/sqrt(n)
ogata.time                          (point,)                    share of the spikes so far, 0 to 1
ogata.wiener                        (M, point)                  Wiener process test: scaled sums of xi - 1
ogata.wiener_band                   (point,)                    95 % boundary, +- around 0
ogata.window                        (M, width)                  window on the rescaled clock, expected spikes
ogata.variance                      (M, width)                  variance of the counts in such windows
ogata.variance_low, variance_high   (M, width)                  95 % band of that of a unit Poisson process
example.trial                       (example,)                  numbers of the trials that are shown
example.time_s                      (bin,)              s       start of each bin, from time zero
example.spikes, example.observed    (example, bin)              spikes as scored, observed bins
example.rate_hz                     (M, example, bin)   Hz      conditional intensity, float32
raster.trial, raster.bin            (spike,)                    all spikes: number of the trial, bin
psth.time_s                         (position,)         s       middle of each piece of the window
psth.data_hz                        (position,)         Hz      observed spikes over exposure
psth.model_hz                       (M, position)       Hz      expected spikes over exposure
psth.model_by_condition_hz          (M, condition, position) Hz the same by condition; absent with 1 or more than 64
smooth.condition                    (condition,) text           labels; these arrays are absent without repeats
smooth.time_s                       (point,)            s       points of the smoothed PSTH
smooth.rate_hz                      (condition, point)  Hz      PSTH of the data, Gaussian kernel
smooth.low_hz, smooth.high_hz       (condition, point)  Hz      95 % band at each time (bootstrap over trials)
smooth.bandwidth_s                  ()                  s       standard deviation of the kernel
free_run.models                     (F,) text                   models in the order of all (F, ...) arrays
free_run.trials                     (k,)                        numbers of the trials that were simulated;
                                                                all data below are of these trials alone
free_run.n_trials, .n_runs          () int                      trials that they are a sample of; runs of each
free_run.n_replicates               () int                      replicates that these runs are put together to
statistic.names                     (T,) text                   rate_hz, cv, cv2, lv, lvr, serial_1, ...
statistic.data                      (T,)                        of the data
statistic.mean, .low, .high         (F, T)                      of the replicates: mean and 95 % range
statistic.p, .z                     (F, T)                      posterior predictive p (two-sided), z-score
isi.edge_ms                         (piece + 1,)        ms      edges of the interval histogram: whole bins
isi.data                            (piece,)                    share of intervals, data
isi.mean, .low, .high               (F, piece)                  of the replicates
autocorrelation.lag_ms              (lag,)              ms      lag after a spike
autocorrelation.data                (lag,)              Hz      rate at that lag, data
autocorrelation.mean, .low, .high   (F, lag)            Hz      of the replicates
serial.lag                          (10,)                       lag in intervals
serial.data                         (10,)                       serial correlation of intervals, data
serial.mean, .low, .high            (F, 10)                     of the replicates
fano.window_ms                      (width,)            ms      counting window
fano.data                           (width,)                    Fano factor over trials, data
fano.mean, .low, .high              (F, width)                  of the replicates
divergence.time_s                   (tile,)             s       time in the trial
divergence.surviving                (F, tile)                   share of trials that have not run away by then
free_raster.trials                  (row,)                      numbers of the trials that the rasters show
free_raster.<model>.trial, .bin     (spike,)                    spikes of one free run of those, as in raster
==================================  ==================  ======  ==============================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.evaluation.departures.refractoriness import hazard_curve, hazard_strata
from rnnspike.evaluation.goodness_of_fit.goodness import Goodness
from rnnspike.evaluation.goodness_of_fit.ogata import WIENER_BAND, WIENER_TIME
from rnnspike.evaluation.goodness_of_fit.rescaling import DETECTABLE, N_LAGS, pit_curve
from rnnspike.evaluation.history import History, Scored
from rnnspike.models.baselines.psth_bands import psth
from rnnspike.trials.data import FloatArray, IntArray, Trials

Arrays = dict[str, npt.NDArray[Any]]

GRID = np.linspace(0.0, 1.0, 501)
MAX_POINTS = 2000
#: Longest piece of a trial shown as an example, and pieces of the window in the PSTH.
EXAMPLE_BINS = 2000
PSTH_POSITIONS = 200
#: With more conditions than this the models' rates are not kept by condition.
MAX_CONDITIONS = 64


class UnitCurves:
    """Curves of one unit: those of the data at once, those of each model as it comes, stacked at the end.

    Parameters
    ----------
    trials
        Held-out trials of one unit, in order of ``start_s``.
    history
        What their past says of each bin.
    n_examples
        How many trials to show one by one.
    """

    def __init__(self, trials: Trials, history: History, n_examples: int) -> None:
        self.scored = history.scored
        self._hazard = hazard_strata(history)
        self._at_risk = self._hazard.size().sum(axis=0)
        self._pieces = piece_edges(history.n_bins)
        self._exposure_s = self._by_piece(history.observed) * history.bin_s
        n_conditions = len(trials.conditions)
        kept = range(n_conditions) if 1 < n_conditions <= MAX_CONDITIONS else ()
        self._rows_of_condition = [np.flatnonzero(trials.condition == c) for c in kept]
        self._examples, self._first = choose_examples(history, n_examples)
        n = int(history.spikes.sum())
        self._rank = np.unique(np.linspace(1, n, min(n, MAX_POINTS)).round().astype(np.int64))
        self._data = self._of_data(trials, n)
        self._models: list[str] = []
        self._stacks: dict[str, list[npt.NDArray[Any]]] = {}

    def _of_data(self, trials: Trials, n: int) -> Arrays:
        curve = hazard_curve(self._at_risk, self._hazard.by_trial(self.scored.spikes).sum(axis=0))
        trial, position = np.nonzero(self.scored.spikes)
        times_s = trials.window_s[0] + np.arange(self.scored.n_bins) * trials.bin_s
        return {
            "bin_s": np.array(trials.bin_s),
            "window_s": np.array(trials.window_s),
            "hazard.lag_ms": 1000 * trials.bin_s * np.arange(1, self._hazard.n_strata + 1),
            "hazard.at_risk": curve.at_risk,
            "hazard.spikes": curve.spikes,
            "hazard.data": curve.hazard,
            "hazard.low": curve.low,
            "hazard.high": curve.high,
            "survivor.data": curve.survivor,
            "survivor.low": curve.survivor_low,
            "survivor.high": curve.survivor_high,
            "ks.grid": GRID,
            "ks.z_rank": self._rank,
            "ks.n": np.array(n),
            "ks.band": np.array(DETECTABLE / np.sqrt(max(n, 1))),
            "independence.lag": np.arange(1, N_LAGS + 1),
            "independence.band": np.array(1.96 / np.sqrt(max(n, 1))),
            "ogata.time": WIENER_TIME,
            "ogata.wiener_band": WIENER_BAND,
            "example.trial": trials.session_index[self._examples],
            "example.time_s": times_s[self._piece],
            "example.spikes": self.scored.spikes[self._examples, self._piece],
            "example.observed": self.scored.observed[self._examples, self._piece],
            "raster.trial": trials.session_index[trial].astype(np.int32),
            "raster.bin": position.astype(np.int32),
            "psth.time_s": trials.window_s[0] + trials.bin_s * (self._pieces[:-1] + self._pieces[1:]) / 2,
            "psth.data_hz": self._rate_hz(self.scored.spikes),
        }

    @property
    def _piece(self) -> slice:
        """Bins of a trial that an example shows."""
        return slice(self._first, self._first + EXAMPLE_BINS)

    def _by_piece(self, values: npt.NDArray[Any]) -> FloatArray:
        """Return sums of (trial, bin), 0 where not observed, over trials and the bins of each piece."""
        return np.add.reduceat(values.sum(axis=0, dtype=np.float64), self._pieces[:-1])

    def _rate_hz(self, values: npt.NDArray[Any]) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(self._by_piece(values) / self._exposure_s)

    def _by_condition_hz(self, values: npt.NDArray[Any]) -> Arrays:
        """Return the rate by condition and piece, where it is kept by condition."""
        if not self._rows_of_condition:
            return {}
        rates = []
        for rows in self._rows_of_condition:
            exposure_s = self._by_piece(self.scored.observed[rows]) * self.scored.bin_s
            with np.errstate(divide="ignore", invalid="ignore"):
                rates.append(self._by_piece(values[rows]) / exposure_s)
        return {"psth.model_by_condition_hz": np.array(rates, dtype=np.float32)}

    def examples(self, mu: FloatArray) -> FloatArray:
        """Return the part of mu (trial, bin) that examples show, (example, bin).

        Parameters
        ----------
        mu
            (trial, bin), expected count of each bin.
        """
        return mu[self._examples, self._piece]

    def add(
        self,
        model: str,
        examples: FloatArray,
        expected: FloatArray,
        fit: Goodness,
        strata: Mapping[str, FloatArray],
    ) -> None:
        """Take one model.

        Parameters
        ----------
        model
            Its name in the ladder.
        examples
            Expected counts of the trials shown one by one, (example, bin).
        expected
            Expected counts of all bins, (trial, bin).
        fit
            Its tests on the rescaled clock.
        strata
            Further arrays of the model by name: its counts by strata.
        """
        with np.errstate(divide="ignore", invalid="ignore"):
            hazard = self._hazard.by_trial(expected).sum(axis=0) / self._at_risk
        arrays: Arrays = {
            "hazard.model": hazard,
            "ks.pit": pit_curve(fit.train, GRID, fit.z),
            "ks.z": np.sort(fit.z[fit.ks.draw])[self._rank - 1].astype(np.float32),
            "independence.autocorrelation": fit.independence.autocorrelation,
            "ogata.wiener": fit.ogata.wiener,
            "ogata.window": fit.ogata.windows,
            "ogata.variance": fit.ogata.variance,
            "ogata.variance_low": fit.ogata.variance_low,
            "ogata.variance_high": fit.ogata.variance_high,
            "example.rate_hz": (examples / self.scored.bin_s).astype(np.float32),
            "psth.model_hz": self._rate_hz(expected),
            **self._by_condition_hz(expected),
        }
        self._models.append(model)
        for name, values in {**arrays, **strata}.items():
            self._stacks.setdefault(name, []).append(values)

    def arrays(self) -> Arrays:
        """Return all arrays, those of models with the models first."""
        stacked = {name: np.stack(values) for name, values in self._stacks.items()}
        return {"models": np.array(self._models, dtype=np.str_), **self._data, **stacked}


def smoothed_psth(trials: Trials, rng: np.random.Generator) -> Arrays:
    """Return the PSTH of each condition with its band, under the names of ``smooth``; empty without repeats.

    Parameters
    ----------
    trials
        Trials of one unit.
    rng
        Source of the bootstrap over trials.
    """
    if not trials.has_repeats:
        return {}
    found = psth(trials, rng=rng, n_boot=200, scored=False)
    return {
        "smooth.condition": np.array(found.conditions, dtype=np.str_),
        "smooth.time_s": found.time_s,
        "smooth.rate_hz": found.rate_hz.astype(np.float32),
        "smooth.low_hz": found.low_hz.astype(np.float32),
        "smooth.high_hz": found.high_hz.astype(np.float32),
        "smooth.bandwidth_s": np.array(found.bandwidth_s),
    }


def piece_edges(n_bins: int) -> IntArray:
    """Return edges, in bins, of pieces of the window of about equal width, at most 200.

    Parameters
    ----------
    n_bins
        Bins of the window.
    """
    return np.unique(np.linspace(0, n_bins, min(PSTH_POSITIONS, n_bins) + 1).round().astype(np.int64))


def choose_examples(scored: Scored, n_examples: int) -> tuple[IntArray, int]:
    """Return trials spread over the session among those with spikes, and the first bin of the piece to show.

    Of trials longer than 2000 bins the piece is shown that holds most spikes over all trials.

    Parameters
    ----------
    scored
        Spikes of the trials as scored.
    n_examples
        How many trials to choose.
    """
    with_spikes = np.flatnonzero(scored.n_spikes > 0)
    chosen = with_spikes if len(with_spikes) else np.arange(scored.n_trials)
    chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, min(n_examples, len(chosen))).astype(np.int64))]
    total = np.concatenate([[0], np.cumsum(scored.spikes.sum(axis=0, dtype=np.int64))])
    inside = total[EXAMPLE_BINS:] - total[:-EXAMPLE_BINS]
    return chosen, int(np.argmax(inside)) if len(inside) else 0
