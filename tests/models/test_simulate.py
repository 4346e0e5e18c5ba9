"""Free runs: exact in distribution, whatever the mask and the observation model."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rnnspike.models.baselines.table import IntensityTable, TableStepper
from rnnspike.models.simulate import simulate, stretch_ends


def flat(trials, mu) -> IntensityTable:
    return IntensityTable("constant", np.full((1, trials.n_bins, 1), mu), trials.unit_ids, {})


def test_bernoulli_bins_have_probability_one_minus_exp_of_minus_mu(make_trials, rng) -> None:
    trials = make_trials(np.zeros((50, 400, 1)))
    mu = np.linspace(0.01, 1.5, 400)
    model = IntensityTable("psth", mu[None, :, None], trials.unit_ids, {})
    counts = simulate(model, trials, rng, rows=np.tile(np.arange(50), 10))
    assert counts.shape == (500, 400) and counts.max() == 1
    z = (counts.sum(axis=0) + 0.0 - 500 * -np.expm1(-mu)) / np.sqrt(500 * np.exp(-mu) * -np.expm1(-mu))
    assert stats.kstest(z, "norm").pvalue > 0.001


@pytest.mark.parametrize("mu", [0.2, 3.0])
def test_poisson_bins_have_the_counts_of_scipy(make_trials, rng, mu: float) -> None:
    trials = make_trials(np.zeros((40, 200, 1)), bin_s=0.02, observation="poisson")
    counts = simulate(flat(trials, mu), trials, rng).ravel()
    top = int(stats.poisson.ppf(0.999, mu))
    observed = np.bincount(np.minimum(counts, top), minlength=top + 1)
    expected = stats.poisson.pmf(np.arange(top + 1), mu)
    expected[-1] = stats.poisson.sf(top - 1, mu)
    assert stats.chisquare(observed, expected * len(counts)).pvalue > 0.001


def test_counts_of_neighbouring_bins_are_independent(make_trials, rng) -> None:
    trials = make_trials(np.zeros((40, 400, 1)))
    counts = simulate(flat(trials, 0.3), trials, rng).astype(float)
    r = np.corrcoef(counts[:, 1:].ravel(), counts[:, :-1].ravel())[0, 1]
    assert abs(r) < 4 / np.sqrt(counts.size)


def test_masked_bins_are_gone_through(make_trials, rng) -> None:
    observed = np.ones((30, 300, 1), bool)
    observed[::2, 50:120] = False
    trials = make_trials(np.zeros((30, 300, 1)), observed=observed)
    assert simulate(flat(trials, 0.1), trials, rng).mean() == pytest.approx(-np.expm1(-0.1), rel=0.1)


def test_ends_of_stretches() -> None:
    observed = np.array([[True, True, False, True], [False, False, False, False]])
    np.testing.assert_array_equal(stretch_ends(observed), [[2, 2, 3, 4], [4, 4, 4, 4]])


def test_an_intensity_that_is_not_a_number_does_not_run_for_ever(make_trials, rng):
    trials = make_trials(np.zeros((2, 30, 1), np.uint8))
    table = np.full((2, 30), 0.1)
    table[1, 12:] = np.nan

    class Broken:
        def stepper(self, trials, unit=0):
            return TableStepper.of(table)

    assert simulate(Broken(), trials, rng).shape == (2, 30)
