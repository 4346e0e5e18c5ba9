"""Free runs: rows that look ahead and go from spike to spike (science.md b.5)."""

from __future__ import annotations

import numpy as np

from rnnspike.models.compiled import Bool, Count, Double, Floats, Index, Single, compiled
from rnnspike.models.compiled.functions import sigmoid, tanh
from rnnspike.models.compiled.hazard import advance_traces, compose

#: w_x, w_h, bias, head and head_bias of ``spike_net.UnitNet``.
Network = tuple[Single, Single, Single, Single, Single]


@compiled
def next_spikes(
    mu: Double,
    most: float,
    active: Index,
    trial: Index,
    ends: Index,
    fresh: Double,
    at: Index,
    clock: Double,
    moved: Index,
    spiked: Bool,
    over: Double,
) -> None:
    """Move rows on to their next spike, or as far as ``mu`` (active, bin) is good: to ``ends`` (trial, bin).

    The spike comes where the sum of mu, none of which counts for more than ``most``, reaches the ``clock`` (row,);
    the next one's is then ``fresh`` (active,). Fills how many bins each row has ``moved``, whether the last of them
    holds a spike, and by how much the clock was passed there.
    """
    for i in range(len(active)):
        row = active[i]
        limit = min(ends[trial[row], at[row]] - at[row], mu.shape[1])
        total, j, goes_on = 0.0, 0, True
        while goes_on:  # at least a bin, whatever mu is: a row that stood still would never end
            total += min(mu[i, j], most)
            j += 1
            goes_on = j < limit and total < clock[row]
        left = clock[row] - total
        moved[i], spiked[i], over[i] = j, not left > 0.0, -left if left < 0.0 else 0.0
        clock[row] = fresh[i] if spiked[i] else left
        at[row] += j


@compiled
def glm_ahead(
    rows: Index,
    at: Index,
    trial: Index,
    log_mu: Double,
    past_traces: Double,
    traces: Double,
    leaks: Double,
    half: float,
    known: Index,
    last: Index,
    longest: int,
    unknown: int,
    out: Double,
    level: Double,
    age: Index,
) -> None:
    """Fill log mu but traces and age, the traces and ``half``, and the age, at the bins that follow ``at``.

    ``out`` and ``age`` are (row, bin), ``level`` (trace, row, bin); the window's last bin stands for any beyond it.
    What the others hold is told by ``GlmStepper``.
    """
    n_rows, n = out.shape
    end = log_mu.shape[1] - 1
    for i in range(n_rows):
        row = rows[i]
        here = trial[row]
        for k in range(len(leaks)):
            left, leak = traces[k, row], leaks[k]
            for j in range(n):
                level[k, i, j] = past_traces[k, here, min(at[i] + j, end)] + left + half
                left *= leak
        for j in range(n):
            b = min(at[i] + j, end)
            out[i, j] = log_mu[row, b]
            since, stretch = b - last[row], known[here, b]
            if since <= stretch:
                age[i, j] = min(since, longest + 1)
            else:
                age[i, j] = longest + 1 if stretch >= longest else unknown


@compiled
def glm_bounded(
    log_mu: Double, log_level: Double, weights: Double, age: Index, by_age: Double, most: Double, least: float
) -> None:
    """Add traces and age to ``log_mu`` (row, bin) and keep it between ``least`` and ``most``, by age."""
    for i in range(log_mu.shape[0]):
        for j in range(log_mu.shape[1]):
            value = log_mu[i, j] + by_age[age[i, j]]
            for k in range(len(weights)):
                value += weights[k] * log_level[k, i, j]
            log_mu[i, j] = min(max(value, least), most[age[i, j]])


@compiled
def glm_skip(
    rows: Index,
    at: Index,
    n_bins: Index,
    counts: Count,
    observed: Bool,
    trial: Index,
    kernel: Double,
    leaks: Double,
    log_mu: Double,
    traces: Double,
    last: Index,
) -> None:
    """Move rows on by ``n_bins`` from ``at``; spikes in the last of these are known where it is observed."""
    for i in range(len(rows)):
        row, here = rows[i], at[i] + n_bins[i] - 1
        count = float(counts[i]) if observed[trial[row], here] else 0.0
        for k in range(len(leaks)):
            traces[k, row] = traces[k, row] * leaks[k] ** n_bins[i] + count
        if count > 0.0:
            last[row] = here
            following = log_mu[row, here + 1 :]
            for k in range(min(len(kernel), len(following))):
                following[k] += count * kernel[k]


