"""The LSTM clocked by spikes, on the drive or on the GLM, all units of a recording in one network.

See science.md#spike-clock.

One training serves several validation sets; the fitted model is in ``fitted.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from rnnspike.errors import ModelError
from rnnspike.models.glm.cross_fit import cross_fitted_units
from rnnspike.models.networks.checkpoint import Checkpoint
from rnnspike.models.networks.spike_clock.batches import N_CONTEXT, N_SCORED, TrainingBatches, Validation
from rnnspike.models.networks.spike_clock.design import CovariateScale, Design, Scales, build_design
from rnnspike.models.networks.spike_clock.fitted import FittedSpikeLstm, log_rows
from rnnspike.models.networks.spike_clock.net import HazardLoss, HazardNet
from rnnspike.models.networks.training import TrainingResult, TrainingSettings, train
from rnnspike.models.protocol import FittedModel
from rnnspike.trials.data import Trials

#: Updates below which a warning is given: there are hardly any sequences to train on.
FEW_UPDATES = 50
#: With more sequences than this, the number of epochs falls with the root of their number: a recording of many units
#: has enough updates in few epochs, and more of them overfit the units with few spikes.
MANY_SEQUENCES = 150


@dataclass(frozen=True)
class SpikeLstmSettings:
    """Size of the network and length of its training.

    A cycle has ``n_epochs``, fewer with many sequences but at least ``fewest_epochs``; a batch has up to
    ``batch_size`` sequences; every ``validate_every``-th epoch is validated and may be the one that is kept.
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
    """A training with its network, batches and validation sets."""

    net: HazardLoss
    batches: TrainingBatches
    validations: tuple[Validation, ...]
    settings: SpikeLstmSettings
    seed: int

    def run(self, checkpoint: Checkpoint | None) -> TrainingResult:
        """Train; the best states are in order of validation set and unit."""
        loop = self.settings.training(self.batches.sequences.n_sequences, self.batches.updates_per_epoch)
        return train(self.net, self.batches, self.validations, loop, seed=self.seed, checkpoint=checkpoint)


@dataclass(frozen=True)
class _Frame:
    """Scales of the training trials, with which trials become designs."""

    scales: Scales
    covariate_scale: CovariateScale

    def design(self, trials: Trials, bases: Sequence[FittedModel], trained: bool = False) -> Design:
        """Return the design in single precision; on trials that ``trained`` them the GLMs are cross-fitted."""
        log_drive = log_rows(bases[0], trials, np.float32)
        log_base = log_drive
        if len(bases) > 1:
            log_base = cross_fitted_rows(bases[-1], trials) if trained else log_rows(bases[-1], trials, np.float32)
        covariates = self.covariate_scale.apply(trials).astype(np.float32)
        return build_design(trials, np.arange(trials.n_units), self.scales, log_drive, log_base, covariates)


def cross_fitted_rows(base: FittedModel, train: Trials) -> npt.NDArray[np.float32]:
    """Return log mu (row, bin) of each unit's GLM on its training trials, cross-fitted."""
    rows = np.log(cross_fitted_units(base, train)).astype(np.float32)
    return rows.transpose(0, 2, 1).reshape(-1, train.n_bins)


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
        design = frame.design(train, bases[0], trained=True)
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
        """Return the model of one validation set, whose units' best states are those from index ``at`` on."""
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
#: From the drive the network learns all effects of spikes, from the GLM only the residual, which takes fewer epochs.
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
    """Return counts and durations of the training, with warnings, as plain values."""
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
    """Return warnings about what these data cannot support."""
    warnings = []
    if report["n_spikes"] < 500:
        warnings.append(f"only {report['n_spikes']} spikes to train on: the network stays close to its base model")
    if report["updates"] < FEW_UPDATES:
        warnings.append(f"only {report['updates']} updates were made")
    if report["longest_interval_s"] > report["context_s"]:
        warnings.append(
            f"the longest interval ({report['longest_interval_s']:.3g} s) exceeds the typical context of "
            f"{N_CONTEXT + N_SCORED} spikes ({report['context_s']:.3g} s)"
        )
    if report["skipped_steps"]:
        warnings.append(f"{report['skipped_steps']} updates were not finite and were skipped")
    return warnings


def _on_gpu(net: HazardNet, device: str) -> HazardLoss:
    from rnnspike.models.networks.spike_clock.torch_net import TorchHazardNet

    return TorchHazardNet(net, device)
