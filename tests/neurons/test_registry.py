from __future__ import annotations

import numpy as np
import pytest

from rnnspike.errors import ConfigError
from rnnspike.neurons.cell import simulate
from rnnspike.neurons.inputs import frozen_noise, stimulus
from rnnspike.neurons.loglinear import LogLinear
from rnnspike.neurons.registry import CELLS, cell_spec, population


@pytest.mark.parametrize("name", CELLS)
def test_rates_are_physiological_and_refractory_times_hold(name: str) -> None:
    spec, rng = CELLS[name], np.random.default_rng(1)
    x = np.stack([stimulus(1000, 0.001, rng) for _ in range(50)])[:, :, None].repeat(spec.group, axis=2)
    noise = np.stack([frozen_noise(1000, 0.001, spec.noise_sigma_s, rng) for _ in range(50)])[:, :, None]
    counts, _ = simulate(spec.cell, x + spec.noise_sd * noise, 0.001, rng)
    assert 5 < counts.mean() * 1000 < 60
    gaps = np.concatenate([np.diff(np.flatnonzero(row)) for row in counts[:, :, 0]])
    assert gaps.min() > (0 if name == "poisson" else 2)


def test_an_unknown_cell_is_refused_with_the_names() -> None:
    with pytest.raises(ConfigError, match=r"no such cell.*burst-counter"):
        cell_spec("granule")


def test_names_are_their_keys_and_kinds_cover_the_three() -> None:
    assert all(spec.name == name for name, spec in CELLS.items())
    assert {spec.kind for spec in CELLS.values()} == {"log-linear", "membrane", "state-dependent"}


def test_the_population_has_eight_units_of_which_one_is_poisson() -> None:
    specs = population()
    assert sum(spec.group for spec in specs) == 8
    assert sum(isinstance(spec.cell, LogLinear) and not spec.cell.kernels for spec in specs) == 1
    assert sum(spec.slow_sd > 0 for spec in specs) == 2
