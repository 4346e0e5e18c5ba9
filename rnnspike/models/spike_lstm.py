"""The LSTM clocked by spikes, on the drive or on the GLM, all units of a recording in one network (science.md d.2-4).

One training serves several validation sets; ``spike_fitted.py`` is what comes out of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rnnspike.errors import ModelError
from rnnspike.models.checkpoint import Checkpoint
from rnnspike.models.protocol import FittedModel
from rnnspike.models.spike_batches import N_CONTEXT, N_SCORED, TrainingBatches, Validation
from rnnspike.models.spike_design import CovariateScale, Design, Scales, build_design
from rnnspike.models.spike_fitted import FittedSpikeLstm, log_rows
from rnnspike.models.spike_net import HazardLoss, HazardNet
from rnnspike.models.training import TrainingResult, TrainingSettings, train
from rnnspike.trials.data import Trials

#: Fewer updates are made only where there are hardly any sequences to train on.
FEW_UPDATES = 50
#: Sequences from which on a training goes through them less often, in proportion to the root of their number: a
#: recording of many units has its updates from few epochs, and by more of them the weaker units are overfitted.
MANY_SEQUENCES = 150


@dataclass(frozen=True)
class SpikeLstmSettings:
    """Size of the network and length of its training.

    A cycle has ``n_epochs``, fewer where there are many sequences but at least ``fewest_epochs``, a batch up to
    ``batch_size`` sequences; every ``validate_every``-th epoch may be the one that is kept.
    """

    n_hidden: int = 32
    n_epochs: int = 14
    fewest_epochs: int = 14
    max_cycles: int = 1
    batch_size: int = 64
    validate_every: int = 1
    learning_rate: float = 2e-2
    weight_decay: float = 1e-2
    dropout: float = 0.1

    def training(self, n_sequences: int, updates_per_epoch: int) -> TrainingSettings:
        """Return the loop's settings for data of this size."""
        n_epochs = round(self.n_epochs * math.sqrt(MANY_SEQUENCES / max(n_sequences, MANY_SEQUENCES)))
        return TrainingSettings(
            n_epochs=min(max(n_epochs, self.fewest_epochs), self.n_epochs),
            updates_per_epoch=updates_per_epoch,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            max_cycles=self.max_cycles,
            validate_every=self.validate_every,
        )


@dataclass(frozen=True)
class _Task:
    """A training and all that it needs."""

    net: HazardLoss
    batches: TrainingBatches
    validations: tuple[Validation, ...]
    settings: SpikeLstmSettings
    seed: int

    def run(self, checkpoint: Checkpoint | None) -> TrainingResult:
        """Train; the best states come flat over validation sets and units."""
        loop = self.settings.training(self.batches.sequences.n_sequences, self.batches.updates_per_epoch)
        return train(self.net, self.batches, self.validations, loop, seed=self.seed, checkpoint=checkpoint)


@dataclass(frozen=True)
class _Frame:
    """What turns trials into designs: scales of the training trials and the bases of one validation set."""

    scales: Scales
    covariate_scale: CovariateScale

    def design(self, trials: Trials, bases: Sequence[FittedModel]) -> Design:
        """Return the design in single precision."""
        log_drive = log_rows(bases[0], trials, np.float32)
        log_base = log_rows(bases[-1], trials, np.float32) if len(bases) > 1 else log_drive
        covariates = self.covariate_scale.apply(trials).astype(np.float32)
        return build_design(trials, np.arange(trials.n_units), self.scales, log_drive, log_base, covariates)


