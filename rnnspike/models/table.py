"""Models whose intensity does not depend on spikes: one value per condition, bin and unit, or per trial."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from rnnspike.models.protocol import MU_CEILING, MU_FLOOR, Stepper
from rnnspike.trials.data import CountArray, FloatArray, Trials


class TableStepper:
    """Goes through a table of mu (row, bin), whatever the spikes."""

    def __init__(self, mu: FloatArray) -> None:
        self._mu, self._bin = mu, 0

    def mu(self) -> FloatArray:
        """Return the expected count (row,) of the bin that comes next."""
        return self._mu[:, self._bin]

    def push(self, spikes: npt.NDArray[np.bool_] | CountArray) -> None:
        """Move on to the next bin."""
        self._bin += 1


@dataclass(frozen=True)
class IntensityTable:
    """A fitted model without history: ``mu_table`` (condition, bin, unit) of the units named."""

    name: str
    mu_table: FloatArray
    unit_ids: tuple[str, ...]
    config: dict[str, object]

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, unit) of the trials' units, each trial by its condition."""
        units = [self.unit_ids.index(unit_id) for unit_id in trials.unit_ids]
        return np.clip(self.mu_table[trials.condition][:, :, units], MU_FLOOR, MU_CEILING)

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper of one unit over these trials."""
        return TableStepper(self.intensity(trials.unit(unit))[:, :, 0])

    def save(self, folder: Path) -> None:
        """Write the table (safetensors) and config (json)."""
        from safetensors.numpy import save_file

        folder.mkdir(parents=True, exist_ok=True)
        save_file({"mu_table": np.ascontiguousarray(self.mu_table)}, folder / "weights.safetensors")
        config = {"name": self.name, "unit_ids": list(self.unit_ids), **self.config}
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")

    @classmethod
    def load(cls, folder: Path) -> IntensityTable:
        """Return what ``save`` wrote."""
        from safetensors.numpy import load_file

        config = json.loads((folder / "config.json").read_text())
        table = load_file(folder / "weights.safetensors")["mu_table"]
        return cls(config.pop("name"), table, tuple(config.pop("unit_ids")), config)
