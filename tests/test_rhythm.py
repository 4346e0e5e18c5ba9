import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from rnnspike import rhythm
from rnnspike.rhythm import first_components, history_reach, spike_rhythm

BIN_S = 0.001


def rhythmic(
    period_s: float, rng, *, depth: float = 0.9, rate_hz: float = 30, n_trials: int = 30, n_bins: int = 2000
):
    phase = np.arange(n_bins) * BIN_S / period_s + rng.random((n_trials, 1))
    return rng.random(phase.shape) < BIN_S * rate_hz * (1 + depth * np.cos(2 * np.pi * phase))


@pytest.mark.parametrize("period_s", [0.025, 0.08, 0.2, 0.5])
def test_a_known_period_is_found_within_five_percent(period_s, rng):
    assert spike_rhythm(rhythmic(period_s, rng), BIN_S).period_s == pytest.approx(period_s, rel=0.05)


def test_one_long_row_will_do(rng):
    counts = rhythmic(4.0, rng, n_trials=1, n_bins=90_000)
    assert spike_rhythm(counts, BIN_S).period_s == pytest.approx(4.0, rel=0.05)


def test_poisson_trains_have_no_rhythm(rng):
    found = [spike_rhythm(rng.random((20, 2000)) < 0.02, BIN_S).period_s for _ in range(20)]
    assert sum(period is not None for period in found) <= 1


def test_a_renewal_train_with_a_short_preferred_interval_has_no_rhythm(rng):
    """One peak after the refractory period that does not return: a flat tail is not taken for its return."""
    found = 0
    for _ in range(20):
        spikes = np.zeros((40, 1500), np.uint8)
        for row in spikes:
            short = rng.random(600) < 0.3
            intervals = 4 + np.where(short, rng.poisson(2, 600), rng.geometric(0.04, 600))
            at = np.cumsum(intervals) - int(intervals[:20].sum())
            row[at[(at >= 0) & (at < 1500)]] = 1
        found += spike_rhythm(spikes, BIN_S).period_s is not None
    assert found <= 2


def test_gaps_are_not_silence(rng):
    """Unobserved every 100 ms for 30 ms: a rhythm of the mask, not of the spikes."""
    counts = rng.random((30, 2000)) < 0.03
    observed = np.broadcast_to(np.arange(2000) % 100 >= 30, counts.shape)
    assert spike_rhythm(counts * observed, BIN_S).period_s == pytest.approx(0.1, rel=0.05)
    assert spike_rhythm(counts * observed, BIN_S, observed=observed).period_s is None


def test_too_little_has_none(rng):
    assert spike_rhythm(np.zeros((3, 2000)), BIN_S).period_s is None
    assert spike_rhythm(np.ones((3, 5)), BIN_S).period_s is None


def test_history_reaches_as_far_as_it_was_made(rng):
    """Refractory for 20 bins: no memory beyond that."""
    spikes = np.zeros((40, 2000))
    last = np.full(40, -1000)
    for k in range(2000):
        now = (k - last > 20) & (rng.random(40) < 0.05)
        spikes[now, k], last[now] = 1, k
    assert 0.015 <= history_reach(spikes, BIN_S) <= 0.06
    assert history_reach(rng.random((40, 2000)) < 0.03, BIN_S) <= 0.002


def test_responses_that_differ_between_conditions_are_no_history(rng):
    condition = np.arange(80) % 2
    rising = np.linspace(0.005, 0.06, 1000)
    spikes = rng.random((80, 1000)) < np.where(condition[:, None] == 0, rising, rising[::-1])
    assert history_reach(spikes, BIN_S) > 0.1
    assert history_reach(spikes, BIN_S, condition=condition) <= 0.005


def test_a_slow_gain_between_trials_is_no_history(rng):
    rate = 0.02 * rng.gamma(4, 1 / 4, size=(40, 1))
    assert history_reach(rng.random((40, 1000)) < rate, BIN_S) <= 0.005


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_lags_at_which_nothing_was_observed_twice_tell_nothing() -> None:
    """Each row holds its observed bins together: no pair of them is far apart."""
    rng = np.random.default_rng(0)
    observed = np.zeros((40, 400), bool)
    observed[:, :60] = True
    counts = (rng.random(observed.shape) < 0.05) & observed
    assert history_reach(counts, 0.001, observed, oscillates=True) < 0.06


@pytest.mark.parametrize("n_bins", [5000, 24_001])
def test_wide_averages_are_those_of_the_direct_sum(n_bins: int, rng: np.random.Generator) -> None:
    values, width = rng.normal(size=n_bins), n_bins / 50
    np.testing.assert_allclose(rhythm._gaussian(values, width), gaussian_filter1d(values, width), atol=1e-10)


def cyclic(
    n_units: int, n_bins: int, period: float, rng: np.random.Generator, rate: float = 0.2, depth: float = 0.8
) -> np.ndarray:
    """Counts (1, bin, unit) of units that fire in turn."""
    phase = 2 * np.pi * (np.arange(n_bins)[:, None] / period + np.arange(n_units) / n_units)
    return rng.poisson(rate * (1 + depth * np.cos(phase)))[None].astype(np.uint8)


def test_components_do_not_depend_on_the_parts_they_are_summed_in(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = cyclic(6, 5000, 400, rng)
    observed = np.arange(5000)[None] % 900 < 800
    whole = first_components(counts, observed)
    monkeypatch.setattr(rhythm, "MOST_RATES", 6 * 700)
    for found, expected in zip(first_components(counts, observed), whole, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_a_component_of_summed_bins_is_that_of_the_smooth_rates(rng: np.random.Generator) -> None:
    counts = cyclic(6, 6000, 1500, rng)
    rates = gaussian_filter1d(counts[0].astype(float), 100.0, axis=0)  # the widest: a sixtieth of the row
    expected = np.linalg.eigh(np.corrcoef(rates.T))[1][:, -1] / rates.std(axis=0)
    found = first_components(counts, np.ones((1, 6000), bool))[-1]
    assert abs(np.corrcoef(found, expected)[0, 1]) > 0.999


def test_gaps_are_no_common_component(rng: np.random.Generator) -> None:
    """Units that fire in turn, all unobserved for half of the time: a silence would be common to all."""
    observed = np.arange(6000)[None] % 600 < 300
    counts = cyclic(6, 6000, 1500, rng, rate=2.0, depth=0.2) * observed[..., None]
    weights = first_components(counts, observed)[-1]
    assert abs(weights.sum()) < 0.2 * np.abs(weights).sum()
