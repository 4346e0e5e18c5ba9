"""Models made of fitted models: the bag over inner folds, and one model of many units (science.md#folds)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rnnspike.errors import ModelError
from rnnspike.models import registry
from rnnspike.models.protocol import FittedModel, Stepper, bounded
from rnnspike.models.weights import load_config, save_config
from rnnspike.trials.data import CountArray, FloatArray, IntArray, Trials


@dataclass(frozen=True)
class LogMeanStepper:
    """Several steppers; mu is the weighted mean of theirs in log rate, times a scale."""

    steppers: tuple[Stepper, ...]
    weights: FloatArray
    scale: float = 1.0

    def copy_rows(self, rows: IntArray) -> LogMeanStepper:
        """Return a stepper whose rows are copies of these."""
        copies = tuple(stepper.copy_rows(rows) for stepper in self.steppers)
        return LogMeanStepper(copies, self.weights, self.scale)

    def predict_until_spike(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of the next n bins, on condition that none holds a spike."""
        steppers = zip(self.steppers, self.weights, strict=True)
        log_mu = sum(weight * np.log(s.predict_until_spike(rows, at, n)) for s, weight in steppers)
        return bounded(self.scale * np.exp(log_mu))

    def advance(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Advance every member."""
        for stepper in self.steppers:
            stepper.advance(rows, at, n_bins, counts)


@dataclass(frozen=True)
class Bag:
    """Members of one rung fitted on different inner folds; mu is their mean in log rate (science.md#folds)."""

    members: tuple[FittedModel, ...]
    name: str = "bag"

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, unit)."""
        total = sum(np.log(member.intensity(trials)) for member in self.members)
        return bounded(np.exp(total / len(self.members)))

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper of one unit over these trials."""
        steppers = tuple(member.stepper(trials, unit) for member in self.members)
        return LogMeanStepper(steppers, np.full(len(steppers), 1.0 / len(steppers)))

    def save(self, folder: Path) -> None:
        """Write every member into a folder of its own."""
        save_members(folder, self.members, {"name": self.name})

    @classmethod
    def load(cls, folder: Path) -> Bag:
        """Return what ``save`` wrote."""
        members, config = load_members(folder)
        return cls(members, str(config["name"]))


@dataclass(frozen=True)
class PerUnit:
    """Single-unit models as one model of all their units; trials may have any of them, by id."""

    unit_ids: tuple[str, ...]
    members: Sequence[FittedModel]
    name: str = "per-unit"

    def member(self, unit_id: str) -> FittedModel:
        """Return the model of a unit; ModelError where there is none."""
        if unit_id not in self.unit_ids:
            raise ModelError(f"{self.name}: not fitted to unit {unit_id} (only to {', '.join(self.unit_ids)})")
        return self.members[self.unit_ids.index(unit_id)]

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, unit), each unit by its own model."""
        columns = [self.member(unit_id).intensity(trials.unit(u)) for u, unit_id in enumerate(trials.unit_ids)]
        return np.concatenate(columns, axis=2)

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper of one unit over these trials."""
        return self.member(trials.unit_ids[unit]).stepper(trials.unit(unit))

    def save(self, folder: Path) -> None:
        """Write every unit's model into a folder of its own."""
        save_members(folder, self.members, {"name": self.name, "unit_ids": list(self.unit_ids)})

    @classmethod
    def load(cls, folder: Path) -> PerUnit:
        """Return what ``save`` wrote; each unit's model is read on first use, since most tasks need one unit."""
        config = load_config(folder, "members.json")
        return cls(tuple(config["unit_ids"]), _OnDisk(folder, tuple(config["members"])), str(config["name"]))


@dataclass(frozen=True)
class _OnDisk(Sequence[FittedModel]):
    """Models that ``save_members`` wrote, each read when it is first asked for."""

    folder: Path
    kinds: tuple[str, ...]
    _read: dict[int, FittedModel] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, index: Any) -> Any:
        i = range(len(self))[index]
        if i not in self._read:
            self._read[i] = load_any(self.kinds[i], self.folder / str(i))
        return self._read[i]


def save_members(folder: Path, members: Sequence[FittedModel], config: dict[str, object]) -> None:
    """Write fitted models into numbered folders and a ``members.json`` that names their rungs."""
    for i, member in enumerate(members):
        member.save(folder / str(i))
    kinds = [_KINDS.get(type(member).__name__, member.name) for member in members]
    save_config(folder, {**config, "members": kinds}, "members.json")


def load_members(folder: Path) -> tuple[tuple[FittedModel, ...], dict[str, Any]]:
    """Return the fitted models that ``save_members`` wrote, and its config."""
    config = load_config(folder, "members.json")
    return tuple(load_any(kind, folder / str(i)) for i, kind in enumerate(config["members"])), config


def load_any(kind: str, folder: Path) -> FittedModel:
    """Return a fitted model: a composition by its kind, or a rung by its name."""
    if kind == "<bag>":
        return Bag.load(folder)
    return PerUnit.load(folder) if kind == "<per-unit>" else registry.load(kind, folder)


_KINDS = {"Bag": "<bag>", "PerUnit": "<per-unit>"}
