"""Models made of fitted models: the bag over inner folds, and one model of many units (science.md d.4)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rnnspike.errors import ModelError
from rnnspike.models import registry
from rnnspike.models.protocol import MU_CEILING, MU_FLOOR, FittedModel, Stepper
from rnnspike.trials.data import CountArray, FloatArray, IntArray, Trials


@dataclass(frozen=True)
class LogMeanStepper:
    """Steppers side by side; mu is the weighted mean of theirs in log rate."""

    steppers: tuple[Stepper, ...]
    weights: FloatArray

    def take(self, rows: IntArray) -> LogMeanStepper:
        """Return a stepper whose rows are copies of these."""
        return LogMeanStepper(tuple(stepper.take(rows) for stepper in self.steppers), self.weights)

    def ahead(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of the bins that come next, should no spike come in them."""
        steppers = zip(self.steppers, self.weights, strict=True)
        return bounded(np.exp(sum(weight * np.log(s.ahead(rows, at, n)) for s, weight in steppers)))

    def skip(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Move every member on."""
        for stepper in self.steppers:
            stepper.skip(rows, at, n_bins, counts)


@dataclass(frozen=True)
class Bag:
    """Members of one rung fitted on different inner folds; mu is their mean in log rate (science.md d.4)."""

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
    """Single-unit models side by side: one model of all their units, of which trials may hold any by id."""

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
        """Return what ``save`` wrote; a unit's model is read when it is asked for, as most tasks are of one unit."""
        config = json.loads((folder / "members.json").read_text())
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


def bounded(mu: FloatArray) -> FloatArray:
    """Return mu within the bounds that every model keeps."""
    return np.clip(mu, MU_FLOOR, MU_CEILING)


def save_members(folder: Path, members: Sequence[FittedModel], config: dict[str, object]) -> None:
    """Write fitted models into numbered folders and a ``members.json`` that names their rungs."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, member in enumerate(members):
        member.save(folder / str(i))
    kinds = [_KINDS.get(type(member).__name__, member.name) for member in members]
    (folder / "members.json").write_text(json.dumps({**config, "members": kinds}, indent=1) + "\n")


def load_members(folder: Path) -> tuple[tuple[FittedModel, ...], dict[str, list[str]]]:
    """Return the fitted models that ``save_members`` wrote, and its config."""
    config = json.loads((folder / "members.json").read_text())
    return tuple(load_any(kind, folder / str(i)) for i, kind in enumerate(config["members"])), config


def load_any(kind: str, folder: Path) -> FittedModel:
    """Return a fitted model: a composition by its kind, or a rung by its name."""
    if kind == "<bag>":
        return Bag.load(folder)
    return PerUnit.load(folder) if kind == "<per-unit>" else registry.load(kind, folder)


_KINDS = {"Bag": "<bag>", "PerUnit": "<per-unit>"}
