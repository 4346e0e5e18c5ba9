"""The rule for pairs of units, and synchrony of residuals."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.evaluation.links import DIRECTED, NONE, SHARED, Synchrony, verdicts


@pytest.mark.parametrize(
    ("there", "back", "z", "verdict"),
    [
        (1e-9, 0.5, 0.0, DIRECTED),
        (1e-9, 0.5, 6.0, SHARED),
        (1e-9, 0.5, -6.0, SHARED),
        (1e-9, 1e-3, 0.0, SHARED),
        (1e-9, 1e-9, 0.0, SHARED),
        (0.02, 0.5, 0.0, NONE),
    ],
)
def test_what_is_said_of_a_pair(there: float, back: float, z: float, verdict: str) -> None:
    found = verdicts({("a", "b"): there, ("b", "a"): back}, {frozenset("ab"): z})
    assert found["a", "b"][1] == verdict


def test_a_pair_tested_one_way_only_is_not_directed() -> None:
    assert verdicts({("a", "b"): 1e-9}, {})["a", "b"] == (1e-9, SHARED)
    assert verdicts({}, {}) == {}


def test_q_are_corrected_over_all_pairs() -> None:
    p = {("a", str(k)): 0.0005 for k in range(1)} | {("a", str(k)): 0.9 for k in range(1, 100)}
    assert verdicts(p, {})["a", "0"] == (pytest.approx(0.05), NONE)


def test_synchrony_of_units_that_share_spikes_and_of_others(rng: np.random.Generator) -> None:
    mu, common = np.full((40_000, 3), 0.05), rng.random(40_000) < 0.01
    spikes = (rng.random(mu.shape) < -np.expm1(-mu)).astype(float)
    spikes[common, :2] = 1.0
    total = Synchrony(3, "bernoulli")
    for block in range(0, 40_000, 10_000):
        here = slice(block, block + 10_000)
        total.add(spikes[here], mu[here], np.ones((10_000, 3), bool))
    z = total.z
    assert z[0, 1] > 20 and abs(z[0, 2]) < 3.5 and abs(z[1, 2]) < 3.5


def test_bins_that_were_not_observed_do_not_count(rng: np.random.Generator) -> None:
    mu, total = np.full((1000, 2), 0.1), Synchrony(2, "poisson")
    observed = np.ones((1000, 2), bool)
    observed[500:] = False
    spikes = rng.poisson(mu).astype(float)
    spikes[500:] = 9.0
    total.add(spikes, mu, observed)
    assert abs(total.z[0, 1]) < 4


def test_q_counts_pairs_that_a_first_look_passed_over() -> None:
    p = {("a", "b"): 0.0004, ("b", "a"): 0.5}
    assert verdicts(p, {})["a", "b"][0] == pytest.approx(0.0008)
    assert verdicts(p, {}, n_passed_over=8)["a", "b"][0] == pytest.approx(0.004)
