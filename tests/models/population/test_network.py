"""The shared state on a simulated pair: what it finds, its stepper and folder, and what it may read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rnnspike.errors import ModelError
from rnnspike.evaluation.scores.likelihood import log_likelihood
from rnnspike.models.combine.bag import PerUnit
from rnnspike.models.networks.cell import GATES
from rnnspike.models.population.blocks import Blocks, Clock, common_reach, mean_counts
from rnnspike.models.population.network import (
    PopulationGru,
    PopulationLstm,
    PopulationLstmOnDrive,
    ShuffledPopulationGru,
    earned_shares,
    shuffled_blocks,
)
from rnnspike.models.population.shared_state import FittedSharedState
from rnnspike.models.population.train import initial_cell
from rnnspike.models.registry import MODELS, build, load
from rnnspike.observation import loss_by_log_mu
from rnnspike.runs.job import PlannedRecording
from rnnspike.trials.data import Trials

UNITS = ["0", "1", "2"]
NETWORKS = [name for name, each in MODELS.items() if each.path.startswith("population.network:")]


@pytest.fixture(scope="module")
def whole(planned: PlannedRecording) -> Trials:
    return planned.trials(UNITS)


@pytest.fixture(scope="module")
def bases(whole: Trials, planned: PlannedRecording) -> dict[str, tuple[PerUnit, ...]]:
    train, validation = whole.take(planned.rows_of(0, 1)), whole.take(planned.folds == 0)
    rng, glms = np.random.default_rng(0), []
    for unit in range(3):
        glms += build("glm").fit(train.unit(unit), [validation.unit(unit)], rng)
    drives = [build("drive").fit(train.unit(unit), [validation.unit(unit)], rng)[0] for unit in range(3)]
    return {"glm": (PerUnit(tuple(UNITS), glms, "glm"),), "drive": (PerUnit(tuple(UNITS), drives, "drive"),)}


@pytest.fixture(scope="module")
def models(
    whole: Trials, planned: PlannedRecording, bases: dict[str, tuple[PerUnit, ...]]
) -> dict[str, FittedSharedState]:
    train, validation = whole.take(planned.rows_of(0, 1)), whole.take(planned.folds == 0)
    found = {}
    for cls in (PopulationGru, ShuffledPopulationGru, PopulationLstm, PopulationLstmOnDrive):
        (model,) = cls("fast").fit(train, [validation], np.random.default_rng(0), bases)
        assert isinstance(model, FittedSharedState)
        found[cls.name] = model
    return found


@pytest.fixture(params=["population-gru", "population-lstm", "population-lstm-drive"])
def model(models: dict[str, FittedSharedState], request: pytest.FixtureRequest) -> FittedSharedState:
    """With a read-out of its own, whatever it earned."""
    weight = np.random.default_rng(0).normal(0, 0.3, (3, 32))
    return replace(models[request.param], weight=weight, shares=np.array([1.0, 0.5, 1.0]))


def test_the_driven_unit_gains_and_shuffled_trials_do_not(
    models: dict[str, FittedSharedState], whole: Trials, planned: PlannedRecording
) -> None:
    test = whole.take(planned.folds == 1)
    scores = {name: log_likelihood(each.intensity(test), test).sum(axis=0) for name, each in models.items()}
    base = log_likelihood(models["population-gru"].base.intensity(test), test).sum(axis=0)
    gain = {name: (each - base) / test.spikes.sum(axis=(0, 1)) / np.log(2) for name, each in scores.items()}
    assert gain["population-gru"][1] > 0.015 and gain["population-lstm"][1] > 0.015
    assert abs(gain["population-gru-shuffled"][1]) < 0.01


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_it_is_trained_on_a_gpu_too(
    whole: Trials, planned: PlannedRecording, bases: dict[str, tuple[PerUnit, ...]]
) -> None:
    train, validation, test = (
        whole.take(each) for each in (planned.rows_of(0, 1), planned.folds == 0, planned.folds == 1)
    )
    (model,) = PopulationGru("fast", "cuda").fit(train, [validation], np.random.default_rng(0), bases)
    gain = log_likelihood(model.intensity(test), test) - log_likelihood(bases["glm"][0].intensity(test), test)
    assert gain[:, 1].sum() / test.spikes[:, :, 1].sum() / np.log(2) > 0.015


def test_on_the_drive_it_finds_the_refractoriness_that_the_drive_lacks(
    models: dict[str, FittedSharedState], whole: Trials, planned: PlannedRecording
) -> None:
    model, test = models["population-lstm-drive"], whole.take(planned.folds == 1)
    assert model.base.name == "drive"
    gain = log_likelihood(model.intensity(test), test) - log_likelihood(model.base.intensity(test), test)
    assert (gain.sum(axis=0) > 2.0).any()


def test_with_memory_the_gates_that_keep_the_state_begin_with_long_time_constants() -> None:
    """The LSTM's forget gate and the GRU's z begin at 1 - 1 / tau, tau spread evenly up to the warm-up."""
    for architecture, gate in (("lstm", "f"), ("gru", "z")):
        rows = slice(*(32 * (GATES[architecture].index(gate) + k) for k in (0, 1)))
        rng = np.random.default_rng(0)
        with_memory, without = (initial_cell(architecture, 3, 100, rng, each) for each in (True, False))
        tau = 1 + np.exp(with_memory.bias_ih[rows])
        assert 2 <= tau.min() < 20 and 80 < tau.max() <= 100 and tau.mean() == pytest.approx(51, abs=12)
        assert np.abs(without.bias_ih[rows]).max() <= 2 / np.sqrt(32)
    assert all(build(name).with_memory == name.startswith("population-lstm-drive") for name in NETWORKS)


def test_a_unit_alone_is_predicted_as_among_the_others(
    models: dict[str, FittedSharedState], planned: PlannedRecording, whole: Trials
) -> None:
    some = [3, 7]
    for each in models.values():
        each = replace(each, shares=np.ones(3))
        alone, among = each.intensity(planned.trials(["1"]).take(some)), each.intensity(whole.take(some))
        np.testing.assert_allclose(alone[:, :, 0], among[:, :, 1], rtol=1e-9)


def test_fed_the_recorded_spikes_its_stepper_is_its_intensity(
    model: FittedSharedState, planned: PlannedRecording, walk: Callable[..., np.ndarray]
) -> None:
    some = planned.trials(["1"]).take(range(5))
    np.testing.assert_allclose(walk(model.stepper(some), some), model.intensity(some)[:, :, 0], rtol=1e-4)


def test_a_spike_changes_no_other_unit_before_the_next_block(model: FittedSharedState, whole: Trials) -> None:
    some, width = whole.take([0]), model.clock.width
    counts = some.counts.copy()
    counts[0, 52, 0] ^= 1
    before, after = model.intensity(some), model.intensity(replace(some, counts=counts))
    np.testing.assert_array_equal(before[:, : 11 * width, 1], after[:, : 11 * width, 1])
    assert (before[:, 11 * width, 1] != after[:, 11 * width, 1]).all()


def test_it_comes_back_from_its_folder(model: FittedSharedState, whole: Trials, tmp_path: Path) -> None:
    model.save(tmp_path)
    some = whole.take([1, 4])
    np.testing.assert_array_equal(load(model.name, tmp_path).intensity(some), model.intensity(some))


def test_the_loss_of_blocks_is_that_of_their_bins(whole: Trials, rng: np.random.Generator) -> None:
    some, mu = whole.take(range(4)), rng.uniform(0.001, 0.05, (4, whole.n_bins, 3))
    blocks, gain = Blocks.of(some, mu, Clock(5, 40), mean_counts(whole)), 0.3
    spikes, ones = some.spikes.ravel().astype(float), np.ones(some.spikes.size)
    exact = [loss_by_log_mu(np.log(mu).ravel() + g, ones, spikes, "bernoulli")[0] for g in (0.0, gain)]
    coarse = [float((blocks.exposure * np.exp(g) - blocks.counts * g).sum()) for g in (0.0, gain)]
    assert not blocks.counts[:, :40].any() and not blocks.exposure[:, :40].any()
    assert coarse[1] - coarse[0] == pytest.approx(exact[1] - exact[0], abs=0.02)


def test_the_warm_up_reads_the_past_as_residuals_of_the_mean_rate(whole: Trials) -> None:
    some, mean = whole.take(range(4)), mean_counts(whole)
    found = Blocks.of(some, np.full(some.counts.shape, 0.01), Clock(5, 40), mean).residual[:, :40]
    np.testing.assert_allclose(found[:, -1], some.burn_in[:, -5:].sum(axis=1) - 5 * mean)
    longer = Blocks.of(some, np.full(some.counts.shape, 0.01), Clock(5, 200), mean).residual
    assert longer.shape[1] == 200 + 200  # the burn-in has 100 blocks; nothing is known before it
    assert not longer[:, :100].any()
    np.testing.assert_array_equal(longer[:, 160:200], found)


@pytest.mark.parametrize(("period_s", "width_s"), [(0.2, 0.005), (16.0, 0.1)])
def test_steps_are_as_fine_as_the_memory_of_the_units_allows(whole: Trials, period_s: float, width_s: float) -> None:
    """Half of the units fire in each half of a cycle: their sum has no rhythm."""
    rng, bin_s = np.random.default_rng(0), 0.005
    time = bin_s * np.arange(8000)
    phase = np.sin(2 * np.pi * time / period_s)[:, None] * [1, 1, -1, -1]
    counts = rng.poisson(0.1 * (1 + 0.9 * phase), (2, 8000, 4)).astype(np.uint8)
    parts = {"counts": counts[:, 4000:], "burn_in": counts[:, :4000]}
    masks = {"observed": parts["counts"] < 255, "burn_in_observed": parts["burn_in"] < 255}
    some = replace(whole.take([0, 1]), bin_s=bin_s, unit_ids=("a", "b", "c", "d"), **parts, **masks)
    clock = Clock.of(some)
    assert clock.width * bin_s == pytest.approx(width_s)
    assert common_reach(some) > period_s
    # the memory is that of the spikes, however short the burn-in
    short = replace(some, burn_in=some.burn_in[:, :0], burn_in_observed=some.burn_in_observed[:, :0])
    assert Clock.of(short).warm_up * bin_s * Clock.of(short).width > 2 * min(period_s, 4.0)


def test_shuffled_blocks_keep_each_unit_s_own_data_together(rng: np.random.Generator) -> None:
    blocks = Blocks(*(rng.random((6, 4, 2)) for _ in range(3)))
    rows = [rng.permutation(6), rng.permutation(6)]
    found = shuffled_blocks(blocks, rows)
    for unit in range(2):
        np.testing.assert_array_equal(found.counts[:, :, unit], blocks.counts[rows[unit], :, unit])
        np.testing.assert_array_equal(found.exposure[:, :, unit], blocks.exposure[rows[unit], :, unit])


def test_a_gain_that_is_noise_earns_no_share(rng: np.random.Generator) -> None:
    exposure, gain = np.full((40, 50, 2), 0.2), rng.normal(0, 0.5, (40, 50, 2))
    counts = rng.poisson(exposure * np.exp([0.0, 1.0] * gain)).astype(float)
    shares = earned_shares(Blocks(counts - exposure, counts, exposure), gain)
    assert shares[0] == 0.0 and shares[1] >= 0.5


def test_it_needs_units_that_were_recorded_together(
    models: dict[str, FittedSharedState], whole: Trials, planned: PlannedRecording
) -> None:
    fitted = {"glm": (models["population-gru"].base,)}
    observed = whole.observed.copy()
    observed[:, 10:20, 1] = False
    for trials in (planned.trials(["1"]), replace(whole, observed=observed)):
        with pytest.raises(ModelError, match="two units"):
            PopulationGru().fit(trials, [trials], np.random.default_rng(0), fitted)
    with pytest.raises(ModelError, match="needs the glm"):
        PopulationGru().fit(whole, [whole], np.random.default_rng(0), {})
