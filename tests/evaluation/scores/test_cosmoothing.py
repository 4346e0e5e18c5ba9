"""co-bps against the formula of nlb_tools, and its intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import gammaln

from rnnspike.evaluation.scores.cosmoothing import co_bps, scores


def nlb_bits_per_spike(rates: np.ndarray, spikes: np.ndarray) -> float:
    """As ``bits_per_spike`` of nlb_tools/evaluation.py defines it (Pei et al. 2021); NaN spikes are not scored."""

    def negative(rates: np.ndarray) -> float:
        seen = ~np.isnan(spikes)
        return float(np.sum(rates[seen] - spikes[seen] * np.log(rates[seen]) + gammaln(spikes[seen] + 1.0)))

    null = np.tile(np.nanmean(spikes, axis=(0, 1), keepdims=True), (*spikes.shape[:2], 1))
    return (negative(null) - negative(rates)) / np.nansum(spikes) / np.log(2)


@pytest.mark.parametrize("masked", [False, True])
def test_equals_nlb_tools(rng: np.random.Generator, masked: bool) -> None:
    mu = rng.gamma(2.0, 0.2, (20, 30, 4))
    spikes = rng.poisson(mu)
    observed = np.ones(spikes.shape, bool)
    if masked:
        observed[3:9, 10:] = False
    expected = nlb_bits_per_spike(mu, np.where(observed, spikes, np.nan))
    assert co_bps(mu, spikes, observed) == pytest.approx(expected, abs=1e-9)
    one = nlb_bits_per_spike(mu[:, :, 1:2], np.where(observed, spikes, np.nan)[:, :, 1:2])
    assert co_bps(mu[:, :, 1:2], spikes[:, :, 1:2], observed[:, :, 1:2]) == pytest.approx(one, abs=1e-9)


def test_units_pooled_and_apart_with_their_intervals(rng: np.random.Generator) -> None:
    n_spikes = np.stack([rng.poisson(20, 100), rng.poisson(5, 100), np.zeros(100, np.int64)], axis=1)
    null = -rng.gamma(20, 1, (100, 3))
    gain = np.stack([0.2 * n_spikes[:, 0] + rng.normal(0, 1, 100), rng.normal(0, 1, 100), np.zeros(100)], axis=1)
    pooled, units = scores(null + gain, null, n_spikes, np.ones(100, bool), rng)
    bits = gain / np.log(2)
    assert pooled.value == pytest.approx(bits[:, :2].sum() / n_spikes.sum())
    assert units[0].value == pytest.approx(bits[:, 0].sum() / n_spikes[:, 0].sum())
    assert units[0].low > 0.2 and units[0].low < units[0].value < units[0].high
    assert units[1].low < 0 < units[1].high
    assert np.isnan(units[2].value) and units[2].n_spikes == 0
