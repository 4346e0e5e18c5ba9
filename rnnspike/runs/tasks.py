"""A fit as tasks: which trainings there are, what each needs, and the seed that its content gives it.

With K outer folds, one training leaves out a pair of folds {a, b}: its model chosen on a predicts b (b is the test
fold, a the validation fold) and the other way round (science.md d.4). Test fold t is predicted by the mean log-rate
of its members, one for each validation fold v.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np

from rnnspike.models.registry import MODELS

Effort = Literal["fast", "standard", "thorough"]

#: Rungs without a choice to make on validation trials: fitted on all training folds at once, one fit a fold.
CLOSED_FORM = ("constant", "psth", "psth-gain")


@dataclass(frozen=True)
class Pair:
    """Two folds left out of one training."""

    a: int
    b: int

    @property
    def members(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Return (test fold, validation fold) of the two models that the training gives: chosen on a, chosen on b."""
        return (self.b, self.a), (self.a, self.b)


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


def member_name(test: int, validation: int) -> str:
    """Return the folder name of a fitted model."""
    return f"test{test}-stop{validation}"


def ladder(models: Sequence[str]) -> list[str]:
    """Return the rungs to fit, in the registry's order: those asked for, the null, the reference, and their needs."""
    wanted = {name for name in models if name != "stack"} | {"constant", "psth-gain"}
    if "stack" in models and len(wanted) <= 2:
        wanted |= {"renewal", "glm"}
    while True:
        more = {need for name in wanted for need in MODELS[name].needs} - wanted
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