@compiled
def spike_events(
    rows: Index,
    at: Index,
    count: Index,
    surprise: Double,
    trial: Index,
    last: Index,
    after_start: Bool,
    n_known: Index,
    n_burn_in: int,
    tau: Double,
    spikes: Double,
    known_s: Double,
    state: Single,
    log_drive: Double,
    log_mean: float,
    gains: Double,
    covariates: Double,
    rate_hz: float,
    bin_s: float,
    half: float,
    out: Double,
) -> None:
    """Fill the network's inputs (event, input) of events at bins ``at`` of some rows, and write the rows on.

    What the rows hold is told by ``SpikeStepper``. A start has count 0 and begins from a state of zeros.
    """
    for i in range(len(rows)):
        row = rows[i]
        here, before, is_start = trial[row], last[row], count[i] == 0
        known = n_known[here, at[i] + n_burn_in + 1] - n_known[here, before + n_burn_in + 1]
        masked = at[i] - before - known
        advance_traces(spikes[row], known_s[row], known * bin_s, masked * bin_s, float(count[i]), tau)
        b = max(at[i], 0)
        compose(
            out[i],
            0 if is_start else at[i] - before,
            count[i],
            after_start[row] and not is_start,
            at[i] >= 0,
            log_drive[here, b] - log_mean,
            surprise[i],
            spikes[row],
            known_s[row],
            gains[here],
            covariates[here, b],
            rate_hz,
            bin_s,
            half,
        )
        last[row], after_start[row] = at[i], is_start
        if is_start:
            for k in range(state.shape[1]):
                state[row, k] = np.float32(0.0)


@compiled
def step_network(inputs: Floats, state: Single, net: Network, gates: Single, opened: Single) -> None:
    """Step one row of the spike-clocked LSTM, ``state`` [h; c], and fill what it opens an interval with (column,).

    ``gates`` (gate,) is there to be used.
    """
    w_x, w_h, bias, head, head_bias = net
    n = len(w_h)
    for k in range(4 * n):
        gates[k] = bias[k]
    for j in range(len(inputs)):
        x, w = np.float32(inputs[j]), w_x[j]
        for k in range(4 * n):
            gates[k] += x * w[k]
    for j in range(n):
        x, w = state[j], w_h[j]
        for k in range(4 * n):
            gates[k] += x * w[k]
    for k in range(n):
        c = sigmoid(gates[n + k]) * state[n + k] + sigmoid(gates[k]) * tanh(gates[2 * n + k])
        state[n + k], state[k] = c, sigmoid(gates[3 * n + k]) * tanh(c)
    for k in range(len(opened)):
        opened[k] = head_bias[k]
    for j in range(n):
        x, w = state[j], head[j]
        for k in range(len(opened)):
            opened[k] += x * w[k]


@compiled
def step_rows(rows: Index, inputs: Double, state: Single, net: Network, opened: Single) -> None:
    """Step these rows of ``state`` (row, [h; c]) and ``opened`` (row, column) on ``inputs`` (event, input)."""
    gates = np.empty(len(net[2]), np.float32)
    for i in range(len(rows)):
        step_network(inputs[i], state[rows[i]], net, gates, opened[rows[i]])


@compiled
def run_events(first: Index, end: Index, inputs: Floats, net: Network, opened: Single) -> None:
    """Fill what events ``first .. end - 1`` of each sequence open (event, column), each begun from zeros."""
    gates, state = np.empty(len(net[2]), np.float32), np.empty(2 * len(net[1]), np.float32)
    for s in range(len(first)):
        for k in range(len(state)):
            state[k] = np.float32(0.0)
        for e in range(first[s], end[s]):
            step_network(inputs[e], state, net, gates, opened[e])
