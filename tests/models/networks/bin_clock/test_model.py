import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import gammaln

from rnnspike.errors import ModelError
from rnnspike.evaluation.scores.likelihood import log_likelihood
from rnnspike.models.baselines.psth import flat_or_psth
from rnnspike.models.networks.bin_clock.batches import Sequences, Streams
from rnnspike.models.networks.bin_clock.inputs import Scaling, bin_inputs, recorded_past
from rnnspike.models.networks.bin_clock.model import Gru, LinearLru, LinearRnn, Lru, Lstm, VanillaRnn
from rnnspike.models.networks.bin_clock.net import READOUT_SCALE, RecurrentNet
from rnnspike.models.networks.bin_clock.settings import EFFORTS, RecurrentSettings
from rnnspike.models.networks.bin_clock.task import longest_interval_bins, thinned
from rnnspike.models.networks.bin_clock.torch_batch import BatchedNet
from rnnspike.models.networks.cell import Readout
from rnnspike.models.networks.torch_training import loss_by_bin
from rnnspike.models.protocol import LOG_MU_RANGE

MODELS = (Lstm, Gru, VanillaRnn, LinearRnn, LinearLru, Lru)
TINY = RecurrentSettings(n_hidden=6, n_updates=8, n_rows=4, chunk_s=0.03, min_chunk_bins=10, n_validations=2)


def refractory(rng, n_trials, n_bins, *, p=0.06, silent_bins=8):
    """A cell that is silent for some bins after a spike."""
    spikes = np.zeros((n_trials, n_bins), np.uint8)
    since = np.full(n_trials, 999)
    for k in range(n_bins):
        spikes[:, k] = (rng.random(n_trials) < p) & (since > silent_bins)
        since = np.where(spikes[:, k] > 0, 1, since + 1)
    return spikes[:, :, None]


@pytest.fixture
def trials(make_trials, rng):
    """12 trials of 60 bins after 40 of burn-in, with a gap, unknown past in one trial, and a covariate."""
    spikes = refractory(rng, 12, 100)
    observed = np.ones(spikes.shape, bool)
    observed[2, 55:62] = False
    observed[3, :20] = False
    return make_trials(
        spikes[:, 40:],
        observed=observed[:, 40:],
        burn_in=spikes[:, :40] * observed[:, :40],
        burn_in_observed=observed[:, :40],
        covariates=rng.normal(size=(12, 60, 1)),
    )


def fit(model_class, trials, seed=0, settings=TINY, **keywords):
    train, validation = trials.take(range(8)), trials.take(range(8, trials.n_trials))
    return model_class(settings, **keywords).fit(train, [validation], np.random.default_rng(seed))[0]


def lively(model):
    """The model with a readout at random: its early training may well have been stopped at its drive."""
    rng = np.random.default_rng(5)
    weight, bend = rng.normal(size=(1, model.cell.n_hidden)), model.readout.bend
    if bend is not None:
        bend = replace(bend, weight=rng.normal(size=bend.weight.shape))
    return replace(model, readout=Readout(weight, np.array([0.1]), bend=bend), log_mu_range=(-20.0, 3.0))


@pytest.mark.parametrize("model_class", MODELS)
def test_stepper_fed_the_recorded_spikes_equals_intensity(model_class, trials, walk):
    model = lively(fit(model_class, trials))
    np.testing.assert_allclose(walk(model.stepper(trials), trials), model.intensity(trials)[:, :, 0], rtol=2e-5)


@pytest.mark.parametrize("model_class", MODELS)
def test_intensity_is_causal(model_class, trials):
    model = lively(fit(model_class, trials))
    flipped = trials.counts.copy()
    flipped[:, 30] = 1 - flipped[:, 30]
    other = type(trials)(**{**vars(trials), "counts": flipped})
    before, after = model.intensity(trials), model.intensity(other)
    np.testing.assert_array_equal(before[:, :31], after[:, :31])
    assert (before[:, 31] != after[:, 31]).any()


