from __future__ import annotations

import numpy as np
import pytest

from rnnspike.models.numerics.observation_loops import bin_loss, bounded_log_mu
from rnnspike.models.protocol import LOG_MU_RANGE
from rnnspike.observation import Observation, loss_by_log_mu

LOG_MU = np.append(np.linspace(*LOG_MU_RANGE, 61), 0.0)
CASES = [("bernoulli", 0), ("bernoulli", 1), ("poisson", 0), ("poisson", 1), ("poisson", 4)]


@pytest.mark.parametrize(("observation", "count"), CASES)
def test_compiled_loss_and_slope_are_those_of_numpy(observation: Observation, count: int) -> None:
    for log_mu in LOG_MU:
        expected = loss_by_log_mu(np.array([log_mu]), np.ones(1), np.array([float(count)]), observation)
        found = bin_loss(float(log_mu), float(count), observation == "bernoulli")
        np.testing.assert_allclose(found, (expected[0], expected[1][0]), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize(("observation", "count"), CASES)
def test_torch_loss_and_slope_are_the_compiled_ones(observation: Observation, count: int) -> None:
    torch = pytest.importorskip("torch")
    from rnnspike.models.networks.torch_training import loss_by_bin

    log_mu = torch.tensor(LOG_MU, requires_grad=True)
    by_bin = loss_by_bin(log_mu, torch.full_like(log_mu, float(count)), observation)
    (slope,) = torch.autograd.grad(by_bin.sum(), log_mu)
    compiled = [bin_loss(float(x), float(count), observation == "bernoulli") for x in LOG_MU]
    found = np.stack([by_bin.detach().numpy(), slope.numpy()], axis=1)
    np.testing.assert_allclose(found, compiled, rtol=1e-7, atol=1e-12)


def test_bounds_of_log_mu_say_what_was_inside() -> None:
    low, high = LOG_MU_RANGE
    assert bounded_log_mu(low - 1.0, low, high) == (low, False)
    assert bounded_log_mu(high + 1.0, low, high) == (high, False)
    assert bounded_log_mu(0.5, low, high) == (0.5, True)
    assert np.isnan(bounded_log_mu(np.nan, low, high)[0])
