"""Other units as lists of spikes, and trials shuffled within condition and fold."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.trials.others import OtherUnits, UnitSpikes, stand_ins


def test_counts_come_back_from_the_list(rng: np.random.Generator) -> None:
    counts = rng.poisson(0.3, (7, 20)).astype(np.uint8)
    spikes = UnitSpikes.of(counts, np.ones(counts.shape, bool))
    some = np.array([6, 0, 0, 3])
    np.testing.assert_array_equal(spikes.counts(some), counts[some])


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), min_size=1, max_size=60), st.integers(0, 99))
def test_each_trial_stands_for_another_one_of_its_fold(kinds: list[tuple[int, int]], seed: int) -> None:
    condition, fold = np.array(kinds).T
    chosen = stand_ins(condition, fold, np.random.default_rng(seed))
    assert sorted(chosen) == list(range(len(kinds)))
    np.testing.assert_array_equal(fold[chosen], fold)
    sizes = {kind: kinds.count(kind) for kind in kinds}
    several = np.array([sizes[kind] > 1 for kind in kinds])
    np.testing.assert_array_equal(condition[chosen][several], condition[several])
    alone = [np.count_nonzero(~several & (fold == each)) for each in fold]
    stays = chosen == np.arange(len(kinds))
    assert all(not each or (not many and n == 1) for each, many, n in zip(stays, several, alone, strict=True))


def test_shuffled_units_are_read_from_their_stand_ins(rng: np.random.Generator) -> None:
    counts = rng.poisson(0.3, (5, 20)).astype(np.uint8)
    spikes, rows = UnitSpikes.of(counts, np.ones(counts.shape, bool)), np.array([2, 3, 4, 0, 1])
    others = OtherUnits(("a",), {"a": spikes}.__getitem__, stand_ins={"a": rows})
    trials = np.array([0, 4])
    np.testing.assert_array_equal(others.read("a", trials)[0], counts[trials])
    np.testing.assert_array_equal(others.with_shuffled_trials().read("a", trials)[0], counts[rows[trials]])
