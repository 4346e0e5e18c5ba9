"""``population-gru``, ``population-lstm``: one network per recording, its state shared by all units.

See science.md#shared-state.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from rnnspike.errors import ModelError
from rnnspike.models.combine.bag import PerUnit
from rnnspike.models.glm.cross_fit import cross_fitted_units
from rnnspike.models.networks.cell import Architecture, Cell
from rnnspike.models.population.blocks import Blocks, Clock, delayed, mean_counts
from rnnspike.models.population.coupling import EARNED
from rnnspike.models.population.shared_state import FittedSharedState
from rnnspike.models.protocol import HEADROOM, MU_FLOOR, FittedModel
from rnnspike.models.shares import SHARES, earned_share
from rnnspike.trials.data import FloatArray, IntArray, Trials

if TYPE_CHECKING:
    from rnnspike.models.population.train import Network


class PopulationNetwork:
    """A state shared by all units, on top of each unit's own model, its ``base``."""

    name: ClassVar[str]
    architecture: ClassVar[Architecture]
    base: ClassVar[str] = "glm"
    with_memory: ClassVar[bool] = False
    shuffled: ClassVar[bool] = False

    def __init__(self, effort: str = "standard", device: str = "cpu") -> None:
        self.effort, self.device = effort, device

    @classmethod
    def configured(cls, effort: str = "standard", device: str = "cpu", checkpoint: Path | None = None) -> Any:
        """Return the model at an effort, trained on a device."""
        return cls(effort, device)

    def fit(
        self,
        train: Trials,
        validation: Sequence[Trials],
        rng: np.random.Generator,
        fitted: Mapping[str, Sequence[FittedModel]] | None = None,
    ) -> tuple[FittedModel, ...]:
        """Train once on the training trials; each validation set chooses the epoch, and what each unit keeps."""
        from rnnspike.models.population.train import train_network

        bases = (fitted or {}).get(self.base)
        if not bases:
            raise ModelError(f"{self.name} needs the {self.base} fitted on the same split")
        if train.n_units < 2 or (train.observed != train.observed[:, :, :1]).any():
            raise ModelError("needs two units at the least, all recorded together in the same observed time")
        clock, mean = Clock.of(train), mean_counts(train)
        mus = [cross_fitted_units(bases[0], train)]
        mus += [base.intensity(each) for base, each in zip(bases, validation, strict=True)]
        seen = [
            shuffled_blocks(Blocks.of(each, mu, clock, mean), self._rows(each))
            for each, mu in zip((train, *validation), mus, strict=True)
        ]
        scale = 1.0 / np.sqrt(np.maximum(mean * clock.width, 1e-4))
        cases = [(delayed(each.residual) * scale, each) for each in seen]
        settings = self.effort, self.device, self.with_memory
        networks = train_network(self.architecture, clock.warm_up, cases, rng, *settings)
        return tuple(
            self._fitted(base, train, held_out, network, clock, mean, scale)
            for base, held_out, network in zip(bases, seen[1:], networks, strict=True)
        )

    def _fitted(
        self,
        base: FittedModel,
        train: Trials,
        held_out: Blocks,
        network: Network,
        clock: Clock,
        mean: FloatArray,
        scale: FloatArray,
    ) -> FittedSharedState:
        """Return a network on its base, each unit with the share that it has earned on held-out blocks."""
        assert isinstance(base, PerUnit)
        tensors, weight, bias = network
        whole = FittedSharedState(
            name=self.name,
            base=base,
            cell=Cell.from_torch(self.architecture, tensors),
            scale=scale,
            mean=mean,
            weight=weight,
            bias=bias,
            shares=np.ones(train.n_units),
            highest=np.log(np.maximum(_highest(base, train), MU_FLOOR)) + HEADROOM,
            clock=clock,
            shuffled=self.shuffled,
        )
        log_gain = whole.read(whole.cell.hidden(whole.states(held_out.residual)), list(range(train.n_units)))
        return replace(whole, shares=earned_shares(held_out, log_gain))

    def _rows(self, trials: Trials) -> list[IntArray] | None:
        """Return the rows that stand in for each trial, unit by unit; None where trials are as recorded."""
        if not self.shuffled:
            return None
        assert trials.others is not None
        place = {int(trial): row for row, trial in enumerate(trials.session_index)}
        return [
            np.array([place[within(trials.others.stand_ins[unit_id], trial, place)] for trial in place])
            for unit_id in trials.unit_ids
        ]

    @classmethod
    def load(cls, folder: Path) -> FittedModel:
        """Return a fitted model from its folder."""
        return FittedSharedState.load(folder)


class PopulationGru(PopulationNetwork):
    """A GRU."""

    name, architecture = "population-gru", "gru"


class PopulationLstm(PopulationNetwork):
    """An LSTM."""

    name, architecture = "population-lstm", "lstm"


class PopulationLstmOnDrive(PopulationLstm):
    """An LSTM that holds all memory of spikes, each unit's own too."""

    name, base, with_memory = "population-lstm-drive", "drive", True


class ShuffledPopulationGru(PopulationGru):
    """The same on trials shuffled within condition and fold, each unit's on their own."""

    name, shuffled = "population-gru-shuffled", True


class ShuffledPopulationLstm(PopulationLstm):
    """The same on trials shuffled within condition and fold, each unit's on their own."""

    name, shuffled = "population-lstm-shuffled", True


class ShuffledPopulationLstmOnDrive(PopulationLstmOnDrive):
    """The same on trials shuffled within condition and fold, each unit's on their own."""

    name, shuffled = "population-lstm-drive-shuffled", True


def within(stand_ins: IntArray, trial: int, some: Container[int]) -> int:
    """Return the trial that stands in for one among some trials: stand-ins are followed until one is of these."""
    trial = int(stand_ins[trial])
    while trial not in some:
        trial = int(stand_ins[trial])
    return trial


def _highest(base: FittedModel, train: Trials) -> FloatArray:
    """Return the highest mu of each unit's own model over training trials, (unit,)."""
    some = train.take(np.arange(0, train.n_trials, max(1, train.n_trials // 20)))
    return np.asarray(base.intensity(some).max(axis=(0, 1)))


def shuffled_blocks(blocks: Blocks, rows: list[IntArray] | None) -> Blocks:
    """Return blocks whose units' trials are in the order of ``rows``, one for each unit; as they are where None."""
    if rows is None:
        return blocks
    index = np.stack(rows, axis=1)  # (trial, unit)
    unit = np.arange(index.shape[1])
    arrays = (blocks.residual, blocks.counts, blocks.exposure)
    return Blocks(*(np.moveaxis(np.moveaxis(each, 1, 2)[index, unit], 2, 1) for each in arrays))


def earned_shares(held_out: Blocks, log_gain: FloatArray) -> FloatArray:
    """Return the share of the gain that validation trials favour, unit by unit; 0 where none earns its place."""
    shares = np.zeros(log_gain.shape[2])
    for u in range(len(shares)):
        counts, exposure, gain = held_out.counts[..., u], held_out.exposure[..., u], log_gain[..., u]
        nats = [float((exposure * np.exp(share * gain) - counts * share * gain).sum()) for share in SHARES]
        shares[u] = earned_share(nats, EARNED)
    return shares
