"""Steps of LSTM, GRU and tanh layers, the loss of bins, and their gradients (science.md#networks).

Arrays are (time, row, unit) as in torch, gates in torch's order along the last axis (LSTM i, f, g, o; GRU r, z, n),
in single precision. Gradients of weights are products of matrices over all steps at once (``layers.py``).
"""

from __future__ import annotations

import numpy as np

from rnnspike.models.numerics.compilation import Double, Index, Single, compiled
from rnnspike.models.numerics.functions import sigmoid, tanh
from rnnspike.models.numerics.observation_loops import bin_loss, bounded_log_mu

#: Without gradients, this many rows are stepped together; up to FEW_ROWS are stepped one by one, because calling BLAS
#: for a few rows and a small matrix takes longer than the product itself.
ROWS_AT_A_TIME, FEW_ROWS = 32, 3

_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)


@compiled
def _see(h: Single, x: Single, seen: Single) -> None:
    """Fill [h, x, 1] of each row."""
    n, n_inputs = h.shape[1], x.shape[1]
    for r in range(len(seen)):
        row, own, given = seen[r], h[r], x[r]
        for k in range(n):
            row[k] = own[k]
        for k in range(n_inputs):
            row[n + k] = given[k]
        row[n + n_inputs] = _ONE


@compiled
def lstm_curves(n: int) -> tuple[Single, Single]:
    """Return ``scale`` and ``shift`` (gate,): every gate is shift + scale tanh(scale x), a sigmoid or a tanh.

    sigmoid(x) = (1 + tanh(x / 2)) / 2. One loop over all gates of a row is faster than one loop per gate.
    """
    scale, shift = np.empty(4 * n, np.float32), np.empty(4 * n, np.float32)
    for k in range(4 * n):
        is_tanh = 2 * n <= k < 3 * n
        scale[k], shift[k] = (_ONE, _ZERO) if is_tanh else (_HALF, _HALF)
    return scale, shift


@compiled
def lstm_step(
    gate: Single, scale: Single, shift: Single, last: Single, cell: Single, bounded: Single, state: Single
) -> None:
    """Step one row: ``gate`` W_h h + W_x x + b becomes i, f, g, o (``lstm_curves``).

    Fills c' = f c + i g, where c is ``last``, into ``cell``, tanh c' into ``bounded`` and h' = o tanh c' into
    ``state``.
    """
    n = len(state)
    for k in range(len(gate)):
        gate[k] = shift[k] + scale[k] * tanh(scale[k] * gate[k])
    for k in range(n):
        c = gate[n + k] * last[k] + gate[k] * gate[2 * n + k]
        cell[k] = c
        c = tanh(c)
        bounded[k] = c
        state[k] = gate[3 * n + k] * c


@compiled
def _curves_of_rows(n: int, n_rows: int) -> tuple[Single, Single]:
    """Return the ``lstm_curves`` of some rows, one after another (row and gate,)."""
    scale, shift = np.empty((n_rows, 4 * n), np.float32), np.empty((n_rows, 4 * n), np.float32)
    for r in range(n_rows):
        scale[r], shift[r] = lstm_curves(n)
    return scale.reshape(-1), shift.reshape(-1)


