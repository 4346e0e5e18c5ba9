"""The head of the spike-clocked LSTM, its inputs and the points of its likelihood.

See science.md#spike-clock, #spike-clock-likelihood.
"""

from __future__ import annotations

import numpy as np

from rnnspike.models.numerics.compilation import Double, Index, Single, compiled
from rnnspike.models.numerics.functions import sigmoid
from rnnspike.models.numerics.observation_loops import bin_loss, bounded_log_mu

_ONE = np.float32(1.0)


@compiled
def hazard_loss(
    state_hidden: Single,
    slope: Single,
    bias: Single,
    x: Single,
    v: Single,
    log_base: Single,
    weight: Single,
    stop_count: Single,
    lowest: float,
    highest: float,
    bernoulli: bool,
    hidden: Single,
    loss: Single,
    d_gain: Single,
) -> None:
    """Fill ``loss`` (interval,) in nats and its derivative by log mu, ``d_gain`` (interval, point).

    At each point, log mu = log base + bias + slope.x + v.silu(state_hidden + W_x x), with x (interval, point,
    column). A point stands for ``weight`` bins without a spike; the last point is the bin of the spike that ends the
    interval. ``hidden`` (interval, point, hidden) holds W_x x, to which ``state_hidden`` (interval, hidden) is added
    in place.
    """
    n_intervals, n_points, n_hidden = hidden.shape
    n_columns = x.shape[2]
    for i in range(n_intervals):
        own, row_slope, nats = state_hidden[i], slope[i], 0.0
        for p in range(n_points):
            z, column = hidden[i, p], x[i, p]
            total = np.float32(0.0)
            for k in range(n_hidden):
                a = z[k] + own[k]
                z[k] = a
                total += v[k] * a * sigmoid(a)
            for k in range(n_columns):
                total += row_slope[k] * column[k]
            log_mu = float(total) + float(bias[i]) + float(log_base[i, p])
            log_mu, inside = bounded_log_mu(log_mu, lowest, highest)
            mu, _ = bin_loss(log_mu, 0.0, bernoulli)
            nats += mu * weight[i, p]
            by_log_mu = mu * weight[i, p]
            if p == n_points - 1 and stop_count[i] > 0.0:
                value, slope_of_spike = bin_loss(log_mu, float(stop_count[i]), bernoulli)
                nats += value
                by_log_mu += slope_of_spike
            d_gain[i, p] = by_log_mu if inside else 0.0
        loss[i] = nats


@compiled
def hazard_backward(
    d_gain: Single, x: Single, v: Single, hidden: Single, d_state_hidden: Single, d_slope: Single, d_v: Single
) -> None:
    """Replace ``hidden`` by d loss / d hidden, given d loss / d log mu ``d_gain``; add to the other gradients.

    ``d_state_hidden`` (interval, hidden), ``d_slope`` (interval, column) and ``d_v`` (hidden,) begin as zeros.
    """
    n_intervals, n_points, n_hidden = hidden.shape
    n_columns = x.shape[2]
    for i in range(n_intervals):
        own, row_slope = d_state_hidden[i], d_slope[i]
        for p in range(n_points):
            z, column, d = hidden[i, p], x[i, p], d_gain[i, p]
            for k in range(n_hidden):
                a = z[k]
                s = sigmoid(a)
                d_v[k] += d * a * s
                a = d * v[k] * s * (_ONE + a * (_ONE - s))
                z[k] = a
                own[k] += a
            for k in range(n_columns):
                row_slope[k] += d * column[k]


@compiled
def fill_others(
    column: Single, drive: Single, mean: float, at: int, drive_lags: Index, covariates: Single, begin: int
) -> None:
    """Fill the head's inputs at a bin that do not depend on the lag, from column ``begin`` on (``head_inputs``)."""
    column[begin] = drive[at] - mean
    column[begin + 1] = 2.0 * (at + 0.5) / len(drive) - 1.0
    for k in range(len(drive_lags)):
        column[begin + 2 + k] = drive[at] - drive[max(at - drive_lags[k], 0)]
    for k in range(covariates.shape[1]):
        column[begin + 2 + len(drive_lags) + k] = covariates[at, k]