class SpikeLstm:
    """LSTM clocked by spikes that starts from the drive; takes all units of the trials in one network.

    Parameters
    ----------
    settings
        Size and length of the training.
    device
        ``cpu`` or ``cuda``.
    checkpoint
        Folder for the state of an interrupted training.
    """

    name = "spike-lstm"
    base_names: tuple[str, ...] = ("drive",)

    def __init__(
        self,
        settings: SpikeLstmSettings = SpikeLstmSettings(),
        device: str = "cpu",
        checkpoint: Path | None = None,
    ) -> None:
        self.settings, self.device, self.checkpoint = settings, device, checkpoint

    @classmethod
    def configured(
        cls, effort: Literal["fast", "standard", "thorough"], device: str, checkpoint: Path | None
    ) -> SpikeLstm:
        """Return the model at an effort (registry)."""
        return cls(SETTINGS[cls.name][effort], device, checkpoint)

    def fit(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> tuple[FittedModel, ...]:
        """Train once; each validation set's model has for each unit the epoch that was best on that set.

        Raises
        ------
        ModelError
            Where a base is missing or there is no spike to train on.
        """
        bases = self._bases(fitted, len(validation))
        frame = _Frame(Scales.of(train), CovariateScale.of(train))
        task = self._task(frame, train, validation, bases, rng)
        path = self.checkpoint / "training.safetensors" if self.checkpoint else None
        result = task.run(Checkpoint(path, self._fingerprint(train, task.seed)) if path else None)
        report = training_report(task, result, train)
        return tuple(
            self._fitted(train, frame, bases[i], result, report, i * train.n_units) for i in range(len(validation))
        )

    def _bases(
        self, fitted: Mapping[str, Sequence[FittedModel]] | None, n_sets: int
    ) -> list[tuple[FittedModel, ...]]:
        missing = [name for name in self.base_names if name not in (fitted or {})]
        if missing or fitted is None:
            raise ModelError(f"{self.name}: needs {', '.join(missing or self.base_names)} fitted on the same trials")
        return [tuple(fitted[name][i] for name in self.base_names) for i in range(n_sets)]

    def _task(
        self,
        frame: _Frame,
        train: Trials,
        validation: Sequence[Trials],
        bases: Sequence[tuple[FittedModel, ...]],
        rng: np.random.Generator,
    ) -> _Task:
        design = frame.design(train, bases[0])
        if not (design.events.stop_count > 0).any():
            raise ModelError(f"{self.name}: no spike in the training trials")
        seed, settings = int(rng.integers(2**31)), self.settings
        n_inputs, n_head = design.inputs.shape[1], design.n_head_inputs
        drawn = HazardNet(n_inputs, n_head, train.n_units, np.random.default_rng(seed), settings.n_hidden)
        net = drawn if self.device == "cpu" else _on_gpu(drawn, self.device)
        batches = TrainingBatches(net, design, train.observation, settings.batch_size, settings.dropout)
        validations = tuple(
            Validation(net, frame.design(trials, base), trials.observation, np.random.default_rng(seed))
            for trials, base in zip(validation, bases, strict=True)
        )
        return _Task(net, batches, validations, settings, seed)

    def _fingerprint(self, train: Trials, seed: int) -> str:
        spikes = int(train.spikes.sum(dtype=np.int64))
        return f"{self.name} {self.settings} {train.unit_ids} {train.counts.shape} {spikes} {seed}"

    def _fitted(
        self,
        train: Trials,
        frame: _Frame,
        bases: tuple[FittedModel, ...],
        result: TrainingResult,
        report: dict[str, Any],
        at: int,
    ) -> FittedSpikeLstm:
        """Return the model of one validation set, whose units' best states begin at ``at``."""
        epochs = result.history.best_epoch[at : at + train.n_units]
        kept = sorted(set(epochs))
        states = [result.best[at + epochs.index(epoch)] for epoch in kept]
        model = FittedSpikeLstm(
            name=self.name,
            unit_ids=train.unit_ids,
            states=tuple(states),
            choice=tuple(kept.index(epoch) for epoch in epochs),
            scales=frame.scales,
            covariate_scale=frame.covariate_scale,
            covariate_names=frame.covariate_scale.names(train.covariate_names),
            bases=bases,
            bin_s=train.bin_s,
            training=report | {"best_epoch": epochs},
        )
        return model.with_ceilings(train) if train.covariate_names else model

    @staticmethod
    def load(folder: Path) -> FittedModel:
        """Return a fitted model from its folder."""
        return FittedSpikeLstm.load(folder)


class SpikeLstmOnGlm(SpikeLstm):
    """LSTM clocked by spikes that starts from the GLM."""

    name = "spike-lstm-glm"
    base_names = ("drive", "glm")


_THOROUGH = SpikeLstmSettings(n_hidden=48, n_epochs=40, fewest_epochs=24, batch_size=32)
#: From the drive the network has everything to learn about spikes, from the GLM a rest: it is sooner done.
_FROM_DRIVE = SpikeLstmSettings(n_epochs=20, fewest_epochs=15, batch_size=48, learning_rate=4e-2)
SETTINGS = {
    "spike-lstm": {
        "fast": replace(_FROM_DRIVE, n_epochs=12, fewest_epochs=12, validate_every=3),
        "standard": _FROM_DRIVE,
        "thorough": _THOROUGH,
    },
    "spike-lstm-glm": {
        "fast": SpikeLstmSettings(n_epochs=8, fewest_epochs=8, validate_every=3),
        "standard": SpikeLstmSettings(),
        "thorough": _THOROUGH,
    },
}


def training_report(task: _Task, result: TrainingResult, train: Trials) -> dict[str, Any]:
    """Return what the training did and whether these data can support it, as plain values (issue 4, item 5)."""
    events = task.batches.design.events
    n_spikes = int(events.stop_count[events.is_scored].sum())
    n_parameters = task.net.n_parameters
    ended = events.stop_count > 0
    length = (events.stop - events.bin)[ended & events.is_scored]
    longest_s = float(length.max(initial=0)) * train.bin_s
    context_s = float((N_CONTEXT + N_SCORED) * np.median(length)) * train.bin_s if len(length) else 0.0
    report = {
        **result.history.summary(),
        "updates_per_epoch": task.batches.updates_per_epoch,
        "n_spikes": n_spikes,
        "n_parameters": n_parameters,
        "spikes_per_parameter": n_spikes / n_parameters,
        "longest_interval_s": longest_s,
        "context_s": context_s,
    }
    return report | {"warnings": _warnings(report, task, train)}


def _warnings(report: Mapping[str, Any], task: _Task, train: Trials) -> list[str]:
    """Return what the data cannot support, in words."""
    said = []
    if report["n_spikes"] < 500:
        said.append(f"only {report['n_spikes']} spikes to train on: the network hardly leaves its base")
    if report["updates"] < FEW_UPDATES:
        said.append(f"only {report['updates']} updates were made")
    if report["longest_interval_s"] > report["context_s"]:
        said.append(
            f"the longest interval ({report['longest_interval_s']:.3g} s) exceeds the typical context of "
            f"{N_CONTEXT + N_SCORED} spikes ({report['context_s']:.3g} s)"
        )
    if report["skipped_steps"]:
        said.append(f"{report['skipped_steps']} updates were not finite and were skipped")
    return said


def _on_gpu(net: HazardNet, device: str) -> HazardLoss:
    from rnnspike.models.gpu.hazard import TorchHazardNet

    return TorchHazardNet(net, device)
