"""Folds over trials: stratified by condition, deterministic; overlapping trials stay together."""

from __future__ import annotations

from typing import Literal

import numpy as np

from rnnspike.errors import ConfigError
from rnnspike.trials.data import IntArray

Scheme = Literal["interleaved", "blocked"]


def assign_folds(
    condition: IntArray, group: IntArray, n_folds: int = 5, scheme: Scheme | str = "interleaved"
) -> IntArray:
    """Return the fold of each trial, int64 (trial,) in 0 .. n_folds - 1. Trials must be in order of time.

    Each group is assigned to the fold with the fewest trials of the group's condition, then the fewest trials.
    ``interleaved`` breaks ties at random (reproducibly): a fixed order would always put the same stimulus of a cycle
    of ``n_folds`` stimuli into the same fold. ``blocked`` assigns contiguous blocks of each condition's trials, so
    that held-out trials are far from training trials if the recording drifts.

    Parameters
    ----------
    condition, group
        (trial,) as in ``Trials``.
    n_folds
        Number of folds.
    scheme
        ``interleaved`` or ``blocked``.

    Raises
    ------
    ConfigError
        If there are fewer groups of trials than folds, or the scheme is unknown.
    """
    condition, group = np.asarray(condition), np.asarray(group)
    if scheme not in ("interleaved", "blocked"):
        raise ConfigError(f"--fold-scheme {scheme}: no such scheme (there are interleaved, blocked)")
    _, first, group_index = np.unique(group, return_index=True, return_inverse=True)
    if not 2 <= n_folds <= len(first):
        raise ConfigError(f"--folds {n_folds}: {len(first)} trials that do not overlap allow 2 to {len(first)} folds")
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first, kind="stable")] = np.arange(len(first))  # groups in order of their first trial
    group_index = rank[group_index]
    _, stratum = np.unique(condition, return_inverse=True)
    members = np.zeros((len(first), int(stratum.max()) + 1), np.int64)  # (group, condition) trials
    np.add.at(members, (group_index, stratum), 1)
    fold_of_group = _interleave(members, n_folds) if scheme == "interleaved" else _block(members, n_folds)
    return fold_of_group[group_index]


def _interleave(members: IntArray, n_folds: int) -> IntArray:
    rng = np.random.default_rng(0)
    filled = np.zeros((n_folds, members.shape[1]), np.int64)
    fold = np.empty(len(members), np.int64)
    for i, trials in enumerate(members):
        same = filled @ trials  # (fold,) trials of this group's conditions already in the fold
        fold[i] = np.lexsort((rng.random(n_folds), filled.sum(axis=1), same))[0]
        filled[fold[i]] += trials
    return _no_empty_fold(fold, n_folds)


def _block(members: IntArray, n_folds: int) -> IntArray:
    """Cut the trials of each condition (of a group: its most common one) into contiguous parts."""
    fold = np.empty(len(members), np.int64)
    commonest = members.argmax(axis=1)
    for condition in np.unique(commonest):
        own = np.flatnonzero(commonest == condition)
        size = members[own].sum(axis=1)
        middle = np.cumsum(size) - size / 2  # in trials of this condition so far
        fold[own] = np.minimum((middle * n_folds / size.sum()).astype(np.int64), n_folds - 1)
    return _no_empty_fold(fold, n_folds)


def _no_empty_fold(fold: IntArray, n_folds: int) -> IntArray:
    """Move the last group of the largest fold into each empty fold."""
    fold = fold.copy()
    for empty in range(n_folds):
        if not np.any(fold == empty):
            fullest = np.bincount(fold, minlength=n_folds).argmax()
            fold[np.flatnonzero(fold == fullest)[-1]] = empty
    return fold


def spread_over(condition: IntArray, n_most: int) -> IntArray:
    """Return at most ``n_most`` trials, spread evenly over conditions and time, in order."""
    rank = np.empty(len(condition), dtype=np.int64)
    for one in np.unique(condition):
        members = np.flatnonzero(condition == one)
        # halving order: any first few of a condition's trials are spread over it
        order = np.argsort([int(f"{k:016b}"[::-1], 2) for k in range(len(members))], kind="stable")
        rank[members[order]] = np.arange(len(members))
    return np.sort(np.argsort(rank, kind="stable")[:n_most])
