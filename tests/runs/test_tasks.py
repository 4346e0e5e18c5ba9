"""Trainings of a fit: every trial is predicted by models that have not seen it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.models.registry import MODELS
from rnnspike.runs.tasks import Pair, content_id, ladder, members_of, pairs_of, rng_for


@given(st.sampled_from(sorted(MODELS)), st.integers(3, 9), st.sampled_from(["fast", "standard", "thorough"]))
def test_every_fold_is_a_test_fold_and_never_its_own_validation(name: str, n_folds: int, effort: str) -> None:
    members = members_of(name, n_folds, effort)  # type: ignore[arg-type]
    assert {test for test, _ in members} == set(range(n_folds))
    assert all(test != validation for test, validation in members)
    assert len(set(members)) == len(members) == 2 * len(pairs_of(name, n_folds, effort))  # type: ignore[arg-type]


def test_five_folds_need_ten_trainings() -> None:
    assert len(pairs_of("glm", 5, "standard")) == 10
    assert len(pairs_of("glm", 5, "fast")) == 3


@given(st.integers(3, 12))
def test_each_fold_is_in_two_pairs_of_a_ring(n_folds: int) -> None:
    ring = pairs_of("spike-lstm", n_folds, "standard")
    assert set(ring) <= set(pairs_of("glm", n_folds, "standard"))
    assert np.bincount([fold for pair in ring for fold in (pair.a, pair.b)]).tolist() == [2] * n_folds


def test_the_model_chosen_on_a_predicts_b() -> None:
    assert Pair(1, 3).members == ((3, 1), (1, 3))


@pytest.mark.parametrize("asked", [["glm"], ["spike-lstm-glm"], ["stack"], ["constant", "stack", "lstm"]])
def test_ladder_brings_the_null_the_reference_and_what_rungs_need(asked: list[str]) -> None:
    rungs = ladder(asked)
    assert {"constant", "psth-gain"} <= set(rungs)
    for name in rungs:
        assert all(rungs.index(need) < rungs.index(name) for need in MODELS[name].needs)


def test_seeds_come_from_content() -> None:
    assert content_id("a", {"x": 1, "y": 2}) == content_id("a", {"y": 2, "x": 1}) != content_id("b", {})
    draws = [rng_for("job", unit).random() for unit in ("1", "2", "1")]
    assert draws[0] == draws[2] != draws[1]
    assert isinstance(rng_for(1), np.random.Generator)
