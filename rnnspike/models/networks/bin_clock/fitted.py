"""A fitted recurrent model clocked by bins: weights, intensities and states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.errors import ModelError
from rnnspike.models import registry
from rnnspike.models.networks.bin_clock.inputs import COVARIATES, Scaling, bin_inputs, pad_warm_up
from rnnspike.models.networks.bin_clock.stepper import RecurrentStepper
from rnnspike.models.networks.cell import Bend, Cell, Readout
from rnnspike.models.protocol import LOG_MU_RANGE, FittedModel, Stepper, bounded_exp
from rnnspike.models.weights import load_weights, save_weights
from rnnspike.trials.data import FloatArray, Trials

_BLOCK = 8192  # rows times bins whose states are in memory at once


@dataclass(frozen=True)
class FittedRecurrent:
    """Cell and readout over a base (``cell.HasCell``); ``warm_up`` bins of recorded past are read before the window.

    ``training`` is its report: curves, updates, clipped fraction, spikes per parameter, warnings. Predictions are
    within ``log_mu_range``, scaled covariates are clipped to ``covariate_ends`` (low, high).
    """

    name: str
    cell: Cell
    readout: Readout
    scaling: Scaling
    bin_s: float
    base: FittedModel
    warm_up: int
    training: Mapping[str, Any] = field(default_factory=dict)
    log_mu_range: tuple[float, float] = LOG_MU_RANGE

    @property
    def input_names(self) -> tuple[str, ...]:
        """Meaning of each input channel."""
        return self.scaling.names

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, 1), teacher-forced: the whole sequence from the warm-up on, its state carried.

        The network's part is computed in single precision, as it was trained.
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
        return bounded_exp(log_mu, *self.log_mu_range)[:, :, None]

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper over these trials, one row a trial."""
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
        return np.asarray(pad_warm_up(self._log_drive(trials), self.warm_up))

    def _log_drive(self, trials: Trials) -> FloatArray:
        self._check(trials)
        log_drive: FloatArray = np.log(self.base.intensity(trials)[:, :, 0])
        return log_drive

    def _inputs(self, trials: Trials, log_drive: FloatArray) -> FloatArray:
        return bin_inputs(trials, log_drive, self.warm_up, self.scaling)

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
        if not np.isclose(trials.bin_s, self.bin_s, rtol=1e-9):
            raise ModelError(
                f"{self.name} was fitted to bins of {self.bin_s:g} s, the trials' are {trials.bin_s:g} s"
            )
        if trials.covariate_names != self.scaling.names[COVARIATES:]:
            fitted = self.scaling.names[COVARIATES:]
            raise ModelError(f"{self.name} was fitted with covariates {fitted}, not {trials.covariate_names}")

    def save(self, folder: Path) -> None:
        """Write weights and config, and the base into a folder of its own."""
        cell = self.cell
        arrays = {"cell.weight_ih": cell.weight_ih, "cell.weight_hh": cell.weight_hh, "cell.bias": cell.bias_ih}
        if cell.architecture == "gru":
            arrays["cell.bias_hn"] = cell.bias_hh[2 * cell.n_hidden :]
        arrays["readout.weight"] = self.readout.weight[0]
        if bend := self.readout.bend:
            arrays |= {"bend.weight": bend.weight[0], "bend.inner": bend.inner, "bend.shift": bend.shift}
        config = {
            "name": self.name,
            "architecture": self.cell.architecture,
            "input_names": list(self.scaling.names),
            "input_mean": list(self.scaling.mean),
            "input_sd": list(self.scaling.sd),
            "bin_s": self.bin_s,
            "readout_bias": float(self.readout.bias[0]),
            "warm_up": self.warm_up,
            "base": self.base.name,
            "training": dict(self.training),
            "log_mu_range": list(self.log_mu_range),
            "covariate_ends": [list(self.scaling.low), list(self.scaling.high)],
        }
        save_weights(folder, arrays, config)
        self.base.save(folder / "base")

    @classmethod
    def load(cls, folder: Path) -> FittedRecurrent:
        """Return what ``save`` wrote."""
        arrays, config = load_weights(folder)
        bias = arrays["cell.bias"]
        inner = np.zeros_like(bias)
        if "cell.bias_hn" in arrays:
            inner[-len(arrays["cell.bias_hn"]) :] = arrays["cell.bias_hn"]
        cell = Cell(config["architecture"], arrays["cell.weight_ih"], arrays["cell.weight_hh"], bias, inner)
        bend = None
        if "bend.weight" in arrays:
            bend = Bend(arrays["bend.weight"][None], arrays["bend.inner"], arrays["bend.shift"])
        readout = Readout(arrays["readout.weight"][None], np.array([config["readout_bias"]]), bend=bend)
        names, mean, sd = (tuple(config[f"input_{what}"]) for what in ("names", "mean", "sd"))
        scaling = Scaling(names, mean, sd, *(tuple(end) for end in config["covariate_ends"]))
        base = registry.load(config["base"], folder / "base")
        low, high = config["log_mu_range"]
        bin_s, warm_up, training = config["bin_s"], config["warm_up"], config["training"]
        return cls(config["name"], cell, readout, scaling, bin_s, base, warm_up, training, (low, high))
