import copy
import math

import numpy as np
import pytest
import torch

from rnnspike.models.networks.checkpoint import Checkpoint
from rnnspike.models.networks.optimiser import AdamW
from rnnspike.models.networks.parameters import ArrayNet, CompiledLoss
from rnnspike.models.networks.torch_training import TorchLoss, TorchNet
from rnnspike.models.networks.training import TrainingSettings, one_cycle, train

PLACES = np.random.default_rng(2).normal(size=(4, 3))
TARGET = np.array([[1.0, -2.0, 0.5]], np.float32)


class Line(ArrayNet):
    """y = w x + b."""

    def __init__(self):
        super().__init__({"weight": np.zeros((1, 3), np.float32), "bias": np.zeros(1, np.float32)})

    @property
    def weight(self):
        return self.arrays["weight"]

    def optimiser(self, weight_decay, rate_factors):
        return AdamW(self, weight_decay, rate_factors)

    def loss(self, x, y):
        """The sum of squares."""
        rest = x @ self.weight.T + self.arrays["bias"] - y
        back = lambda: {"weight": 2 * rest.T @ x, "bias": 2 * rest.sum(axis=0)}
        return CompiledLoss(float((rest**2).sum()), back)


class Problem:
    """Noisy linear regression; ``fail_at`` interrupts in the middle of an epoch."""

    def __init__(self, net, *, fail_at=None, error=KeyboardInterrupt):
        self.net, self.fail_at, self.error, self.drawn = net, fail_at, error, []

    def __call__(self, epoch, rng):
        for i in range(5):
            if self.fail_at == (epoch, i):
                raise self.error
            x = rng.normal(size=(16, 3)).astype(np.float32)
            self.drawn.append(float(x[0, 0]))
            y = (x * TARGET).sum(1, keepdims=True) + 0.1 * rng.normal(size=(16, 1)).astype(np.float32)
            yield self.net.loss(x, y), 16.0


def distance_to(net, target):
    return lambda: float(((net.weight - target) ** 2).sum())


def settings(**changes):
    return TrainingSettings(**{"n_epochs": 20, "updates_per_epoch": 5, "learning_rate": 0.1, **changes})


def test_learns_and_writes_its_history():
    net = Line()
    result = train(net, Problem(net), [distance_to(net, TARGET)], settings(), seed=1)
    assert result.history.validation_loss[-1][0] < 0.01 < result.history.validation_loss[0][0]
    summary = result.history.summary()
    assert (summary["epochs"], summary["updates"], summary["skipped_steps"]) == (20, 100, 0)
    assert len(summary["train_loss"]) == len(summary["grad_norm"]) == len(summary["validation_loss"]) == 21


def test_each_validation_set_has_its_own_best_state():
    net = Line()
    halfway = TARGET / 2
    result = train(net, Problem(net), [distance_to(net, TARGET), distance_to(net, halfway)], settings(), seed=1)
    far, half = (state["weight"] for state in result.best)
    distance = lambda one, other: float(np.linalg.norm(one - other))
    assert distance(far, TARGET) < distance(half, TARGET)
    assert distance(half, halfway) < distance(far, halfway)
    losses = np.array(result.history.validation_loss)
    assert result.history.best_epoch == list(losses.argmin(axis=0))


def test_parts_of_a_validation_set_are_chosen_apart():
    net = Line()
    parts = lambda: np.abs(net.weight[0, :2] - [0.2, -2.0])
    result = train(net, Problem(net), [parts, distance_to(net, TARGET)], settings(), seed=1)
    assert len(result.best) == 3
    assert result.history.best_epoch[0] < result.history.best_epoch[1]


def test_sets_are_looked_at_every_so_many_epochs_and_at_the_end_of_a_cycle():
    net, looked_at = Line(), []
    net_distance = distance_to(net, TARGET)
    looks = lambda: looked_at.append(1) or net_distance()
    result = train(net, Problem(net), [looks], settings(n_epochs=5, validate_every=2), seed=1)
    found = [each[0] is not None for each in result.history.validation_loss]
    assert found == [True, True, False, True, False, True]
    assert len(looked_at) == 4
    assert found[result.history.best_epoch[0]]


def test_the_untrained_state_is_kept_where_training_only_hurts():
    net = Line()
    result = train(net, Problem(net), [distance_to(net, 0.0)], settings(), seed=1)
    assert result.history.best_epoch == [0]
    assert not result.best[0]["weight"].any()


