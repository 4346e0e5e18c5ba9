"""Units recorded together with those of the trials, as lists of spikes: what a population model reads beside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from rnnspike.trials.data import Trials

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
CountArray = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class UnitSpikes:
    """The spikes of one unit in every trial of a session.

    Attributes
    ----------
    bins
        int32 (spike,) bin of each spike as scored, from the start of the burn-in, trial by trial; a bin that holds
        several is repeated.
    first
        (trial + 1,) index of each trial's first spike.
    observed
        (trial, burn_bin + bin) which bins are observed; the units of a session share the array.
    """

    bins: npt.NDArray[np.int32]
    first: IntArray
    observed: BoolArray

    @staticmethod
    def of(counts: CountArray, observed: BoolArray) -> UnitSpikes:
        """Take the counts (trial, burn_bin + bin) of a unit."""
        trial, at = np.nonzero(counts)
        many = counts[trial, at].astype(np.int64)
        first = np.concatenate([[0], np.cumsum(counts.sum(axis=1, dtype=np.int64))])
        return UnitSpikes(np.repeat(at, many).astype(np.int32), first, observed)

    def counts(self, trials: IntArray) -> CountArray:
        """Return the counts (trial, burn_bin + bin) of these trials of the session."""
        counts = np.zeros((len(trials), self.observed.shape[1]), np.uint8)
        np.add.at(counts, self.places(trials), 1)
        return counts

    def places(self, trials: IntArray) -> tuple[IntArray, npt.NDArray[np.int32]]:
        """Return the row among these trials of the session, and the bin, of each spike (spike,)."""
        many = self.first[trials + 1] - self.first[trials]
        row = np.repeat(np.arange(len(trials)), many)
        start = np.cumsum(many) - many
        spike = np.arange(int(many.sum())) - np.repeat(start - self.first[trials], many)
        return row, self.bins[spike]


@dataclass(frozen=True)
class OtherUnits:
    """The units that a unit was recorded together with; shared by all subsets of the trials.

    Attributes
    ----------
    unit_ids
        Units with the same observed time, without those that share spike times with the unit.
    load
        Returns the spikes of one of them, read on first use.
    left_out
        Other units of the session, and why they are not among them.
    stand_ins
        By unit, (trial,) the trial whose spikes stand for each where trials are shuffled.
    bin
        Bins units of the session, in all its trials.
    shuffled
        Whether they are: of what units share within a trial nothing is then left (science.md#population-null).
    """

    unit_ids: tuple[str, ...]
    load: Callable[[str], UnitSpikes]
    left_out: Mapping[str, str] = field(default_factory=dict)
    stand_ins: Mapping[str, IntArray] = field(default_factory=dict)
    bin: Callable[[Sequence[str]], Trials] | None = None
    shuffled: bool = False

    def read(self, unit_id: str, trials: IntArray) -> tuple[CountArray, BoolArray]:
        """Return counts and observed bins (trial, burn_bin + bin) of a unit in these trials of the session."""
        spikes, index = self.load(unit_id), self._index(unit_id, trials)
        return spikes.counts(index), spikes.observed[index]

    def places(self, unit_id: str, trials: IntArray) -> tuple[IntArray, npt.NDArray[np.int32]]:
        """Return the row among these trials of the session, and the bin, of each spike of a unit (spike,)."""
        return self.load(unit_id).places(self._index(unit_id, trials))

    def _index(self, unit_id: str, trials: IntArray) -> IntArray:
        return self.stand_ins[unit_id][trials] if self.shuffled else np.asarray(trials)

    def with_shuffled_trials(self) -> OtherUnits:
        """Return the units with each one's trials shuffled on their own."""
        return replace(self, shuffled=True)


def stand_ins(condition: IntArray, fold: IntArray, rng: np.random.Generator) -> IntArray:
    """Return for each trial another one of its condition and fold, each once (trial,).

    Trials that are alone in theirs change places with each other within their fold; one that is alone there stays.
    """
    chosen = np.arange(len(condition))
    for here in np.unique(fold):
        alone: list[int] = []
        for each in np.unique(condition[fold == here]):
            members = np.flatnonzero((fold == here) & (condition == each))
            if len(members) > 1:
                _rotate(chosen, members, rng)
            else:
                alone.extend(members.tolist())
        if len(alone) > 1:
            _rotate(chosen, np.array(alone), rng)
    return chosen


def _rotate(chosen: IntArray, members: IntArray, rng: np.random.Generator) -> None:
    """Let each member stand for another, in a random order shifted at random: none stands for itself."""
    order = rng.permutation(members)
    chosen[order] = np.roll(order, int(rng.integers(1, len(order))))
