"""Statistics of spike trains, of the data and of many replicates at once (science.md#spike-statistics).

Everything is worked out from sparse spikes, so the cost follows the spikes and not the bins; and of each run's trials
first, of which there are fewer than the data sets put together of them hold. Short trials bias
CV, Fano factor and serial correlations: these figures are made to be set beside replicates of the same trials,
not beside 1 or 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from rnnspike.evaluation.sum_loops import serial_sums
from rnnspike.trials.data import BoolArray, FloatArray, IntArray

N_SERIAL = 10
#: Pieces of the window within which mean intervals are removed before serial correlations.
N_PIECES = 25
#: Refractoriness constant of LvR (Shinomoto et al. 2009), s.
LVR_R_S = 0.005
SHORT_S = 0.003
AUTOCORRELATION_S = 0.1
FANO_WINDOWS_S = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True)
class SpikeSets:
    """Spikes of several runs of the same trials, and the data sets that are put together of them.

    ``row`` (spike,) counts the trials of all runs; spikes are in order of row and ``bin``. ``choice`` (sample, trial)
    says of which run a data set has each trial; None: each run is one. ``observed`` (trial, bin) is common to all
    runs, ``condition`` (trial,).
    """

    row: IntArray
    bin: IntArray
    n_runs: int
    observed: BoolArray
    condition: IntArray
    bin_s: float
    choice: IntArray | None = None

    @property
    def n_samples(self) -> int:
        """Data sets."""
        return self.n_runs if self.choice is None else len(self.choice)

    @property
    def n_trials(self) -> int:
        """Trials of each data set."""
        return int(self.observed.shape[0])

    @property
    def n_bins(self) -> int:
        """Bins of a trial."""
        return int(self.observed.shape[1])

    @property
    def trial(self) -> IntArray:
        """Trial of each spike."""
        return self.row % self.n_trials

    @property
    def rows(self) -> IntArray:
        """Rows of each data set, (sample, trial)."""
        run = np.arange(self.n_runs)[:, None] if self.choice is None else self.choice
        return np.asarray(run * self.n_trials + np.arange(self.n_trials))

    @cached_property
    def _taken(self) -> FloatArray:
        """1 where a data set has a trial of a run, (sample, run, trial)."""
        assert self.choice is not None
        return np.asarray(self.choice[:, None] == np.arange(self.n_runs)[:, None], np.float64)

    def put_together(self, sums: FloatArray, trials: IntArray | slice = slice(None)) -> FloatArray:
        """Return sums per data set (sample, ...) of those per run and trial (run, trial, ...), all trials or some."""
        return sums.sum(axis=1) if self.choice is None else np.tensordot(self._taken[:, :, trials], sums, 2)

    def tally(self, row: IntArray, weights: FloatArray | None = None) -> FloatArray:
        """Return sums per data set, (sample,), of what lies in these rows."""
        return self.table(row, np.zeros_like(row), 1, weights)[:, 0]

    def table(self, row: IntArray, column: IntArray, n_columns: int, weights: FloatArray | None = None) -> FloatArray:
        """Return sums per data set and column, (sample, column): by row first, of which data sets hold more."""
        n_groups = self.n_trials if self.choice is not None else 1  # of each run
        group = row if self.choice is not None else row // self.n_trials
        sums = np.bincount(group * n_columns + column, weights, self.n_runs * n_groups * n_columns)
        return self.put_together(sums.reshape(self.n_runs, n_groups, n_columns).astype(np.float64))


def spike_sets(counts: npt.NDArray[np.integer], observed: BoolArray, condition: IntArray, bin_s: float) -> SpikeSets:
    """Return the spikes in observed bins of counts (run, trial, bin)."""
    n_runs, n_trials, n_bins = counts.shape
    flat = np.flatnonzero(counts)
    value = counts.ravel()[flat]
    seen = observed.ravel()[flat % (n_trials * n_bins)]
    flat, value = flat[seen], value[seen]
    if value.size and int(value.max()) > 1:
        flat = np.repeat(flat, value)
    row, position = np.divmod(flat, n_bins)
    return SpikeSets(row, position, n_runs, observed, condition, bin_s)


def recombined(runs: SpikeSets, choice: IntArray) -> SpikeSets:
    """Return data sets put together of several runs: trial t of sample s is that of run ``choice[s, t]``."""
    return replace(runs, choice=choice)


@dataclass(frozen=True)
class Intervals:
    """Interspike intervals within trials and observed stretches, each (interval,), in the order of the spikes.

    ``bins`` is the length; ``chain`` numbers the stretches, so that intervals i and i + 1 are neighbours where
    they have the same ``chain``; ``ordinal`` counts from 0 within the chain; ``start`` is the bin of the first spike.
    """

    row: IntArray
    start: IntArray
    bins: IntArray
    chain: IntArray
    ordinal: IntArray


def intervals(spikes: SpikeSets) -> Intervals:
    """Return the intervals between successive spikes that no trial's end and no gap lies between."""
    stretch = np.cumsum(~spikes.observed, axis=1)[spikes.trial, spikes.bin]
    chains = spikes.row * (spikes.n_bins + 1) + stretch
    same = np.flatnonzero(chains[1:] == chains[:-1])
    chain = chains[same]
    first = np.flatnonzero(np.diff(chain, prepend=-1))
    ordinal = np.arange(len(same)) - np.repeat(first, np.diff(np.append(first, len(same))))
    return Intervals(
        row=spikes.row[same],
        start=spikes.bin[same],
        bins=spikes.bin[same + 1] - spikes.bin[same],
        chain=chain,
        ordinal=ordinal,
    )


