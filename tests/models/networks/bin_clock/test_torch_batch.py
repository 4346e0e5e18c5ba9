"""Networks trained side by side come out as they would alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from rnnspike.models.networks.bin_clock import torch_batch
from rnnspike.models.networks.bin_clock.model import (
    Gru,
    LinearLru,
    LinearRnn,
    Lru,
    Lstm,
    RecurrentModel,
    VanillaRnn,
)
from rnnspike.models.networks.bin_clock.net import RecurrentNet
from rnnspike.models.networks.bin_clock.settings import RecurrentSettings
from rnnspike.models.networks.bin_clock.task import RecurrentTask
from rnnspike.models.networks.bin_clock.torch_batch import BatchedNet, BatchedTraining, train_together
from rnnspike.models.networks.training import TrainingResult
from rnnspike.trials.data import Trials

SETTINGS = RecurrentSettings(
    n_hidden=5, n_updates=20, n_rows=4, chunk_s=0.03, min_chunk_bins=10, n_validations=4, lead_in_s=0.02
)
MODELS = (Lstm, Gru, VanillaRnn, LinearRnn, LinearLru, Lru)


@pytest.fixture
def units(make_trials: Callable, rng: np.random.Generator) -> list[Trials]:
    """Three units of the same 16 trials, one with a gap; rates differ."""
    return [
        make_trials(
            (rng.random((16, 90, 1)) < rate).astype(np.uint8),
            observed=np.arange(90)[None, :, None] % 90 < 90 - 7 * k + np.zeros((16, 1, 1)),
            burn_in=(rng.random((16, 40, 1)) < rate).astype(np.uint8),
            covariates=rng.normal(size=(16, 90, 1)),
        )
        for k, rate in enumerate((0.05, 0.1, 0.2))
    ]


def tasks_of(model: type[RecurrentModel], units: list[Trials], **keywords: object) -> list[RecurrentTask]:
    """Return one training a unit, on as many trials as leaves its batches alike."""
    made = []
    for k, trials in enumerate(units):
        held_out = [trials.take([8 + k, 9 + k]), trials.take([11, 12, 13])]
        made.append(model(SETTINGS, **keywords).task(trials.take(range(8)), held_out, np.random.default_rng(k)))  # type: ignore[arg-type]
    return made


@pytest.mark.parametrize(
    ("architecture", "n_bends"), [("lstm", 0), ("gru", 0), ("rnn", 0), ("linear", 0), ("lru", 0), ("lru", 3)]
)
def test_a_batch_computes_what_its_networks_do(architecture: str, n_bends: int) -> None:
    rng = np.random.default_rng(0)
    nets = [RecurrentNet(architecture, 3, 6, 50.0, rng, n_bends) for _ in range(4)]  # type: ignore[arg-type]
    for net in nets:
        for name in ("readout.weight", "readout.bias"):
            net.arrays[name][:] = rng.normal(size=net.arrays[name].shape)
    inputs, log_drive = torch.randn(30, 4, 7, 3), torch.randn(30, 4, 7) - 3
    together = BatchedNet(nets)
    log_mu, state = together(inputs[:20], log_drive[:20], together.begin(7))
    log_mu = torch.cat([log_mu, together(inputs[20:], log_drive[20:], state)[0]])
    rows = [(np.ascontiguousarray(inputs[:, k]), np.ascontiguousarray(log_drive[:, k])) for k in range(4)]
    alone = np.stack([net.log_mu(*row) for net, row in zip(nets, rows, strict=True)], axis=1)
    np.testing.assert_allclose(log_mu.detach().numpy(), alone, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model", MODELS)
def test_trained_together_as_alone(model: type[RecurrentModel], units: list[Trials]) -> None:
    alone = [task.run() for task in tasks_of(model, units)]
    together = train_together(tasks_of(model, units))
    for one, other in zip(alone, together, strict=True):
        assert one.history.best_epoch == other.history.best_epoch
        assert_alike(one, other, rtol=2e-3)
        np.testing.assert_allclose(
            np.array(one.history.validation_loss, float), np.array(other.history.validation_loss, float), rtol=1e-3
        )


def assert_alike(one: TrainingResult, other: TrainingResult, rtol: float) -> None:
    for state, same in zip(one.best, other.best, strict=True):
        assert set(state) == set(same)
        for name in state:
            np.testing.assert_allclose(state[name], same[name], rtol=rtol, atol=rtol)


def test_the_models_of_a_batch_predict_like_those_alone(units: list[Trials]) -> None:
    tasks = tasks_of(Lstm, units)
    for k, (task, result) in enumerate(zip(tasks, train_together(tasks), strict=True)):
        mine, alone = task.fitted(result), tasks_of(Lstm, units)[k]
        for one, other in zip(mine, alone.fitted(alone.run()), strict=True):
            np.testing.assert_allclose(one.intensity(units[k]), other.intensity(units[k]), rtol=2e-3)
            assert one.training["best_epoch"] == other.training["best_epoch"]


def test_forms_that_differ_are_trained_apart(units: list[Trials], monkeypatch: pytest.MonkeyPatch) -> None:
    """Units with and without a covariate, and more than a batch may hold: results come in the order of the tasks."""
    without = replace(
        units[1],
        covariates=units[1].covariates[:, :, :0],
        covariates_burn_in=units[1].covariates_burn_in[:, :, :0],
        covariate_names=(),
    )
    sizes = []
    monkeypatch.setattr(torch_batch, "MOST_NETWORKS", 2)
    monkeypatch.setattr(
        BatchedTraining, "run", lambda self, file: sizes.append(len(self.tasks)) or [t.seed for t in self.tasks]
    )
    tasks = tasks_of(Lstm, [units[0], without, *units[1:], units[0]])
    assert train_together(tasks) == [task.seed for task in tasks]
    assert sorted(sizes) == [1, 2, 2]


def test_a_network_whose_gradient_is_not_finite_stays_and_the_others_go_on(units: list[Trials]) -> None:
    tasks = tasks_of(Lstm, units)
    tasks[1].net.arrays["layer.bias_ih_l0"][:] = np.nan
    results = train_together(tasks)
    alone = tasks_of(Lstm, units)[2].run()
    assert_alike(results[2], alone, rtol=2e-3)
    assert results[1].history.skipped == pytest.approx(results[1].history.updates / 3)


def test_an_interrupted_batch_goes_on_to_the_same_weights(units: list[Trials], tmp_path, monkeypatch) -> None:
    whole = train_together(tasks_of(Lstm, units))
    calls = []

    def interrupted(self: BatchedTraining) -> np.ndarray:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return losses(self)

    losses = BatchedTraining.validation_losses
    monkeypatch.setattr(BatchedTraining, "validation_losses", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train_together(tasks_of(Lstm, units), tmp_path)
    monkeypatch.setattr(BatchedTraining, "validation_losses", losses)
    for one, other in zip(whole, train_together(tasks_of(Lstm, units), tmp_path), strict=True):
        assert_alike(one, other, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_batch_on_a_gpu(units: list[Trials]) -> None:
    on_gpu, on_cpu = train_together(tasks_of(Lstm, units, device="cuda")), train_together(tasks_of(Lstm, units))
    for one, other in zip(on_gpu, on_cpu, strict=True):
        np.testing.assert_allclose(
            np.array(one.history.validation_loss, float), np.array(other.history.validation_loss, float), rtol=0.05
        )
