"""The stack: weights on the simplex that maximise the likelihood of held-out spikes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnspike.evaluation.scores.likelihood import log_likelihood
from rnnspike.models.baselines.constant import Constant
from rnnspike.models.baselines.psth import Psth
from rnnspike.models.combine import stack as stack_module
from rnnspike.models.combine.stack import Pool, Stack, _Problem, beyond_training, fallback_of, fit_scale, fit_weights
from rnnspike.observation import expected_counts

SHAPE = (40, 250)


def problem(rng, n_members=3, noise=0.4, observation="bernoulli"):
    """Members that are the true log mu and noise of each its own, spikes, a mask."""
    truth = np.log(0.05) + np.sin(np.arange(SHAPE[1]) / 20) + rng.normal(0, 0.3, SHAPE)
    log_mu = [truth + rng.normal(0, noise * (1 + m), SHAPE) for m in range(n_members)]
    mu = np.exp(truth)
    spikes = rng.poisson(mu) if observation == "poisson" else rng.random(SHAPE) < -np.expm1(-mu)
    return log_mu, spikes.astype(np.uint8), rng.random(SHAPE) < 0.9


def total(log_mu, weights, spikes, observed, observation="bernoulli"):
    eta = sum(w * np.clip(m, -20, np.log(20)) for w, m in zip(weights, log_mu, strict=True))
    return log_likelihood(np.exp(eta), spikes, observed, observation).sum()


@pytest.mark.parametrize("observation", ["bernoulli", "poisson"])
def test_no_other_weights_are_better(rng, observation):
    log_mu, spikes, observed = problem(rng, observation=observation)
    weights = fit_weights(log_mu, spikes, observed, observation, prior_nats=0.0)
    best = total(log_mu, weights, spikes, observed, observation)
    assert weights.sum() == pytest.approx(1)
    for other in rng.dirichlet(np.ones(3), 300):
        assert total(log_mu, other, spikes, observed, observation) <= best + 1e-3


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), noise=st.floats(0.0, 2.0))
def test_never_worse_than_the_best_member_on_what_it_has_seen(seed, noise):
    log_mu, spikes, observed = problem(np.random.default_rng(seed), noise=noise)
    weights = fit_weights(log_mu, spikes, observed, "bernoulli", prior_nats=0.0)
    assert (weights >= 0).all() and weights.sum() == pytest.approx(1)
    best = max(total(log_mu, np.eye(3)[m], spikes, observed) for m in range(3))
    assert total(log_mu, weights, spikes, observed) >= best - 1e-3


def test_the_loss_is_the_shared_likelihood_and_its_gradient_is_right(rng):
    log_mu, spikes, observed = problem(rng)
    made, weights = _Problem.of(log_mu, spikes, observed, "bernoulli"), np.array([0.2, 0.3, 0.5])
    loss, gradient = made.loss(weights)
    assert loss == pytest.approx(-total(log_mu, weights, spikes, observed), rel=1e-12)
    for m in range(3):
        step = 1e-5 * np.eye(3)[m]
        numeric = (made.loss(weights + step)[0] - made.loss(weights - step)[0]) / 2e-5
        assert gradient[m] == pytest.approx(numeric, rel=1e-5, abs=1e-4)


def test_the_better_member_weighs_more_and_the_useless_one_nothing(rng):
    log_mu, spikes, observed = problem(rng, 2)
    log_mu.append(rng.normal(-3, 3, SHAPE))
    weights = fit_weights(log_mu, spikes, observed, "bernoulli")
    assert weights[0] > weights[1] > weights[2]
    assert weights[2] < 0.05


def test_masked_bins_do_not_count(rng):
    log_mu, spikes, observed = problem(rng)
    weights = fit_weights(log_mu, spikes, observed, "bernoulli")
    noise = [np.where(observed, m, rng.normal(0, 5, SHAPE)) for m in log_mu]
    np.testing.assert_array_equal(fit_weights(noise, np.where(observed, spikes, 1), observed, "bernoulli"), weights)


def test_coupling_goes_before_the_glm_without_evidence():
    assert fallback_of(["psth", "glm", "coupling"]) == 2
    assert fallback_of(["psth", "glm"]) == 1
    assert fallback_of(["psth"]) is None


def test_without_evidence_the_weights_are_the_fallback_or_even(rng):
    log_mu, _, observed = problem(rng)
    nothing = np.zeros(SHAPE, bool)
    np.testing.assert_allclose(fit_weights(log_mu, np.zeros(SHAPE, int), nothing, "bernoulli"), 1 / 3)
    same = [log_mu[0]] * 4
    np.testing.assert_allclose(fit_weights(same, np.zeros(SHAPE, int), observed, "bernoulli"), 0.25, atol=1e-4)
    found = fit_weights(same, np.zeros(SHAPE, int), observed, "bernoulli", fallback=2)
    np.testing.assert_allclose(found, [0, 0, 1, 0], atol=1e-4)
    np.testing.assert_array_equal(fit_weights(log_mu[:1], np.zeros(SHAPE, int), observed, "bernoulli"), [1.0])
    with pytest.raises(ValueError, match="members"):
        fit_weights([], np.zeros(SHAPE, int), observed, "bernoulli")


def test_a_sample_of_the_silent_bins_gives_nearly_the_same_weights(rng, monkeypatch):
    log_mu, spikes, observed = problem(rng)
    exact = fit_weights(log_mu, spikes, observed, "bernoulli")
    monkeypatch.setattr(stack_module, "MAX_SILENT_BINS", 2000)
    np.testing.assert_allclose(fit_weights(log_mu, spikes, observed, "bernoulli"), exact, atol=0.05)


@pytest.mark.parametrize("observation", ["bernoulli", "poisson"])
def test_members_that_disagree_are_raised_to_the_spikes_that_they_expect(rng, observation):
    """Their mean in log rate expects a third fewer than each of them; three spikes say nothing against that."""
    error, spikes = rng.normal(0, 0.9, SHAPE), np.zeros(SHAPE, int)
    log_mu, observed = [-3.4 + error, -3.4 - error], rng.random(SHAPE) < 0.9
    spikes[:3, 7] = observed[:3, 7]
    scale = fit_scale(log_mu, [0.5, 0.5], spikes, observed, observation)
    each = [expected_counts(np.exp(member), observation)[observed].sum() for member in log_mu]
    pooled = expected_counts(np.full(SHAPE, scale * np.exp(-3.4)), observation)[observed].sum()
    assert scale > 1.35 and pooled == pytest.approx(np.mean(each), rel=0.04)
    assert fit_scale(log_mu, [1.0, 0.0], np.zeros(SHAPE, int), observed, observation) == pytest.approx(1.0)


def test_the_level_comes_the_nearer_to_the_recorded_one_the_more_and_the_steadier_the_spikes(rng):
    """A member expects a fifth too many, of 600 spikes, of 60,000, and of 600 in trials that differ threefold."""

    def found(n_trials: int, gain: float = 0.0) -> float:
        rate = 0.05 * (1 + gain * np.cos(np.pi * np.arange(n_trials)))[:, None]
        spikes = (rng.random((n_trials, 250)) < rate).astype(int)
        log_mu = np.full(spikes.shape, np.log(0.06))
        return fit_scale([log_mu], [1.0], spikes, np.ones(spikes.shape, bool), "poisson")

    assert 0.93 < found(48) < 0.976
    assert found(4800) == pytest.approx(0.05 / 0.06, abs=0.01)
    assert found(48, gain=0.5) > 0.977


def test_where_nothing_is_observed_there_is_nothing_to_scale():
    assert fit_scale([np.zeros(SHAPE)], [1.0], np.zeros(SHAPE, int), np.zeros(SHAPE, bool), "bernoulli") == 1.0


def test_stack_is_the_weighted_geometric_mean_steps_and_comes_back(make_trials, rng, tmp_path, walk):
    trials = make_trials(rng.random((8, 60, 1)) < 0.1)
    members = [model.fit(trials, [trials], rng)[0] for model in (Constant(), Psth())]
    stack = Stack(members, Pool((0.25, 0.75), 1.25))
    expected = 1.25 * members[0].intensity(trials) ** 0.25 * members[1].intensity(trials) ** 0.75
    np.testing.assert_allclose(stack.intensity(trials), expected)
    np.testing.assert_allclose(walk(stack.stepper(trials), trials), expected[:, :, 0])
    stack.save(tmp_path)
    np.testing.assert_array_equal(Stack.load(tmp_path).intensity(trials), stack.intensity(trials))


def test_a_trial_whose_input_training_did_not_show_is_told(make_trials) -> None:
    current = np.repeat(np.arange(5.0)[:, None, None], 100, axis=1)
    current[1, :5] = -3.0
    trials = make_trials(np.zeros((5, 100, 1)), covariates=current)
    told = [beyond_training(trials, np.arange(5) == held).tolist() for held in (4, 0, 2)]
    assert told[0] == [False, False, False, False, True]
    assert told[1] == [False, False, False, False, False]  # the second trial went below it, if not for long
    assert told[2] == [False] * 5
    assert not beyond_training(make_trials(np.zeros((5, 100, 1))), np.arange(5) == 0).any()
