"""One training of a recurrent model: arrays of the trials, network, batches, validation and report."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from rnnspike.models.networks.bin_clock.batches import Chunk, Sequences, Streams
from rnnspike.models.networks.bin_clock.fitted import FittedRecurrent
from rnnspike.models.networks.bin_clock.inputs import Scaling, bin_inputs, past_and_window, recorded_past
from rnnspike.models.networks.bin_clock.net import READOUT_SCALE, RecurrentNet, layer_cell
from rnnspike.models.networks.bin_clock.settings import RecurrentSettings
from rnnspike.models.networks.cell import Architecture, Bend, Cell, Readout
from rnnspike.models.networks.checkpoint import Checkpoint
from rnnspike.models.networks.layers import States
from rnnspike.models.networks.parameters import Arrays, CompiledLoss
from rnnspike.models.networks.training import History, TrainingResult, TrainingSettings, train
from rnnspike.models.protocol import HEADROOM, LOG_MU_RANGE, FittedModel
from rnnspike.models.shares import SHARES, earned_share
from rnnspike.observation import Observation, loss_by_log_mu
from rnnspike.rhythm import bin_for, history_reach
from rnnspike.trials.data import FloatArray, Trials

#: Bins of training trials from which the range of their intensities is taken.
RANGE_BINS = 100_000
#: With fewer spikes per parameter than this, only early stopping keeps a network from overfitting.
FEW_SPIKES_PER_PARAMETER = 0.1
#: Nats by which a share of the gain must beat none on validation trials.
EARNED_NATS = 1.0
#: Without gates only W_h sets the time constants, and full-rate steps overshoot them: (rate, factor of W_h, or of the
#: modes of a linear recurrent unit).
RATE_FACTORS: dict[Architecture, tuple[float, float]] = {
    "linear": (0.5, 0.1),
    "lru": (0.5, 1.0),
    "rnn": (0.5, 0.1),
    "gru": (1.0, 1.0),
    "lstm": (1.0, 1.0),
}


@dataclass(frozen=True)
class RecurrentTask:
    """One training of the model ``name``: data, network and settings.

    ``mean_count`` is spikes per scored bin: the loss is in nats per expected spike, so that the clipping norm of
    gradients means the same at every rate and bin width. ``longest_interval_s`` is the longest between two spikes of
    a training sequence, 0 where none has two; ``reach_s`` is how far back past spikes affect the rate in the data.
    With ``must_earn``, validation trials choose what share of the gain over the base is kept.
    """

    name: str
    effort: RecurrentSettings
    device: str
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
    reach_s: float
    seed: int
    must_earn: bool = False

    @property
    def settings(self) -> TrainingSettings:
        """The training loop's settings: a cycle in equal parts, each followed by a validation."""
        own = self.effort
        rate, recurrent_rate = RATE_FACTORS[self.net.architecture]
        n_updates = own.n_updates * min(max(math.sqrt(self.n_spikes / own.base_spikes), 1.0), 3.0)
        return TrainingSettings(
            n_epochs=own.n_validations,
            updates_per_epoch=max(1, round(n_updates / own.n_validations)),
            learning_rate=own.learning_rate * rate,
            weight_decay=own.weight_decay,
            max_cycles=own.max_cycles,
            least_gain=own.least_gain,
            rate_factors=dict.fromkeys(("layer.weight_hh_l0", "layer.nu", "layer.theta"), recurrent_rate),
        )

    def run(self, checkpoints: Path | None = None) -> TrainingResult:
        """Train on a CPU; an interrupted training continues from its state in the folder ``checkpoints``."""
        kept = None
        if checkpoints is not None:
            kept = Checkpoint(checkpoints / f"{self.name}.safetensors", self.fingerprint())
        return train(self.net, self.batches, [self.validation_losses], self.settings, seed=self.seed, checkpoint=kept)

    def batches(self, epoch: int, rng: np.random.Generator) -> Iterator[tuple[CompiledLoss, float]]:
        """Yield loss and weight of each update of an epoch; the state is carried from chunk to chunk."""
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
            state = None if chunk.state_warm_up is None else self.net.run(chunk.state_warm_up)[1]
        if state is not None:
            state = tuple(part * chunk.carries_state[:, None] for part in state)
        loss, state = self.net.loss(chunk.inputs, chunk.targets, self.observation, state)
        return loss, float(chunk.targets[:, :, 2].sum()), state

    def validation_losses(self) -> FloatArray:
        """Return the loss (set,) in nats per expected spike of the held-out sets, each sequence from its start."""
        losses = []
        for each in self.held_out:
            loss, _ = self.net.loss(each.inputs, each.targets, self.observation, backwards=False)
            n_scored = float(each.targets[:, :, 2].sum(dtype=np.float64))
            losses.append(loss.value / max(n_scored * self.mean_count, 1e-12))
        return np.array(losses)

    def log_mu_range(self, state: Arrays) -> tuple[float, float]:
        """Return the lowest and highest log mu of training trials under a state of the network, ``HEADROOM`` wider.

        Log mu outside this range comes from inputs unlike those in training, where an exponential link can predict
        any rate.
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

    def weights(self, state: Arrays) -> tuple[Cell, Readout]:
        """Return a state of the network as the float64 arrays of a fitted model."""
        arrays = {name: each.astype(np.float64) for name, each in state.items()}
        layer = {name.removeprefix("layer."): array for name, array in arrays.items() if name.startswith("layer.")}
        weight, bias = (READOUT_SCALE * arrays[f"readout.{name}"] for name in ("weight", "bias"))
        weight, by_bend = np.split(weight, [self.net.n_hidden], axis=1)
        bend = Bend(by_bend, arrays["bend.inner"], arrays["bend.shift"]) if self.net.n_bends else None
        return layer_cell(self.net.architecture, layer), Readout(weight, bias, bend=bend)

    def fitted(self, result: TrainingResult) -> tuple[FittedRecurrent, ...]:
        """Return the fitted models, one per validation set."""
        return tuple(
            self._fitted(result.history, i, state, base)
            for i, (state, base) in enumerate(zip(result.best, self.bases, strict=True))
        )

    def _fitted(self, history: History, index: int, state: Arrays, base: FittedModel) -> FittedRecurrent:
        cell, readout = self.weights(state)
        report, bounds = self.report(history, index), self.log_mu_range(state)
        if self.must_earn:
            share = self.earned_share(state, self.held_out[index])
            readout, report = readout.scaled(share), {**report, "gain_share": share}
            bounds = bounds if share else LOG_MU_RANGE
        known = self.scaling, self.bin_s, base, self.warm_up
        return FittedRecurrent(self.name, cell, readout, *known, report, bounds)

    def earned_share(self, state: Arrays, held_out: Sequences) -> float:
        """Return the share of the network's gain that is best on held-out sequences; 0 where that is too small."""
        self.net.load_state_dict(state)
        spikes, log_base, scored = np.moveaxis(held_out.targets, 2, 0)
        at = scored > 0
        base, count = log_base[at].astype(np.float64), spikes[at].astype(np.float64)
        gain = self.net.log_mu(held_out.inputs, np.zeros_like(log_base))[at].astype(np.float64)
        one = np.ones(len(base))
        nats = [loss_by_log_mu(base + share * gain, one, count, self.observation)[0] for share in SHARES]
        return earned_share(nats, EARNED_NATS)

    def report(self, history: History, index: int) -> dict[str, Any]:
        """Return the report of the training for the i-th fitted model."""
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
        if window_s < 0.8 * self.reach_s:
            whole = self.streams.n_chunks == 1
            remedy = "longer windows or segments" if whole else f"wider bins (--bin {bin_for(self.reach_s)})"
            warnings.append(
                f"the training window of {window_s:.3g} s is less than the {self.reach_s:.3g} s over which spikes"
                f" depend on each other: slower memory needs {remedy}"
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
            "reach_s": self.reach_s,
            "warnings": warnings,
        }

    def fingerprint(self) -> str:
        """Return a text that identifies this training: settings, seed and data."""
        digest = hashlib.sha256()
        described = [asdict(self.effort), self.name, self.seed, self.scaling.names, np.__version__]
        digest.update(json.dumps(described).encode())
        for sequences in (self.sequences, *self.held_out):
            for array in (sequences.inputs, sequences.targets):
                digest.update(array.tobytes())
        return digest.hexdigest()


