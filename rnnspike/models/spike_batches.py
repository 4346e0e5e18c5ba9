"""Batches for the training of the spike-clocked LSTM, points drawn anew for each (science.md d.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from rnnspike.models.loss import CompiledLoss
from rnnspike.models.spike_design import Design
from rnnspike.models.spike_net import Batch, HazardNet
from rnnspike.models.spike_sequences import Sequences, cut_sequences, draw_points
from rnnspike.trials.data import FloatArray, Observation

N_SCORED, N_CONTEXT, N_STRATA = 16, 16, 6
#: Updates in an epoch, where there are as many sequences.
FEWEST_UPDATES = 4
_VALIDATION_STRATA, _VALIDATION_BATCH = 16, 64


def make_batch(
    design: Design, sequences: Sequences, n_strata: int, rng: np.random.Generator, device: torch.device
) -> Batch:
    """Return these sequences with bins drawn from every scored interval."""

    def tensor(array: npt.NDArray[np.generic]) -> torch.Tensor:
        return torch.from_numpy(array).to(device)

    index, which, at = sequences.padded()
    event = index[which, at]
    points = draw_points(design.events, event, n_strata, rng)
    each = np.broadcast_to(event[:, None], points.bins.shape)
    units = design.units[design.events.unit]
    return Batch(
        inputs=tensor(design.inputs[index.T]),
        sequence_unit=tensor(units[sequences.first]),
        which=tensor(which),
        at=tensor(at),
        unit=tensor(units[event]),
        head=tensor(design.head_inputs(event, points.bins)),
        log_base=tensor(design.log_base[design.events.row[each], points.bins]),
        weight=tensor(points.weight.astype(design.inputs.dtype)),
        stop_count=tensor(points.stop_count.astype(design.inputs.dtype)),
    )


@dataclass
class TrainingBatches:
    """The epochs of a training: ``batches(epoch, rng)`` yields (summed loss, scored intervals) for every update."""

    net: HazardNet
    design: Design
    observation: Observation
    batch_size: int
    dropout: float
    device: torch.device

    def __post_init__(self) -> None:
        self.sequences = cut_sequences(self.design.events, N_SCORED, N_CONTEXT)

    @property
    def updates_per_epoch(self) -> int:
        """Number of batches: few sequences are taken in smaller ones, so that there are updates enough."""
        n = self.sequences.n_sequences
        return max(-(-n // self.batch_size), min(FEWEST_UPDATES, n))

    def __call__(self, epoch: int, rng: np.random.Generator) -> Iterator[tuple[torch.Tensor | CompiledLoss, float]]:
        """Yield the losses of one epoch's batches, in an order and at points that only ``rng`` decides."""
        order = rng.permutation(self.sequences.n_sequences)
        for part in np.array_split(order, self.updates_per_epoch):
            batch = make_batch(self.design, self.sequences.take(part), N_STRATA, rng, self.device)
            kept = rng.random((len(batch.unit), self.net.lstm.hidden_size), np.float32) >= self.dropout
            keep = torch.from_numpy(kept).to(self.device) / (1.0 - self.dropout)
            yield self.net.loss(replace(batch, keep=keep), self.observation), float(len(batch.unit))


@dataclass
class Validation:
    """One validation set: mean loss per scored interval of each unit, always at the same finely drawn points."""

    net: HazardNet
    design: Design
    observation: Observation
    device: torch.device
    rng: np.random.Generator

    def __post_init__(self) -> None:
        sequences = cut_sequences(self.design.events, 2 * N_SCORED, 2 * N_CONTEXT)
        parts = np.array_split(
            np.arange(sequences.n_sequences), max(1, -(-sequences.n_sequences // _VALIDATION_BATCH))
        )
        self.batches = [
            make_batch(self.design, sequences.take(part), _VALIDATION_STRATA, self.rng, self.device)
            for part in parts
            if len(part)
        ]

    def __call__(self) -> FloatArray:
        """Return the loss (unit,) of the network as it stands; 0 for a unit without an interval."""
        total, n_intervals = np.zeros(self.net.n_units), np.zeros(self.net.n_units)
        for batch in self.batches:
            unit = batch.unit.cpu().numpy()
            loss = self.net.losses(batch, self.observation)
            total += np.bincount(unit, loss, self.net.n_units)
            n_intervals += np.bincount(unit, minlength=self.net.n_units)
        return np.asarray(total / np.maximum(n_intervals, 1))
