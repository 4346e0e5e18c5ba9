"""The spikes' own rhythm, and whether the network has learned it (science.md b.10).

The data's period comes from the autocorrelation of their rate; the network's from its limit cycle, from the modes of
its spiking loop (``loop.py``) or from the resonance of its linearisation; its free run, with spikes drawn, is looked
at with the data's own eyes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from rnnspike.dynamics.cell import Network
from rnnspike.dynamics.cycles import Cycle
from rnnspike.dynamics.eigenvalues import short
from rnnspike.trials.data import BoolArray, FloatArray, IntArray

#: Agreement of two periods that counts as learned.
WITHIN = 0.10
#: Widths over which an autocovariance is smoothed, in lags.
WIDTHS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)


@dataclass(frozen=True)
class SpikeRhythm:
    """Period of spikes: ``period_s``, ``strength`` (autocorrelation at the period, 1 at lag 0), ``lag_s``, ``curve``.

    ``period_s`` is None where there is no rhythm beyond what a Poisson train of that rate shows.
    """

    period_s: float | None
    strength: float
    lag_s: FloatArray
    curve: FloatArray


@dataclass(frozen=True)
class NetworkRhythm:
    """A rhythm of the network: its period and where it comes from (limit cycle, spiking loop or resonance)."""

    period_s: float
    source: str


@dataclass(frozen=True)
class Rhythm:
    """Data against network and its free run. ``learned`` is None where the data have no rhythm to learn."""

    data: SpikeRhythm | None
    network: NetworkRhythm | None
    free_run: SpikeRhythm | None
    learned: bool | None
    sentence: str

    @property
    def data_s(self) -> float | None:
        """Period of the data, in seconds."""
        return self.data.period_s if self.data else None

    @property
    def free_run_s(self) -> float | None:
        """Period of the free run, in seconds."""
        return self.free_run.period_s if self.free_run else None


def spike_rhythm(
    counts: npt.ArrayLike,
    bin_s: float,
    *,
    observed: BoolArray | None = None,
    longest_s: float | None = None,
) -> SpikeRhythm:
    """Return the rhythm of counts (trial, bin), from the autocorrelation of their rate.

    The period is the first of the high peaks that has a trough before it, both beyond what a Poisson train of the
    same rate shows (4 and 2 standard deviations), and that comes back: lower again at one and a half periods, higher
    at two. Long windows are looked at in coarse bins for slow rhythms and in finer ones for quick rhythms; of several
    the one that stands out most is returned.

    Parameters
    ----------
    counts, observed
        (trial, bin); unobserved bins take no part.
    bin_s
        Width of a bin.
    longest_s
        Longest period looked for; a third of the window where not given.
    """
    spikes: FloatArray = np.asarray(counts, dtype=np.float64)
    mask = np.ones(spikes.shape, bool) if observed is None else observed
    window_s = spikes.shape[1] * bin_s
    longest_s = window_s / 3 if longest_s is None else min(longest_s, window_s / 3)
    found = []
    while True:
        own, strength, factor = _at_scale(spikes, mask, bin_s, longest_s)
        found.append((strength, own))
        if factor == 1:
            break
        longest_s /= 8  # what is left out there was seen here at eight bins a period or better
    return max(found, key=lambda each: each[0])[1]


def _at_scale(spikes: FloatArray, mask: BoolArray, bin_s: float, longest_s: float) -> tuple[SpikeRhythm, float, int]:
    """Return the rhythm of periods up to ``longest_s``, its height and trough in standard deviations, bins summed."""
    factor = max(1, int(longest_s / bin_s / 400))  # a rhythm is seen at a hundredth of its period
    summed, exposure = _coarser(spikes * mask, factor), _coarser(mask.astype(float), factor)
    n_lags = int(2 * longest_s / (bin_s * factor))
    lag_s = np.arange(n_lags + 1, dtype=np.float64) * bin_s * factor
    if summed.sum() < 20 or n_lags < 8:
        return SpikeRhythm(None, 0.0, lag_s, np.zeros(n_lags + 1)), 0.0, factor
    levels, noise = autocovariance(summed, exposure, n_lags)
    at = np.arange(n_lags + 1)
    curve = levels[_level(at), at]
    top = max(float(np.abs(curve[: max(3, n_lags // 20)]).max()), 1e-300)
    peak, strength = _period_in_lags(levels, noise)
    height = float(curve[round(peak)]) / top if peak is not None else 0.0
    own = SpikeRhythm(None if peak is None else peak * bin_s * factor, height, lag_s, curve / top)
    return own, strength, factor


def autocovariance(counts: FloatArray, exposure: FloatArray, n_lags: int) -> tuple[FloatArray, FloatArray]:
    """Return the autocovariance of the rate of counts (trial, bin) over the squared mean rate, and its noise.

    Both (width, lag): smoothed over each of ``WIDTHS`` lags; the noise is the standard deviation for a Poisson train.
    Each pair of bins is weighted by its exposures, so that gaps and edges do not bend the curve.
    """
    rate = counts.sum() / max(float(exposure.sum()), 1e-300)
    n = 2 ** int(np.ceil(np.log2(counts.shape[1] + n_lags + 1)))
    pairs = np.maximum(_lagged(exposure, n, n_lags), 1e-9)
    covariance = _lagged(counts - rate * exposure, n, n_lags) / pairs / max(rate**2, 1e-300)
    averaged = 2 * np.sqrt(np.pi) * np.array(WIDTHS)[:, None]
    return _smoothed(covariance), np.asarray(1 / (rate * np.sqrt(pairs * averaged)))


def _smoothed(covariance: FloatArray) -> FloatArray:
    """Smooth a covariance (lag,) over each of ``WIDTHS`` lags, (width, lag)."""
    last = len(covariance) - 1
    mirrored = np.concatenate([covariance[:0:-1], covariance])
    mirrored[last] = mirrored[last + 1]  # lag 0 is mostly the noise of spiking
    return np.array([gaussian_filter1d(mirrored, width, mode="nearest")[last:] for width in WIDTHS])


def period_of_curve(covariance: FloatArray, least: float) -> float | None:
    """Return the period in lags of a covariance (lag,) without noise, chosen as in that of spikes; None without.

    Its peak must be above ``least`` times the largest value.
    """
    if len(covariance) < 8 or not np.abs(covariance[1:]).max() > 0:
        return None
    noise = 0.25 * least * float(np.abs(covariance[1:]).max()) / np.sqrt(WIDTHS)
    return _period_in_lags(_smoothed(covariance), np.broadcast_to(noise[:, None], (len(WIDTHS), len(covariance))))[0]


def _level(lags: IntArray) -> IntArray:
    """Return which of ``WIDTHS`` suits a lag: about a tenth of it, which rids slow rhythms of spiking noise."""
    level = np.round(np.log2(np.maximum(lags * 0.1, 1.0)))
    return np.asarray(np.clip(level, 0, len(WIDTHS) - 1), dtype=np.int64)


def _lagged(values: FloatArray, n: int, n_lags: int) -> FloatArray:
    spectrum = np.fft.rfft(values, n, axis=1)
    return np.asarray(np.fft.irfft((np.abs(spectrum) ** 2).sum(axis=0), n)[: n_lags + 1])


def _coarser(values: FloatArray, factor: int) -> FloatArray:
    n = values.shape[1] // factor * factor
    return np.asarray(values[:, :n].reshape(len(values), -1, factor).sum(axis=2))


def _period_in_lags(levels: FloatArray, noise: FloatArray) -> tuple[float | None, float]:
    """Return the lag of the rhythm's peak, refined by a parabola, and how far it stands out; None and 0 without."""
    last = levels.shape[1] - 1
    strengths: dict[tuple[int, int], float] = {}
    for level, curve in enumerate(levels):
        score = curve / noise[level]
        for peak in find_peaks(curve)[0]:
            k = int(peak)
            if _level(np.array(k)) != level or 2 * k > last:
                continue
            trough = float(score[1:k].min(initial=0.0))
            between = curve[3 * k // 2]  # a flat tail comes back by chance every other time
            comes_back = curve[2 * k] - between > 3 * noise[level, 2 * k] and between < 0.5 * curve[k]
            if score[k] > 4 and trough < -2 and comes_back:
                strengths[k, level] = float(score[k]) - trough
    if not strengths:
        return None, 0.0
    k, level = min(at for at, strength in strengths.items() if strength >= 0.8 * max(strengths.values()))
    left, mid, right = levels[level, k - 1 : k + 2]
    return k + 0.5 * float((left - right) / (left - 2 * mid + right)), strengths[k, level]


def history_reach(counts: npt.ArrayLike, bin_s: float, observed: BoolArray | None = None, z: float = 4.0) -> float:
    """Return how far back (s) the spikes' own past bears on their rate: the last of the significant lags.

    Autocovariance of what is left after each trial's mean and the trial average, in lags that widen by a third,
    up to the first two in a row that are not significant behind some that are. 0 where none is.
    """
    spikes: FloatArray = np.asarray(counts, dtype=np.float64)
    mask = np.ones(spikes.shape, bool) if observed is None else observed
    residual = _residual(spikes, mask)
    n_bins = spikes.shape[1]
    n_lags = n_bins // 2
    if n_lags < 4:
        return 0.0
    n = 2 ** int(np.ceil(np.log2(n_bins + n_lags + 1)))
    covariance, pairs = _lagged(residual, n, n_lags), _lagged(mask.astype(float), n, n_lags)
    variance = float((residual**2).sum() / max(mask.sum(), 1))
    edges = np.unique(np.concatenate([[1, 2, 3, 4], np.geomspace(4, n_lags, 24)]).astype(int))
    reach, missed = 0.0, 0
    for a, b in pairwise(edges):
        score = covariance[a:b].sum() / max(variance * np.sqrt(pairs[a:b].sum()), 1e-300)
        missed = 0 if abs(score) > z else missed + 1
        if missed > 1 and reach > 0:
            break
        reach = float(b - 1) * bin_s if not missed else reach
    return reach


def _residual(counts: FloatArray, mask: BoolArray) -> FloatArray:
    exposure = np.maximum(mask.sum(axis=1, keepdims=True), 1)
    left = (counts - (counts * mask).sum(axis=1, keepdims=True) / exposure) * mask
    if len(counts) >= 5:
        average = left.sum(axis=0) / np.maximum(mask.sum(axis=0), 1)
        left = (left - gaussian_filter1d(average, max(1.0, counts.shape[1] / 50))) * mask
    return np.asarray(left)


def resonance(network: Network, jacobian: FloatArray, drive: FloatArray) -> tuple[float, float] | None:
    """Return (period s, height over the gain at 0 Hz) of the strongest resonance at a point, or None.

    The transfer from an input channel to the log-rate, W (zI - J)^-1 B on the unit circle; ``jacobian`` (state,
    state) is that of the map the point belongs to (closed loop or held input), ``drive`` (state,) d next state / d
    input.
    """
    weight = np.zeros((1, network.n_state))
    readout = np.ones((1, network.layers[-1].n_hidden)) if network.readout is None else network.readout.weight[:1]
    weight[:, network.hidden_columns] = readout
    values, vectors = np.linalg.eig(jacobian)
    # partial fractions: one sum over modes a frequency instead of one solve
    residues = (weight @ vectors)[0] * np.linalg.lstsq(vectors, drive.astype(complex), rcond=None)[0]
    slow = np.geomspace(1e-4, np.pi, 4000)
    angles = np.unique(np.concatenate([slow, np.abs(np.angle(values[values.imag > 0]))]))
    gain = np.abs((residues / (np.exp(1j * angles)[:, None] - values)).sum(axis=1))
    peaks, properties = find_peaks(gain, prominence=0.05 * gain.max())
    if not len(peaks):
        return None
    best = peaks[np.argmax(properties["prominences"])]
    at_zero = abs((residues / (1 - values)).sum())
    return float(2 * np.pi / angles[best] * network.bin_s), float(gain[best] / max(at_zero, 1e-300))


def network_rhythm(
    cycles: Sequence[Cycle], shares: Sequence[float], resonances: Sequence[tuple[float, float] | None], name: str
) -> NetworkRhythm | None:
    """Return the rhythm under one input: its most visited limit cycle, else its strongest resonance."""
    if cycles:
        best = int(np.argmax(shares))
        return NetworkRhythm(cycles[best].period_s, f"limit cycle, {name} input")
    found = [r for r in resonances if r is not None]
    if not found:
        return None
    return NetworkRhythm(max(found, key=lambda r: r[1])[0], f"resonance, {name} input")


def compare_rhythms(
    data: SpikeRhythm | None, candidates: Sequence[NetworkRhythm], free_run: SpikeRhythm | None
) -> Rhythm:
    """Say whether the network has the data's rhythm: a cycle or mode within 10 %, and its free run too.

    ``candidates`` are the network's cycle, mode and resonance, the best evidence first. Without a free run (a
    network without readout) the first of them decides.
    """
    first = candidates[0] if candidates else None
    if data is None or data.period_s is None:
        return Rhythm(data, first, free_run, None, "")
    period = data.period_s
    agree = [own for own in candidates if abs(own.period_s / period - 1) <= WITHIN]
    run_s = free_run.period_s if free_run else None
    run_agrees = run_s is not None and abs(run_s / period - 1) <= WITHIN
    learned = bool(agree) and (run_agrees or free_run is None)
    if learned:
        verdict = "learned"
    elif agree:
        verdict = f"the network has not learned the rhythm: its free run does not keep that of its {agree[0].source}"
    elif run_agrees:
        verdict = "its free run has the rhythm, none of its cycles and modes shows it"
    else:
        verdict = "the network has not learned the rhythm"
    said = [f"spikes' autocorrelation: period {short(period * 1e3)} ms"]
    said += [f"{own.source} {short(own.period_s * 1e3)} ms" for own in candidates] or ["no limit cycle, no resonance"]
    if free_run is not None:
        said.append("free run " + ("none" if run_s is None else f"{short(run_s * 1e3)} ms"))
    chosen = agree[0] if learned else first
    return Rhythm(data, chosen, free_run, learned, f"{'; '.join(said)}: {verdict}")
