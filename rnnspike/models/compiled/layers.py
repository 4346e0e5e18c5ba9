"""Steps of LSTM, GRU and tanh layers, the loss of bins, and their gradients (science.md b.8).

Arrays are (time, row, unit) as in torch, gates in torch's order along the last axis (LSTM i, f, g, o; GRU r, z, n),
in single precision. Gradients of weights are products of matrices over all steps at once (``scans.py``).
"""

from __future__ import annotations

import numpy as np

from rnnspike.models.compiled import Double, Index, Single, compiled
from rnnspike.models.compiled.functions import sigmoid, tanh

#: Rows whose steps are made together where no gradient is wanted, and up to how many are stepped one by one: a
#: library's product of a few rows and a small matrix takes longer to begin than to make.
ROWS_AT_A_TIME, FEW_ROWS = 32, 11

_HALF, _ONE = np.float32(0.5), np.float32(1.0)


@compiled
def _see(h: Single, x: Single, first: int, seen: Single) -> None:
    """Fill [h, x, 1] of each row from row ``first`` on."""
    n, n_inputs = h.shape[1], x.shape[1]
    for r in range(len(seen)):
        for k in range(n):
            seen[r, k] = h[first + r, k]
        for k in range(n_inputs):
            seen[r, n + k] = x[first + r, k]
        seen[r, n + n_inputs] = _ONE


@compiled
def lstm_forward(
    inputs: Single,
    weights: Single,
    h0: Single,
    c0: Single,
    seen: Single,
    gates: Single,
    cells: Single,
    bounded: Single,
    states: Single,
) -> None:
    """Fill what each step has ``seen``, [h, x, 1], gates i, f, g, o, cells c, tanh(c) and states h.

    ``weights`` are [W_h, W_x, b]' (seen, gate): one product a step, and one for the gradients of all of them.
    """
    n_steps, n_rows, n_gates = gates.shape
    n = n_gates // 4
    scale, shift = np.full(n_gates, _HALF), np.full(n_gates, _HALF)
    scale[2 * n : 3 * n], shift[2 * n : 3 * n] = _ONE, np.float32(0.0)
    for t in range(n_steps):
        last_h, last_c = (states[t - 1], cells[t - 1]) if t else (h0, c0)
        _see(last_h, inputs[t], 0, seen[t])
        np.dot(seen[t], weights, gates[t])
        for r in range(n_rows):
            gate = gates[t, r]
            for k in range(n_gates):  # sigmoid(x) = (1 + tanh(x / 2)) / 2
                gate[k] = shift[k] + scale[k] * tanh(scale[k] * gate[k])
            last, cell, tanh_c, state = last_c[r], cells[t, r], bounded[t, r], states[t, r]
            for k in range(n):
                c = gate[n + k] * last[k] + gate[k] * gate[2 * n + k]
                cell[k] = c
                c = tanh(c)
                tanh_c[k] = c
                state[k] = gate[3 * n + k] * c


@compiled
def _add_product(x: Single, w: Single, out: Single) -> None:
    """Add x w to ``out`` (column,); x (row,), w (row, column). By four rows: out is loaded a quarter as often."""
    j = 0
    while j + 4 <= len(x):
        a, b, c, d = x[j], x[j + 1], x[j + 2], x[j + 3]
        wa, wb, wc, wd = w[j], w[j + 1], w[j + 2], w[j + 3]
        for k in range(len(out)):
            out[k] += a * wa[k] + b * wb[k] + c * wc[k] + d * wd[k]
        j += 4
    while j < len(x):
        a, wa = x[j], w[j]
        for k in range(len(out)):
            out[k] += a * wa[k]
        j += 1


@compiled
def _lstm_run_few(inputs: Single, weights: Single, h0: Single, c0: Single, states: Single, cells: Single) -> None:
    """Fill states h and cells c row by row; what a row is at stays in arrays of its own, which none shares."""
    n_steps, n_rows, n_inputs = inputs.shape
    n_seen, n_gates = weights.shape
    n = n_gates // 4
    scale, shift = np.full(n_gates, _HALF), np.full(n_gates, _HALF)  # sigmoid(x) = (1 + tanh(x / 2)) / 2
    scale[2 * n : 3 * n], shift[2 * n : 3 * n] = _ONE, np.float32(0.0)
    gate, seen, last = np.empty(n_gates, np.float32), np.ones(n_seen, np.float32), np.empty(n, np.float32)
    for r in range(n_rows):
        last[:], seen[:n] = c0[r], h0[r]
        for t in range(n_steps):
            x, cell, state = inputs[t, r], cells[t, r], states[t, r]
            for k in range(n_inputs):
                seen[n + k] = x[k]
            for k in range(n_gates):
                gate[k] = np.float32(0.0)
            _add_product(seen, weights, gate)
            for k in range(n_gates):
                gate[k] = shift[k] + scale[k] * tanh(scale[k] * gate[k])
            for k in range(n):
                c = gate[n + k] * last[k] + gate[k] * gate[2 * n + k]
                h = gate[3 * n + k] * tanh(c)
                last[k], cell[k], seen[k], state[k] = c, c, h, h


