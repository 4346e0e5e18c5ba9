"""Steps of a linear recurrence of uncoupled modes, and their gradients (``diagonal.py``).

Arrays are (time, row, unit); units are the real modes, then the real and then the imaginary parts of those that
oscillate. ``real`` (mode,) and ``imaginary`` (oscillating mode,) are the parts of the eigenvalues.
"""

from __future__ import annotations

from rnnspike.models.numerics.compilation import Double, Floats, Single, compiled


@compiled
def diagonal_forward(states: Floats, real: Floats, imaginary: Floats, first: Floats) -> None:
    """Turn W_x x into states h' = W_h h + W_x x, from the states ``first`` (row, unit)."""
    n_steps, n_rows, n = states.shape
    turning = len(imaginary)
    still = n - 2 * turning
    for t in range(n_steps):
        before = states[t - 1] if t else first
        for r in range(n_rows):
            state, last = states[t, r], before[r]
            for k in range(still):
                state[k] += real[k] * last[k]
            for j in range(turning):
                a, b = still + j, still + turning + j
                state[a] += real[a] * last[a] - imaginary[j] * last[b]
                state[b] += real[a] * last[b] + imaginary[j] * last[a]


@compiled
def diagonal_backward(
    grad_h: Single,
    real: Single,
    imaginary: Single,
    states: Single,
    first: Single,
    inner: Single,
    by_real: Double,
    by_imaginary: Double,
) -> None:
    """Fill ``inner``, d loss / d (W_x x), from d loss / d h ``grad_h``; add to those by ``real``, ``imaginary``."""
    n_steps, n_rows, n = states.shape
    turning = len(imaginary)
    still = n - 2 * turning
    for t in range(n_steps - 1, -1, -1):
        before = states[t - 1] if t else first
        for r in range(n_rows):
            out, now, last = inner[t, r], grad_h[t, r], before[r]
            for k in range(n):
                out[k] = now[k]
            if t + 1 < n_steps:
                after = inner[t + 1, r]
                for k in range(still):
                    out[k] += real[k] * after[k]
                for j in range(turning):
                    a, b = still + j, still + turning + j
                    out[a] += real[a] * after[a] + imaginary[j] * after[b]
                    out[b] += real[a] * after[b] - imaginary[j] * after[a]
            for k in range(still):
                by_real[k] += out[k] * last[k]
            for j in range(turning):
                a, b = still + j, still + turning + j
                by_real[a] += out[a] * last[a] + out[b] * last[b]
                by_imaginary[j] += out[b] * last[a] - out[a] * last[b]
