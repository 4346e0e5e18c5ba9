"""A trained spike-clocked LSTM: exact intensities, free runs, and its folder on disk (science.md#spike-clock)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.errors import ModelError
from rnnspike.models.ceiling import Ceiling
from rnnspike.models.combine.bag import load_members, save_members
from rnnspike.models.networks.spike_clock import event_loops
from rnnspike.models.networks.spike_clock.design import CovariateScale, Design, Scales, build_design, longest_lag
from rnnspike.models.networks.spike_clock.head import HeadTables, Place
from rnnspike.models.networks.spike_clock.net import UnitNet
from rnnspike.models.networks.spike_clock.sequences import cut_sequences
from rnnspike.models.networks.spike_clock.stepper import SpikeStepper
from rnnspike.models.past import Past
from rnnspike.models.protocol import FittedModel, Stepper, bounded
from rnnspike.models.weights import load_weights, save_weights
from rnnspike.trials.data import FloatArray, Trials

#: Rows times bins for which tables are in memory at once.
_BLOCK = 65536


def log_rows(model: FittedModel, trials: Trials, dtype: Any = np.float64) -> npt.NDArray[Any]:
    """Return log mu of a model of these units as (row, bin), a unit at a time."""
    rows = np.empty((trials.n_trials, trials.n_units, trials.n_bins), dtype)
    for u in range(trials.n_units):
        rows[:, u] = np.log(model.intensity(trials.unit(u))[:, :, 0])
    return rows.reshape(-1, trials.n_bins)


def exact_log_mu(net: UnitNet, design: Design) -> FloatArray:
    """Return log mu (row, bin) of one unit at every observed bin, teacher-forced; the base's elsewhere.

    The network's part is computed in single precision, as it was trained.
    """
    events = design.events
    sequences = cut_sequences(events, None, events.n_events)
    interval_state = np.tile(
        net.head_bias, (events.n_events, 1)
    )  # stays so in runs that end before the window, where it is not used
    event_loops.run_events(sequences.first, sequences.end, design.inputs, net.step, interval_state)
    scored = np.flatnonzero(events.is_scored)
    row, first, stop = events.row[scored], events.first_scored[scored], events.stop[scored]
    longest = int((events.stop - events.bin).max(initial=0))
    log_drive = design.log_drive - design.log_mean[0]
    log_gain = np.zeros(design.log_base.shape, np.float32)
    step = max(1, _BLOCK // max(log_drive.shape[1], 1))
    for begin in range(0, len(log_drive), step):  # the head's tables take as much memory as 40 predictions per bin
        head = HeadTables.of(
            net,
            log_drive[begin : begin + step],
            design.covariates[begin : begin + step],
            longest=longest,
            bin_s=design.bin_s,
        )
        here = slice(*np.searchsorted(row, (begin, begin + step)))
        event, trial = scored[here], row[here] - begin
        place = Place(log_gain[begin : begin + step], trial, first[here], (stop - first)[here] + 1)
        lag = first[here] - events.bin[event]
        head.add_log_gain(
            net.split_interval_state(interval_state[event]), lag, events.is_start[event], trial, first[here], place
        )
    return np.asarray(design.log_base + log_gain.astype(np.float64))


@dataclass(frozen=True)
class FittedSpikeLstm:
    """A trained spike-clocked LSTM of the units ``unit_ids``; trials may have any of them, identified by id.

    ``states`` are the weights of the epochs that were best for some unit, ``choice`` (unit,) the index of each unit's
    state. ``bases`` is the drive, and the GLM where the network starts from that. ``training`` is the
    report of the training (``model.training_report``). ``ceilings`` (unit,) bound a network that reads covariates;
    without covariates there are none.
    """

    name: str
    unit_ids: tuple[str, ...]
    states: tuple[Mapping[str, npt.NDArray[Any]], ...]
    choice: tuple[int, ...]
    scales: Scales
    covariate_scale: CovariateScale
    covariate_names: tuple[str, ...]
    bases: tuple[FittedModel, ...]
    bin_s: float
    training: dict[str, Any]
    ceilings: tuple[Ceiling, ...] = ()

    def with_ceilings(self, train: Trials) -> FittedSpikeLstm:
        """Return the model with each unit bounded by the intensities that it predicts in its training trials."""
        longest, covariates = longest_lag(self.bin_s), self.covariate_scale.apply(train)
        found = []
        for u in range(train.n_units):
            one = train.unit(u)
            seen, ages = one.observed[:, :, 0], Past.of(one).ages(longest)[0]
            log_mean = float(np.log(self.scales.rate_hz[self._number(one.unit_ids[0])] * self.bin_s))
            log_mu, age = self._log_mu(one, covariates)[seen], ages[seen].astype(np.float64)
            found.append(Ceiling.of(log_mu, age, longest, log_mean, np.ones(len(age))))
        return replace(self, ceilings=tuple(found))

    def intensity(self, trials: Trials) -> FloatArray:
        """Return mu (trial, bin, unit), given the recorded past; in masked bins the base's."""
        mu = np.empty(trials.counts.shape)
        covariates = self.covariate_scale.apply(trials)
        for u in range(trials.n_units):
            one = trials.unit(u)
            log_mu = self._log_mu(one, covariates)
            if self.ceilings:
                ceiling = self.ceilings[self._number(one.unit_ids[0])]
                log_mu = np.minimum(log_mu, ceiling.table[Past.of(one).ages(ceiling.longest)[0]])
            mu[:, :, u] = bounded(np.exp(log_mu))
        return mu

    def _log_mu(self, one: Trials, covariates: FloatArray) -> FloatArray:
        """Return log mu (trial, bin) of one unit, without its ceiling; ``covariates`` are the trials', scaled."""
        units = np.array([self._number(one.unit_ids[0])])
        log_drive, log_base = self._log_bases(one)
        design = build_design(one, units, self.scales.of_units(units), log_drive, log_base, covariates)
        return exact_log_mu(self._net(int(units[0])), design)

    def stepper(self, trials: Trials, unit: int = 0) -> Stepper:
        """Return a stepper of one unit over these trials, started on their burn-in."""
        one = trials.unit(unit)
        number = self._number(one.unit_ids[0])
        return SpikeStepper(
            self._net(number),
            one,
            self.scales.of_units(np.array([number])),
            log_rows(self.bases[0], one),
            self.covariate_scale.apply(one),
            self.bases[1].stepper(one) if len(self.bases) > 1 else None,
            self.ceilings[number] if self.ceilings else None,
        )

    def save(self, folder: Path) -> None:
        """Write the weights of all chosen epochs, the config, and the bases into ``bases/``."""
        arrays = {f"{i}.{name}": array for i, state in enumerate(self.states) for name, array in state.items()}
        scales = {f"scales.{name}": array for name, array in asdict(self.scales).items()}
        scales |= {f"covariates.{name}": array for name, array in asdict(self.covariate_scale).items()}
        plain = ("name", "unit_ids", "choice", "covariate_names", "bin_s", "training")
        config = {name: getattr(self, name) for name in plain}
        config["ceilings"] = [asdict(ceiling) for ceiling in self.ceilings]
        save_weights(folder, {**arrays, **scales}, config)
        save_members(folder / "bases", self.bases, {})

    @classmethod
    def load(cls, folder: Path) -> FittedSpikeLstm:
        """Return what ``save`` wrote."""
        arrays, config = load_weights(folder)
        parts: dict[str, dict[str, npt.NDArray[Any]]] = {}
        for name, array in arrays.items():
            part, inner = name.split(".", 1)
            parts.setdefault(part, {})[inner] = array
        scales, covariates = Scales(**parts.pop("scales")), CovariateScale(**parts.pop("covariates"))
        return cls(
            name=config["name"],
            unit_ids=tuple(config["unit_ids"]),
            states=tuple(parts[str(i)] for i in range(len(parts))),
            choice=tuple(config["choice"]),
            scales=scales,
            covariate_scale=covariates,
            covariate_names=tuple(config["covariate_names"]),
            bases=load_members(folder / "bases")[0],
            bin_s=config["bin_s"],
            training=config["training"],
            ceilings=tuple(Ceiling.load(each) for each in config["ceilings"]),
        )

    def _number(self, unit_id: str) -> int:
        if unit_id not in self.unit_ids:
            raise ModelError(f"{self.name}: not fitted to unit {unit_id}")
        return self.unit_ids.index(unit_id)

    def _net(self, number: int) -> UnitNet:
        return UnitNet.of(self.states[self.choice[number]], number)

    def _log_bases(self, one: Trials) -> tuple[FloatArray, FloatArray]:
        logs = [log_rows(base, one) for base in self.bases]
        return logs[0], logs[-1]
