import copy
import math

import numpy as np
import pytest
import torch

from rnnspike.models.adamw import AdamW
from rnnspike.models.checkpoint import Checkpoint
from rnnspike.models.training import TrainingSettings, one_cycle, train

TARGET = torch.tensor([[1.0, -2.0, 0.5]])


def make_module() -> torch.nn.Linear:
    module = torch.nn.Linear(3, 1)
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    return module


class Problem:
    """Noisy linear regression; ``fail_at`` interrupts in the middle of an epoch."""

    def __init__(self, module, *, fail_at=None, error=KeyboardInterrupt):
        self.module, self.fail_at, self.error, self.drawn = module, fail_at, error, []

    def __call__(self, epoch, rng):
        for i in range(5):
            if self.fail_at == (epoch, i):
                raise self.error
            x = torch.from_numpy(rng.normal(size=(16, 3)).astype(np.float32))
            self.drawn.append(float(x[0, 0]))
            y = (x * TARGET).sum(1, keepdim=True) + 0.1 * torch.from_numpy(rng.normal(size=(16, 1))).float()
            yield ((self.module(x) - y) ** 2).sum(), 16.0


def distance_to(module, target):
    return lambda: float(((module.weight - target) ** 2).sum())


def settings(**changes):
    return TrainingSettings(**{"n_epochs": 20, "updates_per_epoch": 5, "learning_rate": 0.1, **changes})


def test_learns_and_writes_its_history():
    module = make_module()
    result = train(module, Problem(module), [distance_to(module, TARGET)], settings(), seed=1)
    assert result.history.validation_loss[-1][0] < 0.01 < result.history.validation_loss[0][0]
    summary = result.history.summary()
    assert (summary["epochs"], summary["updates"], summary["skipped_steps"]) == (20, 100, 0)
    assert len(summary["train_loss"]) == len(summary["grad_norm"]) == len(summary["validation_loss"]) == 21


def test_each_validation_set_has_its_own_best_state():
    module = make_module()
    halfway = TARGET / 2
    result = train(
        module, Problem(module), [distance_to(module, TARGET), distance_to(module, halfway)], settings(), seed=1
    )
    far, half = (state["weight"] for state in result.best)
    assert torch.dist(far, TARGET) < torch.dist(half, TARGET)
    assert torch.dist(half, halfway) < torch.dist(far, halfway)
    losses = np.array(result.history.validation_loss)
    assert result.history.best_epoch == list(losses.argmin(axis=0))


def test_parts_of_a_validation_set_are_chosen_apart():
    module = make_module()
    parts = lambda: (module.weight[0, :2].detach() - torch.tensor([0.2, -2.0])).abs().numpy()
    result = train(module, Problem(module), [parts, distance_to(module, TARGET)], settings(), seed=1)
    assert len(result.best) == 3
    assert result.history.best_epoch[0] < result.history.best_epoch[1]


def test_the_untrained_state_is_kept_where_training_only_hurts():
    module = make_module()
    result = train(module, Problem(module), [distance_to(module, torch.zeros(1, 3))], settings(), seed=1)
    assert result.history.best_epoch == [0]
    assert not result.best[0]["weight"].any()


def test_clipping_is_by_global_norm_and_counted():
    module = make_module()
    big = [distance_to(module, TARGET)]
    result = train(module, Problem(module), big, settings(n_epochs=1, clip_norm=1e-3), seed=1)
    assert result.history.clipped == 5
    assert result.history.grad_norm[1] > 1e-3


def test_steps_that_are_not_finite_are_skipped_and_counted():
    module = make_module()

    def batches(epoch, rng):
        yield from Problem(module)(epoch, rng)
        yield module.weight.sum() * math.nan, 1.0

    result = train(module, batches, [distance_to(module, TARGET)], settings(updates_per_epoch=6), seed=1)
    assert result.history.skipped == 20
    assert result.history.validation_loss[-1][0] < 0.01


def test_a_validation_loss_that_is_not_finite_is_never_the_best():
    module = make_module()
    losses = iter([1.0, math.nan, 0.5, math.inf])
    result = train(module, Problem(module), [lambda: next(losses)], settings(n_epochs=3), seed=1)
    assert result.history.best_epoch == [2]
    assert result.history.validation_loss == [[1.0], [None], [0.5], [None]]


def test_another_cycle_follows_where_the_best_epoch_was_still_to_come():
    module = make_module()
    falling = iter(range(1000, 0, -1))
    result = train(module, Problem(module), [lambda: next(falling)], settings(n_epochs=5, max_cycles=3), seed=1)
    assert result.history.cycle_ends == [5, 15, 35]
    rising = iter(range(1000))
    result = train(module, Problem(module), [lambda: next(rising)], settings(n_epochs=5, max_cycles=3), seed=1)
    assert result.history.cycle_ends == [5]


def test_patience_ends_a_training():
    module = make_module()
    rising = iter(range(1000))
    result = train(module, Problem(module), [lambda: next(rising)], settings(patience=4), seed=1)
    assert result.history.cycle_ends == [4]


