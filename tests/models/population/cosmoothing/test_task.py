"""What is predicted from what."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.models.population.cosmoothing.task import evenly_spaced, left_out_groups


def test_few_units_are_left_out_one_by_one_and_doubles_do_not_predict_each_other() -> None:
    groups = left_out_groups(4, [(0, 2)])
    assert [group.targets.tolist() for group in groups] == [[0], [1], [2], [3]]
    assert [group.sources.tolist() for group in groups] == [[1, 3], [0, 2, 3], [1, 3], [0, 1, 2]]


@pytest.mark.parametrize("n_units", [13, 40])
def test_many_units_are_left_out_in_five_groups_with_doubles_in_one(n_units: int) -> None:
    groups = left_out_groups(n_units, [(0, 9), (9, 12)])
    assert len(groups) == 5
    assert sorted(np.concatenate([group.targets for group in groups]).tolist()) == list(range(n_units))
    assert all(not {*group.targets} & {*group.sources} for group in groups)
    assert all(len(group.targets) + len(group.sources) == n_units for group in groups)
    assert any({0, 9, 12} <= {*group.targets.tolist()} for group in groups)
    assert np.ptp([len(group.targets) for group in groups]) <= 1


def test_evenly_spaced_rows_keep_both_ends() -> None:
    rows = evenly_spaced(np.arange(10, 110), 7)
    assert len(rows) == 7 and rows[0] == 10 and rows[-1] == 109
    assert evenly_spaced(np.arange(5), 7).tolist() == [0, 1, 2, 3, 4]