def prepare(
    name: str,
    architecture: Architecture,
    own: RecurrentSettings,
    device: str,
    train: Trials,
    validation: Sequence[Trials],
    bases: Sequence[FittedModel],
    train_mu: FloatArray,
    seed: int,
    n_bends: int = 0,
) -> RecurrentTask:
    """Return the training of a model on these trials.

    ``train_mu`` (trial, bin, 1) is the base's mu of the training trials; each base is for one validation set.
    ``n_bends`` units bend the readout.
    """
    bin_s = train.bin_s
    log_drive: FloatArray = np.log(train_mu[:, :, 0])
    counts, observed = train.past_and_window()
    reach_s = history_reach(counts[:, :, 0], bin_s, observed[:, :, 0], train.condition)
    memory = min(round(reach_s / bin_s), own.max_chunk_bins)
    warm_up = warm_up_bins(train, own, memory)
    scaling = Scaling.of(train, log_drive)
    sequences = Sequences.of(train, bin_inputs(train, log_drive, warm_up, scaling), log_drive)
    held_out = []
    for trials, base in zip(validation, bases, strict=True):
        some = thinned(trials, own.validation_bins)
        drive = log_mu(base, some)
        held_out.append(Sequences.of(some, bin_inputs(some, drive, warm_up, scaling), drive))
    longest = longest_interval_bins(train, warm_up)
    scale = max(min(max(longest, round(0.1 / bin_s)), round(2.0 / bin_s)), memory)
    net = RecurrentNet(architecture, len(scaling.names), own.n_hidden, scale, np.random.default_rng(seed), n_bends)
    window = max(own.chunk_s / bin_s, own.min_chunk_bins, memory)
    n_chunks = max(1, round(train.n_bins / window))
    return RecurrentTask(
        name=name,
        effort=own,
        device=device,
        net=net,
        sequences=sequences,
        streams=Streams(sequences, n_chunks, own.n_rows, max(round(own.lead_in_s / bin_s), memory // 2)),
        held_out=tuple(held_out),
        bases=tuple(bases),
        scaling=scaling,
        warm_up=warm_up,
        bin_s=bin_s,
        observation=train.observation,
        n_spikes=int(train.spikes[train.observed].sum()),
        mean_count=float(train.spikes[train.observed].mean()),
        longest_interval_s=longest * bin_s,
        reach_s=reach_s,
        seed=seed,
    )


def log_mu(base: FittedModel, trials: Trials) -> FloatArray:
    """Return log mu (trial, bin) of a base."""
    values: FloatArray = np.log(base.intensity(trials)[:, :, 0])
    return values


def warm_up_bins(train: Trials, own: RecurrentSettings, memory: int) -> int:
    """Return the length of the warm-up in bins.

    It is that of the window, at least .25 s, at most what was recorded or ``memory``.
    """
    longest = round(min(max(train.n_bins * train.bin_s, 0.25), own.max_warm_up_s) / train.bin_s)
    return min(recorded_past(train), max(longest, memory))


def thinned(trials: Trials, max_bins: int) -> Trials:
    """Return evenly spaced trials that have about this many bins in all."""
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
