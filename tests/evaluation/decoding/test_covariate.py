"""A decoded covariate: its grid, posterior means, errors with intervals, and chance by shifts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import norm

from rnnspike.evaluation.decoding.covariate import CELLS, Grid, chance_error, distances, error_interval, median, rms


def test_the_grid_has_the_cells_that_are_visited_with_their_shares() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50_000, 1))
    grid = Grid.of(values)
    assert grid.points.shape == (CELLS[1], 1) and grid.prior.sum() == pytest.approx(1)
    assert (np.diff(grid.points[:, 0]) > 0).all()
    middle = np.abs(grid.points[:, 0]) < 1
    assert grid.prior[middle].sum() == pytest.approx(norm.cdf(1) - norm.cdf(-1), abs=0.03)
    assert grid.prior @ grid.points[:, 0] == pytest.approx(values.mean(), abs=1e-9)


def test_two_channels_have_no_cells_where_nothing_was() -> None:
    angle = np.linspace(0, 2 * np.pi, 20_000)
    grid = Grid.of(np.stack([np.cos(angle), np.sin(angle)], axis=1))
    radius = np.hypot(*grid.points.T)
    assert len(grid.points) < CELLS[2] ** 2 / 2 and radius.min() > 0.9
    assert (grid.nearest(grid.points) == np.arange(len(grid.points))).all()


def test_the_posterior_mean_and_distances() -> None:
    grid = Grid(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([0.5, 0.5]))
    np.testing.assert_allclose(grid.mean(np.log2([[0.75, 0.25]])), [[0.75, 1.0]])
    assert distances(np.zeros(2), grid.points).tolist() == [0.0, 5.0]


def test_intervals_of_errors_hold_the_truth() -> None:
    rng, held = np.random.default_rng(1), {median: 0, rms: 0}
    for _ in range(100):
        errors = rng.exponential(size=(200, 2))
        for statistic, truth in ((median, np.log(2)), (rms, np.sqrt(2))):
            low, high = error_interval(errors, np.ones(errors.shape, bool), statistic, rng)
            held[statistic] += low < truth < high
    assert 88 <= held[median] <= 100 and 86 <= held[rms] <= 100


def test_shifts_keep_slow_changes_and_tell_chance() -> None:
    rng = np.random.default_rng(2)
    walk = np.cumsum(rng.normal(size=(2000, 1)), axis=0)
    chance, p = chance_error(walk + rng.normal(size=walk.shape), walk, rng)
    assert p < 0.02 and chance > 3.0
    slow = lfilter([1.0], [1.0, -0.9], rng.normal(size=(120, 800)), axis=1)[..., None]
    ps = [chance_error(one, other, rng)[1] for one, other in zip(slow[::2], slow[1::2], strict=True)]
    assert np.mean(np.array(ps) < 0.05) <= 0.12
