"""Settings by ``--effort`` of a training clocked by bins."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RecurrentSettings:
    """Size of the network and length of its training.

    The first cycle has ``n_updates`` for up to ``base_spikes`` training spikes; the number grows with the root of the
    spikes, up to three times as many. An update covers ``n_rows`` trials over ``chunk_s``, at least
    ``min_chunk_bins``, and longer where spikes depend on each other over more, up to ``max_chunk_bins``. Up to
    ``max_warm_up_s`` of recorded past before the window are read, or as far as that dependence reaches; the state of
    a chunk that begins within its trial comes from the ``lead_in_s`` before it, or from half of that reach. Each
    validation set is scored ``n_validations`` times per cycle, on at most ``validation_bins``. A cycle of twice the
    length follows where the last part of one gained ``least_gain`` nats per expected spike.
    """

    n_hidden: int = 16
    n_updates: int = 300
    n_rows: int = 8
    chunk_s: float = 0.5
    min_chunk_bins: int = 100
    max_chunk_bins: int = 1000
    max_warm_up_s: float = 0.5
    lead_in_s: float = 0.25
    learning_rate: float = 4e-2
    weight_decay: float = 1e-2
    max_cycles: int = 1
    least_gain: float = 0.0
    n_validations: int = 5
    validation_bins: int = 100_000
    base_spikes: int = 10_000


EFFORTS: dict[str, RecurrentSettings] = {
    "fast": RecurrentSettings(n_updates=100, n_validations=4, validation_bins=20_000),
    "standard": RecurrentSettings(max_cycles=2, least_gain=0.001),
    "thorough": RecurrentSettings(
        n_hidden=32, n_updates=800, n_rows=16, max_cycles=2, n_validations=16, validation_bins=200_000
    ),
}
