"""The structured solver against nemos, where it is installed: same design, same optimum (science.md#glm-fit)."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.models.glm.penalised import LogLinear, Penalty, newton
from rnnspike.models.numerics.basis import SplineBasis

nemos = pytest.importorskip("nemos", reason="nemos is not installed (extra: benchmark)")

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.mark.parametrize("ridge", [0.0, 1e-2])
def test_same_optimum_within_a_millionth_of_a_nat_per_bin(rng, ridge: float) -> None:
    import jax

    jax.config.update("jax_enable_x64", True)
    n, width = 20_000, 5
    x = rng.normal(size=(n, width))
    y = rng.poisson(np.exp(-2 + x @ [0.5, -0.3, 0.2, 0.0, 0.1])).astype(float)
    more = {"regularizer": "Ridge", "regularizer_strength": ridge} if ridge else {"regularizer": "UnRegularized"}
    peer = nemos.glm.GLM(solver_name="LBFGS", solver_kwargs={"tol": 1e-10, "maxiter": 2000}, **more)
    peer.fit(x, y)
    zero = np.zeros(n)
    model = LogLinear(SplineBasis(1, 0.0), zero, zero.astype(np.int64), 1, x, np.ones(n), y, "poisson")
    found, _ = newton(model, Penalty(0.0, n * ridge * np.eye(width), np.zeros(width)), model.zero(), tolerance=1e-8)

    def objective(coef: np.ndarray, intercept: float) -> float:
        log_mu = x @ coef + intercept
        return float(np.mean(np.exp(log_mu) - y * log_mu) + 0.5 * ridge * coef @ coef)

    ours = objective(found.columns, found.drive[0, 0])
    theirs = objective(np.asarray(peer.coef_), float(np.ravel(peer.intercept_)[0]))
    assert ours == pytest.approx(theirs, abs=1e-6)
    np.testing.assert_allclose(found.columns, np.asarray(peer.coef_), atol=1e-4)
