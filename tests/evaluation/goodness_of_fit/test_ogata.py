from __future__ import annotations

import numpy as np
import pytest

from rnnspike.evaluation.goodness_of_fit.ogata import (
    WIENER_BAND,
    WIENER_TIME,
    ogata_battery,
    variance_time,
    wiener_path,
)


def test_a_poisson_process_passes() -> None:
    rng = np.random.default_rng(0)
    found = [ogata_battery(rng.exponential(size=500)) for _ in range(200)]
    for name in ("uniform_p", "berman_p"):
        assert np.mean([getattr(battery, name) < 0.05 for battery in found]) <= 0.09
    assert np.mean([battery.variance_inside for battery in found]) > 0.9
    assert np.mean([battery.wiener_inside for battery in found]) > 0.9


def test_a_wiener_process_leaves_the_boundary_once_in_twenty() -> None:
    steps = np.random.default_rng(1).standard_normal((4000, 2000)) / np.sqrt(2000)
    time = np.arange(1, 2001) / 2000
    band = np.interp(time, WIENER_TIME, WIENER_BAND)
    left = (np.abs(np.cumsum(steps, axis=1)) > band).any(axis=1).mean()
    assert left == pytest.approx(0.05, abs=0.015)


def test_drift_and_clusters_are_seen() -> None:
    rng = np.random.default_rng(2)
    drifting = ogata_battery(rng.exponential(size=800) * np.linspace(0.6, 1.4, 800))
    assert drifting.uniform_p < 0.001
    assert not drifting.wiener_inside
    clustered = ogata_battery(np.repeat(rng.gamma(1.0, 1.0, 200), 4) * rng.exponential(size=800))
    assert clustered.variance_inside < 0.5
    assert clustered.variance[-1] > clustered.variance_high[-1]


def test_log_survivor_of_exponential_intervals_is_a_line() -> None:
    battery = ogata_battery(np.random.default_rng(3).exponential(size=50_000))
    early = battery.survivor_at < 3
    np.testing.assert_allclose(np.log(battery.survivor[early]), -battery.survivor_at[early], atol=0.1)


def test_wiener_path_by_hand() -> None:
    path = wiener_path(np.array([2.0, 1.0, 0.0, 1.0]), np.array([0.0, 0.25, 0.5, 0.75, 1.0]))
    assert path.tolist() == [0.0, 0.5, 0.5, 0.0, 0.0]


@pytest.mark.parametrize("n", [0, 1, 5])
def test_too_few_spikes_give_no_verdict(n: int) -> None:
    battery = ogata_battery(np.ones(n))
    assert np.isnan(battery.uniform_p)
    assert np.isnan(variance_time(np.arange(1.0, n + 1))[1]).all()