@compiled
def head_inputs(
    bins: Index,
    event_bin: Index,
    known: Index,
    row: Index,
    trial: Index,
    mean: Single,
    by_lag: Single,
    log_drive: Single,
    covariates: Single,
    drive_lags: Index,
    out: Single,
) -> None:
    """Fill the head's inputs (interval, point, column) at ``bins`` (interval, point): ``Design.head_inputs``."""
    n_own = by_lag.shape[2]
    for i in range(bins.shape[0]):
        for p in range(bins.shape[1]):
            at, column = bins[i, p], out[i, p]
            functions = by_lag[known[i], at - event_bin[i]]
            for k in range(n_own):
                column[k] = functions[k]
            fill_others(column, log_drive[row[i]], mean[i], at, drive_lags, covariates[trial[i]], n_own)


@compiled
def others_by_bin(drive: Single, drive_lags: Index, covariates: Single, out: Single) -> None:
    """Fill the head's inputs that do not depend on the lag (trial, bin, column); the drive has mean 0."""
    for r in range(out.shape[0]):
        for b in range(out.shape[1]):
            fill_others(out[r, b], drive[r], 0.0, b, drive_lags, covariates[r], 0)


@compiled
def hazard_run(
    first: Index,
    n_bins: Index,
    lag: Index,
    known: Index,
    trial: Index,
    slope: Single,
    bias: Single,
    state_hidden: Single,
    by_lag: Single,
    hidden_by_lag: Single,
    by_bin: Single,
    hidden_by_bin: Single,
    v: Single,
    out_row: Index,
    out_first: Index,
    out: Single,
) -> None:
    """Add the head's log gain at every bin of some intervals to ``out`` (row, bin).

    Interval i has ``n_bins[i]`` bins of its trial from bin ``first[i]`` on, which is ``lag[i]`` bins after the event
    that opens it. They are written to row ``out_row[i]`` from bin ``out_first[i]`` on. See ``HeadTables`` for the
    rest.
    """
    n_own, n_others, n_hidden = by_lag.shape[2], by_bin.shape[2], len(v)
    for i in range(len(first)):
        row_slope, own = slope[i], state_hidden[i]
        for j in range(n_bins[i]):
            functions, begin = by_lag[known[i], lag[i] + j], hidden_by_lag[known[i], lag[i] + j]
            others, here = by_bin[trial[i], first[i] + j], hidden_by_bin[trial[i], first[i] + j]
            total = bias[i]
            for k in range(n_hidden):
                a = begin[k] + own[k] + here[k]
                total += v[k] * a * sigmoid(a)
            for k in range(n_own):
                total += row_slope[k] * functions[k]
            for k in range(n_others):
                total += row_slope[n_own + k] * others[k]
            out[out_row[i], out_first[i] + j] += total


@compiled
def draw_points(
    event_bin: Index, stop: Index, stop_count: Index, uniform: Double, bins: Index, weight: Double
) -> None:
    """Fill the bins (interval, point) at which intervals are scored, and how many bins each stands for (``Points``).

    ``uniform`` (interval, stratum), between 0 and 1, gives the bin within each stratum; strata are log-spaced in the
    lag.
    """
    n_strata = uniform.shape[1]
    for i in range(len(event_bin)):
        first = max(event_bin[i] + 1, 0) - event_bin[i]  # lags, from 1
        beyond = stop[i] - event_bin[i] + (stop_count[i] == 0)  # one more than the last lag without a spike
        ratio, edge = max(beyond, first) / first, first
        for s in range(n_strata):
            following = int(np.rint(first * ratio ** ((s + 1) / n_strata)))
            lag = edge + int(uniform[i, s] * (following - edge))
            bins[i, s] = min(event_bin[i] + lag, stop[i])
            weight[i, s] = following - edge
            edge = following
        bins[i, n_strata], weight[i, n_strata] = stop[i], 0.0
