"""A fitted recurrent model clocked by bins: arrays, and what they give for trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.errors import ModelError
from rnnspike.models import registry
from rnnspike.models.bin_inputs import Scaling, bin_inputs, held_back
from rnnspike.models.cells import Readout, RecurrentCell
from rnnspike.models.protocol import LOG_MU_RANGE, FittedModel, Stepper
from rnnspike.models.weights import load_weights, save_weights
from rnnspike.trials.data import FloatArray, Trials

_BLOCK = 8192  # rows times bins whose states are held at once


@dataclass(frozen=True)
class FittedRecurrent:
    """Cell and readout over a base (``cells.HasCell``); ``warm_up`` bins of recorded past are read before the window.

    ``training`` is what the training did: curves, updates, clipped fraction, spikes per parameter, warnings. No
    bin is predicted outside of ``log_mu_range``, no scaled covariate is taken beyond ``covariate_ends`` (low, high).
    """

    name: str
    cell: RecurrentCell
    readout: Readout
    base: FittedModel
    warm_up: int
    training: Mapping[str, Any] = field(default_factory=dict)
    log_mu_range: tuple[float, float] = LOG_MU_RANGE
    covariate_ends: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, 1), teacher-forced: the whole sequence from the warm-up on, its state carried.

        The network's part of it is worked out in single precision, as it was trained.
        """
        log_drive = self._log_drive(trials)
        log_mu = np.empty_like(log_drive)
        inputs = self._inputs(trials, log_drive).astype(np.float32)
        for first, states in self._blocks(inputs):
            begin = max(self.warm_up - first, 0)  # bins of the block that are still warm-up
            at = slice(max(first - self.warm_up, 0), first + len(states) - self.warm_up)
            gain = self.readout.log_gain(self.cell.hidden(states[begin:]))  # (time, trial)
            if gain.size:
                log_mu[:, at] = log_drive[:, at] + gain.T
        return bounded_mu(log_mu, self.log_mu_range)[:, :, None]

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper over these trials, one row a trial."""
        from rnnspike.models.recurrent_stepper import RecurrentStepper

        return RecurrentStepper.of(self, trials.unit(unit))

    def n_warm_up(self, trials: Trials) -> int:
        """Return how many bins of the sequences precede the window."""
        return self.warm_up

    def inputs(self, trials: Trials) -> FloatArray:
        """Return the input sequences (trial, warm-up + bin, channel)."""
        return self._inputs(trials, self._log_drive(trials))

    def states(self, trials: Trials) -> FloatArray:
        """Return the visited states, float64 (trial, warm-up + bin, state), [h; c] for the LSTM."""
        blocks = [states for _, states in self._blocks(self.inputs(trials))]
        return np.concatenate(blocks).swapaxes(0, 1)

    def log_drive(self, trials: Trials) -> FloatArray:
        """Return log mu of the base (trial, warm-up + bin), its first value over the warm-up."""
        return np.asarray(held_back(self._log_drive(trials), self.warm_up))

    def _log_drive(self, trials: Trials) -> FloatArray:
        self._check(trials)
        log_drive: FloatArray = np.log(self.base.intensity(trials)[:, :, 0])
        return log_drive

    def _inputs(self, trials: Trials, log_drive: FloatArray) -> FloatArray:
        scaling = Scaling(self.cell.input_names, self.cell.input_mean, self.cell.input_sd, *self.covariate_ends)
        return bin_inputs(trials, log_drive, self.warm_up, scaling)

    def _blocks(self, inputs: npt.NDArray[Any]) -> Iterator[tuple[int, FloatArray]]:
        """Yield first bin and states (time, trial, state) of successive blocks of the sequences."""
        length = max(1, _BLOCK // max(len(inputs), 1))
        state = None
        for first in range(0, inputs.shape[1], length):
            states = self.cell.run(inputs[:, first : first + length].swapaxes(0, 1), state)
            yield first, states
            state = states[-1]

    def _check(self, trials: Trials) -> None:
        if trials.n_units != 1:
            raise ModelError(f"{self.name} is a model of one unit, the trials hold {trials.n_units}")
        if not np.isclose(trials.bin_s, self.cell.bin_s, rtol=1e-9):
            raise ModelError(
                f"{self.name} was fitted to bins of {self.cell.bin_s:g} s, the trials' are {trials.bin_s:g} s"
            )
        if trials.covariate_names != self.cell.input_names[3:]:
            raise ModelError(
                f"{self.name} was fitted with covariates {self.cell.input_names[3:]}, not {trials.covariate_names}"
            )

    def save(self, folder: Path) -> None:
        """Write weights and config, and the base into a folder of its own."""
        arrays = {f"cell.{name}": array for name, array in self.cell.weights.items()}
        arrays["readout.weight"] = self.readout.weight
        config = {
            "name": self.name,
            "architecture": self.cell.architecture,
            "input_names": list(self.cell.input_names),
            "input_mean": list(self.cell.input_mean),
            "input_sd": list(self.cell.input_sd),
            "bin_s": self.cell.bin_s,
            "readout_bias": self.readout.bias,
            "warm_up": self.warm_up,
            "base": self.base.name,
            "training": dict(self.training),
            "log_mu_range": list(self.log_mu_range),
            "covariate_ends": [list(end) for end in self.covariate_ends],
        }
        save_weights(folder, arrays, config)
        self.base.save(folder / "base")

    @classmethod
    def load(cls, folder: Path) -> FittedRecurrent:
        """Return what ``save`` wrote."""
        arrays, config = load_weights(folder)
        weights = {name.removeprefix("cell."): array for name, array in arrays.items() if name.startswith("cell.")}
        names, mean, sd = (tuple(config[f"input_{what}"]) for what in ("names", "mean", "sd"))
        cell = RecurrentCell(config["architecture"], weights, names, mean, sd, config["bin_s"])
        readout = Readout(arrays["readout.weight"], config["readout_bias"])
        base = registry.load(config["base"], folder / "base")
        low, high = (tuple(end) for end in config["covariate_ends"])
        mu_low, mu_high = config["log_mu_range"]
        warm_up, training = config["warm_up"], config["training"]
        return cls(config["name"], cell, readout, base, warm_up, training, (mu_low, mu_high), (low, high))


def bounded_mu(log_mu: FloatArray, bounds: tuple[float, float]) -> FloatArray:
    """Return mu of log mu, within its bounds and those that every model keeps."""
    return np.exp(np.clip(log_mu, max(bounds[0], LOG_MU_RANGE[0]), min(bounds[1], LOG_MU_RANGE[1])))
