"""A fit as tasks: which trainings there are, what each needs, and the seed that its content gives it.

With K outer folds, one training leaves out a pair of folds {a, b}: its model chosen on a predicts b (b is the test
fold, a the validation fold) and the other way round (science.md#folds). Test fold t is predicted by the mean log-rate
of its members, one for each validation fold v.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from rnnspike.models.registry import MODELS, Effort

#: Called with (tasks done, tasks in all, what was done last).
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Pair:
    """Two folds left out of one training."""

    a: int
    b: int

    @property
    def members(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return (test fold, validation fold) of the two models that the training gives: chosen on a, chosen on b."""
        return (self.b, self.a), (self.a, self.b)


@dataclass(frozen=True)
class Task:
    """One call of a worker.

    ``fit`` a unit's rungs, or a ``pooled`` one (of a ``group`` of units), without a pair of folds; a rung's networks
    of all units and folds ``together``; ``finish`` a unit; ``read`` its network; ``write`` the run as a whole.
    """

    kind: str
    unit: str | None = None
    pair: Pair | None = None
    rung: str | None = None
    group: int | None = None

    @property
    def label(self) -> str:
        """Return the task in words."""
        what = {
            "fit": f"unit {self.unit}",
            "pooled": f"{self.rung} of {'all units' if self.group is None else f'units, group {self.group + 1}'}",
            "together": f"{self.rung} of all units and folds",
            "finish": f"unit {self.unit} evaluated",
            "read": f"network of unit {self.unit} read",
            "write": "run directory",
        }[self.kind]
        return what if self.pair is None else f"{what}, folds {self.pair.a} and {self.pair.b} left out"


#: The last task of a recording, which needs all others.
WRITE = Task("write")
#: Tasks that were lost with the processes that did them, each with the reason (``errors.TaskLost``).
Lost = Mapping[Task, str]


def pairs_of(model: str, n_folds: int, effort: Effort) -> list[Pair]:
    """Return the trainings of a rung: all pairs of folds, a ring where it is dear, or the fewest that cover all."""
    kind = {"fast": "cover", "standard": MODELS[model].pairs, "thorough": "all"}[effort]
    if kind == "all":
        return [Pair(a, b) for a, b in combinations(range(n_folds), 2)]
    last, step = Pair(0, n_folds - 1), 1 if kind == "ring" else 2
    pairs = [Pair(a, a + 1) for a in range(0, n_folds - 1, step)]
    return (
        pairs if kind == "cover" and n_folds % 2 == 0 else sorted({*pairs, last}, key=lambda pair: (pair.a, pair.b))
    )


def members_of(model: str, n_folds: int, effort: Effort) -> list[tuple[int, int]]:
    """Return (test fold, validation fold) of every fitted model of a rung, in order."""
    return sorted(member for pair in pairs_of(model, n_folds, effort) for member in pair.members)


def different_trainings(members: Sequence[tuple[int, int]], n_most: int) -> list[tuple[int, int]]:
    """Return at most ``n_most`` members (test fold, validation fold), one a training, with many different test folds.

    A training that left out two folds has made a member for each. They share most of their weights' history, often
    the weights themselves, so that a range over both would be too narrow.
    """
    left, chosen = list(members), list[tuple[int, int]]()
    while left and len(chosen) < n_most:
        tests = Counter(test for test, _ in chosen)
        best = min(left, key=lambda member: tests[member[0]])
        left = [member for member in left if set(member) != set(best)]
        chosen.append(best)
    return sorted(chosen)


def member_name(test: int, validation: int) -> str:
    """Return the folder name of a fitted model."""
    return f"test{test}-stop{validation}"


def ladder(models: Sequence[str]) -> list[str]:
    """Return the rungs to fit, in order: those asked for, null and reference, and what they need."""
    wanted = {name for name in models if name != "stack"} | {"constant", "psth-gain"}
    if "stack" in models and len(wanted) <= 2:
        wanted |= {"renewal", "glm"}
    while True:
        more = {need for name in wanted for need in (*MODELS[name].needs, MODELS[name].null) if need} - wanted
        if not more:
            return [name for name in MODELS if name in wanted]
        wanted |= more


def content_id(*parts: Any) -> str:
    """Return a stable hash of plain values."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def rng_for(*parts: Any) -> np.random.Generator:
    """Return a generator whose seed is the content of the task, so that order and workers do not matter."""
    return np.random.default_rng(int(content_id(*parts), 16))
