"""PSTHs with bands: estimate against elephant, coverage, masks (science.md#psth-bands)."""

from __future__ import annotations

import neo
import numpy as np
import pytest
import quantities as pq
from elephant.statistics import time_histogram

from rnnspike.errors import ModelError
from rnnspike.models.baselines.binned import Kernel, binned
from rnnspike.models.baselines.left_out import Smoothing
from rnnspike.models.baselines.psth import fit_psth
from rnnspike.models.baselines.psth_bands import left_out_bits, psth
from rnnspike.models.baselines.smoothing import choose_smoothing

SECONDS = (np.arange(1000) + 0.5) * 1e-3
MODULATED = 0.010 * (1 + 0.8 * np.sin(2 * np.pi * 2 * SECONDS))


def drawn(rng: np.random.Generator, mu: np.ndarray, n_trials: int) -> np.ndarray:
    return (rng.random((n_trials, len(mu))) < mu).astype(np.uint8)[..., None]


def test_without_smoothing_it_is_elephants_histogram(make_trials, rng) -> None:
    counts = drawn(rng, MODULATED, 30)
    result = psth(make_trials(counts), rng=rng, bandwidth=1e-6, step_s=0.01)
    trains = [
        neo.SpikeTrain((np.flatnonzero(trial[:, 0]) + 0.5) * 1e-3 * pq.s, t_start=0 * pq.s, t_stop=1 * pq.s)
        for trial in counts
    ]
    expected = time_histogram(trains, 10 * pq.ms, output="rate").rescale("Hz").magnitude[:, 0]
    np.testing.assert_allclose(result.rate_hz[0], expected, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(result.time_s, np.arange(100) * 0.01 + 0.005)


def test_bands_hold_the_smoothed_rate_as_often_as_they_say(make_trials) -> None:
    """5 and 30 trials at 95 %: pointwise shares of points, simultaneous share of whole curves."""
    rng = np.random.default_rng(5)
    kernel = Kernel(200, 4.0)
    truth = kernel(MODULATED.reshape(200, 5).mean(axis=1) * 1000) / kernel.inside
    for n_trials in (5, 30):
        points, curves = [], []
        for _ in range(40):
            trials = make_trials(drawn(rng, MODULATED, n_trials))
            r = psth(trials, rng=rng, bandwidth=0.02, n_boot=200, step_s=0.005)
            points.append(((r.low_hz[0] <= truth) & (truth <= r.high_hz[0])).mean())
            curves.append(((r.band_low_hz[0] <= truth) & (truth <= r.band_high_hz[0])).all())
        assert 0.91 <= np.mean(points) <= 0.98
        assert np.mean(curves) >= 0.90


def test_band_is_narrower_for_a_regular_unit_and_wider_under_a_shared_gain(make_trials, rng) -> None:
    """The trial bootstrap knows what a Poisson band does not: a clock at 20 Hz, and rates of 5 to 35 Hz."""
    n = 60
    clock = np.zeros((n, 1000, 1), np.uint8)
    for r in range(n):
        clock[r, rng.integers(50) :: 50] = 1
    poisson = drawn(rng, np.full(1000, 0.02), n)
    gain = np.where(np.arange(n) % 2, 5.0, 35.0)[:, None, None] / 1000
    slow = (rng.random((n, 1000, 1)) < gain).astype(np.uint8)
    width = []
    for counts in (clock, poisson, slow):
        r = psth(make_trials(counts), rng=rng, bandwidth=0.05, n_boot=300)
        width.append((r.high_hz - r.low_hz)[0, 20:-20].mean())
    assert width[0] < 0.5 * width[1] and width[2] > 1.2 * width[1]


def test_conditions_and_exposure(make_trials, rng) -> None:
    observed = np.ones((40, 1000, 1), bool)
    observed[:, 800:] = False
    observed[::2, 500:] = False
    counts = np.concatenate([drawn(rng, np.full(1000, 0.05), 20), drawn(rng, np.full(1000, 0.005), 20)])
    trials = make_trials(counts, observed=observed, condition=np.repeat([0, 1], 20))
    r = psth(trials, rng=rng, bandwidth=0.01, n_boot=100)
    assert r.rate_hz.shape == (2, len(r.time_s))
    assert (
        r.n_trials.tolist() == [20, 20] and r.n_spikes.tolist() == trials.counts.reshape(2, -1).sum(axis=1).tolist()
    )
    assert np.isnan(r.rate_hz[:, r.time_s > 0.86]).all() and np.isfinite(r.rate_hz[:, r.time_s < 0.8]).all()
    late = (r.time_s > 0.55) & (r.time_s < 0.75)
    assert r.rate_hz[0, late].mean() == pytest.approx(50, rel=0.2)
    np.testing.assert_allclose(r.mean_hz, [50, 5], rtol=0.2)
    for low, high in ((r.low_hz, r.high_hz), (r.band_low_hz, r.band_high_hz)):
        known = np.isfinite(r.rate_hz)
        assert (low[known] <= r.rate_hz[known]).all() and (r.rate_hz[known] <= high[known]).all()


def test_modulation_is_seen_and_not_invented(make_trials) -> None:
    rng = np.random.default_rng(11)
    modulated = [psth(make_trials(drawn(rng, MODULATED * 2, 40)), rng=rng, n_boot=200) for _ in range(5)]
    flat = [psth(make_trials(drawn(rng, np.full(1000, 0.02), 40)), rng=rng, n_boot=200) for _ in range(20)]
    assert all(r.is_modulated(0) for r in modulated)
    assert sum(r.is_modulated(0) for r in flat) <= 2
    assert np.mean([r.bits_per_spike for r in modulated]) == pytest.approx(0.24, abs=0.04)
    assert np.mean([r.bits_per_spike for r in flat]) == pytest.approx(0.0, abs=0.01)
    peak_hz, peak_s = modulated[0].peak(0)
    assert peak_hz == pytest.approx(36, rel=0.3) and min(abs(peak_s - 0.125), abs(peak_s - 0.625)) < 0.08


def test_left_out_bits_are_those_of_refitting(make_trials, rng, monkeypatch) -> None:
    """The closed form against fits that leave each trial out, at a smoothing held fixed."""
    trials = make_trials(drawn(rng, MODULATED * 3, 12), condition=np.arange(12) % 2)
    chosen = fit_psth(trials).config
    from rnnspike.models.baselines import psth as module

    fixed = Smoothing(**{key: value[0] for key, value in chosen.items()})
    monkeypatch.setattr(module, "choose_smoothing", lambda data: fixed)
    gain = 0.0
    for r in range(12):
        others = trials.take(np.delete(np.arange(12), r))
        mu = fit_psth(others).intensity(trials.take([r]))[0, :, 0]
        p, flat, y = 1 - np.exp(-mu), others.counts.mean(), trials.counts[r, :, 0]
        gain += (y * np.log(p / flat) + (1 - y) * np.log((1 - p) / (1 - flat))).sum()
    assert left_out_bits(trials, fixed) == pytest.approx(gain / trials.counts.sum() / np.log(2), abs=1e-9)


def test_bits_are_worked_out_where_they_are_wanted(make_trials, rng) -> None:
    trials = make_trials(drawn(rng, MODULATED * 3, 12), condition=np.arange(12) % 2)
    plain = psth(trials, rng=np.random.default_rng(0), n_boot=20, scored=False)
    scored = psth(trials, rng=np.random.default_rng(0), n_boot=20)
    assert np.isnan(plain.bits_per_spike) and np.isfinite(scored.bits_per_spike)
    np.testing.assert_array_equal(plain.high_hz, scored.high_hz)


def test_the_bandwidth_that_is_shown_is_the_one_that_was_scored(make_trials) -> None:
    """Weak modulation (where a plain PSTH would be smoothed more than one drawn to the mean), and two conditions."""
    for seed, n_conditions in ((0, 1), (1, 1), (2, 1), (0, 2)):
        rng = np.random.default_rng(seed)
        weak = 0.005 * (1 + 0.7 * np.sin(2 * np.pi * 5 * SECONDS))
        trials = make_trials(drawn(rng, weak, 40), condition=np.arange(40) % n_conditions)
        chosen = choose_smoothing(binned(trials))
        result = psth(trials, rng=rng, n_boot=10)
        assert result.bandwidth_s == chosen.shown_bandwidth_s
        assert result.bits_per_spike == left_out_bits(trials, chosen)


@pytest.mark.parametrize("bandwidth", [0.003, 0.05, "shimazaki"])
def test_a_bandwidth_that_was_asked_for_is_scored_itself(make_trials, rng, bandwidth) -> None:
    trials = make_trials(drawn(rng, MODULATED * 3, 30), condition=np.arange(30) % 2)
    result = psth(trials, rng=rng, bandwidth=bandwidth, n_boot=10)
    chosen = choose_smoothing(binned(trials), result.bandwidth_s)
    assert chosen.bandwidth_s == result.bandwidth_s and bandwidth in (result.bandwidth_s, "shimazaki")
    assert result.bits_per_spike == left_out_bits(trials, chosen)


def test_bandwidth_follows_the_rate_of_change(make_trials, rng) -> None:
    slow, fast = (0.03 * (1 + 0.9 * np.sin(2 * np.pi * f * SECONDS)) for f in (1, 10))
    widths = [psth(make_trials(drawn(rng, mu, 60)), rng=rng, n_boot=10).bandwidth_s for mu in (slow, fast)]
    assert widths[1] <= 0.012 and widths[0] >= 0.024
    by_rule = psth(make_trials(drawn(rng, fast, 60)), rng=rng, bandwidth="shimazaki", n_boot=10).bandwidth_s
    assert 0.004 < by_rule < 0.03


@pytest.mark.parametrize("n_trials", [1, 2])
def test_few_trials(make_trials, rng, n_trials: int) -> None:
    trials = make_trials(drawn(rng, MODULATED * 3, n_trials), condition=np.arange(n_trials))
    r = psth(trials, rng=rng, n_boot=20)
    assert np.isfinite(r.rate_hz).all() and (r.band_low_hz < r.band_high_hz).all()


def test_trials_that_are_all_alike_have_a_band(make_trials, rng) -> None:
    """One spike at one place in every trial: no resampling differs, yet the curve is known to be no constant."""
    counts = np.zeros((60, 1500, 1), np.uint8)
    counts[:, 400] = 1
    r = psth(make_trials(counts), rng=rng, n_boot=100)
    k = int(np.argmin(np.abs(r.time_s - 0.4)))
    assert all(np.isfinite(curve).all() for curve in (r.low_hz, r.high_hz, r.band_low_hz, r.band_high_hz))
    assert r.is_modulated(0) and r.peak(0)[0] == pytest.approx(400, rel=0.1)
    assert r.band_low_hz[0, k] < r.rate_hz[0, k] < r.band_high_hz[0, k]


@pytest.mark.parametrize(
    "n_trials, n_bins, spikes", [(1, 50, [20]), (2, 50, [20]), (2, 3, [1]), (9, 1, [0]), (7, 40, [])]
)
def test_bands_are_finite_however_little_varies(
    make_trials, rng, n_trials: int, n_bins: int, spikes: list[int]
) -> None:
    counts = np.zeros((n_trials, n_bins, 1), np.uint8)
    counts[:, spikes] = 1
    r = psth(make_trials(counts), rng=rng, n_boot=50)
    assert np.isfinite(r.band_low_hz).all() and (r.band_high_hz > r.band_low_hz).all()


def test_silent_unit(make_trials, rng) -> None:
    r = psth(make_trials(np.zeros((5, 100, 1))), rng=rng, n_boot=20)
    assert (r.rate_hz == 0).all() and (r.band_high_hz > 0).all() and np.isnan(r.bits_per_spike)


def test_nothing_to_average(make_trials, rng) -> None:
    with pytest.raises(ModelError, match="nothing to average"):
        psth(make_trials(np.zeros((5, 100, 1)), has_repeats=False), rng=rng)
    with pytest.raises(ModelError, match="observed in no trial"):
        psth(make_trials(np.zeros((5, 100, 1)), observed=np.zeros((5, 100, 1), bool)), rng=rng)
