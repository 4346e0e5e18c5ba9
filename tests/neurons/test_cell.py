from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnspike.neurons.cell import CEILING_HZ, FLOOR_HZ, intensity, is_refractory, next_lag, round_intensity, simulate
from rnnspike.neurons.loglinear import LogLinear
from rnnspike.neurons.registry import CELLS


@settings(max_examples=100)
@given(st.floats(1.01 * FLOOR_HZ, 1e5))
def test_rounding_keeps_an_intensity_within_eight_thousandths(lambda_hz: float) -> None:
    rounded = float(round_intensity(np.array(lambda_hz)))
    assert rounded == pytest.approx(min(lambda_hz, CEILING_HZ), rel=0.008)
    assert rounded == np.float32(rounded)


def test_intensities_under_the_floor_are_zero() -> None:
    assert round_intensity(np.array([0.0, 1e-300, 0.9 * FLOOR_HZ])).tolist() == [0.0, 0.0, 0.0]


@settings(max_examples=100)
@given(st.floats(0.0, 5000.0))
def test_rounding_twice_is_rounding_once(lambda_hz: float) -> None:
    once = round_intensity(np.array(lambda_hz))
    assert round_intensity(once) == once


def test_a_poisson_cell_spikes_as_often_as_its_mu_says(rng: np.random.Generator) -> None:
    counts, mu = simulate(LogLinear(50.0), np.zeros((50, 2000, 1)), 0.001, rng)
    expected = -np.expm1(-mu).sum()
    assert abs(counts.sum() - expected) < 4 * np.sqrt(expected)
    assert counts.max() == 1


@pytest.mark.parametrize("name", CELLS)
def test_intensity_of_recorded_spikes_is_what_they_were_drawn_from(name: str, rng: np.random.Generator) -> None:
    spec = CELLS[name]
    x = max(spec.noise_sd, 1.0) * rng.normal(size=(3, 400, spec.units * 2 if spec.group == 2 else 2))
    counts, mu = simulate(spec.cell, x, 0.001, rng)
    assert counts.sum() > 0
    np.testing.assert_array_equal(intensity(spec.cell, counts, x, 0.001), mu)


@pytest.mark.parametrize("name", CELLS)
def test_a_spike_moves_nothing_at_or_before_its_bin(name: str, rng: np.random.Generator) -> None:
    spec = CELLS[name]
    x = np.zeros((1, 120, spec.group))
    counts = (rng.random(x.shape) < 0.03).astype(np.uint8)
    other = counts.copy()
    other[0, 60] = 1 - other[0, 60]
    before, after = (intensity(spec.cell, c, x, 0.001) for c in (counts, other))
    np.testing.assert_array_equal(before[0, :61], after[0, :61])
    assert (before[0, 61:] != after[0, 61:]).any() == (name != "poisson")


@pytest.mark.parametrize("name", CELLS)
def test_rows_are_independent(name: str, rng: np.random.Generator) -> None:
    spec = CELLS[name]
    x = rng.normal(size=(4, 80, spec.group))
    counts = (rng.random(x.shape) < 0.05).astype(np.uint8)
    alone = intensity(spec.cell, counts[2:3], x[2:3], 0.001)
    np.testing.assert_allclose(intensity(spec.cell, counts, x, 0.001)[2:3], alone, rtol=0.016)


def test_the_refractory_time_is_that_many_bins() -> None:
    lag_s = next_lag(np.array([np.inf]), np.array([1], np.uint8), 0.0005)
    refractory = []
    for _ in range(6):
        refractory.append(bool(is_refractory(lag_s, 0.002)[0]))
        lag_s = next_lag(lag_s, np.array([0], np.uint8), 0.0005)
    assert refractory == [True] * 4 + [False] * 2
