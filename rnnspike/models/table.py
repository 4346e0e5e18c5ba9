"""Models whose intensity does not depend on spikes: one value per condition, bin and unit, or per trial."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnspike.models.protocol import MU_CEILING, MU_FLOOR, Stepper
from rnnspike.trials.data import CountArray, FloatArray, IntArray, Trials


@dataclass(frozen=True)
class TableStepper:
    """Reads mu (trial, bin) off a table, whatever the spikes; ``trial`` (row,) is the trial of each row."""

    table: FloatArray
    trial: IntArray

    @classmethod
    def of(cls, table: FloatArray) -> TableStepper:
        """Return a stepper over a table of mu (trial, bin)."""
        return cls(table, np.arange(len(table)))

    def take(self, rows: IntArray) -> TableStepper:
        """Return a stepper whose rows are copies of these."""
        return TableStepper(self.table, self.trial[rows])

    def ahead(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of the bins that come next."""
        return self.table[self.trial[rows][:, None], bins_ahead(at, n, self.table.shape[1])]

    def skip(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Move on; there is nothing to remember."""


def bins_ahead(at: IntArray, n: int, n_bins: int) -> IntArray:
    """Return the bins (row, n) from ``at`` (row,) on, the window's last instead of any beyond it."""
    bins: IntArray = np.minimum(at[:, None] + np.arange(n), n_bins - 1)
    return bins


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
        return TableStepper.of(self.intensity(trials.unit(unit))[:, :, 0])

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
