"""Renewal laws and the GLM on real recordings against fits written from scipy and statsmodels alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import optimize, stats

from rnnspike.models.baselines.psth import flat_or_psth
from rnnspike.models.glm.banded import dense
from rnnspike.models.glm.layout import FORM_STARTS, Layout
from rnnspike.models.glm.model import HistoryGlm
from rnnspike.models.glm.penalised import Penalty, newton
from rnnspike.models.renewal.clock import clock_intervals
from rnnspike.models.renewal.interval_laws import FAMILIES, fit_family
from rnnspike.recording.read import read_recording
from rnnspike.trials.data import FloatArray, TrialOptions, Trials
from rnnspike.trials.plan import plan_trials

RECORDINGS = {
    "star_cockroach_CAL2.nwb": TrialOptions(window_s=(1.0, 15.0)),
    "boot_neuro.nwb": TrialOptions(window_s=(0.1, 0.5)),
    "case_stn.nwb": TrialOptions(window_s=(0.25, 2.0)),
}

#: Laws by their usual parameters; each is searched from scipy's own fit of the complete intervals.
SCIPY = {
    "exponential": stats.expon,
    "gamma": stats.gamma,
    "inverse-gaussian": stats.invgauss,
    "lognormal": stats.lognorm,
    "weibull": stats.weibull_min,
    "log-logistic": stats.fisk,
}


def unit(folder: Path, name: str) -> Trials:
    return plan_trials(read_recording(folder / name), RECORDINGS[name]).trials().unit(0)


def censored_optimum(name: str, complete: FloatArray, censored: FloatArray) -> float:
    """Largest log-likelihood of complete and right-censored intervals, searched over scipy's parameters."""
    law = SCIPY[name]

    def cost(log_parameters: FloatArray) -> float:
        shape = np.exp(np.clip(log_parameters, -20, 20))
        with np.errstate(all="ignore"):
            seen = law.logpdf(complete, *shape[:-1], 0.0, shape[-1]).sum()
            total = seen + law.logsf(censored, *shape[:-1], 0.0, shape[-1]).sum()
        return -float(total) if np.isfinite(total) else 1e10

    start = law.fit(complete, floc=0.0)
    start = np.log(np.array([*start[:-2], start[-1]]))
    options = {"xatol": 1e-6, "fatol": 1e-7, "maxfev": 4000}
    return -float(optimize.minimize(cost, start, method="Nelder-Mead", options=options).fun)


@pytest.mark.parametrize("recording", RECORDINGS)
def test_renewal_laws_reach_the_optimum_of_a_search_on_scipy(shared_data: Path, recording: str) -> None:
    trials = unit(shared_data, recording)
    intervals = clock_intervals(flat_or_psth(trials), trials)
    assert len(intervals.complete) > 500 and len(intervals.censored) > 10
    for name in FAMILIES:
        parameters = fit_family(name, intervals)
        (log_x, log_c), family = intervals.logs, FAMILIES[name]
        ours = family.log_density(parameters, intervals.complete, log_x).sum()
        ours += family.log_survivor(parameters, intervals.censored, log_c).sum()
        oracle = censored_optimum(name, intervals.complete, intervals.censored)
        assert ours == pytest.approx(oracle, abs=0.02), name


def test_penalised_glm_has_the_optimum_of_newton_steps_on_statsmodels(shared_data: Path) -> None:
    """One design, one quadratic penalty; likelihood, score and Hessian by statsmodels."""
    trials = unit(shared_data, "boot_neuro.nwb").take(range(80))
    layout = Layout.of(trials, HistoryGlm.parts)
    model = layout.design(trials)
    model = replace(model, columns=model.columns.astype(np.float64))
    penalties = layout.penalties()
    penalty = replace(penalties.penalty(penalties.start(FORM_STARTS)), half_spike=np.zeros(layout.n_columns))
    found, _ = newton(model, penalty, model.zero(), tolerance=1e-9)

    design = np.column_stack([layout.spline.matrix(model.position).toarray(), model.columns])
    quadratic = quadratic_form(penalty, layout)
    family = sm.families.Binomial(sm.families.links.CLogLog())
    peer = sm.GLM((model.spikes > 0).astype(float), design, family=family, offset=np.log(model.bins))
    beta = np.append(np.full(layout.spline.n_functions, np.log(layout.fill)), np.zeros(layout.n_columns))
    for _ in range(40):
        gradient = peer.score(beta) - quadratic @ beta
        step = np.linalg.solve(quadratic - peer.hessian(beta, observed=True), gradient)
        beta = beta + step * min(1.0, 2.0 / np.abs(step).max())
        if gradient @ step < 1e-9:
            break
    ours = np.append(found.drive[0], found.columns)
    value = [peer.loglike(each) - 0.5 * each @ quadratic @ each for each in (ours, beta)]
    assert value[0] == pytest.approx(value[1], abs=1e-3)
    np.testing.assert_allclose(design @ ours, design @ beta, atol=5e-3)


def quadratic_form(penalty: Penalty, layout: Layout) -> FloatArray:
    """The penalty as one dense matrix over spline and columns (one condition)."""
    n = layout.spline.n_functions
    whole = np.zeros((n + layout.n_columns,) * 2)
    whole[:n, :n] = dense(penalty.drive_bands((1, n))[:, 0])
    whole[n:, n:] = penalty.columns
    return whole
