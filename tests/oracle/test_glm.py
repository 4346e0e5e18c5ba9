"""The structured solver against statsmodels: same design, same optimum."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from rnnspike.models.glm.penalised import LogLinear, Penalty, newton
from rnnspike.models.numerics.basis import SplineBasis


@pytest.mark.parametrize("observation", ["bernoulli", "poisson"])
def test_unpenalised_optimum(observation: str, rng) -> None:
    n, spline = 6000, SplineBasis(200, 50.0)
    position, x = rng.integers(0, 200, n).astype(float), rng.normal(size=(n, 3))
    mu = np.exp(-2 + 0.6 * np.sin(position / 30) + x @ [0.4, -0.3, 0.2])
    y = (
        (rng.random(n) < 1 - np.exp(-mu)).astype(float)
        if observation == "bernoulli"
        else rng.poisson(mu).astype(float)
    )
    model = LogLinear(spline, position, np.zeros(n, np.int64), 1, x, np.ones(n), y, observation)  # type: ignore[arg-type]
    found, _ = newton(model, Penalty(0.0, np.zeros((3, 3)), np.zeros(3)), model.zero(), tolerance=1e-9)
    design = np.column_stack([spline.matrix(position).toarray(), x])
    link = sm.families.links.CLogLog() if observation == "bernoulli" else sm.families.links.Log()
    family = sm.families.Binomial(link) if observation == "bernoulli" else sm.families.Poisson(link)
    oracle = sm.GLM(y, design, family=family).fit(tol=1e-12)
    np.testing.assert_allclose(found.columns, oracle.params[-3:], atol=2e-4)
    np.testing.assert_allclose(model.log_mu(found), design @ oracle.params, atol=2e-3)