def _mean(spikes: SpikeSets, row: IntArray, values: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return spikes.tally(row, values) / spikes.tally(row)


def coefficient_of_variation(spikes: SpikeSets, gaps: Intervals) -> FloatArray:
    """Return standard deviation over mean of the intervals, (sample,)."""
    length = gaps.bins.astype(np.float64)
    n, total, squares = spikes.tally(gaps.row), spikes.tally(gaps.row, length), spikes.tally(gaps.row, length**2)
    with np.errstate(divide="ignore", invalid="ignore"):  # whole numbers: no difference is lost
        return np.asarray(np.sqrt(n * squares - total**2) / total)


def local_variation(spikes: SpikeSets, gaps: Intervals) -> dict[str, FloatArray]:
    """Return CV2, LV and LvR over pairs of neighbouring intervals, each (sample,)."""
    pair = np.flatnonzero(gaps.chain[1:] == gaps.chain[:-1])
    length = gaps.bins * spikes.bin_s
    a, b = length[pair], length[pair + 1]
    pair, a, b = pair[a + b > 0], a[a + b > 0], b[a + b > 0]
    row = gaps.row[pair]
    ratio = (a - b) / (a + b)
    refractory = (1 - 4 * a * b / (a + b) ** 2) * (1 + 4 * LVR_R_S / (a + b))
    return {
        "cv2": _mean(spikes, row, 2 * np.abs(ratio)),
        "lv": _mean(spikes, row, 3 * ratio**2),
        "lvr": _mean(spikes, row, 3 * refractory),
    }


def interval_slope(spikes: SpikeSets, gaps: Intervals, n_first: int = 10) -> FloatArray:
    """Return the least-squares slope of log interval on ordinal over the first intervals of each trial, (sample,)."""
    early = (gaps.ordinal < n_first) & (gaps.bins > 0)
    row, x, y = gaps.row[early], gaps.ordinal[early].astype(np.float64), np.log(gaps.bins[early])
    n, of_x, of_y, of_xy, of_xx = (spikes.tally(row, each) for each in (None, x, y, x * y, x * x))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((n * of_xy - of_x * of_y) / (n * of_xx - of_x**2))


def serial_correlations(spikes: SpikeSets, gaps: Intervals, n_lags: int = N_SERIAL) -> FloatArray:
    """Return correlations of intervals i and i + k within trials, (sample, lag), k from 1.

    Means are removed per trial and per position in the window (25 pieces), else drift of the rate between and
    within trials makes them positive. Few intervals a trial bias them down: compare with replicates.
    """
    length, n_rows = gaps.bins.astype(np.float64), spikes.n_runs * spikes.n_trials
    piece = gaps.start * N_PIECES // max(spikes.n_bins, 1)
    n_in_row = np.bincount(gaps.row, minlength=n_rows)
    of_row = np.bincount(gaps.row, length, n_rows) / np.maximum(n_in_row, 1)
    n = spikes.table(gaps.row, piece, N_PIECES)
    total = spikes.table(gaps.row, piece, N_PIECES, length)
    with np.errstate(divide="ignore", invalid="ignore"):
        of_piece = total / n - (total.sum(axis=1) / n.sum(axis=1))[:, None]
    first = np.concatenate([[0], np.cumsum(n_in_row)])
    pairs, products = (np.empty((spikes.n_samples, n_lags + 1)) for _ in range(2))
    serial_sums(first, spikes.rows, length - of_row[gaps.row], piece, gaps.chain, of_piece, pairs, products)
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = products / pairs
        return np.asarray(covariance[:, 1:] / covariance[:, :1])


def fano_windows(spikes: SpikeSets) -> IntArray:
    """Return window lengths in bins, 10 ms to the trial's length."""
    lengths = {max(1, round(window / spikes.bin_s)) for window in FANO_WINDOWS_S}
    return np.array(sorted({n for n in lengths if n < spikes.n_bins} | {spikes.n_bins}), dtype=np.int64)


def fano_factors(spikes: SpikeSets, windows: IntArray) -> FloatArray:
    """Return variance over trials over mean of the counts in windows of each length, (sample, window).

    Windows tile the trial; those not observed throughout are left out. The variance is taken over trials of one
    condition at one position, then averaged; NaN where no condition has two trials.
    """
    return np.stack([_fano(spikes, int(length)) for length in windows], axis=1)


def _fano(spikes: SpikeSets, length: int) -> FloatArray:
    n_tiles = spikes.n_bins // length
    whole: BoolArray = np.asarray(
        spikes.observed[:, : n_tiles * length].reshape(spikes.n_trials, n_tiles, length).all(axis=2)
    )
    here = tile_counts(spikes, length)  # (run, trial, tile)
    between, freedom, cells = np.zeros(spikes.n_samples), 0, 0
    for condition in np.unique(spikes.condition):
        mine = np.flatnonzero(spikes.condition == condition)
        n = whole[mine].sum(axis=0)
        whole[mine] &= n >= 2
        n = np.where(n >= 2, n, 0)
        here[:, mine] *= whole[mine]
        between += (spikes.put_together(here[:, mine], mine) ** 2 / np.maximum(n, 1)).sum(axis=1)
        freedom += int(np.maximum(n - 1, 0).sum())
        cells += int(n.sum())
    if freedom == 0:
        return np.full(spikes.n_samples, np.nan)
    squares, total = (spikes.put_together(each.sum(axis=2)) for each in (here**2, here))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(((squares - between) / freedom) / (total / cells))


def tile_counts(spikes: SpikeSets, length: int) -> FloatArray:
    """Return spikes in successive windows of this many bins, (run, trial, tile); a remainder is left out."""
    n_tiles = spikes.n_bins // length
    tile = spikes.bin // length
    inside = tile < n_tiles
    code = spikes.row * n_tiles + tile
    counts = np.bincount(code[inside], minlength=spikes.n_runs * spikes.n_trials * n_tiles)
    return counts.reshape(spikes.n_runs, spikes.n_trials, n_tiles).astype(np.float64)


def autocorrelogram(spikes: SpikeSets, n_lags: int) -> FloatArray:
    """Return the rate (Hz) at lags of 1 to ``n_lags`` bins after a spike of the same trial, (sample, lag).

    The part of the window that a lag leaves is corrected for, gaps are not.
    """
    row, found = spikes.row, [np.zeros((2, 0), np.int64)]  # row and lag of each pair
    for step in range(1, len(row)):
        near = np.flatnonzero((row[step:] == row[:-step]) & (spikes.bin[step:] - spikes.bin[:-step] <= n_lags))
        if not len(near):
            break
        found.append(np.stack([row[near], spikes.bin[near + step] - spikes.bin[near]]))
    of_pair, lag = np.concatenate(found, axis=1)
    pairs = spikes.table(of_pair, lag, n_lags + 1)
    left = np.maximum(spikes.n_bins - np.arange(1, n_lags + 1), 1) / max(spikes.n_bins, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = pairs[:, 1:] / spikes.tally(row)[:, None]
    return np.asarray(rate / (left * spikes.bin_s))


def interval_edges(spikes: SpikeSets, n_edges: int = 60) -> IntArray:
    """Return edges of the interval histogram in bins, about evenly spaced on a log scale from 1 bin to the window.

    Pieces are whole bins and never narrower than the one before: by turns one and two bins wide they would beat.
    """
    growth = max(spikes.n_bins, 2) ** (1 / (n_edges - 1)) - 1
    edges = [1]
    while edges[-1] < spikes.n_bins:
        edges.append(edges[-1] + max(1, round(growth * edges[-1])))
    return np.array(edges, dtype=np.int64)


def interval_histogram(spikes: SpikeSets, gaps: Intervals, edges: IntArray) -> FloatArray:
    """Return the share of intervals in each piece [edge, next edge), (sample, piece)."""
    piece = np.searchsorted(edges, gaps.bins, side="right") - 1
    inside = (piece >= 0) & (piece < len(edges) - 1)
    counts = spikes.table(gaps.row[inside], piece[inside], len(edges) - 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(counts / spikes.tally(gaps.row)[:, None])


#: Scalars among what ``describe`` returns, in the order that tables show them.
SCALARS = ("rate_hz", "cv", "cv2", "lv", "lvr", "serial_1", "short_isi", "isi_slope", "fano")


def describe(spikes: SpikeSets) -> dict[str, FloatArray]:
    """Return all statistics of each sample, samples first; NaN where there are too few intervals.

    Scalars (sample,): ``rate_hz``; ``cv`` of all intervals; ``cv2``, ``lv``, ``lvr`` of neighbouring ones (Holt
    1996; Shinomoto 2003, 2009 with R = 5 ms); ``serial_1``; ``short_isi`` the share of intervals up to 3 ms;
    ``isi_slope`` of the log interval on its ordinal in the trial, positive where firing adapts; ``fano`` of the
    whole window. Curves (sample, point): ``isi`` histogram, ``autocorrelation``, ``serial``, ``fano_by_window``.
    """
    gaps = intervals(spikes)
    serial, fano = serial_correlations(spikes, gaps), fano_factors(spikes, fano_windows(spikes))
    short = (gaps.bins * spikes.bin_s <= SHORT_S + 1e-9).astype(np.float64)
    exposure_s = float(spikes.observed.sum()) * spikes.bin_s
    return {
        "rate_hz": spikes.tally(spikes.row) / exposure_s if exposure_s else np.full(spikes.n_samples, np.nan),
        "cv": coefficient_of_variation(spikes, gaps),
        **local_variation(spikes, gaps),
        "serial_1": serial[:, 0],
        "short_isi": _mean(spikes, gaps.row, short),
        "isi_slope": interval_slope(spikes, gaps),
        "fano": fano[:, -1],
        "isi": interval_histogram(spikes, gaps, interval_edges(spikes)),
        "autocorrelation": autocorrelogram(spikes, autocorrelation_lags(spikes)),
        "serial": serial,
        "fano_by_window": fano,
    }


def autocorrelation_lags(spikes: SpikeSets) -> int:
    """Return how many lags of the autocorrelogram there are: up to 100 ms."""
    return max(1, min(round(AUTOCORRELATION_S / spikes.bin_s), spikes.n_bins - 1))
