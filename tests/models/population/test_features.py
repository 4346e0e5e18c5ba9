"""Features of another unit's past: the sampled ones and the dense ones agree, and none reads the present."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnnspike.models.glm.compact_design import Rows
from rnnspike.models.past import Past
from rnnspike.models.population.features import LagBasis, columns, gain, kernel

BASIS = LagBasis(peaks=(1.0, 2.5, 6.0, 15.0), taus=(50.0,))


@pytest.fixture
def past(rng: np.random.Generator) -> Past:
    observed = np.ones((3, 200), bool)
    observed[1, 60:110] = False
    spikes = (rng.random((3, 200)) < 0.05).astype(np.uint8) * observed
    return Past(spikes, observed, 40)


def test_sampled_features_times_weights_are_the_dense_gain(past: Past, rng: np.random.Generator) -> None:
    weights, fill = rng.normal(size=BASIS.n_columns), 0.05
    trial, at = (each.ravel() for each in np.indices((3, 160)))
    nothing = np.zeros(len(trial))
    rows = Rows(trial, at + 40, at + 40.0, nothing + 1, nothing, nothing)
    sampled = columns(past, rows, BASIS, fill) @ weights
    np.testing.assert_allclose(sampled.reshape(3, 160), gain(past, weights, BASIS, fill), atol=2e-5)


def test_a_spike_changes_no_bin_up_to_its_own(past: Past, rng: np.random.Generator) -> None:
    weights, spikes = rng.normal(size=BASIS.n_columns), past.spikes.copy()
    spikes[0, 100] ^= 1
    before, after = gain(past, weights, BASIS, 0.05), gain(replace(past, spikes=spikes), weights, BASIS, 0.05)
    np.testing.assert_array_equal(before[0, :61], after[0, :61])
    assert before[0, 61] != after[0, 61]
    np.testing.assert_array_equal(before[1:], after[1:])


def test_the_functions_sum_to_one_up_to_the_last_peak() -> None:
    np.testing.assert_allclose(BASIS.functions[:15].sum(axis=1), 1.0)
    assert BASIS.functions[-1].max() < 0.02


def test_the_kernel_is_what_a_single_spike_adds(rng: np.random.Generator) -> None:
    weights = rng.normal(size=BASIS.n_columns)
    spikes = np.zeros((1, 100), np.uint8)
    spikes[0, 10] = 1
    found = gain(Past(spikes, np.ones((1, 100), bool), 0), weights, BASIS, 0.0)[0]
    np.testing.assert_allclose(found[11:61], kernel(weights, BASIS, 50), atol=1e-12)
