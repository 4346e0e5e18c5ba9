r"""A state that all units of a recording share, one block ahead, on top of each unit's own model.

.. math:: h_k = \mathrm{cell}(x_k, h_{k-1}), \qquad \log\mu_i(t) = o_i(t) + w_i\,(v_i\cdot h_k + c_i)

for the bins t of block k; x are the residuals of all units in the block before (science.md#shared-state).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from rnnspike.errors import ModelError
from rnnspike.models.combine.bag import PerUnit
from rnnspike.models.networks.cell import Cell
from rnnspike.models.population.blocks import Clock, delayed, everyone, residuals
from rnnspike.models.population.shared_stepper import SharedStepper
from rnnspike.models.protocol import LOG_MU_RANGE, Stepper, bounded_exp
from rnnspike.models.weights import load_weights, save_weights
from rnnspike.trials.data import FloatArray, Trials

CELL_ARRAYS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
READ_ARRAYS = ("scale", "mean", "weight", "bias", "shares", "highest")


@dataclass(frozen=True)
class FittedSharedState:
    """The network and read-outs of all units.

    ``scale`` (unit,) multiplies residuals, ``mean`` (unit,) is the spikes of a bin; ``weight`` (unit, hidden) and
    ``bias`` (unit,) read the state, of which each unit keeps its ``shares``; predictions are at most ``highest``
    (unit,) in log, where the base's own are not higher. ``clock`` are its steps. ``shuffled``: other units are read
    in the trials that stand in for each.
    """

    name: str
    base: PerUnit
    cell: Cell
    scale: FloatArray
    mean: FloatArray
    weight: FloatArray
    bias: FloatArray
    shares: FloatArray
    highest: FloatArray
    clock: Clock
    shuffled: bool = False

    @property
    def unit_ids(self) -> tuple[str, ...]:
        """Units that share the state."""
        return self.base.unit_ids

    def index(self, unit_id: str) -> int:
        """Return a unit's place; ModelError where the network does not hold it."""
        if unit_id not in self.unit_ids:
            raise ModelError(f"{self.name}: not fitted to unit {unit_id}")
        return self.unit_ids.index(unit_id)

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, unit), given the recorded past of all units."""
        units = [self.index(unit_id) for unit_id in trials.unit_ids]
        own = self.base.intensity(trials)
        if not self.shares[units].any():
            return own
        gains = np.repeat(self.log_gain(trials, units), self.clock.width, axis=1)[:, : trials.n_bins]
        return self.added(own, gains, units)

    def added(self, mu: FloatArray, log_gain: FloatArray, units: list[int]) -> FloatArray:
        """Return the base's mu with a log gain, both (..., unit), within bounds."""
        log_mu = np.log(mu)
        high = np.maximum(log_mu, np.minimum(self.highest[units], LOG_MU_RANGE[1]))
        return bounded_exp(log_mu + log_gain, high=high)

    def log_gain(self, trials: Trials, units: list[int]) -> FloatArray:
        """Return what the shared state adds to these units, (trial, block, unit)."""
        found = self.residuals(trials)
        first = self.clock.warm_up
        if not self.shuffled:
            return self.read(self.cell.hidden(self.states(found))[:, first:], units)
        own = self.recorded_residuals(trials)
        gains = []
        for unit in units:  # a unit's own trials stay in their place
            seen = found.copy()
            seen[:, :, unit] = own[:, :, unit]
            gains.append(self.read(self.cell.hidden(self.states(seen))[:, first:], [unit]))
        return np.concatenate(gains, axis=2)

    def residuals(self, trials: Trials) -> FloatArray:
        """Return the residuals of all units (trial, warm-up + block, unit).

        Those of shuffled trials where the model reads these.
        """
        if not self.shuffled:
            return self.recorded_residuals(trials)
        assert trials.others is not None
        columns = []
        for unit, unit_id in enumerate(self.unit_ids):
            rows = trials.others.stand_ins[unit_id][trials.session_index]
            stood_in = everyone(trials, (unit_id,), rows)
            columns.append(residuals(stood_in, self.base, self.clock, self.mean[[unit]]))
        return np.concatenate(columns, axis=2)

    def recorded_residuals(self, trials: Trials) -> FloatArray:
        """Return the residuals of all units as recorded (trial, warm-up + block, unit)."""
        return residuals(everyone(trials, self.unit_ids), self.base, self.clock, self.mean)

    def others_residuals(self, trials: Trials, unit: int) -> FloatArray:
        """Return the residuals (trial, warm-up + block, unit) that are known before a unit's free run.

        Its own are 0 from the window on.
        """
        found = self.residuals(trials)
        before = self.clock.warm_up
        if self.shuffled:
            found[:, :before, unit] = self.recorded_residuals(trials)[:, :before, unit]
        found[:, before:, unit] = 0.0
        return found

    def states(self, residual: FloatArray) -> FloatArray:
        """Return the states (trial, block, state) of residuals (trial, block, unit)."""
        inputs = np.swapaxes(delayed(residual) * self.scale, 0, 1).astype(np.float32)
        return np.swapaxes(self.cell.run(inputs), 0, 1)

    def read(self, hidden: FloatArray, units: list[int]) -> FloatArray:
        """Return the log gain of these units (..., unit) from h (..., hidden)."""
        return np.asarray(self.shares[units] * (hidden @ self.weight[units].T + self.bias[units]))

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper of one unit, with the recorded spikes of the others."""
        one, place = trials.unit(unit), self.index(trials.unit_ids[unit])
        base = self.base.stepper(trials, unit)
        return SharedStepper.of(self, base, one, place) if self.shares[place] else base

    def save(self, folder: Path) -> None:
        """Write weights and config, and the bases into a folder of their own."""
        cell = self.cell
        arrays = {f"cell.{name}": getattr(cell, name) for name in CELL_ARRAYS}
        arrays |= {name: getattr(self, name) for name in READ_ARRAYS}
        config = {"name": self.name, "architecture": cell.architecture, **asdict(self.clock)}
        save_weights(folder, arrays, config | {"shuffled": self.shuffled})
        self.base.save(folder / "base")

    @classmethod
    def load(cls, folder: Path) -> FittedSharedState:
        """Return what ``save`` wrote."""
        arrays, config = load_weights(folder)
        weight_ih, weight_hh, bias_ih, bias_hh = (arrays[f"cell.{name}"] for name in CELL_ARRAYS)
        cell = Cell(config["architecture"], weight_ih, weight_hh, bias_ih, bias_hh)
        read = {name: arrays[name] for name in READ_ARRAYS}
        base, clock = PerUnit.load(folder / "base"), Clock(config["width"], config["warm_up"])
        return cls(config["name"], base, cell, **read, clock=clock, shuffled=config["shuffled"])