def test_clipping_is_by_global_norm_and_counted():
    net = Line()
    big = [distance_to(net, TARGET)]
    result = train(net, Problem(net), big, settings(n_epochs=1, clip_norm=1e-3), seed=1)
    assert result.history.clipped == 5
    assert result.history.grad_norm[1] > 1e-3


def test_steps_that_are_not_finite_are_skipped_and_counted():
    net = Line()

    def batches(epoch, rng):
        yield from Problem(net)(epoch, rng)
        yield CompiledLoss(math.nan, lambda: {name: each * math.nan for name, each in net.arrays.items()}), 1.0

    result = train(net, batches, [distance_to(net, TARGET)], settings(updates_per_epoch=6), seed=1)
    assert result.history.skipped == 20
    assert result.history.validation_loss[-1][0] < 0.01


def test_a_validation_loss_that_is_not_finite_is_never_the_best():
    net = Line()
    losses = iter([1.0, math.nan, 0.5, math.inf])
    result = train(net, Problem(net), [lambda: next(losses)], settings(n_epochs=3), seed=1)
    assert result.history.best_epoch == [2]
    assert result.history.validation_loss == [[1.0], [None], [0.5], [None]]


def test_another_cycle_follows_where_the_best_epoch_was_still_to_come():
    net = Line()
    falling = iter(range(1000, 0, -1))
    result = train(net, Problem(net), [lambda: next(falling)], settings(n_epochs=5, max_cycles=3), seed=1)
    assert result.history.cycle_ends == [5, 15, 35]
    rising = iter(range(1000))
    result = train(net, Problem(net), [lambda: next(rising)], settings(n_epochs=5, max_cycles=3), seed=1)
    assert result.history.cycle_ends == [5]


@pytest.mark.parametrize(("least_gain", "cycle_ends"), [(0.9, [5, 15]), (1.1, [5])])
def test_another_cycle_follows_only_a_gain_that_is_large_enough(least_gain: float, cycle_ends: list[int]) -> None:
    net, falling = Line(), iter(range(1000, 0, -1))
    chosen = settings(n_epochs=5, max_cycles=2, least_gain=least_gain)
    result = train(net, Problem(net), [lambda: next(falling)], chosen, seed=1)
    assert result.history.cycle_ends == cycle_ends


def test_patience_ends_a_training():
    net = Line()
    rising = iter(range(1000))
    result = train(net, Problem(net), [lambda: next(rising)], settings(patience=4), seed=1)
    assert result.history.cycle_ends == [4]


@pytest.mark.parametrize(
    ("at", "error"), [((0, 2), KeyboardInterrupt), ((7, 3), SystemExit), ((19, 4), KeyboardInterrupt)]
)
def test_an_interrupted_training_goes_on_to_the_same_bytes(tmp_path, at, error):
    whole = Line()
    expected = train(whole, Problem(whole), [distance_to(whole, TARGET)], settings(max_cycles=2), seed=3)
    checkpoint = Checkpoint(tmp_path / "c.safetensors", "same")
    with pytest.raises(error):
        net = Line()
        problem = Problem(net, fail_at=at, error=error)
        train(net, problem, [distance_to(net, TARGET)], settings(max_cycles=2), seed=3, checkpoint=checkpoint)
    net = Line()
    again = Problem(net)
    found = train(net, again, [distance_to(net, TARGET)], settings(max_cycles=2), seed=3, checkpoint=checkpoint)
    assert found.history == expected.history
    assert np.array_equal(net.values, whole.values)
    np.testing.assert_array_equal(found.best[0]["weight"], expected.best[0]["weight"])
    assert len(again.drawn) == len(expected.history.train_loss) * 5 - 5 - at[0] * 5  # only what was left


def test_a_finished_training_is_not_done_again(tmp_path):
    checkpoint = Checkpoint(tmp_path / "c.safetensors", "same")
    net = Line()
    first = train(net, Problem(net), [distance_to(net, TARGET)], settings(), seed=3, checkpoint=checkpoint)
    other = Line()
    idle = Problem(other)
    second = train(other, idle, [distance_to(other, TARGET)], settings(), seed=3, checkpoint=checkpoint)
    assert not idle.drawn
    np.testing.assert_array_equal(first.best[0]["weight"], second.best[0]["weight"])


