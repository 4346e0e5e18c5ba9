"""Sequences of bins as arrays, and the batches of a training: truncated backpropagation with carried state."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from rnnspike.models.networks import layer_loops
from rnnspike.models.networks.bin_clock.inputs import pad_warm_up, past_and_window
from rnnspike.models.numerics.compilation import Single
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
        """Return the sequences of trials with these ``inputs`` (trial, warm-up + bin, channel)."""
        warm_up = inputs.shape[1] - trials.n_bins
        spikes, observed = past_and_window(trials, warm_up)
        scored = observed & (np.arange(inputs.shape[1]) >= warm_up)
        targets = np.stack([spikes, pad_warm_up(log_drive, warm_up), scored], axis=2)
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

    ``inputs`` (time, row, channel), ``targets`` (time, row, 3). ``carries_state`` (row,) is 1 for rows that continue
    the chunk before and 0 for rows that begin a trial, from a state of zeros. ``is_first`` marks the first chunk of a
    batch; ``state_warm_up`` (time, row, channel) are then the inputs before rows that begin within their trial, from
    which their state is computed.
    """

    inputs: Single
    targets: Single
    carries_state: Single
    is_first: bool
    state_warm_up: Single | None


class Streams:
    """Batches of ``n_rows`` trials that walk through their sequences side by side, one chunk of bins per update.

    Trials of a batch are at different phases, so that an update covers several times of the trial; each starts at a
    random chunk, runs to the trial's end and then on from its beginning. The state is carried from chunk to chunk.
    """

    def __init__(self, sequences: Sequences, n_chunks: int, n_rows: int, state_warm_up_bins: int) -> None:
        self.n_chunks = n_chunks
        self.length = -(-sequences.n_bins // self.n_chunks)
        padding = ((0, 0), (0, self.n_chunks * self.length - sequences.n_bins), (0, 0))  # never scored, at the end
        # By row first: a chunk of a row is then contiguous.
        by_row = (each.swapaxes(0, 1) for each in (sequences.inputs, sequences.targets))
        self.inputs, self.targets = (np.ascontiguousarray(np.pad(each, padding)) for each in by_row)
        copies = min(-(-n_rows // sequences.n_rows), self.n_chunks)  # few, long trials: each at several phases
        self.trials = np.tile(np.arange(sequences.n_rows), copies)
        self.n_batches = max(1, round(len(self.trials) / n_rows))
        self.state_warm_up_bins = min(state_warm_up_bins, self.length)

    def with_batches(self, n_batches: int) -> Streams:
        """Return streams over the same trials with this many batches per pass."""
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
        state_warm_up = self._state_warm_up(start, rows) if first and index.any() else None
        carries_state = (start > 0).astype(np.float32)
        inputs, targets = (_pick(each, start, rows, self.length) for each in (self.inputs, self.targets))
        return Chunk(inputs, targets, carries_state, first, state_warm_up)

    def _state_warm_up(self, start: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]) -> Single:
        # values of rows that begin a trial do not matter: their state is set to 0
        state_warm_up = _pick(self.inputs, start - self.state_warm_up_bins, rows, self.state_warm_up_bins)
        state_warm_up[0, :, :2] = (0.0, 1.0)  # nothing is known before
        return state_warm_up


def _pick(values: Single, start: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], length: int) -> Single:
    """Return bins (time, row, channel) of these rows of values (row, time, channel), each from its own start time.

    Times wrap around at the end.
    """
    picked = np.empty((length, len(rows), values.shape[2]), np.float32)
    layer_loops.pick(values, start, rows, picked)
    return picked
