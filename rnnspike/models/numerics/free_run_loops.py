"""Free runs: rows advance from spike to spike (science.md#free-run)."""

from __future__ import annotations

from rnnspike.models.numerics.compilation import Bool, Double, Index, compiled


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
    """Advance rows to their next spike, at most to the end of ``mu`` (active, bin) and to ``ends`` (trial, bin).

    The spike is where the sum of mu, each at most ``most``, reaches the ``clock`` (row,), which is then set to
    ``fresh`` (active,). Fills how many bins each row has ``moved``, whether the last of them holds a spike, and by
    how much the sum exceeds the clock there.
    """
    for i in range(len(active)):
        row = active[i]
        limit = min(ends[trial[row], at[row]] - at[row], mu.shape[1])
        total, j, running = 0.0, 0, True
        while running:  # at least one bin, whatever mu is, so that the loop ends
            total += min(mu[i, j], most)
            j += 1
            running = j < limit and total < clock[row]
        left = clock[row] - total
        moved[i], spiked[i], over[i] = j, not left > 0.0, -left if left < 0.0 else 0.0
        clock[row] = fresh[i] if spiked[i] else left
        at[row] += j