@compiled
def _lstm_step_rows(
    gates: Single, scale: Single, shift: Single, last: Single, cells: Single, bounded: Single, states: Single
) -> None:
    """Step some rows as ``lstm_step`` does one.

    The curves of all rows are taken in one loop: a loop over the few units of one row is too short to be fast.
    """
    n = states.shape[1]
    gate, cell, tanh_c = gates.reshape(-1), cells.reshape(-1), bounded.reshape(-1)
    for j in range(len(gate)):
        gate[j] = shift[j] + scale[j] * tanh(scale[j] * gate[j])
    for r in range(len(states)):
        own, before, now = gates[r], last[r], cells[r]
        for k in range(n):
            now[k] = own[n + k] * before[k] + own[k] * own[2 * n + k]
    for j in range(len(cell)):
        tanh_c[j] = tanh(cell[j])
    for r in range(len(states)):
        own, now, out = gates[r], bounded[r], states[r]
        for k in range(n):
            out[k] = own[3 * n + k] * now[k]


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

    ``weights`` are [W_h, W_x, b]' (seen, gate): so that each step needs one matrix product, and all gradients one
    more.
    """
    n_steps, n_rows, n = states.shape
    scale, shift = _curves_of_rows(n, n_rows)
    for t in range(n_steps):
        last_h, last_c = (states[t - 1], cells[t - 1]) if t else (h0, c0)
        _see(last_h, inputs[t], seen[t])
        np.dot(seen[t], weights, gates[t])
        _lstm_step_rows(gates[t], scale, shift, last_c, cells[t], bounded[t], states[t])


@compiled
def _add_product(x: Single, w: Single, out: Single) -> None:
    """Add x w to ``out`` (column,); x (row,), w (row, column). Four rows at a time, to load ``out`` less often."""
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
    """Fill states h and cells c row by row."""
    n_steps, n_rows, n_inputs = inputs.shape
    n_seen, n_gates = weights.shape
    n = n_gates // 4
    scale, shift = lstm_curves(n)
    seen, gate, own = np.empty(n_seen, np.float32), np.empty(n_gates, np.float32), np.empty((4, n), np.float32)
    last, cell, bounded, state = own[0], own[1], own[2], own[3]
    seen[n_seen - 1] = _ONE
    for r in range(n_rows):
        for k in range(n):
            seen[k], last[k] = h0[r, k], c0[r, k]
        for t in range(n_steps):
            x, cell_out, state_out = inputs[t, r], cells[t, r], states[t, r]
            for k in range(n_inputs):
                seen[n + k] = x[k]
            for k in range(n_gates):
                gate[k] = _ZERO
            _add_product(seen, weights, gate)
            lstm_step(gate, scale, shift, last, cell, bounded, state)
            for k in range(n):
                seen[k], state_out[k], last[k], cell_out[k] = state[k], state[k], cell[k], cell[k]


@compiled
def lstm_run(inputs: Single, weights: Single, h0: Single, c0: Single, states: Single, cells: Single) -> None:
    """Fill states h and cells c where no gradient is needed, in blocks of rows that fit into the cache."""
    n_steps, n_rows, n = states.shape
    if n_rows <= FEW_ROWS:
        _lstm_run_few(inputs, weights, h0, c0, states, cells)
        return
    n_seen, n_gates = weights.shape
    for begin in range(0, n_rows, ROWS_AT_A_TIME):
        end = min(begin + ROWS_AT_A_TIME, n_rows)
        n_some = end - begin
        scale, shift = _curves_of_rows(n, n_some)
        seen, gates = np.empty((n_some, n_seen), np.float32), np.empty((n_some, n_gates), np.float32)
        bounded = np.empty((n_some, n), np.float32)
        for t in range(n_steps):
            last_h, last_c = (states[t - 1], cells[t - 1]) if t else (h0, c0)
            _see(last_h[begin:end], inputs[t, begin:end], seen)
            np.dot(seen, weights, gates)
            now, out = cells[t, begin:end], states[t, begin:end]
            _lstm_step_rows(gates, scale, shift, last_c[begin:end], now, bounded, out)


@compiled
def lstm_backward(
    grad_h: Single, w: Single, c0: Single, gates: Single, cells: Single, bounded: Single, dh: Single, dc: Single
) -> None:
    """Turn ``gates`` into d loss / d (W_x x + b), from d loss / d h ``grad_h``; ``w`` is W_h (gate, unit).

    dh, dc (row, unit) enter as the derivatives by the last state and leave as those by the first.
    """
    n_steps, n_rows, n_gates = gates.shape
    n = n_gates // 4
    for t in range(n_steps - 1, -1, -1):
        before = cells[t - 1] if t else c0
        for r in range(n_rows):
            gate, tanh_c, last, now, back, carried = gates[t, r], bounded[t, r], before[r], grad_h[t, r], dh[r], dc[r]
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
    grad_h: Single, w: Single, h0: Single, gates: Single, own: Single, states: Single, dh: Single
) -> None:
    """Turn ``own`` into d loss / d (W_h h + b_h) and ``gates`` into d loss / d (W_x x + b_x); ``w`` is W_h.

    The two differ only in n, because of the reset gate. dh enters as the derivative by the last state and leaves as
    that by the first.
    """
    n_steps, n_rows, n_gates = gates.shape
    n = n_gates // 3
    kept = np.empty((n_rows, n), np.float32)
    for t in range(n_steps - 1, -1, -1):
        before = states[t - 1] if t else h0
        for r in range(n_rows):
            gate, recurrent, last, now, back = gates[t, r], own[t, r], before[r], grad_h[t, r], dh[r]
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
def plain_backward(grad_h: Single, w: Single, states: Single, bounded: bool, inner: Single, dh: Single) -> None:
    """Fill d loss / d projected; dh enters for the last state and leaves for the first. ``w`` is W_h (unit, unit)."""
    n_steps, n_rows, n = states.shape
    for t in range(n_steps - 1, -1, -1):
        for r in range(n_rows):
            state, now, back, out = states[t, r], grad_h[t, r], dh[r], inner[t, r]
            for k in range(n):
                out[k] = back[k] + now[k]
            if bounded:
                for k in range(n):
                    out[k] *= _ONE - state[k] * state[k]
        np.dot(inner[t], w, dh)


@compiled
def pick(values: Single, start: Index, rows: Index, out: Single) -> None:
    """Fill ``out`` (time, row, channel) with ``rows`` of ``values`` (row, time, channel), each from ``start`` (row,).

    Times wrap around at the end.
    """
    n_times = values.shape[1]
    for r in range(out.shape[1]):
        source, at = values[rows[r]], start[r] % n_times
        for t in range(out.shape[0]):
            for k in range(out.shape[2]):
                out[t, r, k] = source[at, k]
            at = at + 1 if at + 1 < n_times else 0


@compiled
def readout_loss(
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
    scored (science.md#observation-model, without the term that no model changes).
    """
    loss, d_bias = 0.0, 0.0
    for t in range(states.shape[0]):
        for r in range(states.shape[1]):
            h, out = states[t, r], d_states[t, r]
            if targets[t, r, 2] == 0.0:
                for k in range(len(w)):
                    out[k] = _ZERO
                continue
            spikes, gain = float(targets[t, r, 0]), np.float32(0.0)
            for k in range(len(w)):
                gain += w[k] * h[k]
            log_mu = float(gain) + bias + float(targets[t, r, 1])
            log_mu, inside = bounded_log_mu(log_mu, lowest, highest)
            nats, slope = bin_loss(log_mu, spikes, bernoulli)
            loss += nats
            slope = slope if inside else 0.0
            d_bias += slope
            by_log_mu = np.float32(slope)
            for k in range(len(w)):
                out[k] = by_log_mu * w[k]
                d_w[k] += by_log_mu * h[k]
    return loss, d_bias