@compiled
def lstm_run(inputs: Single, weights: Single, h0: Single, c0: Single, states: Single, cells: Single) -> None:
    """Fill states h and cells c where no gradient is wanted: rows by the dozen, so that all stays in the cache."""
    n_steps, n_rows, _ = inputs.shape
    if n_rows <= FEW_ROWS:
        _lstm_run_few(inputs, weights, h0, c0, states, cells)
        return
    n_seen, n_gates = weights.shape
    n = n_gates // 4
    for begin in range(0, n_rows, ROWS_AT_A_TIME):
        n_some = min(ROWS_AT_A_TIME, n_rows - begin)
        seen, gates = np.empty((n_some, n_seen), np.float32), np.empty((n_some, n_gates), np.float32)
        for t in range(n_steps):
            last_h, last_c = (states[t - 1], cells[t - 1]) if t else (h0, c0)
            _see(last_h, inputs[t], begin, seen)
            np.dot(seen, weights, gates)
            for r in range(n_some):
                gate, last = gates[r], last_c[begin + r]
                cell, state = cells[t, begin + r], states[t, begin + r]
                for k in range(n):
                    x = sigmoid(gate[n + k]) * last[k] + sigmoid(gate[k]) * tanh(gate[2 * n + k])
                    cell[k], state[k] = x, sigmoid(gate[3 * n + k]) * tanh(x)


@compiled
def lstm_backward(
    along: Single, w: Single, c0: Single, gates: Single, cells: Single, bounded: Single, dh: Single, dc: Single
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
    inputs: Single,
    w_x: Single,
    w_h: Single,
    b_x: Single,
    b_h: Single,
    h0: Single,
    gates: Single,
    own: Single,
    states: Single,
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
def gru_backward(
    along: Single, w: Single, h0: Single, gates: Single, own: Single, states: Single, dh: Single
) -> None:
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
def plain_forward(
    inputs: Single, w_x: Single, w_h: Single, bias: Single, h0: Single, bounded: bool, states: Single
) -> None:
    """Fill states h' = W_x x + b + W_h h, ``bounded`` by tanh; ``w_x`` and ``w_h`` are transposed."""
    n_steps, n_rows, n = states.shape
    recurrent = np.empty((n_rows, n), np.float32)
    for t in range(n_steps):
        np.dot(inputs[t], w_x, states[t])
        np.dot(states[t - 1] if t else h0, w_h, recurrent)
        for r in range(n_rows):
            own, state = recurrent[r], states[t, r]
            for k in range(n):
                state[k] += own[k] + bias[k]
            if bounded:
                for k in range(n):
                    state[k] = tanh(state[k])


@compiled
def plain_backward(along: Single, w: Single, states: Single, bounded: bool, inner: Single, dh: Single) -> None:
    """Fill d loss / d projected; dh goes from the last state's to the first's. ``w`` is W_h (unit, unit)."""
    n_steps, n_rows, n = states.shape
    for t in range(n_steps - 1, -1, -1):
        for r in range(n_rows):
            state, now, back, out = states[t, r], along[t, r], dh[r], inner[t, r]
            for k in range(n):
                out[k] = back[k] + now[k]
            if bounded:
                for k in range(n):
                    out[k] *= _ONE - state[k] * state[k]
        np.dot(inner[t], w, dh)


@compiled
def pick(values: Single, start: Index, rows: Index, out: Single) -> None:
    """Fill ``out`` (time, row, channel) with ``rows`` of ``values`` (row, time, channel), each from ``start`` (row,).

    The end joins the start.
    """
    n_times = values.shape[1]
    for r in range(out.shape[1]):
        source, at = values[rows[r]], start[r] % n_times
        for t in range(out.shape[0]):
            for k in range(out.shape[2]):
                out[t, r, k] = source[at, k]
            at = at + 1 if at + 1 < n_times else 0


@compiled
def bin_loss(
    states: Single,
    w: Single,
    bias: float,
    targets: Single,
    lowest: float,
    highest: float,
    bernoulli: bool,
    d_states: Single,
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
                for k in range(len(w)):
                    out[k] = np.float32(0.0)
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
