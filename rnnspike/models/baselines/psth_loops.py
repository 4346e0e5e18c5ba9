"""Loops of PSTHs, compiled: own spikes at spikes (few bins hold one), and deviations of resamplings."""

from __future__ import annotations

import numpy as np

from rnnspike.models.numerics.compilation import Double, Index, Single, compiled


@compiled
def smooth_at_spikes(trial: Index, place: Index, n: Double, weight: Double, out: Double) -> None:
    """Fill ``out`` (entry,) with the sum of ``n`` (entry,) over its trial, weighted by the distance in bins.

    Entries ascend in ``trial``, then in ``place``; ``weight`` (2 reach + 1,) is symmetric, zero beyond.
    """
    reach = len(weight) // 2
    for i in range(len(trial)):
        out[i] = weight[reach] * n[i]
        j = i - 1
        while j >= 0 and trial[j] == trial[i] and place[i] - place[j] <= reach:
            w = weight[reach + place[i] - place[j]]
            out[i] += w * n[j]
            out[j] += w * n[i]
            j -= 1


@compiled
def merge_bins(trial: Index, place: Index, n: Double, width: int, into: Index, bins: Index, sums: Double) -> int:
    """Write spikes on bins ``width`` times as wide into ``into``, ``bins`` and ``sums``; return how many hold one."""
    m = -1
    for i in range(len(trial)):
        wide = place[i] // width
        if m < 0 or into[m] != trial[i] or bins[m] != wide:
            m += 1
            into[m], bins[m], sums[m] = trial[i], wide, 0.0
        sums[m] += n[i]
    return m + 1


@compiled
def root_deviations(spikes: Single, seconds: Single, root: Single, factor: float, squares: Double) -> None:
    """Turn ``spikes`` (draw, point) into deviations of the root of the rate from ``root`` (point,), times a factor.

    ``seconds`` is (draw, point), or (1, point) where all draws share it; where it is 0, there is no deviation.
    ``squares`` (point,) gets the sums of their squares.
    """
    squares[:] = 0.0
    single = np.float32(factor)
    for d in range(len(spikes)):
        own, exposed = spikes[d], seconds[d if len(seconds) > 1 else 0]
        for k in range(len(root)):
            known = exposed[k] > 0 and root[k] == root[k]
            own[k] = (np.sqrt(own[k] / exposed[k]) - root[k]) * single if known else np.float32(0.0)
        for k in range(len(root)):
            squares[k] += own[k] * own[k]


@compiled
def largest_magnitudes(values: Single, scale: Single, out: Single) -> None:
    """Fill ``out`` (draw,) with the largest magnitude of ``values`` (draw, point) times ``scale`` (point,).

    Floats of one sign are in the order of their bits, and integers are compared many at a time.
    """
    scaled = np.empty(len(scale), np.float32)
    bits, largest = scaled.view(np.int32), out.view(np.int32)
    for d in range(len(values)):
        own, most = values[d], np.int32(0)
        for k in range(len(scale)):
            scaled[k] = abs(own[k]) * scale[k]
        for k in range(len(scale)):
            most = max(most, bits[k])
        largest[d] = most