def test_a_checkpoint_of_another_training_or_a_torn_one_is_not_taken_up(tmp_path):
    path = tmp_path / "c.safetensors"
    Checkpoint(path, "one").save({"a": np.ones(2, np.float32)}, {"b": 1.5})
    arrays, values = Checkpoint(path, "one").load()
    np.testing.assert_array_equal(arrays["a"], np.ones(2))
    assert values == {"b": 1.5}
    assert Checkpoint(path, "two").load() is None
    path.write_bytes(path.read_bytes()[:20])
    assert Checkpoint(path, "one").load() is None


def test_the_schedule_warms_up_and_anneals():
    factors = [one_cycle(x, 0.15) for x in (0.0, 0.15, 0.5, 1.0)]
    assert factors[1] == pytest.approx(1.0)
    assert factors[0] < 0.1
    assert factors[1] > factors[2] > factors[3] == pytest.approx(1e-3)


def torch_line(n_outputs=1):
    module = torch.nn.Linear(3, n_outputs).double()
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    return module


def oracle_steps():
    """Yield the norm and the parameters of a linear module after each of some steps of torch's AdamW."""
    module, x = torch_line(), torch.from_numpy(PLACES)
    optimiser = torch.optim.AdamW(
        [
            {"params": [module.weight], "weight_decay": 0.3},
            {"params": [module.bias], "weight_decay": 0.0, "lr": 0.005},
        ],
        lr=0.05,
        betas=(0.9, 0.99),
    )
    for k in range(6):
        optimiser.zero_grad()
        (0.5 * ((module(x) - k) ** 2).sum()).backward()
        norm = float(torch.nn.utils.clip_grad_norm_(module.parameters(), 3.0))
        optimiser.step()
        yield norm, module.weight.detach().numpy(), module.bias.detach().numpy()


def test_adamw_equals_torch():
    net, x = Line(), PLACES.astype(np.float32)
    optimiser = net.optimiser(0.3, {"bias": 0.1})
    for k, (norm, weight, bias) in enumerate(oracle_steps()):
        assert optimiser.step(net.loss(x, k), 0.05, scale=0.5, clip_norm=3.0) == pytest.approx([norm])
        np.testing.assert_allclose(net.weight, weight, rtol=1e-5)
        np.testing.assert_allclose(net.arrays["bias"], bias, rtol=1e-5)


def test_adamw_on_a_gpu_equals_torch():
    module, x = torch_line(), torch.from_numpy(PLACES)
    optimiser = TorchNet(module).optimiser(0.3, {"bias": 0.1})
    for k, (norm, weight, bias) in enumerate(oracle_steps()):
        loss = TorchLoss(((module(x) - k) ** 2).sum())
        assert optimiser.step(loss, 0.05, scale=0.5, clip_norm=3.0) == pytest.approx([norm])
        np.testing.assert_allclose(module.weight.detach().numpy(), weight, rtol=1e-7)
        np.testing.assert_allclose(module.bias.detach().numpy(), bias, rtol=1e-7)


def test_a_network_whose_gradient_is_not_finite_stays_where_it_is():
    net = Line()
    optimiser = net.optimiser(0.1, {})
    gradient = {"weight": np.ones((1, 3), np.float32), "bias": np.array([np.nan], np.float32)}
    assert np.isnan(optimiser.step(CompiledLoss(0.0, lambda: gradient), 0.1))
    assert not net.values.any()
    assert optimiser.steps == 0


def test_one_of_several_networks_whose_gradient_is_not_finite_stays_where_it_is():
    module = torch_line(2)
    module.n_nets = 2
    before = copy.deepcopy(module)
    optimiser = TorchNet(module).optimiser(0.1, {})
    gradient = torch.ones_like(optimiser.values)
    gradient[1, 2] = torch.nan
    norms = optimiser.step_along(gradient, 0.1, 1.0, np.inf)
    assert norms[0] == pytest.approx(2.0)
    assert np.isnan(norms[1])
    assert torch.equal(module.weight[1], before.weight[1])
    assert not torch.equal(module.weight[0], before.weight[0])
    assert optimiser.steps == 1
    optimiser.step_along(gradient * torch.nan, 0.1, 1.0, np.inf)
    assert optimiser.steps == 1


def test_parameters_are_parts_of_one_vector():
    net = Line()
    net.load_state_dict({"bias": np.array([4.0], np.float32), "weight": TARGET})
    np.testing.assert_array_equal(net.values, [1.0, -2.0, 0.5, 4.0])
    kept = net.state_dict()
    net.values[:] = 0.0
    assert kept["bias"] == 4.0
    assert not net.weight.any()
