"""Spike history of each bin: ages, leaky traces, convolved history (science.md#glm)."""

from __future__ import annotations

import numpy as np

from rnnspike.models.numerics.compilation import Bool, Count, Double, Index, Int32, Single, compiled


@compiled
def last_before(mark: Bool, first: int, before: Int32) -> None:
    """Fill the last marked bin strictly before each bin from ``first`` on (row, bin), -1 where none is."""
    for r in range(mark.shape[0]):
        last = -1
        for b in range(mark.shape[1]):
            if b >= first:
                before[r, b - first] = last
            if mark[r, b]:
                last = b


@compiled
def ages(spikes: Count, observed: Bool, first: int, longest: int, unknown: int, age: Int32, known: Int32) -> None:
    """Fill age and known stretch of each bin from ``first`` on (row, bin): ``Past.ages``."""
    for r in range(spikes.shape[0]):
        last, gap = -1, -1
        for b in range(spikes.shape[1]):
            if b >= first:
                stretch = b - gap - 1
                known[r, b - first] = stretch
                if last > gap:
                    age[r, b - first] = min(b - last, longest + 1)
                else:
                    age[r, b - first] = longest + 1 if stretch >= longest else unknown
            if spikes[r, b] > 0:
                last = b
            if not observed[r, b]:
                gap = b


@compiled
def clock_ages(spikes: Count, observed: Bool, before: Double, mu: Double, age: Double, known: Bool) -> None:
    """Fill age on the clock and whether its last spike is known, of the bins of ``mu``: ``renewal.clock_ages``."""
    first = spikes.shape[1] - mu.shape[1]
    for r in range(spikes.shape[0]):
        since, is_known = 0.0, False
        for b in range(spikes.shape[1]):
            step = before[r]
            if b >= first:
                step = mu[r, b - first]
                age[r, b - first] = since
                known[r, b - first] = is_known
            since += step
            if spikes[r, b] > 0 or not observed[r, b]:
                since, is_known = 0.0, observed[r, b]


@compiled
def leaky_traces(spikes: Count, observed: Bool, first: int, leaks: Double, fill: float, traces: Double) -> None:
    """Fill the leaky counts (time constant, row, bin) before each bin from ``first`` on: ``past.leaky_traces``.

    Four rows at a time: each step of one row waits for the step before, those of other rows do not.
    """
    n_rows, n_bins = spikes.shape
    counts, levels = np.zeros((4, n_bins)), np.empty((4, n_bins - first))
    for start in range(0, n_rows, 4):
        n_some = min(4, n_rows - start)
        for r in range(n_some):
            for b in range(n_bins):
                counts[r, b] = float(spikes[start + r, b]) if observed[start + r, b] else fill
        for k in range(len(leaks)):
            leak = leaks[k]
            w = x = y = z = fill / (1.0 - leak)
            for b in range(n_bins):
                if b >= first:
                    at = b - first
                    levels[0, at], levels[1, at], levels[2, at], levels[3, at] = w, x, y, z
                w, x = leak * w + counts[0, b], leak * x + counts[1, b]
                y, z = leak * y + counts[2, b], leak * z + counts[3, b]
            traces[k, start : start + n_some] = levels[:n_some]


@compiled
def leaky_sum(values: Double, leak: float, before: Double, out: Double) -> None:
    """Fill y_t = leak y_(t-1) + values_t (row, time), from ``before`` (row,) on: ``basis.leaky_sum``."""
    for r in range(values.shape[0]):
        level = before[r]
        for t in range(values.shape[1]):
            level = leak * level + values[r, t]
            out[r, t] = level


@compiled
def _add_scaled(scale: float, values: Double, out: Double) -> None:
    """Add ``scale`` times values (bin,) to ``out``; compiled on its own, the loop becomes vector instructions."""
    for k in range(len(values)):
        out[k] += scale * values[k]


@compiled
def convolve(spikes: Count, kernel: Double, first: int, out: Double) -> None:
    """Add ``kernel`` after every spike to ``out``, the bins (row, bin) from ``first`` on, in order of time."""
    n_bins = spikes.shape[1]
    for r in range(spikes.shape[0]):
        for b in range(max(first - len(kernel), 0), n_bins):
            if spikes[r, b] > 0:
                begin = max(b + 1, first)
                gain = kernel[begin - b - 1 : n_bins - b - 1]
                at = begin - first
                _add_scaled(float(spikes[r, b]), gain, out[r, at : at + len(gain)])


@compiled
def add_lagged(
    low: Index, high: Index, centre2: Index, bins2: Index, weight: Single, table: Single, features: Single
) -> None:
    """Add ``table`` (half lag, function) at the lag of each row's spikes ``low .. high - 1`` to its ``features``.

    ``centre2`` (row,) and ``bins2`` (spike,) are in half bins, ``weight`` (spike,) spikes.
    """
    for i in range(len(low)):
        for s in range(low[i], high[i]):
            functions = table[centre2[i] - bins2[s]]
            for k in range(len(functions)):
                features[i, k] += weight[s] * functions[k]


@compiled
def add_gaps(
    low: Index, high: Index, start: Index, stop: Index, centre: Double, up_to: Single, fill: float, features: Single
) -> None:
    """Add ``fill`` spikes in every bin of gaps from ``start`` to ``stop`` (gap,) to rows ``low .. high - 1`` of each.

    ``up_to`` (half lag, function) is the sum of ``table`` over all bins up to a lag.
    """
    last, weight = len(up_to) - 1, np.float32(fill)
    for g in range(len(low)):
        for i in range(low[g], max(low[g], high[g])):
            far = up_to[min(max(int(2 * (centre[i] - start[g])), 0), last)]
            near = up_to[min(max(int(2 * (centre[i] - stop[g])), 0), last)]
            own = features[i]
            for k in range(len(own)):
                own[k] += weight * (far[k] - near[k])
