"""The PSTH: closed-form leave-one-out, smoothing, shrinkage (science.md b.3, c.5)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from rnnspike.errors import ModelError
from rnnspike.models.psth import Kernel, LeftOut, Psth, choose_smoothing, scan_smoothing, summed


def modulated(rng: np.random.Generator, n_trials: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """20 trials of 1 s at 10 Hz with 2 Hz modulation (.25 bits/spike); counts and the true expected count of a bin."""
    t = (np.arange(1000) + 0.5) * 1e-3
    mu = 0.010 * (1 + 0.8 * np.sin(2 * np.pi * 2 * t))
    return (rng.random((n_trials, 1000, 1)) < mu[None, :, None]).astype(np.uint8), mu


def test_kernel_is_a_gaussian() -> None:
    x = np.random.default_rng(0).random((3, 200))
    expected = gaussian_filter1d(x, 7.0, axis=-1, mode="constant", truncate=5.0)
    np.testing.assert_allclose(Kernel(200, 7.0)(x), expected, rtol=1e-6)


def test_left_out_equals_leaving_out(make_trials, rng) -> None:
    counts = (rng.random((8, 120, 1)) < 0.1).astype(np.uint8)
    trials = make_trials(counts, observed=rng.random(counts.shape) < 0.8, condition=np.arange(8) % 2)
    kernel = Kernel(120, 6.0)
    spikes, exposure = summed(trials, 1)
    whole = LeftOut(spikes, exposure, trials.condition, kernel).mean_count(3.0)
    inside = kernel(np.ones(120))
    for r in range(8):
        s, e, c = np.delete(spikes, r, 0), np.delete(exposure, r, 0), np.delete(trials.condition, r)
        pooled = (kernel(s.sum(0)) + s.sum() / e.sum() * inside) / (kernel(e.sum(0)) + inside)
        own = c == trials.condition[r]
        expected = (kernel(s[own].sum(0)) + 3 * pooled * inside) / (kernel(e[own].sum(0)) + 3 * inside)
        np.testing.assert_allclose(whole[r], expected, rtol=1e-6)


def test_figures_of_smoothing(make_trials) -> None:
    """In-sample and left-out bits/spike at 20 and 50 ms (science.md c.5: .348/.200 and .283/.220, oracle .256)."""
    left_out: dict[float, list[float]] = {0.02: [], 0.05: []}
    in_sample: dict[float, list[float]] = {0.02: [], 0.05: []}
    nested, best = [], []
    for seed in range(40):
        counts, _ = modulated(np.random.default_rng(seed))
        trials = make_trials(counts)
        spikes, exposure = summed(trials, 1)
        n, null = spikes.sum(), np.log(spikes.mean()) * spikes.sum() - spikes.sum()
        for bandwidth_s in left_out:
            kernel = Kernel(1000, bandwidth_s * 1000)
            loo = LeftOut(spikes, exposure, trials.condition, kernel).log_likelihood(0.0)
            left_out[bandwidth_s].append((loo - null) / n / np.log(2))
            mean = kernel(spikes.sum(0)) / kernel(exposure.sum(0))
            own = (spikes * np.log(mean)).sum() - mean.sum() * len(spikes)
            in_sample[bandwidth_s].append((own - null) / n / np.log(2))
        scan = list(scan_smoothing(trials))
        by_width = {each.bandwidth_s: each.log_likelihood for each in scan}
        best.append({width: (value - null) / n / np.log(2) for width, value in by_width.items()})
        nested.append((choose_smoothing(trials).log_likelihood - null) / n / np.log(2))
    assert np.mean(in_sample[0.02]) == pytest.approx(0.348, abs=0.03)
    assert np.mean(left_out[0.02]) == pytest.approx(0.200, abs=0.03)
    assert np.mean(in_sample[0.05]) == pytest.approx(0.283, abs=0.03)
    assert np.mean(left_out[0.05]) == pytest.approx(0.220, abs=0.03)
    fixed = max(np.mean([each[width] for each in best]) for width in best[0])
    assert np.mean(nested) >= fixed - 0.005


def test_conditions_shrink_to_the_pooled_psth_where_they_do_not_differ(make_trials, rng) -> None:
    counts, mu = modulated(rng, 60)
    trials = make_trials(counts, condition=np.arange(60) % 20)
    (model,) = Psth().fit(trials, [trials], rng)
    table = model.mu_table[:, :, 0]
    assert np.abs(np.log(table / table.mean(axis=0))).max() < 0.7
    assert np.corrcoef(table.mean(axis=0), mu)[0, 1] > 0.9


def test_segments_have_nothing_to_average(make_trials, rng) -> None:
    trials = make_trials(np.ones((4, 10, 1)), has_repeats=False)
    with pytest.raises(ModelError, match="nothing to average"):
        Psth().fit(trials, [trials], rng)
