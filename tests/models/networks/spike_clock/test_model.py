"""The spike-clocked LSTM: events, points, the network at its base, exactness of the stepper, a training."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rnnspike.errors import ModelError
from rnnspike.evaluation.scores.likelihood import log_likelihood
from rnnspike.models import registry
from rnnspike.models.baselines.table import IntensityTable
from rnnspike.models.networks.spike_clock.batches import TrainingBatches, make_batch
from rnnspike.models.networks.spike_clock.design import CovariateScale, Scales, build_design
from rnnspike.models.networks.spike_clock.events import GAIN_TRIALS, TRACE_S, read_events, session_gains, traces_at
from rnnspike.models.networks.spike_clock.model import SpikeLstm, SpikeLstmOnGlm, SpikeLstmSettings
from rnnspike.models.networks.spike_clock.net import Batch, HazardNet
from rnnspike.models.networks.spike_clock.sequences import cut_sequences, draw_points
from rnnspike.models.networks.spike_clock.torch_net import HazardModule, interval_loss, to_tensors
from rnnspike.models.past import Past
from rnnspike.models.protocol import FittedModel
from rnnspike.models.simulate import simulate

QUICK = SpikeLstmSettings(n_hidden=8, n_epochs=3, batch_size=16)


def random_trials(make_trials, seed=0, n_trials=6, n_bins=300, n_units=2, gaps=True, covariates=False, rate=0.03):
    rng = np.random.default_rng(seed)
    counts, burn_in = (rng.random((n_trials, n, n_units)) < rate for n in (n_bins, 80))
    observed, burn_in_observed = np.ones(counts.shape, bool), np.ones(burn_in.shape, bool)
    if gaps:
        observed[1, 100:140], observed[2, :20, 0], observed[3, -30:], observed[4] = False, False, False, False
        burn_in_observed[0], burn_in_observed[5, 20:50] = False, False
    channels = rng.normal(size=(n_trials, n_bins, 1)) if covariates else None
    return make_trials(
        counts * observed,
        observed=observed,
        burn_in=burn_in * burn_in_observed,
        burn_in_observed=burn_in_observed,
        covariates=channels,
    )


def flat(trials, name="constant") -> FittedModel:
    """A base that varies over the window and between units."""
    bins = np.arange(trials.n_bins)[:, None] / trials.n_bins
    mu = 0.03 * np.exp(0.5 * np.sin(6 * bins + np.arange(trials.n_units)))
    return IntensityTable(name, mu[None], trials.unit_ids, {})


def design_of(trials, dtype=np.float64):
    log_mu = np.log(flat(trials).intensity(trials).transpose(0, 2, 1).reshape(-1, trials.n_bins)).astype(dtype)
    covariates = CovariateScale.of(trials).apply(trials)
    return build_design(trials, np.arange(trials.n_units), Scales.of(trials), log_mu, log_mu, covariates)


def net_for(design):
    return HazardNet(design.inputs.shape[1], design.n_head_inputs, 2, np.random.default_rng(0), 8)


def by_torch(net, batch, observation, module=None):
    """The loss (interval,) of a batch as torch works it out in double precision."""
    tensors = to_tensors(batch, torch.device("cpu"))
    return interval_loss((module or HazardModule(net).double())(tensors), tensors, observation)


def singles(batch):
    """A batch in single precision."""
    some = {name: each for name, each in vars(batch).items() if each is not None}
    return Batch(**{n: e.astype(np.float32) if e.dtype == np.float64 else e for n, e in some.items()})


def shaken(model, seed=0):
    """A fitted model with weights far from its base."""
    rng = np.random.default_rng(seed)
    for state in model.states:
        for array in state.values():
            array += rng.normal(0, 0.15, array.shape).astype(array.dtype)
    return model


def fit(trials, cls=SpikeLstm, validation=None, **settings_):
    bases = {name: [flat(trials, name)] * 2 for name in ("drive", "glm")}
    model = cls(SpikeLstmSettings(**{**vars(QUICK), **settings_}))
    return model.fit(trials, validation or [trials, trials], np.random.default_rng(3), bases)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000), rate=st.sampled_from([0.0, 0.05, 0.5]), n_burn_in=st.sampled_from([0, 7]))
def test_every_observed_bin_lies_in_exactly_one_interval(make_trials, seed, rate, n_burn_in):
    rng = np.random.default_rng(seed)
    shape, burn_shape = (3, 40, 2), (3, n_burn_in, 2)
    observed, burn_in_observed = rng.random(shape) < 0.9, rng.random(burn_shape) < 0.9
    counts, burn_in = (rng.random(shape) < rate) & observed, (rng.random(burn_shape) < rate) & burn_in_observed
    trials = make_trials(counts, observed=observed, burn_in=burn_in, burn_in_observed=burn_in_observed)
    events = read_events(trials)
    covered, spikes = np.zeros((6, 40), int), np.zeros((6, 40), int)
    for e in np.flatnonzero(events.is_scored):
        covered[events.row[e], events.first_scored[e] : events.stop[e] + 1] += 1
        spikes[events.row[e], events.stop[e]] += events.stop_count[e]
    assert np.array_equal(covered, observed.transpose(0, 2, 1).reshape(6, 40))
    assert np.array_equal(spikes, counts.transpose(0, 2, 1).reshape(6, 40))


def test_events_of_a_hand_worked_trial(make_trials):
    counts = np.zeros((1, 12, 1))
    counts[0, [2, 5, 9]] = 1
    observed = np.ones((1, 12, 1), bool)
    observed[0, 6:8] = False
    events = read_events(make_trials(counts, observed=observed))
    assert events.bin.tolist() == [-1, 2, 5, 7, 9]
    assert events.is_start.tolist() == [True, False, False, True, False]
    assert events.is_first.tolist() == [False, True, False, False, True]
    assert events.stop.tolist() == [2, 5, 5, 9, 11]
    assert events.stop_count.tolist() == [1, 1, 0, 1, 0]
    assert events.known_bins.tolist() == [0, 3, 3, 0, 2]
    assert events.masked_bins.tolist() == [0, 0, 0, 2, 0]


def test_traces_equal_the_sum_over_spikes_and_known_time(make_trials):
    trials = random_trials(make_trials)
    events, bin_s = read_events(trials), trials.bin_s
    traces = traces_at(events, bin_s)
    spikes, observed = (a.transpose(0, 2, 1).reshape(12, -1) for a in trials.past_and_window())
    for e in range(0, events.n_events, 7):
        now = events.bin[e] + trials.n_burn_in
        seen = np.arange(max(now + 1, 0))
        lag_s = (now - seen) * bin_s
        for i, tau in enumerate(TRACE_S):
            expected = (spikes[events.row[e], seen] * np.exp(-lag_s / tau)).sum()
            known = observed[events.row[e], seen] * tau * (np.exp(-lag_s / tau) - np.exp(-(lag_s + bin_s) / tau))
            first = np.flatnonzero(observed[events.row[e]])[0]
            assert traces.spikes[e, i] == pytest.approx(expected, abs=1e-9)
            assert traces.known_s[e, i] == pytest.approx(known[seen >= first].sum(), abs=1e-9)


def test_gains_know_only_trials_that_are_over(make_trials):
    trials = random_trials(make_trials, gaps=False)
    rates = Scales.of(trials).condition_rate_hz
    gains = session_gains(trials, rates)
    later = make_trials(np.concatenate([trials.counts[:3], 1 - trials.counts[3:]]))
    assert np.array_equal(session_gains(later, rates)[:4], gains[:4])
    assert not np.allclose(session_gains(later, rates)[4:], gains[4:])
    expected = trials.session.exposure_bins * trials.bin_s * rates[0]
    decay = np.exp(-1 / GAIN_TRIALS[0])
    ratio = (trials.session.counts[1] + decay * trials.session.counts[0] + 1) / (
        expected[1] + decay * expected[0] + 1
    )
    assert gains[2, :, 0] == pytest.approx(np.log(ratio))


@pytest.mark.parametrize("n_scored", [None, 4, 16])
def test_sequences_score_each_interval_once_after_context_of_its_run(make_trials, n_scored):
    events = read_events(random_trials(make_trials, n_bins=900))
    sequences = cut_sequences(events, n_scored, 5)
    index, which, at = sequences.padded()
    assert np.array_equal(np.sort(index[which, at]), np.flatnonzero(events.is_scored))
    assert np.array_equal(events.run[sequences.first], events.run[sequences.end - 1])
    assert (sequences.scored - sequences.first).max() <= 5
    assert n_scored is None or (sequences.end - sequences.scored).max() <= n_scored


def test_points_are_within_their_interval_and_stand_for_all_silent_bins(make_trials, rng):
    events = read_events(random_trials(make_trials))
    scored = np.flatnonzero(events.is_scored)
    points = draw_points(events, scored, 6, rng)
    silent = events.stop - events.first_scored + 1 - (events.stop_count > 0)
    assert np.array_equal(points.weight.sum(axis=1), silent[scored])
    used = points.weight > 0
    assert (points.bins >= events.first_scored[scored][:, None])[used].all()
    assert (points.bins <= (events.stop - (events.stop_count > 0))[scored][:, None])[used].all()


@pytest.mark.parametrize("observation", ["bernoulli", "poisson"])
def test_the_loss_at_the_base_is_the_exact_likelihood_of_all_bins(make_trials, observation):
    """As many strata as there are bins take every bin; untrained, the network is its base."""
    trials = random_trials(make_trials, covariates=True)
    base = flat(trials).intensity(trials)
    design = design_of(trials)
    net = net_for(design)
    batch = make_batch(design, cut_sequences(design.events, 8, 4), 4000, np.random.default_rng(0))
    exact = -log_likelihood(base, trials.spikes, trials.observed, observation).sum()
    assert by_torch(net, batch, observation).sum().item() == pytest.approx(exact, rel=1e-9)
    assert net.loss(singles(batch), observation).value == pytest.approx(exact, rel=1e-5)


def test_the_sampled_loss_is_unbiased(make_trials):
    trials = random_trials(make_trials, rate=0.01)
    design = design_of(trials)
    net, rng = net_for(design), np.random.default_rng(0)
    for name in ("b.weight", "v.weight"):
        net.arrays[name][:] = 0.5 * rng.normal(size=(1, 8))
    sequences = cut_sequences(design.events, 16, 16)

    def total(n_strata):
        return net.loss(singles(make_batch(design, sequences, n_strata, rng)), "bernoulli").value

    draws, exact = np.array([total(6) for _ in range(200)]), total(4000)
    assert abs(draws.mean() - exact) < 4 * draws.std() / np.sqrt(200)
    assert draws.std() < 0.1 * abs(exact)


@pytest.mark.parametrize("cls", [SpikeLstm, SpikeLstmOnGlm])
@pytest.mark.parametrize("covariates", [False, True])
def test_the_stepper_fed_the_recorded_spikes_equals_the_intensity(make_trials, cls, covariates, walk):
    trials = random_trials(make_trials, covariates=covariates)
    model = shaken(fit(trials, cls)[0])
    mu = model.intensity(trials)
    for unit in range(2):
        np.testing.assert_allclose(walk(model.stepper(trials, unit), trials, unit), mu[:, :, unit], rtol=2e-5)


def test_a_network_that_reads_covariates_is_bounded_by_what_training_bins_of_like_ages_were_given(make_trials, walk):
    trials = random_trials(make_trials, covariates=True)
    model = fit(trials)[0]
    np.testing.assert_array_equal(model.intensity(trials), replace(model, ceilings=()).intensity(trials))
    beyond = shaken(model)
    free, mu = replace(beyond, ceilings=()).intensity(trials), beyond.intensity(trials)
    for unit in range(2):
        ceiling, seen = model.ceilings[unit], trials.observed[:, :, unit]
        ages, _ = Past.of(trials, unit).ages(ceiling.longest)
        most = np.exp(ceiling.table[ages])
        np.testing.assert_allclose(mu[:, :, unit][seen], np.minimum(free[:, :, unit], most)[seen])
        assert 0.01 < (free[:, :, unit] > 1.01 * most)[seen].mean() < 0.99
        assert len(set(most[seen])) > 3  # it is known at several ages, and where the age is not
        np.testing.assert_allclose(walk(beyond.stepper(trials, unit), trials, unit), mu[:, :, unit], rtol=2e-5)
    assert not fit(random_trials(make_trials))[0].ceilings


def test_the_exact_intensity_agrees_with_the_network_that_was_trained(make_trials):
    """All spikes of a run as context, torch in double precision."""
    trials = random_trials(make_trials)
    model = shaken(fit(trials)[0])
    design = design_of(trials)
    net, loss = net_for(design), 0.0
    for unit in range(2):
        net.load_state_dict(model.states[model.choice[unit]])
        batch = make_batch(design, cut_sequences(design.events, None, 999), 4000, np.random.default_rng(0))
        loss += by_torch(net, batch, "bernoulli")[batch.unit == unit].sum().item()
    assert -log_likelihood(model.intensity(trials), trials).sum() == pytest.approx(loss, rel=1e-6)


@pytest.mark.parametrize("observation", ["bernoulli", "poisson"])
@pytest.mark.parametrize("dropout", [False, True])
def test_the_compiled_loss_is_the_networks_and_so_are_its_gradients(make_trials, observation, dropout, rng):
    trials = random_trials(make_trials, covariates=True)
    design = design_of(trials)
    net = net_for(design)
    net.values[:] = 0.4 * rng.normal(size=net.n_parameters)
    batch = make_batch(design, cut_sequences(design.events, 8, 4), 6, rng)
    if dropout:
        batch = replace(batch, keep=(rng.random((len(batch.unit), 8)) < 0.8) / 0.8)
    module = HazardModule(net).double()
    expected = by_torch(net, batch, observation, module)
    expected.sum().backward()
    found = net.losses(singles(batch), observation)
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-4, atol=1e-4)
    loss = net.loss(singles(batch), observation)
    assert loss.value == pytest.approx(expected.sum().item(), rel=1e-5)
    gradients = loss.back()
    assert set(gradients) == set(net.arrays)
    for name, each in gradients.items():
        other = module.get_parameter(name).grad.numpy()
        np.testing.assert_allclose(
            each.reshape(other.shape), other, rtol=1e-3, atol=1e-3 * np.abs(other).max() + 1e-6
        )


def test_the_intensity_is_causal(make_trials):
    trials = random_trials(make_trials, gaps=False)
    model = shaken(fit(trials)[0])
    changed = trials.counts.copy()
    changed[:, 150] = 1 - changed[:, 150]
    burn = {"burn_in": trials.burn_in}
    before, after = model.intensity(trials), model.intensity(make_trials(changed, **burn))
    assert np.array_equal(before[:1, :151], after[:1, :151])  # later trials read the first one as their gain
    assert not np.allclose(before[:, 151:], after[:, 151:])


def test_untrained_competes_so_that_noise_leaves_the_base(make_trials):
    trials = random_trials(make_trials, n_trials=10, gaps=False, rate=0.004)
    train, validation = trials.take(np.arange(5)), trials.take(np.arange(5, 10))
    (model,) = fit(train, validation=[validation], n_epochs=4)
    base = flat(trials).intensity(validation)
    gained = log_likelihood(model.intensity(validation), validation) - log_likelihood(base, validation)
    assert gained.sum() > -0.1


def test_each_validation_set_has_its_own_choice_from_one_training(make_trials):
    trials = random_trials(make_trials, n_trials=12, gaps=False)
    sets = [trials.take(np.arange(6, 9)), trials.take(np.arange(9, 12))]
    first, second = fit(trials.take(np.arange(6)), validation=sets, n_epochs=5)
    alone, _ = fit(trials.take(np.arange(6)), validation=[sets[0], sets[0]], n_epochs=5)
    assert np.array_equal(first.intensity(trials), alone.intensity(trials))
    assert first.training["best_epoch"] != second.training["best_epoch"]


def test_it_learns_a_refractory_period_that_its_base_lacks(make_trials):
    rng = np.random.default_rng(5)
    counts, last = np.zeros((60, 400, 1)), np.full(60, -99)
    for k in range(400):
        counts[:, k, 0] = rng.random(60) < np.where(k - last > 12, 0.08, 0.002)
        last = np.where(counts[:, k, 0] > 0, k, last)
    trials = make_trials(counts)
    mean = IntensityTable("drive", np.full((1, 400, 1), counts.mean()), trials.unit_ids, {})
    train, held_out = trials.take(np.arange(45)), trials.take(np.arange(45, 60))
    model = SpikeLstm(SpikeLstmSettings(n_hidden=16, n_epochs=12))
    (fitted,) = model.fit(train, [held_out], np.random.default_rng(0), {"drive": [mean]})
    mu = fitted.intensity(held_out)
    gained = (log_likelihood(mu, held_out) - log_likelihood(mean.intensity(held_out), held_out)).sum()
    truth = np.where(held_out_age(held_out) > 12, -np.log(0.92), -np.log(0.998))
    attainable = (log_likelihood(truth, held_out) - log_likelihood(mean.intensity(held_out), held_out)).sum()
    assert gained > 0.9 * attainable
    free = simulate(fitted, held_out, np.random.default_rng(1), rows=np.repeat(np.arange(15), 4))
    assert free.mean() == pytest.approx(trials.counts.mean(), rel=0.1)


def held_out_age(trials):
    age, since = np.empty(trials.counts.shape), np.full(trials.counts[:, 0].shape, 99)
    for k in range(trials.n_bins):
        since = since + 1
        age[:, k] = since
        since = np.where(trials.counts[:, k] > 0, 0, since)
    return age


@pytest.mark.parametrize("covariates", [False, True])
def test_save_and_load_give_the_same_intensity(make_trials, tmp_path, covariates):
    trials = random_trials(make_trials, covariates=covariates)
    bases = {"drive": [registry.build("constant").fit(trials.unit(u), [trials.unit(u)], None)[0] for u in range(2)]}
    from rnnspike.models.combine.bag import PerUnit

    base = PerUnit(trials.unit_ids, tuple(bases["drive"]), "constant")
    (model,) = SpikeLstm(QUICK).fit(trials, [trials], np.random.default_rng(0), {"drive": [base]})
    model.save(tmp_path)
    loaded = registry.load("spike-lstm", tmp_path)
    assert loaded.ceilings == model.ceilings
    assert np.array_equal(loaded.intensity(trials), model.intensity(trials))
    assert np.array_equal(loaded.intensity(trials.unit(1)), model.intensity(trials)[:, :, 1:])
    assert json.loads((tmp_path / "config.json").read_text())["training"] == model.training


def test_the_same_seed_gives_the_same_model(make_trials):
    trials = random_trials(make_trials)
    first, again = fit(trials)[0], fit(trials)[0]
    assert np.array_equal(first.intensity(trials), again.intensity(trials))


def test_an_interrupted_training_goes_on_to_the_same_model(make_trials, tmp_path, monkeypatch):
    trials = random_trials(make_trials)
    bases = {"drive": [flat(trials)]}
    whole = SpikeLstm(QUICK).fit(trials, [trials], np.random.default_rng(0), bases)[0]
    batches = TrainingBatches.__call__

    def interrupted(self, epoch, rng):
        if epoch == 2:
            raise KeyboardInterrupt
        return batches(self, epoch, rng)

    model = SpikeLstm(QUICK, checkpoint=tmp_path)
    monkeypatch.setattr(TrainingBatches, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        model.fit(trials, [trials], np.random.default_rng(0), bases)
    monkeypatch.setattr(TrainingBatches, "__call__", batches)
    resumed = model.fit(trials, [trials], np.random.default_rng(0), bases)[0]
    assert np.array_equal(resumed.intensity(trials), whole.intensity(trials))


def test_the_config_says_what_the_data_can_support(make_trials):
    training = fit(random_trials(make_trials))[0].training
    assert training["spikes_per_parameter"] == pytest.approx(training["n_spikes"] / training["n_parameters"])
    assert training["updates"] == 3 * training["updates_per_epoch"]
    assert len(training["validation_loss"]) == 4
    assert "only" in training["warnings"][0]


def test_a_missing_base_and_silence_are_said(make_trials):
    trials = random_trials(make_trials)
    with pytest.raises(ModelError, match="needs glm"):
        SpikeLstmOnGlm(QUICK).fit(trials, [trials], np.random.default_rng(0), {"drive": [flat(trials)]})
    silent = make_trials(np.zeros((4, 50, 1)))
    with pytest.raises(ModelError, match="no spike"):
        fit(silent)
    with pytest.raises(ModelError, match="not fitted to unit"):
        fit(trials.unit(0))[0].intensity(trials)


def test_torch_trains_to_the_same_weights(make_trials):
    """As on a GPU, on a CPU."""
    trials = random_trials(make_trials)
    for_one = {"drive": [flat(trials)]}
    ours, torchs = (
        SpikeLstm(QUICK, device=device).fit(trials, [trials], np.random.default_rng(0), for_one)[0]
        for device in ("cpu", "cpu:0")
    )
    assert ours.training["best_epoch"] == torchs.training["best_epoch"]
    for one, other in zip(ours.states, torchs.states, strict=True):
        for name, each in one.items():
            np.testing.assert_allclose(each, other[name], atol=2e-3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_gpu_trains_the_same_code(make_trials):
    trials = random_trials(make_trials)
    model = SpikeLstm(QUICK, device="cuda").fit(trials, [trials], np.random.default_rng(0), {"drive": [flat(trials)]})
    assert np.isfinite(model[0].intensity(trials)).all()