@pytest.mark.parametrize(
    ("at", "error"), [((0, 2), KeyboardInterrupt), ((7, 3), SystemExit), ((19, 4), KeyboardInterrupt)]
)
def test_an_interrupted_training_goes_on_to_the_same_bytes(tmp_path, at, error):
    whole = make_module()
    expected = train(whole, Problem(whole), [distance_to(whole, TARGET)], settings(max_cycles=2), seed=3)
    checkpoint = Checkpoint(tmp_path / "c.safetensors", "same")
    with pytest.raises(error):
        module = make_module()
        problem = Problem(module, fail_at=at, error=error)
        train(module, problem, [distance_to(module, TARGET)], settings(max_cycles=2), seed=3, checkpoint=checkpoint)
    module = make_module()
    again = Problem(module)
    found = train(module, again, [distance_to(module, TARGET)], settings(max_cycles=2), seed=3, checkpoint=checkpoint)
    assert found.history == expected.history
    assert torch.equal(module.weight, whole.weight)
    assert torch.equal(found.best[0]["weight"], expected.best[0]["weight"])
    assert len(again.drawn) == len(expected.history.train_loss) * 5 - 5 - at[0] * 5  # only what was left


def test_a_finished_training_is_not_done_again(tmp_path):
    checkpoint = Checkpoint(tmp_path / "c.safetensors", "same")
    module = make_module()
    first = train(module, Problem(module), [distance_to(module, TARGET)], settings(), seed=3, checkpoint=checkpoint)
    other = make_module()
    idle = Problem(other)
    second = train(other, idle, [distance_to(other, TARGET)], settings(), seed=3, checkpoint=checkpoint)
    assert not idle.drawn
    assert torch.equal(first.best[0]["weight"], second.best[0]["weight"])


def test_a_checkpoint_of_another_training_or_a_torn_one_is_not_taken_up(tmp_path):
    path = tmp_path / "c.safetensors"
    Checkpoint(path, "one").save({"a": torch.ones(2)}, {"b": 1.5})
    tensors, values = Checkpoint(path, "one").load()
    assert torch.equal(tensors["a"], torch.ones(2))
    assert values == {"b": 1.5}
    assert Checkpoint(path, "two").load() is None
    path.write_bytes(path.read_bytes()[:20])
    assert Checkpoint(path, "one").load() is None
    Checkpoint(path, "one").delete()
    assert list(tmp_path.iterdir()) == []


def test_the_schedule_warms_up_and_anneals():
    factors = [one_cycle(x, 0.15) for x in (0.0, 0.15, 0.5, 1.0)]
    assert factors[1] == pytest.approx(1.0)
    assert factors[0] < 0.1
    assert factors[1] > factors[2] > factors[3] == pytest.approx(1e-3)


@pytest.mark.parametrize("double", [False, True])  # compiled, and as on a GPU
def test_adamw_equals_torch(double):
    ours, theirs = make_module(), make_module()
    x = torch.linspace(-1, 1, 12).reshape(4, 3)
    if double:
        ours, theirs, x = ours.double(), theirs.double(), x.double()
    optimizer = AdamW(ours, weight_decay=0.3, rate_factors={"bias": 0.1})
    oracle = torch.optim.AdamW(
        [
            {"params": [theirs.weight], "weight_decay": 0.3},
            {"params": [theirs.bias], "weight_decay": 0.0, "lr": 0.005},
        ],
        lr=0.05,
        betas=(0.9, 0.99),
    )
    for k in range(6):
        norms = optimizer.step(optimizer.gradient(((ours(x) - k) ** 2).sum()), 0.05, scale=0.5, clip_norm=3.0)
        oracle.zero_grad()
        (0.5 * ((theirs(x) - k) ** 2).sum()).backward()
        assert norms == pytest.approx([float(torch.nn.utils.clip_grad_norm_(theirs.parameters(), 3.0))])
        oracle.step()
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)


@pytest.mark.parametrize("double", [False, True])
def test_a_network_whose_gradient_is_not_finite_stays_where_it_is(double):
    module = torch.nn.Linear(3, 2)
    module.n_nets = 2
    if double:
        module.double()
    before = copy.deepcopy(module)
    optimizer = AdamW(module, weight_decay=0.1)
    gradient = torch.ones_like(optimizer.values)
    gradient[1, 2] = torch.nan
    norms = optimizer.step(gradient, 0.1)
    assert norms[0] == pytest.approx(2.0)
    assert np.isnan(norms[1])
    assert torch.equal(module.weight[1], before.weight[1])
    assert not torch.equal(module.weight[0], before.weight[0])
    assert optimizer.steps == 1
    optimizer.step(gradient * torch.nan, 0.1)
    assert optimizer.steps == 1


def test_frozen_parameters_stay():
    module = make_module()
    module.bias.requires_grad_(False)
    before = copy.deepcopy(module.bias)
    train(module, Problem(module), [distance_to(module, TARGET)], settings(n_epochs=2), seed=1)
    assert torch.equal(module.bias, before)
