"""A population on one smooth hidden state, begun anew in each trial."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from rnnspike.models.population.cosmoothing.task import Task, forward_groups, left_out_groups
from tests.conftest import trials_from_counts

MakeTask = Callable[..., Task]


def shared_state(
    n_trials: int = 60, n_bins: int = 60, n_units: int = 6, sd: float = 0.7, seed: int = 0
) -> np.ndarray:
    """Counts (trial, bin, unit) of Poisson units whose log rates follow a latent of 80 ms, and its path."""
    rng = np.random.default_rng(seed)
    path = gaussian_filter1d(rng.standard_normal((n_trials, n_bins + 80)), 8.0, axis=1)[:, 40:-40]
    path /= path.std()
    loadings = sd * np.array([1.0, -1.0] * n_units)[:n_units]
    return rng.poisson(0.3 * np.exp(path[:, :, None] * loadings - sd**2 / 2))


@pytest.fixture(scope="package")
def make_task() -> MakeTask:
    def make(counts: np.ndarray, n_forward: int = 0, **options: object) -> Task:
        trials = trials_from_counts(counts, bin_s=0.01, observation="poisson", **options)  # type: ignore[arg-type]
        n_trials, _, n_units = counts.shape
        groups = forward_groups(n_units) if n_forward else left_out_groups(n_units)
        return Task(trials, np.arange(n_trials) % 4, groups, n_forward)

    return make
