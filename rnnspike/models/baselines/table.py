"""Models whose intensity does not depend on spikes: one value per condition, bin and unit, or per trial."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnspike.models.protocol import Stepper, bounded, following_bins
from rnnspike.models.weights import load_weights, save_weights
from rnnspike.trials.data import CountArray, FloatArray, IntArray, Trials


@dataclass(frozen=True)
class TableStepper:
    """Reads mu (trial, bin) from a table, whatever the spikes; ``trial`` (row,) is the trial of each row."""

    table: FloatArray
    trial: IntArray

    @classmethod
    def of(cls, table: FloatArray) -> TableStepper:
        """Return a stepper over a table of mu (trial, bin)."""
        return cls(table, np.arange(len(table)))

    def copy_rows(self, rows: IntArray) -> TableStepper:
        """Return a stepper whose rows are copies of these."""
        return TableStepper(self.table, self.trial[rows])

    def predict_until_spike(self, rows: IntArray, at: IntArray, n: int) -> FloatArray:
        """Return mu (row, n) of the next n bins."""
        return self.table[self.trial[rows][:, None], following_bins(at, n, self.table.shape[1])]

    def advance(self, rows: IntArray, at: IntArray, n_bins: IntArray, counts: CountArray) -> None:
        """Advance; the table does not depend on spikes."""


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
        return bounded(self.mu_table[trials.condition][:, :, units])

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper of one unit over these trials."""
        return TableStepper.of(self.intensity(trials.unit(unit))[:, :, 0])

    def save(self, folder: Path) -> None:
        """Write the table (safetensors) and config (json)."""
        config = {"name": self.name, "unit_ids": list(self.unit_ids), **self.config}
        save_weights(folder, {"mu_table": self.mu_table}, config)

    @classmethod
    def load(cls, folder: Path) -> IntensityTable:
        """Return what ``save`` wrote."""
        arrays, config = load_weights(folder)
        return cls(config.pop("name"), arrays["mu_table"], tuple(config.pop("unit_ids")), config)
