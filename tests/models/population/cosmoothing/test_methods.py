"""Co-smoothing methods on populations whose hidden state is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from rnnspike.errors import ModelError
from rnnspike.evaluation.scores.cosmoothing import co_bps
from rnnspike.models.population.cosmoothing.average import psth
from rnnspike.models.population.cosmoothing.eigenfunctions import Smoothness, n_needed, spectrum
from rnnspike.models.population.cosmoothing.gpfa import STRETCH_BINS, Cut, Gpfa, choose_latents, gpfa
from rnnspike.models.population.cosmoothing.laplace import Loadings, Stretches, infer
from rnnspike.models.population.cosmoothing.ridge import ridge
from rnnspike.models.population.cosmoothing.task import Prediction, Task
from tests.models.population.cosmoothing.conftest import shared_state

Method = Callable[[Task], Iterator[Prediction]]
ONE = partial(gpfa, n_latents=1)


def predicted(task: Task, method: Method) -> np.ndarray:
    """Expected counts (trial, scored bin, unit) of all trials, each held out."""
    scored = task.trials.counts[:, task.scored]
    mu = np.full(scored.shape, np.nan)
    for each in method(task):
        assert np.isnan(mu[np.ix_(each.rows, range(mu.shape[1]), each.targets)]).all()  # each once
        mu[np.ix_(each.rows, range(mu.shape[1]), each.targets)] = each.mu
    return mu


def score(task: Task, method: Method) -> float:
    return co_bps(predicted(task, method), task.trials.counts[:, task.scored])


def test_a_shared_state_is_found_by_both_and_not_by_the_average(make_task) -> None:
    task = make_task(shared_state())
    average, regression, latents = (score(task, method) for method in (psth, ridge, ONE))
    assert average < 0.01 < 0.15 < regression < latents


def test_spikes_in_the_same_bin_are_told_from_slower_ones(make_task) -> None:
    """Unit 1 fires more in the very bin in which unit 0 fires; with the rates known, that is all there is to tell."""
    rng = np.random.default_rng(5)
    counts = rng.poisson(0.2, (60, 60, 2))
    true = np.stack([np.full(counts.shape[:2], 0.2), 0.1 * np.exp(1.2 * np.minimum(counts[:, :, 0], 2))], axis=2)
    counts[:, :, 1] = rng.poisson(true[:, :, 1])
    task = make_task(counts)
    of_1 = {sigmas: predicted(task, partial(ridge, sigmas_s=sigmas))[:, :, 1:] for sigmas in (None, (0.03, 0.1))}
    scores = {sigmas: co_bps(mu, counts[:, :, 1:]) for sigmas, mu in of_1.items()}
    best = co_bps(true[:, :, 1:], counts[:, :, 1:])
    assert 0.8 * best < scores[None] < best and scores[0.03, 0.1] < 0.3 * best


def test_the_number_of_latents_is_that_of_the_state(make_task) -> None:
    assert choose_latents(make_task(shared_state())) == 1


@pytest.mark.parametrize("method", [ridge, ONE], ids=["ridge", "gpfa"])
def test_units_that_share_nothing_beyond_the_average_gain_no_more_than_it(make_task, method: Method) -> None:
    counts, rng = shared_state(), np.random.default_rng(3)
    rate = 1 + 0.8 * np.sin(np.arange(60) / 6)  # a response to the stimulus, which all units have
    counts = counts + rng.poisson(0.3 * rate[None, :, None], counts.shape)
    for unit in range(counts.shape[2]):
        counts[:, :, unit] = counts[rng.permutation(len(counts)), :, unit]
    task = make_task(counts)
    assert score(task, method) < score(task, psth)


@pytest.mark.parametrize("method", [ridge, ONE], ids=["ridge", "gpfa"])
def test_held_out_spikes_of_the_predicted_unit_are_not_read(make_task, method: Method) -> None:
    counts = shared_state(n_trials=24)
    task = make_task(counts)
    other = counts.copy()
    other[task.folds == 0, :, 2] = np.random.default_rng(1).poisson(2.0, other[task.folds == 0, :, 2].shape)
    changed = predicted(make_task(other), method)
    np.testing.assert_allclose(changed[task.folds == 0][:, :, 2], predicted(task, method)[task.folds == 0][:, :, 2])


@pytest.mark.parametrize("method", [ridge, ONE], ids=["ridge", "gpfa"])
def test_forward_prediction_reads_no_bins_ahead(make_task, method: Method) -> None:
    counts = shared_state(n_trials=40)
    task = make_task(counts, n_forward=10)
    ahead = counts.copy()
    ahead[task.folds == 0, -10:] += 3
    known, changed = predicted(task, method), predicted(make_task(ahead, n_forward=10), method)
    assert known.shape == (40, 10, 6)
    np.testing.assert_allclose(changed[task.folds == 0], known[task.folds == 0])
    assert score(task, method) > score(task, psth)


@pytest.mark.parametrize("method", [psth, ridge, ONE], ids=["psth", "ridge", "gpfa"])
def test_bins_that_were_not_observed_count_for_nothing(make_task, method: Method) -> None:
    counts = shared_state(n_trials=32)
    observed = np.ones(counts.shape, bool)
    observed[::3, 20:35] = False
    mu = predicted(make_task(counts, observed=observed), method)
    noise = np.where(observed, counts, 9)
    assert np.isfinite(mu).all()
    np.testing.assert_allclose(predicted(make_task(noise, observed=observed), method), mu)


def test_long_trials_are_cut_for_gpfa_and_put_together_again(make_task) -> None:
    counts = shared_state(n_trials=8, n_bins=430)
    assert score(make_task(counts), ONE) > 0.1


@pytest.mark.parametrize(("n_bins", "n_forward"), [(250, 100), (250, 20), (250, 200), (430, 0), (799, 200)])
def test_the_bins_ahead_are_at_most_half_of_a_stretch(make_task, n_bins: int, n_forward: int) -> None:
    cut = Cut.of(make_task(np.zeros((4, n_bins, 2), np.int64), n_forward))
    assert cut.n_each * cut.n_bins - cut.n_pad == n_bins and 0 <= cut.n_pad < cut.n_each
    assert cut.n_each == 1 or cut.n_bins >= 2 * n_forward
    assert cut.n_bins <= max(STRETCH_BINS, 4 * n_forward)


def test_more_latents_than_units_are_refused(make_task) -> None:
    with pytest.raises(ModelError, match=r"7 latents are more than the 6 units \(try --latents 5\)"):
        next(gpfa(make_task(shared_state(n_trials=8)), n_latents=7))


def test_segments_have_no_average(make_task) -> None:
    task = make_task(shared_state(n_trials=8), has_repeats=False)
    with pytest.raises(ModelError, match="nothing to average"):
        list(psth(task))
    assert sum(len(each.rows) for each in ridge(replace(task, n_forward=0))) == 8 * 6


def test_eigenfunctions_hold_the_kernel() -> None:
    values, vectors = spectrum(50, 5.0)
    lag = np.subtract.outer(np.arange(50), np.arange(50))
    np.testing.assert_allclose((vectors * values) @ vectors.T, np.exp(-0.5 * (lag / 5.0) ** 2), atol=1e-10)
    (functions,) = Smoothness(50, (5.0,)).functions()
    assert functions.shape == (50, n_needed(50, 5.0))
    assert 0.98 <= (functions**2).sum() / 50 <= 1.0


def test_the_posterior_mode_has_no_slope_and_its_evidence_prefers_the_true_smoothness() -> None:
    rng = np.random.default_rng(0)
    (functions,) = Smoothness(80, (8.0,)).functions()
    path = rng.standard_normal((40, functions.shape[1])) @ functions.T
    loadings = Loadings(np.full(10, -1.0), np.full((10, 1), 0.8))
    counts = rng.poisson(np.exp(path[:, :, None] * 0.8 - 1.0), (40, 80, 10)).astype(float)
    data = Stretches(counts, np.ones((40, 80)))
    found = infer(data, loadings, [functions])
    mu = np.exp(found.mean @ loadings.weights.T + loadings.level)
    slope = (counts - mu).sum(axis=2) * 0.8 @ functions - found.z
    assert np.abs(slope).max() < 0.2
    error = (found.mean[:, :, 0] - path) / np.sqrt(found.covariance[:, :, 0, 0])
    assert 0.8 < error.std() < 1.2
    evidence = {tau: infer(data, loadings, Smoothness(80, (tau,)).functions()).evidence for tau in (3.0, 8.0, 20.0)}
    assert max(evidence, key=lambda tau: evidence[tau]) == 8.0


def test_the_time_constant_is_found(make_task) -> None:
    model = Gpfa.fit(make_task(shared_state()), 1, 12)
    assert 6 < model.smoothness.taus[0] < 20  # smoothed white noise of 8 bins has a kernel of 8 sqrt(2)
