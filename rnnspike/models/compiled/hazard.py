"""The head of the spike-clocked LSTM, its inputs and the points of its likelihood (science.md d.2, d.3)."""

from __future__ import annotations

import numpy as np

from rnnspike.models.compiled import Bool, Double, Floats, Index, Single, compiled
from rnnspike.models.compiled.functions import sigmoid

_ONE = np.float32(1.0)


@compiled
def hazard_loss(
    opened: Single,
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
    """Fill the ``loss`` (interval,) of some intervals and its gradient by log mu ``d_gain`` (interval, point).

    log mu = log base + bias + slope.x + v.silu(opened + W_x x) at the points of each interval, of which ``weight``
    tells how many bins each stands for, and the last is the spike's (``interval_loss``). ``hidden`` (interval, point,
    hidden) holds W_x x and takes ``opened`` (interval, hidden) in; x (interval, point, column).
    """
    n_intervals, n_points, n_hidden = hidden.shape
    n_columns = x.shape[2]
    for i in range(n_intervals):
        own, along, nats = opened[i], slope[i], 0.0
        for p in range(n_points):
            z, column = hidden[i, p], x[i, p]
            total = np.float32(0.0)
            for k in range(n_hidden):
                a = z[k] + own[k]
                z[k] = a
                total += v[k] * a * sigmoid(a)
            for k in range(n_columns):
                total += along[k] * column[k]
            log_mu = float(total) + float(bias[i]) + float(log_base[i, p])
            inside = not (log_mu < lowest or log_mu > highest)
            log_mu = lowest if log_mu < lowest else (highest if log_mu > highest else log_mu)
            mu, count = np.exp(log_mu), float(stop_count[i])
            nats += mu * weight[i, p]
            by_log_mu = mu * weight[i, p]
            if p == n_points - 1 and count > 0.0:
                if bernoulli:
                    chance = -np.expm1(-mu)
                    nats -= np.log(chance)
                    by_log_mu -= mu * (1.0 - chance) / chance
                else:
                    nats += mu - count * log_mu
                    by_log_mu += mu - count
            d_gain[i, p] = by_log_mu if inside else 0.0
        loss[i] = nats


@compiled
def hazard_backward(
    given: Single, x: Single, v: Single, hidden: Single, d_opened: Single, d_slope: Single, d_v: Single
) -> None:
    """Turn ``hidden`` into d loss / d hidden, from d loss / d gain ``given``, and add to what begins as zeros."""
    n_intervals, n_points, n_hidden = hidden.shape
    n_columns = x.shape[2]
    for i in range(n_intervals):
        own, along = d_opened[i], d_slope[i]
        for p in range(n_points):
            z, column, d = hidden[i, p], x[i, p], given[i, p]
            for k in range(n_hidden):
                a = z[k]
                s = sigmoid(a)
                d_v[k] += d * a * s
                a = d * v[k] * s * (_ONE + a * (_ONE - s))
                z[k] = a
                own[k] += a
            for k in range(n_columns):
                along[k] += d * column[k]


@compiled
def fill_others(
    column: Single, drive: Single, mean: float, at: int, drive_lags: Index, covariates: Single, begin: int
) -> None:
    """Fill the head's inputs at a bin that do not hang on the lag, from column ``begin`` on (``head_inputs``)."""
    column[begin] = drive[at] - mean
    column[begin + 1] = 2.0 * (at + 0.5) / len(drive) - 1.0
    for k in range(len(drive_lags)):
        column[begin + 2 + k] = drive[at] - drive[max(at - drive_lags[k], 0)]
    for k in range(covariates.shape[1]):
        column[begin + 2 + len(drive_lags) + k] = covariates[at, k]


@compiled
def head_inputs(
    bins: Index,
    opened_at: Index,
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
            functions = by_lag[known[i], at - opened_at[i]]
            for k in range(n_own):
                column[k] = functions[k]
            fill_others(column, log_drive[row[i]], mean[i], at, drive_lags, covariates[trial[i]], n_own)


@compiled
def others_by_bin(drive: Single, drive_lags: Index, covariates: Single, out: Single) -> None:
    """Fill the head's inputs that do not hang on the lag at every bin (trial, bin, column), drives without a mean."""
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
    opened: Single,
    by_lag: Single,
    hidden_by_lag: Single,
    by_bin: Single,
    hidden_by_bin: Single,
    v: Single,
    out_row: Index,
    out_first: Index,
    out: Single,
) -> None:
    """Add the head's log gain at every bin of some intervals to ``out`` (row, bin); ``HeadTables`` says what is what.

    Interval i runs over ``n_bins[i]`` bins of its trial from bin ``first[i]``, ``lag[i]`` after the event that opened
    it; they are the bins of row ``out_row[i]`` from ``out_first[i]`` on.
    """
    n_own, n_others, n_hidden = by_lag.shape[2], by_bin.shape[2], len(v)
    for i in range(len(first)):
        along, own = slope[i], opened[i]
        for j in range(n_bins[i]):
            functions, begin = by_lag[known[i], lag[i] + j], hidden_by_lag[known[i], lag[i] + j]
            others, here = by_bin[trial[i], first[i] + j], hidden_by_bin[trial[i], first[i] + j]
            total = bias[i]
            for k in range(n_hidden):
                a = begin[k] + own[k] + here[k]
                total += v[k] * a * sigmoid(a)
            for k in range(n_own):
                total += along[k] * functions[k]
            for k in range(n_others):
                total += along[n_own + k] * others[k]
            out[out_row[i], out_first[i] + j] += total


@compiled
def advance_traces(spikes: Double, known: Double, known_s: float, masked_s: float, count: float, tau: Double) -> None:
    """Move the traces of a row (time constant,) over known time, then masked time, then ``count`` spikes."""
    for k in range(len(tau)):
        decay, masked = np.exp(-known_s / tau[k]), np.exp(-masked_s / tau[k])
        spikes[k] = spikes[k] * decay * masked + count
        known[k] = (known[k] * decay + tau[k] * (1.0 - decay)) * masked


@compiled
def traces(
    row: Index, known_s: Double, masked_s: Double, count: Double, tau: Double, spikes: Double, known: Double
) -> None:
    """Fill the traces after each event (event, time constant), from 0 in each row."""
    for e in range(len(row)):
        goes_on = e > 0 and row[e] == row[e - 1]
        for k in range(len(tau)):
            spikes[e, k], known[e, k] = (spikes[e - 1, k], known[e - 1, k]) if goes_on else (0.0, 0.0)
        advance_traces(spikes[e], known[e], known_s[e], masked_s[e], count[e], tau)


@compiled
def compose(
    out: Double,
    interval: int,
    count: int,
    is_first: bool,
    in_window: bool,
    drive: float,
    surprise: float,
    spikes: Double,
    known_s: Double,
    gains: Double,
    covariates: Double,
    rate_hz: float,
    bin_s: float,
    half: float,
) -> None:
    """Fill the inputs (input,) of one event: ``spike_design.input_names``."""
    out[0] = np.log(max(interval * bin_s * rate_hz, 1e-6)) if interval > 0 else 0.0
    out[1], out[2], out[3] = 1.0 if count == 0 else 0.0, 1.0 if is_first else 0.0, 0.0 if in_window else 1.0
    out[4], out[5] = (drive, surprise) if in_window else (0.0, 0.0)
    out[6] = np.log(float(max(count, 1)))
    for k in range(len(spikes)):
        out[7 + k] = np.log((spikes[k] + half) / (known_s[k] * rate_hz + half))
    begin = 7 + len(spikes)
    for k in range(len(gains)):
        out[begin + k] = gains[k]
    for k in range(len(covariates)):
        out[begin + len(gains) + k] = covariates[k] if in_window else 0.0


@compiled
def compose_all(
    interval: Index,
    count: Index,
    is_first: Bool,
    at: Index,
    row: Index,
    trial: Index,
    unit: Index,
    log_drive: Floats,
    log_base: Floats,
    spikes: Double,
    known_s: Double,
    gains: Double,
    covariates: Double,
    log_mean: Floats,
    rate_hz: Double,
    bin_s: float,
    half: float,
    out: Double,
) -> None:
    """Fill the inputs (event, input) of all events of a design."""
    for e in range(len(row)):
        here, u = max(at[e], 0), unit[e]
        drive = float(log_drive[row[e], here])
        surprise = float(log_base[row[e], here]) - drive if count[e] > 0 else 0.0
        compose(
            out[e],
            interval[e],
            count[e],
            is_first[e],
            at[e] >= 0,
            drive - log_mean[u],
            surprise,
            spikes[e],
            known_s[e],
            gains[trial[e], u],
            covariates[trial[e], here],
            rate_hz[u],
            bin_s,
            half,
        )


@compiled
def draw_points(opened: Index, stop: Index, stop_count: Index, uniform: Double, bins: Index, weight: Double) -> None:
    """Fill the bins (interval, point) at which intervals are scored and what each stands for: see ``Points``.

    ``uniform`` (interval, stratum) between 0 and 1 decides on the bin of each stratum, log-spaced in the lag.
    """
    n_strata = uniform.shape[1]
    for i in range(len(opened)):
        first = max(opened[i] + 1, 0) - opened[i]  # lags, from 1
        beyond = stop[i] - opened[i] + (stop_count[i] == 0)  # one beyond the last lag without a spike
        ratio, edge = max(beyond, first) / first, first
        for s in range(n_strata):
            following = int(np.rint(first * ratio ** ((s + 1) / n_strata)))
            lag = edge + int(uniform[i, s] * (following - edge))
            bins[i, s] = min(opened[i] + lag, stop[i])
            weight[i, s] = following - edge
            edge = following
        bins[i, n_strata], weight[i, n_strata] = stop[i], 0.0