@pytest.mark.parametrize("model_class", MODELS)
def test_intensity_does_not_depend_on_the_batch(model_class, trials):
    model = lively(fit(model_class, trials))
    together = model.intensity(trials)
    alone = np.concatenate([model.intensity(trials.take([i])) for i in range(trials.n_trials)])
    rtol = 1e-6 if model_class is Lstm else 1e-10  # the compiled LSTM multiplies several rows at once, or one
    np.testing.assert_allclose(together, alone, rtol=rtol)


@pytest.mark.parametrize("model_class", [Lstm, Gru])
def test_a_gap_empties_the_memory_of_a_gated_network(model_class, trials):
    """What was before a gap is gone after it: two pasts, one future."""
    model = lively(fit(model_class, trials))
    gapped = trials.take([2])
    other = gapped.counts.copy()
    other[:, :15] = 1 - other[:, :15]
    changed = type(gapped)(**{**vars(gapped), "counts": other})
    first, second = model.intensity(gapped), model.intensity(changed)
    assert np.abs(first[:, 1:15] / second[:, 1:15] - 1).max() > 1e-5
    np.testing.assert_allclose(first[:, 23:], second[:, 23:], rtol=1e-3)


def test_what_stands_in_an_unobserved_bin_does_not_matter(trials):
    model = lively(fit(Lstm, trials))
    filled = trials.counts.copy()
    filled[~trials.observed] = 1
    other = type(trials)(**{**vars(trials), "counts": filled})
    np.testing.assert_array_equal(model.intensity(trials), model.intensity(other))


@pytest.mark.parametrize("model_class", MODELS)
def test_untrained_network_is_its_drive(model_class, trials):
    train = trials.take(range(8))
    base = flat_or_psth(train)
    task = model_class(TINY).task(train, [trials.take([9])], np.random.default_rng(1), {"drive": [base]})
    _, readout = task.weights(task.net.state_dict())
    assert not readout.weight.any()
    assert readout.bias == 0
    sequences = task.held_out[0]
    log_mu = task.net.log_mu(sequences.inputs, sequences.targets[..., 1])
    np.testing.assert_allclose(log_mu, sequences.targets[..., 1], atol=1e-6)


@pytest.mark.parametrize("model_class", MODELS)
def test_saved_and_loaded_it_is_the_same(model_class, trials, tmp_path):
    model = lively(fit(model_class, trials))
    model.save(tmp_path)
    again = model_class.load(tmp_path)
    np.testing.assert_array_equal(model.intensity(trials), again.intensity(trials))
    assert again.training == model.training
    assert (again.readout.bend is None) == (model_class is not Lru)
    assert again.input_names == ("spike", "unknown", "drive", "covariate0")


