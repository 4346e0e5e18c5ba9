"""What is predicted from what: groups of units from the other units, or the end of a trial from its beginning.

A method is a function of a ``Task``; it yields the expected counts of held-out trials piece by piece, so that those
of all trials and units are never in memory together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from rnnspike.trials.data import BoolArray, FloatArray, IntArray, Trials

#: Up to so many units each is left out on its own; more are left out in so many groups.
MOST_ALONE, N_GROUPS = 12, 5


@dataclass(frozen=True)
class Group:
    """Units that are predicted, and those whose spikes are read: indices, (target,) and (source,)."""

    targets: IntArray
    sources: IntArray


@dataclass(frozen=True)
class Prediction:
    """Expected counts ``mu`` (row, scored bin, target) of held-out trials ``rows`` (row,) and units ``targets``."""

    rows: IntArray
    targets: IntArray
    mu: FloatArray


@dataclass(frozen=True)
class Task:
    """Trials of all units on Poisson bins, their folds, and what is predicted from what.

    Attributes
    ----------
    trials
        Trials of all units, which were observed in the same bins.
    folds
        (trial,) fold in which each trial is held out.
    groups
        What is predicted from what; every unit is a target once.
    n_forward
        Bins at the end of each trial that are predicted from the bins before; 0: co-smoothing over all bins.
    """

    trials: Trials
    folds: IntArray
    groups: tuple[Group, ...]
    n_forward: int = 0

    @property
    def scored(self) -> slice:
        """The bins that are predicted."""
        return slice(self.trials.n_bins - self.n_forward if self.n_forward else 0, self.trials.n_bins)

    @property
    def n_seen(self) -> int:
        """Number of bins from the start of each trial that are read."""
        return self.trials.n_bins - self.n_forward

    @cached_property
    def observed(self) -> BoolArray:
        """(trial, bin) which bins were observed."""
        return np.ascontiguousarray(self.trials.observed[:, :, 0])

    def splits(self) -> Iterator[tuple[IntArray, IntArray]]:
        """Yield training and held-out trials of each fold."""
        for fold in np.unique(self.folds):
            yield np.flatnonzero(self.folds != fold), np.flatnonzero(self.folds == fold)

    def part(self, rows: IntArray) -> Task:
        """Return the task on some of the trials."""
        return Task(self.trials.take(rows), self.folds[rows], self.groups, self.n_forward)


def forward_groups(n_units: int) -> tuple[Group, ...]:
    """Return all units as sources and targets of one group."""
    every = np.arange(n_units)
    return (Group(every, every),)


def left_out_groups(n_units: int, doubled: Iterable[tuple[int, int]] = ()) -> tuple[Group, ...]:
    """Return the groups of units that are predicted from the others: each unit alone, or five groups of them.

    Parameters
    ----------
    n_units
        Number of units.
    doubled
        Pairs of units that share spikes: neither predicts the other.
    """
    pairs = list(doubled)
    if n_units <= MOST_ALONE:
        apart = [{u} | {b for pair in pairs if u in pair for b in pair} for u in range(n_units)]
        return tuple(Group(np.array([u]), _without(n_units, apart[u])) for u in range(n_units))
    members: list[list[int]] = [[] for _ in range(N_GROUPS)]
    for cluster in sorted(_clusters(n_units, pairs), key=lambda each: (-len(each), each)):
        min(members, key=len).extend(cluster)
    return tuple(Group(np.array(sorted(each)), _without(n_units, each)) for each in members if each)


def _without(n_units: int, left_out: Iterable[int]) -> IntArray:
    return np.setdiff1d(np.arange(n_units), np.array(sorted(left_out), np.int64))


def _clusters(n_units: int, pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the units joined by pairs, directly or through others."""
    label = list(range(n_units))
    for a, b in pairs:
        old, new = label[b], label[a]
        label = [new if each == old else each for each in label]
    return [[u for u in range(n_units) if label[u] == each] for each in sorted(set(label))]


def evenly_spaced(rows: IntArray, most: int) -> IntArray:
    """Return at most so many of the rows, evenly spaced."""
    if len(rows) <= most:
        return rows
    return rows[np.unique(np.linspace(0, len(rows) - 1, max(most, 1)).round().astype(np.int64))]
