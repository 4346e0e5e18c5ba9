"""Renewal laws: parameters recovered with censoring, exact step by step, the right law wins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, special, stats

from rnnspike.models.baselines.psth import flat_or_psth
from rnnspike.models.past import Past
from rnnspike.models.renewal.clock import clock_ages
from rnnspike.models.renewal.interval_laws import FAMILIES, Intervals, Law, fit_family, interval_log_likelihood
from rnnspike.models.renewal.model import FittedRenewal, Renewal, _HeldOut, _score
from rnnspike.models.simulate import simulate


def test_gamma_shape_is_recovered_with_censored_ends() -> None:
    """Shape 4 within 5 % from 5000 intervals, trial ends included (science.md#renewal)."""
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


#: scipy's distribution of each family, from our log parameters.
SCIPY = {
    "exponential": lambda p: stats.expon(scale=np.exp(p[0])),
    "gamma": lambda p: stats.gamma(np.exp(p[1]), scale=np.exp(p[0] - p[1])),
    "inverse-gaussian": lambda p: stats.invgauss(np.exp(p[0] - p[1]), scale=np.exp(p[1])),
    "lognormal": lambda p: stats.lognorm(np.exp(p[1]), scale=np.exp(p[0])),
    "weibull": lambda p: stats.weibull_min(np.exp(p[1]), scale=np.exp(p[0])),
    "log-logistic": lambda p: stats.fisk(np.exp(p[1]), scale=np.exp(p[0])),
}


def parameters_of(name: str, *values: float) -> np.ndarray:
    return np.array(values[: 1 if name == "exponential" else 2])


@pytest.mark.parametrize("name", sorted(FAMILIES))
@pytest.mark.parametrize("shape", [-0.6, 0.4, 1.7])
def test_densities_and_survivors_are_those_of_scipy(name: str, shape: float) -> None:
    p, x = parameters_of(name, 0.1, shape), np.geomspace(1e-3, 15.0, 60)
    law, family = SCIPY[name](p), FAMILIES[name]
    np.testing.assert_allclose(family.log_density(p, x, np.log(x)), law.logpdf(x), rtol=1e-9, atol=1e-9)
    far = x[law.sf(x) > 1e-9]  # beyond, scipy's own survivor of the inverse Gaussian loses its digits
    np.testing.assert_allclose(family.log_survivor(p, far, np.log(far)), law.logsf(far), rtol=1e-6, atol=1e-12)


def test_the_survivor_of_a_gamma_law_goes_on_where_it_underflows() -> None:
    p, x = np.array([0.0, 1.4]), np.array([150.0, 400.0])
    shape, y = np.exp(1.4), x * np.exp(1.4)
    expected = (shape - 1) * np.log(y) - y - np.log(special.gamma(shape))
    found = FAMILIES["gamma"].log_survivor(p, x, np.log(x))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_same_optimum_as_a_simplex_search_on_scipy(name: str) -> None:
    """Censored maximum likelihood written from scipy's distributions alone, searched without gradients."""
    rng = np.random.default_rng(1)
    x = SCIPY[name](parameters_of(name, 0.1, 0.4)).rvs(1500, random_state=rng)
    limit = rng.exponential(2.5, len(x))
    complete, censored = x[x <= limit], limit[x > limit]

    def cost(p: np.ndarray) -> float:
        law = SCIPY[name](p)
        return -float(law.logpdf(complete).sum() + law.logsf(censored).sum())

    found = fit_family(name, Intervals(complete, censored))
    simplex = optimize.minimize(cost, found + 0.3, method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-9})
    np.testing.assert_allclose(found, simplex.x, atol=2e-3)
    assert interval_log_likelihood(name, found, Intervals(complete, censored)) >= -simplex.fun - 1e-4


def gamma_trials(make_trials, rng, n_trials: int = 60, n_bins: int = 800):
    hazard = Law("gamma", (0.0, float(np.log(6.0))), 0.0)
    table = np.full((1, n_bins, 1), 0.03)
    trials = make_trials(np.zeros((n_trials, n_bins, 1)), burn_in=np.zeros((n_trials, 200, 1)))
    from rnnspike.models.baselines.table import IntensityTable

    model = FittedRenewal(IntensityTable("constant", table, ("0",), {}), hazard, {})
    counts = simulate(model, trials, rng)[:, :, None]
    return make_trials(counts[:, 200:], burn_in=counts[:, :200]), model


def test_step_by_step(make_trials, rng, walk) -> None:
    trials, _ = gamma_trials(make_trials, rng, 8, 500)
    base = flat_or_psth(trials)
    model = FittedRenewal(base, Law("gamma", (0.0, 1.5), 0.02), {})
    np.testing.assert_allclose(walk(model.stepper(trials), trials), model.intensity(trials)[:, :, 0], rtol=1e-7)


def test_the_clock_starts_anew_after_a_spike_and_after_a_gap() -> None:
    """Two bins of burn-in, at .5 each; the second trial's last spike is unknown up to its first."""
    spikes = np.array([[0, 1, 0, 0, 1, 0], [0, 0, 0, 1, 0, 0]], np.uint8)
    observed = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 1]], bool)
    mu = np.array([[1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]])
    age, known = clock_ages(Past(spikes, observed, 2), mu, np.array([0.5, 0.5]))
    assert age.tolist() == [[0.0, 1.0, 3.0, 0.0], [1.0, 2.0, 0.0, 0.0]]
    assert known.tolist() == [[True, True, True, True], [False, False, True, False]]


def test_regular_cell_is_found_regular(make_trials, rng, tmp_path: Path) -> None:
    trials, _ = gamma_trials(make_trials, rng)
    (model,) = Renewal().fit(trials.take(range(45)), [trials.take(range(45, 60))], rng)
    assert set(model.ranking) >= {"imi", *FAMILIES}
    assert model.ranking["gamma"] > model.ranking["exponential"] + 20
    model.save(tmp_path / "renewal")
    np.testing.assert_array_equal(Renewal.load(tmp_path / "renewal").intensity(trials), model.intensity(trials))


@pytest.mark.parametrize("family", ["gamma", "lognormal"])
@pytest.mark.parametrize("observation", ["bernoulli", "poisson"])
def test_the_score_by_stretches_is_the_score_by_bins(make_trials, rng, family: str, observation: str) -> None:
    """Gaps, unknown pasts and spikes side by side included; up to the floor of silent bins."""
    counts = (rng.random((12, 300, 1)) < 0.05).astype(np.uint8)
    observed, before = np.ones((12, 300, 1), bool), np.ones((12, 50, 1), bool)
    observed[2:5, 100:140] = False
    observed[0], observed[1, :20] = False, False
    before[::2, :45] = False
    burn_in = (rng.random((12, 50, 1)) < 0.05).astype(np.uint8)
    trials = make_trials(
        counts * observed, burn_in=burn_in, observed=observed, burn_in_observed=before, observation=observation
    )
    base = flat_or_psth(trials)
    law = Law(family, (0.1, 0.3), 0.0)
    by_bins = _score(FittedRenewal(base, law, {}), trials)
    assert _HeldOut.of(base, trials).score(law) == pytest.approx(by_bins, abs=2e-4 * counts.sum())
