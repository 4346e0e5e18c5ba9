"""Batches for the training of the spike-clocked LSTM, with new points drawn for each.

See science.md#spike-clock-likelihood.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from rnnspike.models.networks.spike_clock.design import Design
from rnnspike.models.networks.spike_clock.net import Batch, HazardLoss
from rnnspike.models.networks.spike_clock.sequences import Sequences, cut_sequences, draw_points
from rnnspike.models.networks.training import Loss
from rnnspike.observation import Observation
from rnnspike.trials.data import FloatArray

N_SCORED, N_CONTEXT, N_STRATA = 16, 16, 6
#: Fewest updates per epoch, where there are that many sequences.
FEWEST_UPDATES = 4
_VALIDATION_STRATA, _VALIDATION_BATCH = 16, 64


def make_batch(design: Design, sequences: Sequences, n_strata: int, rng: np.random.Generator) -> Batch:
    """Return these sequences with bins drawn from every scored interval."""
    index, which, at = sequences.padded()
    event = index[which, at]
    points = draw_points(design.events, event, n_strata, rng)
    each = np.broadcast_to(event[:, None], points.bins.shape)
    units = design.units[design.events.unit]
    return Batch(
        inputs=design.inputs[index.T],
        sequence_unit=units[sequences.first],
        which=which,
        at=at,
        unit=units[event],
        head=design.head_inputs(event, points.bins),
        log_base=design.log_base[design.events.row[each], points.bins],
        weight=points.weight.astype(design.inputs.dtype),
        stop_count=points.stop_count.astype(design.inputs.dtype),
    )


@dataclass
class TrainingBatches:
    """The epochs of a training: ``batches(epoch, rng)`` yields (summed loss, scored intervals) for every update."""

    net: HazardLoss
    design: Design
    observation: Observation
    batch_size: int
    dropout: float

    def __post_init__(self) -> None:
        self.sequences = cut_sequences(self.design.events, N_SCORED, N_CONTEXT)

    @property
    def updates_per_epoch(self) -> int:
        """Number of batches per epoch; where sequences are few, batches are smaller rather than fewer."""
        n = self.sequences.n_sequences
        return max(-(-n // self.batch_size), min(FEWEST_UPDATES, n))

    def __call__(self, epoch: int, rng: np.random.Generator) -> Iterator[tuple[Loss, float]]:
        """Yield the losses of one epoch's batches, in an order and at points drawn from ``rng``."""
        order = rng.permutation(self.sequences.n_sequences)
        for part in np.array_split(order, self.updates_per_epoch):
            batch = make_batch(self.design, self.sequences.take(part), N_STRATA, rng)
            kept = rng.random((len(batch.unit), self.net.n_hidden), np.float32) >= self.dropout
            keep = kept.astype(np.float32) / np.float32(1.0 - self.dropout)
            yield self.net.loss(replace(batch, keep=keep), self.observation), float(len(batch.unit))


@dataclass
class Validation:
    """One validation set: mean loss per scored interval of each unit, at fixed points, denser than in training."""

    net: HazardLoss
    design: Design
    observation: Observation
    rng: np.random.Generator

    def __post_init__(self) -> None:
        sequences = cut_sequences(self.design.events, 2 * N_SCORED, 2 * N_CONTEXT)
        parts = np.array_split(
            np.arange(sequences.n_sequences), max(1, -(-sequences.n_sequences // _VALIDATION_BATCH))
        )
        self.batches = [
            make_batch(self.design, sequences.take(part), _VALIDATION_STRATA, self.rng) for part in parts if len(part)
        ]

    def __call__(self) -> FloatArray:
        """Return the loss (unit,) of the network's present parameters; 0 for a unit without an interval."""
        total, n_intervals = np.zeros(self.net.n_units), np.zeros(self.net.n_units)
        for batch in self.batches:
            loss = self.net.losses(batch, self.observation)
            total += np.bincount(batch.unit, loss, self.net.n_units)
            n_intervals += np.bincount(batch.unit, minlength=self.net.n_units)
        return np.asarray(total / np.maximum(n_intervals, 1))
