"""What spikes add to the log intensity of the units that read them, in a joint free run."""

from __future__ import annotations

from rnnspike.models.numerics.compilation import Bool, Count, Double, compiled


@compiled
def add_spikes(counts: Count, at: int, reads: Bool, kernels: Double, added: Double) -> None:
    """Add to ``added`` (target, row, bin), from bin ``at + 1`` on, the kernels of the spikes (row, source) of ``at``.

    ``reads`` (source, target) says where ``kernels`` (source, target, lag), of lags 1, 2, ..., are not 0.
    """
    n_rows, n_units = counts.shape
    first = at + 1
    n = min(kernels.shape[2], added.shape[2] - first)
    for row in range(n_rows):
        for source in range(n_units):
            count = float(counts[row, source])
            if count > 0.0:
                for target in range(added.shape[0]):
                    if reads[source, target]:
                        for k in range(n):
                            added[target, row, first + k] += count * kernels[source, target, k]
