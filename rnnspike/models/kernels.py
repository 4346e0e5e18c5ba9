"""Steps of LSTM, GRU and tanh layers and their gradients, compiled, in single precision (science.md b.8).

Arrays are (time, row, unit) as in torch, gates in torch's order along the last axis (LSTM i, f, g, o; GRU r, z, n).
Gradients of weights are products of matrices over all steps at once (``scans.py``).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from rnnspike.models.compiled import compiled

Array = npt.NDArray[np.float32]
Double = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Int32 = npt.NDArray[np.int32]
Count = npt.NDArray[np.unsignedinteger]
Bool = npt.NDArray[np.bool_]

#: Rows whose steps are made together where no gradient is wanted.
ROWS_AT_A_TIME = 16

_HALF, _ONE = np.float32(0.5), np.float32(1.0)
_END = np.float32(7.905311)  # from here on tanh is 1 in single precision


@compiled
def tanh(x: np.float32) -> np.float32:
    """Return tanh x to 2e-7 by a quotient of polynomials (the coefficients are Eigen's), NaN for NaN."""
    x = -_END if x < -_END else x
    x = _END if x > _END else x
    y = x * x
    over = np.float32(-2.76076847742355e-16)
    over = over * y + np.float32(2.00018790482477e-13)
    over = over * y + np.float32(-8.60467152213735e-11)
    over = over * y + np.float32(5.12229709037114e-08)
    over = over * y + np.float32(1.48572235717979e-05)
    over = over * y + np.float32(6.37261928875436e-04)
    over = over * y + np.float32(4.89352455891786e-03)
    under = np.float32(1.19825839466702e-06)
    under = under * y + np.float32(1.18534705686654e-04)
    under = under * y + np.float32(2.26843463243900e-03)
    under = under * y + np.float32(4.89352518554385e-03)
    return x * over / under


@compiled
def sigmoid(x: np.float32) -> np.float32:
    """Return 1 / (1 + exp(-x))."""
    return _HALF + _HALF * tanh(_HALF * x)


@compiled
def lstm_forward(
    inputs: Array,
    w_x: Array,
    w_h: Array,
    bias: Array,
    h0: Array,
    c0: Array,
    gates: Array,
    cells: Array,
    bounded: Array,
    states: Array,
) -> None:
    """Fill gates i, f, g, o, cells c, tanh(c) and states h; ``w_x`` and ``w_h`` are W_x' and W_h'."""
    n_steps, n_rows, n_gates = gates.shape
    n = n_gates // 4
    recurrent = np.empty((n_rows, n_gates), np.float32)
    scale, shift = np.full(n_gates, _HALF), np.full(n_gates, _HALF)
    scale[2 * n : 3 * n], shift[2 * n : 3 * n] = _ONE, np.float32(0.0)
    for t in range(n_steps):
        before = cells[t - 1] if t else c0
        np.dot(inputs[t], w_x, gates[t])
        np.dot(states[t - 1] if t else h0, w_h, recurrent)
        for r in range(n_rows):
            gate, own = gates[t, r], recurrent[r]
            for k in range(n_gates):  # sigmoid(x) = (1 + tanh(x / 2)) / 2
                gate[k] = shift[k] + scale[k] * tanh(scale[k] * (gate[k] + own[k] + bias[k]))
            last, cell, tanh_c, state = before[r], cells[t, r], bounded[t, r], states[t, r]
            for k in range(n):
                c = gate[n + k] * last[k] + gate[k] * gate[2 * n + k]
                cell[k] = c
                c = tanh(c)
                tanh_c[k] = c
                state[k] = gate[3 * n + k] * c


@compiled
def lstm_run(
    inputs: Array, w_x: Array, w_h: Array, bias: Array, h0: Array, c0: Array, states: Array, cells: Array
) -> None:
    """Fill states h and cells c where no gradient is wanted: rows by the dozen, so that all stays in the cache."""
    n_steps, n_rows, _ = inputs.shape
    n = len(w_h)
    for begin in range(0, n_rows, ROWS_AT_A_TIME):
        end = min(begin + ROWS_AT_A_TIME, n_rows)
        h, c = h0[begin:end], c0[begin:end]
        gates, recurrent = np.empty((end - begin, 4 * n), np.float32), np.empty((end - begin, 4 * n), np.float32)
        for t in range(n_steps):
            np.dot(inputs[t][begin:end], w_x, gates)
            np.dot(h, w_h, recurrent)
            following, memory = states[t][begin:end], cells[t][begin:end]
            for r in range(end - begin):
                gate, own, last, cell, state = gates[r], recurrent[r], c[r], memory[r], following[r]
                for k in range(n):
                    i = sigmoid(gate[k] + own[k] + bias[k])
                    f = sigmoid(gate[n + k] + own[n + k] + bias[n + k])
                    g = tanh(gate[2 * n + k] + own[2 * n + k] + bias[2 * n + k])
                    o = sigmoid(gate[3 * n + k] + own[3 * n + k] + bias[3 * n + k])
                    x = f * last[k] + i * g
                    cell[k], state[k] = x, o * tanh(x)
            h, c = following, memory


@compiled
def lstm_backward(
    along: Array, w: Array, c0: Array, gates: Array, cells: Array, bounded: Array, dh: Array, dc: Array
) -> None:
    """Turn ``gates`` into d loss / d (W_x x + b), from d loss / d h ``along``; ``w`` is W_h (gate, unit).

    dh, dc (row, unit) go from those of the last state to those of the first.
    """
    n_steps, n_rows, n_gates = gates.shape
    n = n_gates // 4
    for t in range(n_steps - 1, -1, -1):
        before = cells[t - 1] if t else c0
        for r in range(n_rows):
            gate, tanh_c, last, now, back, carried = gates[t, r], bounded[t, r], before[r], along[t, r], dh[r], dc[r]
            for k in range(n):
                i, f, g, o, th = gate[k], gate[n + k], gate[2 * n + k], gate[3 * n + k], tanh_c[k]
                d = back[k] + now[k]
                e = carried[k] + d * o * (_ONE - th * th)
                gate[k] = e * g * i * (_ONE - i)
                gate[n + k] = e * last[k] * f * (_ONE - f)
                gate[2 * n + k] = e * i * (_ONE - g * g)
                gate[3 * n + k] = d * th * o * (_ONE - o)
                carried[k] = e * f
        np.dot(gates[t], w, dh)


@compiled
def gru_forward(
    inputs: Array,
    w_x: Array,
    w_h: Array,
    b_x: Array,
    b_h: Array,
    h0: Array,
    gates: Array,
    own: Array,
    states: Array,
) -> None:
    """Fill gates r, z, n, W_h h + b_h ``own`` and states h' = n + z (h - n); ``w_x`` and ``w_h`` are transposed."""
    n_steps, n_rows, n_gates = gates.shape
    n = n_gates // 3
    for t in range(n_steps):
        before = states[t - 1] if t else h0
        np.dot(inputs[t], w_x, gates[t])
        np.dot(before, w_h, own[t])
        for r in range(n_rows):
            gate, recurrent, state, last = gates[t, r], own[t, r], states[t, r], before[r]
            for k in range(n_gates):
                recurrent[k] += b_h[k]
            for k in range(2 * n):
                gate[k] = sigmoid(gate[k] + b_x[k] + recurrent[k])
            for k in range(n):
                candidate = tanh(gate[2 * n + k] + b_x[2 * n + k] + gate[k] * recurrent[2 * n + k])
                gate[2 * n + k] = candidate
                state[k] = candidate + gate[n + k] * (last[k] - candidate)


@compiled
def gru_backward(along: Array, w: Array, h0: Array, gates: Array, own: Array, states: Array, dh: Array) -> None:
    """Turn ``own`` into d loss / d (W_h h + b_h) and ``gates`` into d loss / d (W_x x + b_x); ``w`` is W_h.

    The two differ in n alone, where the reset stands between. dh goes from the last state's to the first's.
    """
    n_steps, n_rows, n_gates = gates.shape
    n = n_gates // 3
    kept = np.empty((n_rows, n), np.float32)
    for t in range(n_steps - 1, -1, -1):
        before = states[t - 1] if t else h0
        for r in range(n_rows):
            gate, recurrent, last, now, back = gates[t, r], own[t, r], before[r], along[t, r], dh[r]
            keep = kept[r]
            for k in range(n):
                reset, z, candidate = gate[k], gate[n + k], gate[2 * n + k]
                d = back[k] + now[k]
                by_n = d * (_ONE - z) * (_ONE - candidate * candidate)
                by_r = by_n * recurrent[2 * n + k] * reset * (_ONE - reset)
                by_z = d * (last[k] - candidate) * z * (_ONE - z)
                recurrent[k], recurrent[n + k], recurrent[2 * n + k] = by_r, by_z, by_n * reset
                gate[k], gate[n + k], gate[2 * n + k] = by_r, by_z, by_n
                keep[k] = d * z
        np.dot(own[t], w, dh)
        dh += kept


@compiled
def tanh_forward(inputs: Array, w_x: Array, w_h: Array, bias: Array, h0: Array, states: Array) -> None:
    """Fill states h' = tanh(W_x x + b + W_h h); ``w_x`` and ``w_h`` are transposed."""
    n_steps, n_rows, n = states.shape
    recurrent = np.empty((n_rows, n), np.float32)
    for t in range(n_steps):
        np.dot(inputs[t], w_x, states[t])
        np.dot(states[t - 1] if t else h0, w_h, recurrent)
        for r in range(n_rows):
            own, state = recurrent[r], states[t, r]
            for k in range(n):
                state[k] = tanh(state[k] + own[k] + bias[k])


@compiled
def tanh_backward(along: Array, w: Array, states: Array, inner: Array, dh: Array) -> None:
    """Fill d loss / d projected; dh goes from the last state's to the first's. ``w`` is W_h (unit, unit)."""
    n_steps, n_rows, n = states.shape
    for t in range(n_steps - 1, -1, -1):
        for r in range(n_rows):
            state, now, back, out = states[t, r], along[t, r], dh[r], inner[t, r]
            for k in range(n):
                out[k] = (back[k] + now[k]) * (_ONE - state[k] * state[k])
        np.dot(inner[t], w, dh)


@compiled
def hazard_forward(opened: Array, slope: Array, x: Array, v: Array, hidden: Array, gain: Array) -> None:
    """Add ``opened`` (interval, hidden) to W_x x ``hidden`` (interval, point, hidden), and fill the head's ``gain``.

    gain (interval, point) = slope.x + v.silu(hidden); x (interval, point, column), slope (interval, column).
    """
    n_intervals, n_points, n_hidden = hidden.shape
    n_columns = x.shape[2]
    for i in range(n_intervals):
        own, along = opened[i], slope[i]
        for p in range(n_points):
            z, column = hidden[i, p], x[i, p]
            total = np.float32(0.0)
            for k in range(n_hidden):
                a = z[k] + own[k]
                z[k] = a
                total += v[k] * a * sigmoid(a)
            for k in range(n_columns):
                total += along[k] * column[k]
            gain[i, p] = total


@compiled
def hazard_backward(
    given: Array, x: Array, v: Array, hidden: Array, d_opened: Array, d_slope: Array, d_v: Array
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
    column: Array, drive: Array, mean: float, at: int, drive_lags: Index, covariates: Array, begin: int
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
    mean: Array,
    by_lag: Array,
    log_drive: Array,
    covariates: Array,
    drive_lags: Index,
    out: Array,
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
def hazard_run(
    first: Index,
    n_bins: Index,
    lag: Index,
    known: Index,
    trial: Index,
    slope: Array,
    bias: Array,
    opened: Array,
    by_lag: Array,
    hidden_by_lag: Array,
    weight: Array,
    v: Array,
    log_drive: Array,
    covariates: Array,
    drive_lags: Index,
    out_row: Index,
    out_first: Index,
    out: Array,
) -> None:
    """Add the head's log gain at every bin of some intervals to ``out`` (row, bin); ``HeadTables`` says what is what.

    Interval i runs over ``n_bins[i]`` bins of its trial from bin ``first[i]``, ``lag[i]`` after the event that opened
    it; they are the bins of row ``out_row[i]`` from ``out_first[i]`` on.
    """
    n_own, n_others, n_hidden = by_lag.shape[2], len(weight), len(v)
    column, hidden = np.empty(n_others, np.float32), np.empty(n_hidden, np.float32)
    for i in range(len(first)):
        drive, along, own = log_drive[trial[i]], slope[i], opened[i]
        for j in range(n_bins[i]):
            at = first[i] + j
            functions, begin = by_lag[known[i], lag[i] + j], hidden_by_lag[known[i], lag[i] + j]
            fill_others(column, drive, 0.0, at, drive_lags, covariates[trial[i]], 0)
            for k in range(n_hidden):
                hidden[k] = begin[k] + own[k]
            total = bias[i]
            for c in range(n_others):
                x, w = column[c], weight[c]
                for k in range(n_hidden):
                    hidden[k] += x * w[k]
                total += along[n_own + c] * x
            for k in range(n_hidden):
                total += v[k] * hidden[k] * sigmoid(hidden[k])
            for k in range(n_own):
                total += along[k] * functions[k]
            out[out_row[i], out_first[i] + j] += total


@compiled
def traces(
    row: Index, known_s: Double, masked_s: Double, count: Double, tau: Double, spikes: Double, known: Double
) -> None:
    """Fill the traces after each event (event, time constant), from 0 in each row: ``Traces.advanced`` in turn."""
    for e in range(len(row)):
        goes_on = e > 0 and row[e] == row[e - 1]
        for k in range(len(tau)):
            decay, masked = np.exp(-known_s[e] / tau[k]), np.exp(-masked_s[e] / tau[k])
            before, before_known = (spikes[e - 1, k], known[e - 1, k]) if goes_on else (0.0, 0.0)
            spikes[e, k] = before * decay * masked + count[e]
            known[e, k] = (before_known * decay + tau[k] * (1.0 - decay)) * masked


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


@compiled
def add_history(log_mu: Double, row: Index, at: Index, count: Double, kernel: Double) -> None:
    """Add the history filter to the bins of ``log_mu`` (row, bin) that follow some spikes (spike,)."""
    for i in range(len(row)):
        following = log_mu[row[i], at[i] + 1 :]
        for k in range(min(len(kernel), len(following))):
            following[k] += count[i] * kernel[k]


@compiled
def bin_loss(
    states: Array,
    w: Array,
    bias: float,
    targets: Array,
    lowest: float,
    highest: float,
    bernoulli: bool,
    d_states: Array,
    d_w: Double,
) -> tuple[float, float]:
    """Return the loss over scored bins in nats and d loss / d bias; fill d loss / d h and add to d loss / d w.

    log mu = log drive + w.h + bias within its bounds, of ``targets`` (time, row, 3): spikes, log drive, 1 where
    scored (science.md b.2, without the term that no model changes).
    """
    loss, d_bias = 0.0, 0.0
    for t in range(states.shape[0]):
        for r in range(states.shape[1]):
            h, out = states[t, r], d_states[t, r]
            if targets[t, r, 2] == 0.0:
                out[:] = np.float32(0.0)
                continue
            spikes, gain = float(targets[t, r, 0]), np.float32(0.0)
            for k in range(len(w)):
                gain += w[k] * h[k]
            log_mu = float(gain) + bias + float(targets[t, r, 1])
            inside = not (log_mu < lowest or log_mu > highest)
            log_mu = lowest if log_mu < lowest else (highest if log_mu > highest else log_mu)
            mu = np.exp(log_mu)
            loss, slope = loss + mu, mu
            if spikes > 0.0:
                if bernoulli:
                    p = -np.expm1(-mu)
                    loss -= spikes * (mu + np.log(p))
                    slope -= spikes * mu / p
                else:
                    loss -= spikes * log_mu
                    slope -= spikes
            slope = slope if inside else 0.0
            d_bias += slope
            along = np.float32(slope)
            for k in range(len(w)):
                out[k] = along * w[k]
                d_w[k] += along * h[k]
    return loss, d_bias


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
def leaky_traces(spikes: Count, observed: Bool, first: int, leaks: Double, fill: float, traces: Double) -> None:
    """Fill the leaky counts (time constant, row, bin) before each bin from ``first`` on: ``history.leaky_traces``."""
    level = np.empty(len(leaks))
    for r in range(spikes.shape[0]):
        for k in range(len(leaks)):
            level[k] = fill / (1.0 - leaks[k])
        for b in range(spikes.shape[1]):
            count = float(spikes[r, b]) if observed[r, b] else fill
            for k in range(len(leaks)):
                if b >= first:
                    traces[k, r, b - first] = level[k]
                level[k] = leaks[k] * level[k] + count


@compiled
def convolve(spikes: Count, kernel: Double, first: int, out: Double) -> None:
    """Add ``kernel`` after every spike to ``out`` (row, bin) from bin ``first`` on, spike by spike in their order."""
    for r in range(spikes.shape[0]):
        for b in range(spikes.shape[1]):
            count = float(spikes[r, b])
            if count > 0.0:
                for k in range(max(first - b - 1, 0), min(len(kernel), spikes.shape[1] - b - 1)):
                    out[r, b + 1 + k] += count * kernel[k]


@compiled
def add_lagged(
    low: Index, high: Index, centre2: Index, bins2: Index, weight: Array, table: Array, features: Array
) -> None:
    """Add ``table`` (half lag, function) at the lag of each row's spikes ``low .. high - 1`` to its ``features``.

    ``centre2`` (row,) and ``bins2`` (spike,) are in half bins, ``weight`` (spike,) spikes.
    """
    for i in range(len(low)):
        for s in range(low[i], high[i]):
            functions = table[centre2[i] - bins2[s]]
            for k in range(len(functions)):
                features[i, k] += weight[s] * functions[k]
