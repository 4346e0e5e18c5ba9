"""One training of a recurrent model: trials into arrays, network, batches and validation, and what is told of it."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rnnspike.models.bin_inputs import Scaling, bin_inputs, past_and_window, recorded_past
from rnnspike.models.bin_sequences import Chunk, Sequences, Streams
from rnnspike.models.cells import Architecture, Readout, RecurrentCell
from rnnspike.models.checkpoint import Checkpoint
from rnnspike.models.net import Arrays, CompiledLoss
from rnnspike.models.protocol import HEADROOM, LOG_MU_RANGE, FittedModel
from rnnspike.models.recurrent import RecurrentModel
from rnnspike.models.recurrent_fitted import FittedRecurrent
from rnnspike.models.recurrent_net import READOUT_SCALE, RecurrentNet
from rnnspike.models.scans import States
from rnnspike.models.training import History, TrainingResult, TrainingSettings, train
from rnnspike.trials.data import FloatArray, Observation, Trials

#: Bins of training trials that are looked at for the range of their intensities.
RANGE_BINS = 100_000
#: Fewer spikes than this for each parameter cannot hold a network of its size: it is early stopping that does.
FEW_SPIKES_PER_PARAMETER = 0.1
#: Without gates W_h alone holds the time constants, and a step of the full rate jumps past them: (rate, that of W_h).
RATE_FACTORS: dict[Architecture, tuple[float, float]] = {
    "linear": (0.5, 0.1),
    "rnn": (0.5, 0.1),
    "gru": (1.0, 1.0),
    "lstm": (1.0, 1.0),
}


@dataclass(frozen=True)
class RecurrentTask:
    """All that one training needs.

    ``mean_count`` is spikes per scored bin: the loss is in nats per expected spike, so that the norm at which
    gradients are clipped means the same at every rate and bin. ``longest_interval_s`` is the longest between two
    spikes of a training sequence, 0 where none has two.
    """

    model: RecurrentModel
    net: RecurrentNet
    sequences: Sequences
    streams: Streams
    held_out: tuple[Sequences, ...]
    bases: tuple[FittedModel, ...]
    scaling: Scaling
    warm_up: int
    bin_s: float
    observation: Observation
    n_spikes: int
    mean_count: float
    longest_interval_s: float
    seed: int

    @property
    def settings(self) -> TrainingSettings:
        """The training loop's settings: a cycle in equal parts, each followed by a validation."""
        own = self.model.settings
        rate, recurrent_rate = RATE_FACTORS[self.model.architecture]
        n_updates = own.n_updates * min(max(math.sqrt(self.n_spikes / own.base_spikes), 1.0), 3.0)
        return TrainingSettings(
            n_epochs=own.n_validations,
            updates_per_epoch=max(1, round(n_updates / own.n_validations)),
            learning_rate=own.learning_rate * rate,
            weight_decay=own.weight_decay,
            max_cycles=own.max_cycles,
            rate_factors={"layer.weight_hh_l0": recurrent_rate},
        )

    def run(self) -> TrainingResult:
        """Train, or take up an interrupted training."""
        if self.model.device != "cpu":
            from rnnspike.models.gpu.fleet import train_together

            return train_together([self], self.model.checkpoint)[0]
        checkpoint = None
        if self.model.checkpoint is not None:
            checkpoint = Checkpoint(self.model.checkpoint / f"{self.model.name}.safetensors", self.fingerprint())
        return train(
            self.net, self.batches, [self.validation_losses], self.settings, seed=self.seed, checkpoint=checkpoint
        )

    def batches(self, epoch: int, rng: np.random.Generator) -> Iterator[tuple[CompiledLoss, float]]:
        """Yield loss and weight of each update of an epoch; the state goes from chunk to chunk."""
        left, state = self.settings.updates_per_epoch, None
        while left > 0:
            for chunk in self.streams(rng):
                loss, scored, state = self._chunk_loss(chunk, state)
                if scored > 0:
                    yield loss, scored * self.mean_count
                    left -= 1
                if left == 0:
                    return

    def _chunk_loss(self, chunk: Chunk, state: States | None) -> tuple[CompiledLoss, float, States]:
        if chunk.is_first:
            state = None if chunk.lead_in is None else self.net.run(chunk.lead_in)[1]
        if state is not None:
            state = tuple(part * chunk.goes_on[:, None] for part in state)
        loss, state = self.net.loss(chunk.inputs, chunk.targets, self.observation, state)
        return loss, float(chunk.targets[:, :, 2].sum()), state

    def validation_losses(self) -> FloatArray:
        """Return the loss (set,) in nats per expected spike of the held-out sets, sequences from their start on."""
        losses = []
        for each in self.held_out:
            loss, _ = self.net.loss(each.inputs, each.targets, self.observation, backwards=False)
            n_scored = float(each.targets[:, :, 2].sum(dtype=np.float64))
            losses.append(loss.value / max(n_scored * self.mean_count, 1e-12))
        return np.array(losses)

    def log_mu_range(self, state: Arrays) -> tuple[float, float]:
        """Return the lowest and highest log mu that a state of the network gives training trials, ``HEADROOM`` wider.

        Beyond that an input is one that training did not show, and the exponential would answer with any rate.
        """
        self.net.load_state_dict(state)
        every = -(-self.sequences.inputs.shape[0] * self.sequences.n_rows // RANGE_BINS)
        inputs, targets = (
            np.ascontiguousarray(each[:, ::every]) for each in (self.sequences.inputs, self.sequences.targets)
        )
        log_mu = self.net.log_mu(inputs, targets[:, :, 1])[targets[:, :, 2] > 0]
        if not len(log_mu):
            return LOG_MU_RANGE
        return float(log_mu.min()) - HEADROOM, float(log_mu.max()) + HEADROOM

    def weights(self, state: Arrays) -> tuple[RecurrentCell, Readout]:
        """Return a state of the network as the float64 arrays of a fitted model."""
        arrays = {name: each.astype(np.float64) for name, each in state.items()}
        layer = {name.removeprefix("layer."): array for name, array in arrays.items() if name.startswith("layer.")}
        cell = RecurrentCell.from_torch(
            self.net.architecture,
            layer,
            input_names=self.scaling.names,
            input_mean=self.scaling.mean,
            input_sd=self.scaling.sd,
            bin_s=self.bin_s,
        )
        scale = READOUT_SCALE
        return cell, Readout(scale * arrays["readout.weight"][0], float(scale * arrays["readout.bias"][0]))

    def fitted(self, result: TrainingResult) -> tuple[FittedRecurrent, ...]:
        """Return the models that a training of this task gave, one for each validation set."""
        return tuple(
            FittedRecurrent(
                self.model.name,
                *self.weights(state),
                base,
                self.warm_up,
                self.report(result.history, i),
                self.log_mu_range(state),
                (self.scaling.low, self.scaling.high),
            )
            for i, (state, base) in enumerate(zip(result.best, self.bases, strict=True))
        )

    def report(self, history: History, index: int) -> dict[str, Any]:
        """Return what is told of the training with the i-th fitted model."""
        n_parameters = self.net.n_parameters
        window_s = self.streams.length * self.bin_s
        per_parameter = self.n_spikes / n_parameters
        warnings = []
        if per_parameter < FEW_SPIKES_PER_PARAMETER:
            warnings.append(f"{self.n_spikes} training spikes for {n_parameters} parameters")
        if window_s < 2 * self.longest_interval_s:
            warnings.append(
                f"the training window of {window_s:.3g} s is less than twice the longest interval between spikes,"
                f" {self.longest_interval_s:.3g} s: slower memory cannot be learned"
            )
        if history.updates and history.skipped > 0.01 * history.updates:
            warnings.append(f"{history.skipped} of {history.updates} steps were not finite and were skipped")
        return history.summary() | {
            "chosen_epoch": history.best_epoch[index],
            "validation_set": index,
            "parameters": n_parameters,
            "training_spikes": self.n_spikes,
            "spikes_per_parameter": per_parameter,
            "window_s": window_s,
            "longest_interval_s": self.longest_interval_s,
            "warnings": warnings,
        }

    def fingerprint(self) -> str:
        """Return what tells this training from any other: settings, seed and data."""
        digest = hashlib.sha256()
        described = [asdict(self.model.settings), self.model.name, self.seed, self.scaling.names, np.__version__]
        digest.update(json.dumps(described).encode())
        for sequences in (self.sequences, *self.held_out):
            for array in (sequences.inputs, sequences.targets):
                digest.update(array.tobytes())
        return digest.hexdigest()


def prepare(
    model: RecurrentModel, train: Trials, validation: Sequence[Trials], bases: Sequence[FittedModel], seed: int
) -> RecurrentTask:
    """Return the training of a model on these trials; the first base is trained on, each validates its own set."""
    own, bin_s = model.settings, train.bin_s
    log_drive = log_mu(bases[0], train)
    warm_up = warm_up_bins(train, own.max_warm_up_s)
    scaling = Scaling.of(train, log_drive)
    sequences = Sequences.of(train, bin_inputs(train, log_drive, warm_up, scaling), log_drive)
    held_out = []
    for trials, base in zip(validation, bases, strict=True):
        some = thinned(trials, own.validation_bins)
        drive = log_mu(base, some)
        held_out.append(Sequences.of(some, bin_inputs(some, drive, warm_up, scaling), drive))
    longest = longest_interval_bins(train, warm_up)
    scale = min(max(longest, round(0.1 / bin_s)), round(2.0 / bin_s))
    net = RecurrentNet(model.architecture, len(scaling.names), own.n_hidden, scale, np.random.default_rng(seed))
    n_chunks = max(1, round(train.n_bins / max(own.chunk_s / bin_s, own.min_chunk_bins)))
    return RecurrentTask(
        model=model,
        net=net,
        sequences=sequences,
        streams=Streams(sequences, n_chunks, own.n_rows, round(own.lead_in_s / bin_s)),
        held_out=tuple(held_out),
        bases=tuple(bases),
        scaling=scaling,
        warm_up=warm_up,
        bin_s=bin_s,
        observation=train.observation,
        n_spikes=int(train.spikes[train.observed].sum()),
        mean_count=float(train.spikes[train.observed].mean()),
        longest_interval_s=longest * bin_s,
        seed=seed,
    )


def log_mu(base: FittedModel, trials: Trials) -> FloatArray:
    """Return log mu (trial, bin) of a base."""
    values: FloatArray = np.log(base.intensity(trials)[:, :, 0])
    return values


def warm_up_bins(train: Trials, max_warm_up_s: float) -> int:
    """Return the recorded past to read: as long as the window, at least .25 s, where it was recorded."""
    longest = round(min(max(train.n_bins * train.bin_s, 0.25), max_warm_up_s) / train.bin_s)
    return min(recorded_past(train), longest)


def thinned(trials: Trials, max_bins: int) -> Trials:
    """Return trials evenly out of these, that have about so many bins together."""
    wanted = max(1, round(max_bins / trials.n_bins))
    if wanted >= trials.n_trials:
        return trials
    return trials.take(np.unique(np.linspace(0, trials.n_trials - 1, wanted).round().astype(np.int64)))


def longest_interval_bins(trials: Trials, warm_up: int) -> int:
    """Return the longest interval between two spikes of one sequence, in bins."""
    spikes, _ = past_and_window(trials, warm_up)
    trial, at = np.nonzero(spikes)
    gaps = np.diff(at)[np.diff(trial) == 0]
    return int(gaps.max(initial=0))
