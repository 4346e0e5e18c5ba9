"""Statistics of spike trains, of the data and of many replicates at once (science.md b.7).

Everything is worked out from sparse spikes, so the cost follows the spikes and not the bins. Short trials bias
CV, Fano factor and serial correlations: these figures are made to be set beside replicates of the same trials,
not beside 1 or 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

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
    """Spikes of several data sets of the same trials, each (spike,), in order of sample, trial, bin.

    ``observed`` (trial, bin) is common to all samples, ``condition`` (trial,).
    """

    sample: IntArray
    trial: IntArray
    bin: IntArray
    n_samples: int
    observed: BoolArray
    condition: IntArray
    bin_s: float

    @property
    def n_trials(self) -> int:
        """Trials of each sample."""
        return int(self.observed.shape[0])

    @property
    def n_bins(self) -> int:
        """Bins of a trial."""
        return int(self.observed.shape[1])

    def tally(self, sample: IntArray, weights: FloatArray | None = None) -> FloatArray:
        """Return sums per sample, (sample,)."""
        return np.bincount(sample, weights=weights, minlength=self.n_samples).astype(np.float64)


def spike_sets(counts: npt.NDArray[np.integer], observed: BoolArray, condition: IntArray, bin_s: float) -> SpikeSets:
    """Return the spikes in observed bins of counts (sample, trial, bin)."""
    n_samples, n_trials, n_bins = counts.shape
    flat = np.flatnonzero(counts)
    value = counts.ravel()[flat]
    place = flat % (n_trials * n_bins)
    seen = observed.ravel()[place]
    flat, place, value = flat[seen], place[seen], value[seen]
    if value.size and int(value.max()) > 1:
        flat, place = np.repeat(flat, value), np.repeat(place, value)
    return SpikeSets(
        sample=flat // (n_trials * n_bins),
        trial=place // n_bins,
        bin=place % n_bins,
        n_samples=n_samples,
        observed=observed,
        condition=condition,
        bin_s=bin_s,
    )


def recombined(runs: SpikeSets, choice: IntArray) -> SpikeSets:
    """Return data sets put together of several runs: trial t of sample s is that of run ``choice[s, t]``."""
    row = runs.sample * runs.n_trials + runs.trial
    start = np.searchsorted(row, np.arange(runs.n_samples * runs.n_trials + 1))
    taken = (choice * runs.n_trials + np.arange(runs.n_trials)).ravel()
    n = np.diff(start)[taken]
    index = np.repeat(start[taken] - np.cumsum(n) + n, n) + np.arange(n.sum())
    sample = np.repeat(np.arange(len(choice)), n.reshape(choice.shape).sum(axis=1))
    return replace(runs, sample=sample, trial=runs.trial[index], bin=runs.bin[index], n_samples=len(choice))


@dataclass(frozen=True)
class Intervals:
    """Interspike intervals within trials and observed stretches, each (interval,), in the order of the spikes.

    ``bins`` is the length; ``chain`` numbers the stretches, so that intervals i and i + 1 are neighbours where
    they have the same ``chain``; ``ordinal`` counts from 0 within the chain; ``start`` is the bin of the first spike.
    """

    sample: IntArray
    trial: IntArray
    start: IntArray
    bins: IntArray
    chain: IntArray
    ordinal: IntArray


def intervals(spikes: SpikeSets) -> Intervals:
    """Return the intervals between successive spikes that no trial's end and no gap lies between."""
    stretch = np.cumsum(~spikes.observed, axis=1)[spikes.trial, spikes.bin]
    row = (spikes.sample * spikes.n_trials + spikes.trial) * (spikes.n_bins + 1) + stretch
    same = np.flatnonzero(row[1:] == row[:-1])
    chain = row[same]
    first = np.flatnonzero(np.diff(chain, prepend=-1))
    ordinal = np.arange(len(same)) - np.repeat(first, np.diff(np.append(first, len(same))))
    return Intervals(
        sample=spikes.sample[same],
        trial=spikes.trial[same],
        start=spikes.bin[same],
        bins=spikes.bin[same + 1] - spikes.bin[same],
        chain=chain,
        ordinal=ordinal,
    )


def _mean(spikes: SpikeSets, sample: IntArray, values: FloatArray) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return spikes.tally(sample, values) / spikes.tally(sample)


def coefficient_of_variation(spikes: SpikeSets, gaps: Intervals) -> FloatArray:
    """Return standard deviation over mean of the intervals, (sample,)."""
    length = gaps.bins.astype(np.float64)
    mean = _mean(spikes, gaps.sample, length)
    variance = _mean(spikes, gaps.sample, (length - mean[gaps.sample]) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.sqrt(variance) / mean)


def local_variation(spikes: SpikeSets, gaps: Intervals) -> dict[str, FloatArray]:
    """Return CV2, LV and LvR over pairs of neighbouring intervals, each (sample,)."""
    pair = np.flatnonzero(gaps.chain[1:] == gaps.chain[:-1])
    length = gaps.bins * spikes.bin_s
    a, b = length[pair], length[pair + 1]
    pair, a, b = pair[a + b > 0], a[a + b > 0], b[a + b > 0]
    sample = gaps.sample[pair]
    ratio = (a - b) / (a + b)
    refractory = (1 - 4 * a * b / (a + b) ** 2) * (1 + 4 * LVR_R_S / (a + b))
    return {
        "cv2": _mean(spikes, sample, 2 * np.abs(ratio)),
        "lv": _mean(spikes, sample, 3 * ratio**2),
        "lvr": _mean(spikes, sample, 3 * refractory),
    }


