"""Sequences of bins as arrays, and the batches of a training: truncated backpropagation with carried state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnspike.models.bin_inputs import held_back, past_and_window
from rnnspike.models.compiled import Single, layers
from rnnspike.trials.data import FloatArray, Trials


@dataclass(frozen=True)
class Sequences:
    """Sequences in single precision, time first.

    ``inputs`` (time, row, channel); ``targets`` (time, row, 3): spikes, log mu of the base, and 1 where the bin is
    scored (in the window and observed).
    """

    inputs: Single
    targets: Single

    @classmethod
    def of(cls, trials: Trials, inputs: FloatArray, log_drive: FloatArray) -> Sequences:
        """Return the sequences of trials whose ``inputs`` (trial, warm-up + bin, channel) are at hand."""
        warm_up = inputs.shape[1] - trials.n_bins
        spikes, observed = past_and_window(trials, warm_up)
        scored = observed & (np.arange(inputs.shape[1]) >= warm_up)
        targets = np.stack([spikes, held_back(log_drive, warm_up), scored], axis=2)
        return cls(*(_time_first(array) for array in (inputs, targets)))

    @classmethod
    def side_by_side(cls, several: Sequence[Sequences]) -> Sequences:
        """Return the rows of several sequences of one length, one after another."""
        return cls(*(np.concatenate([getattr(each, name) for each in several], 1) for name in ("inputs", "targets")))

    @property
    def n_bins(self) -> int:
        """Bins of a sequence."""
        return int(self.inputs.shape[0])

    @property
    def n_rows(self) -> int:
        """Sequences."""
        return int(self.inputs.shape[1])


def _time_first(array: npt.NDArray[np.floating]) -> Single:
    return np.ascontiguousarray(array.swapaxes(0, 1), dtype=np.float32)


@dataclass(frozen=True)
class Chunk:
    """A piece of some sequences for one update.

    ``inputs`` (time, row, channel), ``targets`` (time, row, 3); ``goes_on`` (row,) is 0 for rows that begin a trial,
    whose state is zero, and 1 for those that go on from the chunk before. ``is_first``: there is none before, and
    ``lead_in`` (time, row, channel) brings rows that begin within their trial to a state.
    """

    inputs: Single
    targets: Single
    goes_on: Single
    is_first: bool
    lead_in: Single | None


class Streams:
    """Batches of ``n_rows`` trials that walk through their sequences side by side, a chunk of bins an update.

    Trials of a batch stand at different phases, so that an update sees more than one time of the trial; each starts
    at a random chunk, goes to its end and then from its beginning. The state is carried from chunk to chunk.
    """

    def __init__(self, sequences: Sequences, n_chunks: int, n_rows: int, lead_in_bins: int) -> None:
        self.n_chunks = n_chunks
        self.length = -(-sequences.n_bins // self.n_chunks)
        padding = ((0, 0), (0, self.n_chunks * self.length - sequences.n_bins), (0, 0))  # never scored, at the end
        by_row = (each.swapaxes(0, 1) for each in (sequences.inputs, sequences.targets))  # a chunk of one in a piece
        self.inputs, self.targets = (np.ascontiguousarray(np.pad(each, padding)) for each in by_row)
        copies = min(-(-n_rows // sequences.n_rows), self.n_chunks)  # few, long trials: each at several phases
        self.trials = np.tile(np.arange(sequences.n_rows), copies)
        self.n_batches = max(1, round(len(self.trials) / n_rows))
        self.lead_in_bins = min(lead_in_bins, self.length)

    def with_batches(self, n_batches: int) -> Streams:
        """Return streams over the same trials that take so many batches a pass."""
        other = copy(self)
        other.n_batches = min(n_batches, len(self.trials))
        return other

    def __call__(self, rng: np.random.Generator) -> Iterator[Chunk]:
        """Yield the chunks of a pass over all trials, in a random order."""
        for rows in np.array_split(rng.permutation(self.trials), self.n_batches):
            phase = rng.integers(0, self.n_chunks, len(rows))
            for step in range(self.n_chunks):
                yield self._chunk(rows, (phase + step) % self.n_chunks, first=step == 0)

    def _chunk(self, rows: npt.NDArray[np.int64], index: npt.NDArray[np.int64], *, first: bool) -> Chunk:
        start = index * self.length
        lead_in = self._lead_in(start, rows) if first and index.any() else None
        goes_on = (start > 0).astype(np.float32)
        inputs, targets = (_pick(each, start, rows, self.length) for each in (self.inputs, self.targets))
        return Chunk(inputs, targets, goes_on, first, lead_in)

    def _lead_in(self, start: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> Single:
        # of rows that begin a trial: anything, their state is zeroed
        lead_in = _pick(self.inputs, start - self.lead_in_bins, rows, self.lead_in_bins)
        lead_in[0, :, :2] = (0.0, 1.0)  # nothing is known before
        return lead_in


def _pick(values: Single, start: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], length: int) -> Single:
    """Return bins (time, row, channel) of these rows of values (row, time, channel), each from a time of its own.

    The end joins the start.
    """
    picked = np.empty((length, len(rows), values.shape[2]), np.float32)
    layers.pick(values, start, rows, picked)
    return picked
