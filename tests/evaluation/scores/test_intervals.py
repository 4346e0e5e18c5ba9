"""Intervals of simulated sessions hold what the fitted models would score on average."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.intervals import coverage, sessions


def test_truth_of_one_session_is_near_its_scores() -> None:
    found = coverage(sessions("poisson", 20, 1, seed=0))["bits/spike"]
    assert len(found.repeats) == len(found.path) == 3
    assert sum(found.repeats) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("cell", ["poisson", "refractory", "shared-gain"])
def test_coverage(cell: str) -> None:
    for found in coverage(sessions(cell, 40, 40, seed=0)).values():
        assert np.mean(found.repeats) >= 0.9
        assert np.mean(found.path) >= 0.88