def interval_slope(spikes: SpikeSets, gaps: Intervals, n_first: int = 10) -> FloatArray:
    """Return the least-squares slope of log interval on ordinal over the first intervals of each trial, (sample,)."""
    early = (gaps.ordinal < n_first) & (gaps.bins > 0)
    sample, x = gaps.sample[early], gaps.ordinal[early].astype(np.float64)
    y = np.log(gaps.bins[early])
    x = x - _mean(spikes, sample, x)[sample]
    with np.errstate(divide="ignore", invalid="ignore"):
        return spikes.tally(sample, x * y) / spikes.tally(sample, x * x)


def serial_correlations(spikes: SpikeSets, gaps: Intervals, n_lags: int = N_SERIAL) -> FloatArray:
    """Return correlations of intervals i and i + k within trials, (sample, lag), k from 1.

    Means are removed per trial and per position in the window (25 pieces), else drift of the rate between and
    within trials makes them positive. Few intervals a trial bias them down: compare with replicates.
    """
    residual = _centred(spikes, gaps)
    power = _mean(spikes, gaps.sample, residual**2)
    result = np.full((spikes.n_samples, n_lags), np.nan)
    for lag in range(1, min(n_lags, len(residual) - 1) + 1):
        pair = np.flatnonzero(gaps.chain[lag:] == gaps.chain[:-lag])
        with np.errstate(divide="ignore", invalid="ignore"):
            result[:, lag - 1] = _mean(spikes, gaps.sample[pair], residual[pair] * residual[pair + lag]) / power
    return result


def _centred(spikes: SpikeSets, gaps: Intervals) -> FloatArray:
    """Return intervals less the mean of their trial and of their position, the grand mean added back."""
    length = gaps.bins.astype(np.float64)
    piece = gaps.start * N_PIECES // max(spikes.n_bins, 1)
    of_trial = _group_mean(gaps.sample * spikes.n_trials + gaps.trial, length)
    of_piece = _group_mean(gaps.sample * N_PIECES + piece, length)
    return np.asarray(length - of_trial - of_piece + _group_mean(gaps.sample, length))


def _group_mean(group: IntArray, values: FloatArray) -> FloatArray:
    size = np.maximum(np.bincount(group), 1)
    return np.asarray((np.bincount(group, weights=values) / size)[group])


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
    counts = tile_counts(spikes, length)  # (sample, trial, tile)
    whole: BoolArray = np.asarray(
        spikes.observed[:, : n_tiles * length].reshape(spikes.n_trials, n_tiles, length).all(axis=2)
    )
    squares, total = np.zeros(spikes.n_samples), np.zeros(spikes.n_samples)
    freedom = cells = 0
    for condition in np.unique(spikes.condition):
        mine = np.flatnonzero(spikes.condition == condition)
        of_condition: BoolArray = whole[mine]
        use = of_condition & (of_condition.sum(axis=0) >= 2)
        n = use.sum(axis=0)
        here = counts[:, mine] * use
        mean = here.sum(axis=1) / np.maximum(n, 1)
        squares += ((here**2).sum(axis=1) - n * mean**2).sum(axis=1)
        total += here.sum(axis=(1, 2))
        freedom += int(np.maximum(n - 1, 0).sum())
        cells += int(n.sum())
    if freedom == 0:
        return np.full(spikes.n_samples, np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((squares / freedom) / (total / cells))


def tile_counts(spikes: SpikeSets, length: int) -> FloatArray:
    """Return spikes in successive windows of this many bins, (sample, trial, tile); a remainder is left out."""
    n_tiles = spikes.n_bins // length
    tile = spikes.bin // length
    inside = tile < n_tiles
    code = (spikes.sample * spikes.n_trials + spikes.trial) * n_tiles + tile
    counts = np.bincount(code[inside], minlength=spikes.n_samples * spikes.n_trials * n_tiles)
    return counts.reshape(spikes.n_samples, spikes.n_trials, n_tiles).astype(np.float64)


def autocorrelogram(spikes: SpikeSets, n_lags: int) -> FloatArray:
    """Return the rate (Hz) at lags of 1 to ``n_lags`` bins after a spike of the same trial, (sample, lag).

    The part of the window that a lag leaves is corrected for, gaps are not.
    """
    row = spikes.sample * spikes.n_trials + spikes.trial
    pairs = np.zeros(spikes.n_samples * (n_lags + 1))
    for step in range(1, len(row)):
        near = np.flatnonzero((row[step:] == row[:-step]) & (spikes.bin[step:] - spikes.bin[:-step] <= n_lags))
        if not len(near):
            break
        lag = spikes.bin[near + step] - spikes.bin[near]
        pairs += np.bincount(spikes.sample[near] * (n_lags + 1) + lag, minlength=len(pairs))
    left = np.maximum(spikes.n_bins - np.arange(1, n_lags + 1), 1) / max(spikes.n_bins, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = pairs.reshape(spikes.n_samples, -1)[:, 1:] / spikes.tally(spikes.sample)[:, None]
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
    n_pieces = len(edges) - 1
    counts = np.bincount(gaps.sample[inside] * n_pieces + piece[inside], minlength=spikes.n_samples * n_pieces)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(counts.reshape(spikes.n_samples, n_pieces) / spikes.tally(gaps.sample)[:, None])


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
        "rate_hz": spikes.tally(spikes.sample) / exposure_s if exposure_s else np.full(spikes.n_samples, np.nan),
        "cv": coefficient_of_variation(spikes, gaps),
        **local_variation(spikes, gaps),
        "serial_1": serial[:, 0],
        "short_isi": _mean(spikes, gaps.sample, short),
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