def test_same_seed_same_bytes_other_seed_others(trials, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        fit(Lstm, trials, seed).save(tmp_path / name)
    a, b, c = ((tmp_path / name / "weights.safetensors").read_bytes() for name in "abc")
    assert a == b != c
    assert (tmp_path / "a" / "config.json").read_bytes() == (tmp_path / "b" / "config.json").read_bytes()


def test_an_interrupted_fit_goes_on_to_the_same_bytes(trials, tmp_path, monkeypatch):
    expected = fit(Lstm, trials)
    original, calls = Streams.__call__, []

    def interrupted(self, rng):
        for chunk in original(self, rng):
            calls.append(1)
            if len(calls) == 7:
                raise KeyboardInterrupt
            yield chunk

    monkeypatch.setattr(Streams, "__call__", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit(Lstm, trials, checkpoint=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["lstm.safetensors"]
    found = fit(Lstm, trials, checkpoint=tmp_path)
    np.testing.assert_array_equal(found.cell.weight_hh, expected.cell.weight_hh)
    assert found.training == expected.training


def test_one_training_serves_two_validation_sets(trials):
    train, sets = trials.take(range(6)), [trials.take(range(6, 9)), trials.take(range(9, 12))]
    models = Lstm(TINY).fit(train, sets, np.random.default_rng(0))
    assert [model.training["validation_set"] for model in models] == [0, 1]
    alone = Lstm(TINY).fit(train, sets[1:], np.random.default_rng(0))[0]
    np.testing.assert_array_equal(alone.cell.weight_hh, models[1].cell.weight_hh)


def test_each_model_keeps_the_drive_of_its_own_validation_set(trials):
    train, sets = trials.take(range(6)), [trials.take(range(6, 9)), trials.take(range(9, 12))]
    drives = [flat_or_psth(train), flat_or_psth(trials)]
    models = Lstm(TINY).fit(train, sets, np.random.default_rng(0), {"drive": drives})
    assert [model.base for model in models] == drives


def test_the_report_of_a_training(trials):
    report = json.loads(json.dumps(fit(Lstm, trials).training))
    assert report["updates"] == 8
    assert report["spikes_per_parameter"] == pytest.approx(report["training_spikes"] / report["parameters"])
    assert len(report["validation_loss"]) == report["epochs"] + 1
    assert any("parameters" in text for text in report["warnings"])


def test_a_window_shorter_than_the_memory_is_warned_of(make_trials):
    spikes = np.zeros((12, 100, 1), np.uint8)
    spikes[:, 5], spikes[:, 85] = 1, 1
    report = fit(Lstm, make_trials(spikes)).training
    assert report["longest_interval_s"] == pytest.approx(0.08)
    assert any("interval" in text for text in report["warnings"])


def slowly_alternating(rng, n_trials: int, n_bins: int, period: int) -> np.ndarray:
    phase = np.arange(n_bins) + rng.integers(0, period, (n_trials, 1))
    return (rng.random((n_trials, n_bins)) < np.where(phase % period < period // 2, 0.4, 0.02))[..., None]


def test_the_training_window_is_as_long_as_the_memory_of_the_data(make_trials, rng):
    fast, slow = (make_trials(slowly_alternating(rng, 30, 1200, period).astype(np.uint8)) for period in (20, 400))
    settings = replace(TINY, chunk_s=0.05, min_chunk_bins=50)
    reports = [fit(Lstm, trials, settings=settings).training for trials in (fast, slow)]
    assert reports[1]["reach_s"] > 0.3 and reports[1]["window_s"] >= 0.8 * reports[1]["reach_s"]
    short = fit(Lstm, slow, settings=replace(settings, max_chunk_bins=100)).training
    assert short["window_s"] == pytest.approx(0.1)
    assert any("--bin" in text and "depend on each other" in text for text in short["warnings"])
    assert not any("--bin" in text for text in reports[1]["warnings"])


def test_trials_without_burn_in_and_short_burn_in(make_trials, trials, rng):
    model = fit(Lstm, make_trials(refractory(rng, 12, 60)))
    assert model.warm_up == 0
    longer = fit(Lstm, trials)
    assert longer.warm_up == 40
    bare = type(trials)(
        **{
            **vars(trials),
            "burn_in": trials.burn_in[:, 30:],
            "burn_in_observed": trials.burn_in_observed[:, 30:],
            "covariates_burn_in": trials.covariates_burn_in[:, 30:],
        }
    )
    assert longer.intensity(bare).shape == trials.counts.shape


def test_states_and_inputs_are_what_intensity_comes_from(trials):
    model = lively(fit(Lstm, trials))
    states, inputs, log_drive = model.states(trials), model.inputs(trials), model.log_drive(trials)
    assert states.shape == (12, 100, 12)
    assert inputs.shape == (12, 100, 4)
    gain = model.readout.log_gain(model.cell.hidden(states))
    mu = np.exp(log_drive + gain)[:, model.n_warm_up(trials) :, None]
    np.testing.assert_allclose(mu, model.intensity(trials), rtol=1e-5)  # in single precision
    np.testing.assert_array_equal(inputs[:, 41:, 0], (trials.spikes * trials.observed)[:, :-1, 0])


def test_poisson_counts_in_wide_bins(make_trials, rng):
    counts = rng.poisson(1.5, size=(12, 40, 1))
    model = fit(Lstm, make_trials(counts, bin_s=0.02, observation="poisson"))
    trials = make_trials(counts, bin_s=0.02, observation="poisson")
    assert model.inputs(trials)[:, :, 0].max() > 1
    assert model.intensity(trials).mean() == pytest.approx(1.5, rel=0.2)


def test_wrong_trials_are_refused_on_one_line(make_trials, trials):
    with pytest.raises(ModelError, match="one unit"):
        Lstm(TINY).fit(make_trials(np.ones((3, 10, 2))), [trials], np.random.default_rng(0))
    with pytest.raises(ModelError, match="no spikes"):
        Lstm(TINY).fit(make_trials(np.zeros((3, 10, 1))), [trials], np.random.default_rng(0))
    model = fit(Lstm, trials)
    with pytest.raises(ModelError, match="bins of"):
        model.intensity(make_trials(np.zeros((2, 60, 1)), bin_s=0.002, covariates=np.zeros((2, 60, 1))))
    with pytest.raises(ModelError, match="covariates"):
        model.intensity(make_trials(np.zeros((2, 60, 1))))


@pytest.mark.parametrize("observation", ["bernoulli", "poisson"])
def test_loss_is_minus_the_likelihood_that_scores(observation, rng):
    mu = rng.uniform(1e-4, 2.0, size=(30, 5))
    counts = rng.poisson(mu) if observation == "poisson" else (rng.random(mu.shape) < -np.expm1(-mu)).astype(int)
    scored = rng.random(mu.shape) < 0.8
    tensors = [torch.from_numpy(np.asarray(a, np.float64)) for a in (np.log(mu), counts, scored)]
    loss = float((loss_by_bin(*tensors[:2], observation) * tensors[2]).sum())
    expected = -log_likelihood(mu, counts, scored, observation).sum()
    if observation == "poisson":
        expected -= gammaln(counts + 1.0)[scored].sum()  # the term that no model changes
    assert loss == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("observation", ["bernoulli", "poisson"])
@pytest.mark.parametrize("architecture", ["lstm", "gru", "rnn", "linear"])
def test_the_compiled_loss_is_torchs_and_so_are_its_gradients(architecture, observation, rng):
    net = RecurrentNet(architecture, 3, 16, 50.0, rng)
    net.arrays["readout.weight"][:] = 0.3 * rng.normal(size=(1, 16))
    inputs = rng.normal(size=(40, 9, 3)).astype(np.float32)
    log_drive = rng.normal(-3.0, 1.0, size=(40, 9))
    log_drive[5] = 40.0  # beyond the bounds, where nothing is to be learned
    counts = rng.poisson(0.4, size=(40, 9)) if observation == "poisson" else rng.random((40, 9)) < 0.3
    targets = np.stack([counts, log_drive, rng.random((40, 9)) < 0.8], axis=2).astype(np.float32)
    loss, _ = net.loss(inputs, targets, observation)
    found = loss.back()
    module = torch_module(net).double()
    wanted = torch_loss(module, inputs, targets, observation)
    assert loss.value == pytest.approx(float(wanted.detach()), rel=1e-5)
    wanted.backward()
    for name in net.arrays:
        each, other = found[name], module.get_parameter(name).grad.numpy()
        np.testing.assert_allclose(each.reshape(other.shape), other, rtol=1e-3, atol=1e-4 * np.abs(other).max())
    again, _ = net.loss(inputs, targets, observation, backwards=False)
    assert again.value == pytest.approx(loss.value, rel=1e-6)


def torch_module(net):
    """torch's own layer and readout with a network's parameters; of the linear one, a batch of one."""
    if net.architecture == "linear":
        batch = BatchedNet([net])
        batch.get_parameter = lambda name, get=batch.get_parameter: get(name.replace(".", "/"))
        return batch
    n_hidden = net.arrays["layer.weight_hh_l0"].shape[1]
    layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[net.architecture](3, n_hidden)
    module = torch.nn.ModuleDict({"layer": layer, "readout": torch.nn.Linear(n_hidden, 1)})
    torch.nn.init.zeros_(layer.bias_hh_l0)
    module.load_state_dict({name: torch.from_numpy(each) for name, each in net.arrays.items()}, strict=False)
    return module


def torch_loss(module, inputs, targets, observation):
    """The loss by torch, in double precision."""
    x, (spikes, log_drive, scored) = (
        torch.from_numpy(inputs).double(),
        torch.from_numpy(targets).double().unbind(dim=2),
    )
    if isinstance(module, BatchedNet):
        log_mu = module(x[:, None], log_drive[:, None], module.begin(9))[0][:, 0]
    else:
        log_mu = log_drive + READOUT_SCALE * module["readout"](module["layer"](x)[0])[..., 0]
    return (loss_by_bin(log_mu.clamp(*LOG_MU_RANGE), spikes, observation) * scored).sum()


@pytest.mark.parametrize("log_mu", [-20.0, -12.0, 0.0, 3.0])
@pytest.mark.parametrize("spikes", [0.0, 1.0])
def test_gradient_of_the_loss_is_finite_at_its_bounds(log_mu, spikes):
    net = RecurrentNet("lstm", 2, 4, 50.0, np.random.default_rng(0))
    targets = np.array([[[spikes, log_mu, 1.0]]], np.float32)
    loss, _ = net.loss(np.zeros((1, 1, 2), np.float32), targets, "bernoulli")
    mu = np.exp(log_mu)
    slope = float(loss.back()["readout.bias"][0]) / READOUT_SCALE
    assert slope == pytest.approx(mu - spikes * mu / -np.expm1(-mu), rel=1e-5, abs=1e-6)


def test_initial_weights_of_the_lstm():
    hidden, longest = 32, 400.0
    net = RecurrentNet("lstm", 3, hidden, longest, np.random.default_rng(0))
    bias, w_h = net.arrays["layer.bias_ih_l0"], net.arrays["layer.weight_hh_l0"]
    forget = bias[hidden : 2 * hidden]
    assert 0 < forget.min() < 0.2
    assert np.log(200) < forget.max() < np.log(longest - 1)
    np.testing.assert_array_equal(bias[:hidden], -forget)
    assert "layer.bias_hh_l0" not in net.arrays
    for gate in w_h.reshape(4, hidden, hidden):
        np.testing.assert_allclose(gate @ gate.T, 0.09 * np.eye(hidden), atol=1e-6)


def test_streams_visit_every_scored_bin_once_a_pass_and_carry_the_state(trials, rng):
    log_drive = np.log(flat_or_psth(trials).intensity(trials))[:, :, 0]
    inputs = bin_inputs(trials, log_drive, 40, Scaling.of(trials, log_drive))
    sequences = Sequences.of(trials, inputs, log_drive)
    streams = Streams(sequences, n_chunks=3, n_rows=5, state_warm_up_bins=10)
    chunks = list(streams(rng))
    assert sum(float(chunk.targets[..., 2].sum()) for chunk in chunks) == trials.observed.sum()
    assert (
        sum(float((chunk.targets[..., 2] * chunk.targets[..., 0]).sum()) for chunk in chunks) == trials.spikes.sum()
    )
    assert sum(int((chunk.carries_state == 0).sum()) for chunk in chunks) == trials.n_trials
    assert [chunk.is_first for chunk in chunks] == [True, False, False] * 2


def test_chunks_go_round_their_trials(trials):
    log_drive = np.log(flat_or_psth(trials).intensity(trials))[:, :, 0]
    sequences = Sequences.of(trials, bin_inputs(trials, log_drive, 40, Scaling.of(trials, log_drive)), log_drive)
    n_bins, padding = sequences.n_bins, ((0, 2), (0, 0), (0, 0))
    of_trials = np.pad(sequences.inputs, padding), np.pad(sequences.targets, padding)  # 3 chunks of 34
    streams = Streams(sequences, 3, 5, 10)
    rng = np.random.default_rng(3)
    rows, phase = np.array([4, 0, 7]), np.array([2, 0, 1])
    assert (n_bins, streams.length) == (100, 34)
    chunk = streams._chunk(rows, phase, first=True)
    for k, (row, index) in enumerate(zip(rows, phase, strict=True)):
        at = slice(34 * index, 34 * index + 34)
        np.testing.assert_array_equal(chunk.inputs[:, k], of_trials[0][at, row])
        np.testing.assert_array_equal(chunk.targets[:, k], of_trials[1][at, row])
        if index:
            np.testing.assert_array_equal(chunk.state_warm_up[1:, k], of_trials[0][at.start - 9 : at.start, row])
    np.testing.assert_array_equal(chunk.carries_state, [1, 0, 1])
    np.testing.assert_array_equal(chunk.state_warm_up[0, :, :2], [[0, 1]] * 3)  # nothing is known before
    assert [each.is_first for each in streams(rng)][:3] == [True, False, False]


def test_recorded_past_ends_at_a_gap(make_trials):
    known = np.ones((3, 20, 1), bool)
    known[:, :5] = False
    known[0, 8] = False
    spikes = np.zeros((3, 20, 1), np.uint8)
    assert recorded_past(make_trials(spikes, burn_in=spikes, burn_in_observed=known)) == 15
    assert recorded_past(make_trials(spikes)) == 0


def test_longest_interval_and_thinned_validation(make_trials):
    spikes = np.zeros((10, 50, 1), np.uint8)
    spikes[3, [4, 40]] = 1
    spikes[5, [0, 20]] = 1
    trials = make_trials(spikes)
    assert longest_interval_bins(trials, 0) == 36
    assert thinned(trials, 10_000) is trials
    assert list(thinned(trials, 250).session_index) == [0, 2, 4, 7, 9]


@pytest.mark.parametrize("model_class", MODELS)
def test_learns_a_refractory_period(model_class, make_trials, rng):
    trials = make_trials(refractory(rng, 60, 300))
    train, validation, test = (trials.take(np.arange(60) % 3 == k) for k in range(3))
    base = flat_or_psth(train)
    model = model_class(EFFORTS["fast"]).fit(train, [validation], rng, {"drive": [base]})[0]
    gain = log_likelihood(model.intensity(test), test) - log_likelihood(base.intensity(test), test)
    n_spikes = int(test.spikes.sum())
    assert gain.sum() / n_spikes / np.log(2) > 0.3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_the_same_code_on_a_gpu(trials):
    on_gpu, on_cpu = fit(Lstm, trials, device="cuda"), fit(Lstm, trials)
    np.testing.assert_allclose(on_gpu.intensity(trials), on_cpu.intensity(trials), rtol=0.05)


def test_an_input_beyond_training_is_not_answered_with_any_rate(make_trials, rng):
    current = np.repeat(np.linspace(0, 1, 12)[:, None, None], 200, axis=1)
    counts = (rng.random(current.shape) < 0.01 + 0.05 * current).astype(np.uint8)
    current[-1] = 50.0
    trials = make_trials(counts, covariates=current)
    train = trials.take(range(9))
    model = Lstm(replace(TINY, n_updates=40)).fit(train, [trials.take([9, 10])], np.random.default_rng(0))[0]
    model = replace(model, readout=Readout(50 * np.ones((1, model.cell.n_hidden)), np.zeros(1)))
    low, high = np.exp(model.log_mu_range)
    assert low <= model.intensity(trials).min()
    assert model.intensity(trials).max() <= high * 1.001
    assert high < 1.0
