"""The PSTH as a model: protocol, masks, conditions (science.md#psth)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnspike.errors import ModelError
from rnnspike.models.baselines.constant import Constant
from rnnspike.models.baselines.left_out import Smoothing
from rnnspike.models.baselines.psth import Psth, fit_psth, flat_or_psth, left_out_mu
from rnnspike.models.protocol import MU_FLOOR


def step_trials(make_trials, rng, n_trials: int = 40, **kwargs):
    """Two units, 1 s: unit 0 steps from 5 to 40 Hz at .5 s, unit 1 stays at 20 Hz."""
    mu = np.full((1000, 2), 0.02)
    mu[:500, 0], mu[500:, 0] = 0.005, 0.04
    return make_trials((rng.random((n_trials, 1000, 2)) < mu).astype(np.uint8), **kwargs)


def test_finds_the_step_and_leaves_the_flat_unit_flat(make_trials, rng) -> None:
    trials = step_trials(make_trials, rng, 200)
    (model,) = Psth().fit(trials, [trials], rng)
    rate = model.intensity(trials)[0] / trials.bin_s
    assert rate[100:400, 0].mean() == pytest.approx(5, rel=0.15)
    assert rate[600:900, 0].mean() == pytest.approx(40, rel=0.1)
    assert np.ptp(rate[:, 1]) < 6


def test_several_units_are_each_as_if_alone(make_trials, rng) -> None:
    trials = step_trials(make_trials, rng)
    both = fit_psth(trials).intensity(trials)
    for u in range(2):
        one = trials.unit(u)
        np.testing.assert_array_equal(both[:, :, [u]], fit_psth(one).intensity(one))


def test_hidden_bins_do_not_count_as_silence(make_trials, rng) -> None:
    observed = np.ones((60, 1000, 2), bool)
    observed[::2, 400:700] = False
    trials = step_trials(make_trials, rng, 60, observed=observed)
    rate = fit_psth(trials).intensity(trials)[0, :, 0] / trials.bin_s
    assert rate[550:650].mean() == pytest.approx(40, rel=0.15)


def test_bernoulli_mu_reproduces_the_probability(make_trials, rng) -> None:
    counts = (rng.random((300, 100, 1)) < 0.4).astype(np.uint8)
    trials = make_trials(counts)
    mu = fit_psth(trials).intensity(trials)
    assert (1 - np.exp(-mu)).mean() == pytest.approx(counts.mean(), rel=1e-2)
    poisson = make_trials(rng.poisson(3.0, (300, 100, 1)), observation="poisson", bin_s=0.02)
    assert fit_psth(poisson).intensity(poisson).mean() == pytest.approx(3.0, rel=0.02)


def test_left_out_mu_does_not_see_its_own_trial(make_trials, rng) -> None:
    trials = step_trials(make_trials, rng).unit(0)
    changed = make_trials(np.concatenate([1 - trials.counts[:1], trials.counts[1:]]))
    before, after = (left_out_mu(each, Smoothing(0.02)) for each in (trials, changed))
    np.testing.assert_allclose(before[0], after[0], rtol=1e-6)
    assert np.abs(before[1:] - after[1:]).max() > 1e-3


def test_trials_without_the_unit_are_left_aside(make_trials, rng) -> None:
    observed = np.ones((20, 1000, 2), bool)
    observed[:10, :, 0] = False
    trials = step_trials(make_trials, rng, 20, observed=observed)
    one, held = trials.unit(0), trials.take(np.arange(10, 20)).unit(0)
    np.testing.assert_allclose(fit_psth(one).intensity(held), fit_psth(held).intensity(held))
    assert (left_out_mu(one, Smoothing(0.02))[:10] == MU_FLOOR).all()


def test_condition_without_training_trials_gets_the_pooled_psth(make_trials, rng) -> None:
    trials = step_trials(make_trials, rng, 40, condition=np.arange(40) % 2).unit(0)
    model = fit_psth(trials.take(trials.condition == 0))
    test = trials.take(trials.condition == 1)
    np.testing.assert_allclose(model.intensity(test)[0].mean(), trials.counts.mean(), rtol=0.2)


def test_one_model_per_validation_set_and_stepper_equals_intensity(make_trials, rng, walk) -> None:
    trials = step_trials(make_trials, rng, 20)
    models = Psth().fit(trials, [trials, trials], rng)
    assert len(models) == 2
    walked = walk(models[0].stepper(trials, unit=1), trials, unit=1)
    np.testing.assert_array_equal(walked, models[0].intensity(trials)[:, :, 1])


def test_round_trip(make_trials, rng, tmp_path: Path) -> None:
    trials = step_trials(make_trials, rng, 20, condition=np.arange(20) % 2)
    model = fit_psth(trials)
    model.save(tmp_path / "psth")
    loaded = Psth.load(tmp_path / "psth")
    np.testing.assert_array_equal(loaded.intensity(trials), model.intensity(trials))
    assert loaded.config == model.config


def test_segments_have_nothing_to_average(make_trials, rng) -> None:
    trials = make_trials((rng.random((4, 100, 1)) < 0.1).astype(int), has_repeats=False)
    with pytest.raises(ModelError, match="nothing to average"):
        Psth().fit(trials, [trials], rng)
    (flat,) = Constant().fit(trials, [trials], rng)
    np.testing.assert_array_equal(flat_or_psth(trials).intensity(trials), flat.intensity(trials))
