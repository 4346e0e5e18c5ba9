"""Renewal laws: parameters recovered with censoring, exact step by step, the right law wins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from rnnspike.models.psth import flat_or_psth
from rnnspike.models.renewal import FAMILIES, FittedRenewal, Intervals, Law, Renewal, fit_family
from rnnspike.models.simulate import simulate


def test_gamma_shape_is_recovered_with_censored_ends() -> None:
    """Shape 4 within 5 % from 5000 intervals, trial ends included (science.md c.8)."""
    rng = np.random.default_rng(0)
    complete, censored = [], []
    while len(complete) < 5000:
        left = 6.0
        while (x := rng.gamma(4, 0.25)) < left:
            complete.append(x)
            left -= x
        censored.append(left)
    parameters = fit_family("gamma", Intervals(np.array(complete), np.array(censored)))
    assert np.exp(parameters[1]) == pytest.approx(4.0, rel=0.05)
    assert np.exp(parameters[0]) == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_families_against_scipy(name: str) -> None:
    rng = np.random.default_rng(1)
    law = FAMILIES[name].frozen(np.array([0.1, 0.4][: 1 if name == "exponential" else 2]))
    x = law.rvs(4000, random_state=rng)
    found = FAMILIES[name].frozen(fit_family(name, Intervals(x, np.empty(0))))
    assert found.logpdf(x).sum() >= law.logpdf(x).sum() - 0.5
    assert stats.kstest(x, found.cdf).pvalue > 0.01


def gamma_trials(make_trials, rng, n_trials: int = 60, n_bins: int = 800):
    hazard = Law("gamma", (0.0, float(np.log(6.0))), 0.0)
    table = np.full((1, n_bins, 1), 0.03)
    trials = make_trials(np.zeros((n_trials, n_bins, 1)), burn_in=np.zeros((n_trials, 200, 1)))
    from rnnspike.models.table import IntensityTable

    model = FittedRenewal(IntensityTable("constant", table, ("0",), {}), hazard, {})
    counts = simulate(model, trials, rng)[:, :, None]
    return make_trials(counts[:, 200:], burn_in=counts[:, :200]), model


def test_step_by_step(make_trials, rng, walk) -> None:
    trials, _ = gamma_trials(make_trials, rng, 8, 500)
    base = flat_or_psth(trials)
    model = FittedRenewal(base, Law("gamma", (0.0, 1.5), 0.02), {})
    np.testing.assert_allclose(walk(model.stepper(trials), trials), model.intensity(trials)[:, :, 0], rtol=1e-7)


def test_regular_cell_is_found_regular(make_trials, rng, tmp_path: Path) -> None:
    trials, _ = gamma_trials(make_trials, rng)
    (model,) = Renewal().fit(trials.take(range(45)), [trials.take(range(45, 60))], rng)
    assert set(model.ranking) >= {"imi", *FAMILIES}
    assert model.ranking["gamma"] > model.ranking["exponential"] + 20
    model.save(tmp_path / "renewal")
    np.testing.assert_array_equal(Renewal.load(tmp_path / "renewal").intensity(trials), model.intensity(trials))
