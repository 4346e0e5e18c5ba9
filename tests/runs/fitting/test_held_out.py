"""Held-out predictions on disk, and predictions made some trials at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rnnspike.runs.fitting import training
from rnnspike.runs.fitting.held_out import HeldOut
from rnnspike.runs.fitting.training import blocks


def test_mu_is_kept_by_trials(tmp_path: Path) -> None:
    mu = np.random.default_rng(0).gamma(1.0, 0.01, (7, 30))
    kept = HeldOut(tmp_path / "unit" / "glm.npy", (7, 30))
    kept[np.array([5, 0, 2])] = mu[[5, 0, 2]]
    kept[np.array([1, 3, 4, 6])] = mu[[1, 3, 4, 6]]
    np.testing.assert_allclose(kept[np.arange(7)], mu, rtol=1e-6)
    np.testing.assert_array_equal(kept[np.array([3, 1])], mu[[3, 1]].astype(np.float32))
    assert HeldOut(tmp_path / "none.npy", (0, 30))[np.arange(0)].shape == (0, 30)


def test_the_mean_of_log_rates_leaves_other_trials_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    first, second, stacked = (HeldOut(tmp_path / f"{i}.npy", (4, 9)) for i in range(3))
    a, b = rng.gamma(1.0, 0.01, (2, 4, 9))
    every = np.arange(4)
    first[every], second[every], stacked[every] = a, b, a
    stacked.log_mean(np.array([1, 2]), [first, second], [0.3, 0.7], 1.2)
    np.testing.assert_allclose(stacked[every][[1, 2]], 1.2 * (a**0.3 * b**0.7)[[1, 2]], rtol=1e-5)
    np.testing.assert_allclose(stacked[every][[0, 3]], a[[0, 3]], rtol=1e-6)


def test_blocks_hold_every_trial_once(make_trials: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = make_trials(np.zeros((11, 50, 2)))
    assert [len(each) for each in blocks(trials)] == [11]
    monkeypatch.setattr(training, "PREDICTED_BINS", 450)
    found = list(blocks(trials))
    assert [len(each) for each in found] == [4, 4, 3]
    assert np.concatenate(found).tolist() == list(range(11))
    monkeypatch.setattr(training, "PREDICTED_BINS", 1)
    assert len(list(blocks(trials))) == 11
