"""Steps of a log-linear model: log mu of the next bins, and the effect of a spike.

See science.md#free-run.
"""

from __future__ import annotations

from rnnspike.models.numerics.compilation import Bool, Count, Double, Index, compiled


@compiled
def glm_predict(
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
    """Fill log mu without traces and age, the traces plus ``half``, and the age, at the bins from ``at`` on.

    ``out`` and ``age`` are (row, bin), ``level`` (trace, row, bin); the window's last bin stands for any beyond it.
    See ``GlmStepper`` for the other arrays.
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
    """Add the terms of traces and age to ``log_mu`` (row, bin), bounded by ``least`` and, by age, ``most``."""
    for i in range(log_mu.shape[0]):
        for j in range(log_mu.shape[1]):
            value = log_mu[i, j] + by_age[age[i, j]]
            for k in range(len(weights)):
                value += weights[k] * log_level[k, i, j]
            log_mu[i, j] = min(max(value, least), most[age[i, j]])


@compiled
def glm_advance(
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
    """Advance rows by ``n_bins`` from ``at``; spikes of the last bin are known where it is observed."""
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
