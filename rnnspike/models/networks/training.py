"""The training loop of all networks.

Maximum likelihood by AdamW on a one-cycle schedule (Smith & Topin 2019), gradients clipped by their global norm
(Pascanu et al. 2013), the best state kept for each validation set; science.md#training. An interrupted training
continues from its last epoch and gives the same bytes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from rnnspike.models.networks.checkpoint import Checkpoint
from rnnspike.models.networks.parameters import Arrays, Single
from rnnspike.trials.data import FloatArray


class Loss(Protocol):
    """The summed loss of a batch; the optimiser takes its gradient."""

    @property
    def value(self) -> float:
        """The loss as a number."""


class Optimiser(Protocol):
    """An optimiser of a network's parameters, with its state."""

    steps: int

    def step(self, loss: Any, rate: float, *, scale: float, clip_norm: float) -> FloatArray:
        """Make a step along ``scale`` times a loss's gradient; return the norms (net,) before they were clipped."""

    def state(self) -> Arrays:
        """Return a copy of its state."""

    def load(self, state: Mapping[str, Single], steps: int) -> None:
        """Load such a state, and the number of steps made so far."""


class Network(Protocol):
    """A network to be trained: an ``ArrayNet`` on a CPU, a torch module on a GPU (``torch_training.py``)."""

    def optimiser(self, weight_decay: float, rate_factors: Mapping[str, float]) -> Optimiser:
        """Return the optimiser; ``rate_factors`` by name multiply the rate."""

    def state_dict(self) -> Arrays:
        """Return a copy of the parameters by name."""

    def load_state_dict(self, state: Mapping[str, Single]) -> None:
        """Load these parameters."""


#: (epoch, rng of that epoch) -> one (summed loss, its weight) per update, made when asked for.
Batches = Callable[[int, np.random.Generator], Iterable[tuple[Loss, float]]]
#: () -> mean loss on one validation set, or (part,) of them where parts (units) are stopped separately.
Validator = Callable[[], "float | FloatArray"]


@dataclass(frozen=True)
class TrainingSettings:
    """How long and how fast to train.

    In a cycle of ``n_epochs`` the rate rises over the first fraction ``warm_up`` and then falls to nearly zero. If a
    best epoch is in a cycle's last fifth, and better than those before by more than ``least_gain``, a cycle of twice
    the length follows, up to ``max_cycles`` in all.
    ``patience`` epochs without a new best of any validation set end the training. The sets are scored after every
    ``validate_every``-th epoch, counted back from a cycle's end. ``weight_decay`` is on matrices only;
    ``rate_factors`` by a parameter's name multiply its rate.
    """

    n_epochs: int
    updates_per_epoch: int
    learning_rate: float = 1e-2
    warm_up: float = 0.15
    weight_decay: float = 1e-2
    clip_norm: float = 1.0
    max_cycles: int = 1
    least_gain: float = 0.0
    patience: int | None = None
    validate_every: int = 1
    save_every_s: float = 5.0
    rate_factors: Mapping[str, float] = field(default_factory=dict)


@dataclass
class History:
    """The course of a training; index 0 of the lists is before the first update, then one entry per epoch.

    ``validation_loss`` is None for epochs after which no set was scored.
    """

    train_loss: list[float | None] = field(default_factory=list)
    validation_loss: list[list[float | None]] = field(default_factory=list)
    grad_norm: list[float | None] = field(default_factory=list)
    best_epoch: list[int] = field(default_factory=list)
    updates: int = 0
    clipped: float = 0.0
    skipped: float = 0.0
    cycle_ends: list[int] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return all of it as plain values for a model's config, without times: equal runs give equal bytes."""
        taken = max(self.updates, 1)
        return {
            "epochs": len(self.train_loss) - 1,
            "updates": self.updates,
            "train_loss": self.train_loss,
            "validation_loss": self.validation_loss,
            "best_epoch": self.best_epoch,
            "grad_norm": self.grad_norm,
            "clipped_fraction": self.clipped / taken,
            "skipped_steps": self.skipped,
            "cycle_ends": self.cycle_ends,
        }


@dataclass(frozen=True)
class TrainingResult:
    """Best states, flat over the validators and their parts in order, and the history."""

    best: tuple[Arrays, ...]
    history: History


def train(
    net: Network,
    batches: Batches,
    validators: Sequence[Validator],
    settings: TrainingSettings,
    *,
    seed: int,
    checkpoint: Checkpoint | None = None,
) -> TrainingResult:
    """Train a network in place and return the best state for each validation set.

    ``seed`` gives each epoch its generator, so that its batches do not depend on earlier epochs. State 0, before any
    update, is a candidate too: a network that starts at its base is never worse than the base on validation.
    """
    run = _Run(net, settings, checkpoint)
    if not run.resume():
        run.validate(validators)
    try:
        while run.epoch < run.end:
            rng = np.random.default_rng([seed, run.epoch])
            for i, (loss, weight) in enumerate(batches(run.epoch, rng)):
                run.update(loss, weight, i)
            run.close_epoch()
            run.validate(validators if run.is_due else ())
            run.plan_next_cycle()
            run.save_if_due()
    except (KeyboardInterrupt, SystemExit):
        run.save()
        raise
    run.save()
    return run.result()


def one_cycle(progress: float, warm_up: float) -> float:
    """Return the factor on the peak rate at this part (0 to 1) of a cycle: cosine up, then cosine down to 1e-3."""
    if progress < warm_up:
        return 0.04 + 0.96 * 0.5 * (1 - math.cos(math.pi * progress / warm_up))
    down = (progress - warm_up) / (1 - warm_up)
    return 1e-3 + (1 - 1e-3) * 0.5 * (1 + math.cos(math.pi * down))


class _Run:
    """The state of a training between two epochs, and the steps of the loop that change it."""

    def __init__(self, net: Network, settings: TrainingSettings, checkpoint: Checkpoint | None) -> None:
        self.net, self.settings, self.checkpoint = net, settings, checkpoint
        self.optimiser = net.optimiser(settings.weight_decay, settings.rate_factors)
        self.history = History()
        self.epoch, self.cycle_start, self.end = 0, 0, settings.n_epochs
        self.best_loss: list[float] = []
        self.states: dict[int, Arrays] = {}  # epoch -> weights, kept while they are some set's best
        self.last_save = time.monotonic()
        self.snapshot: tuple[Arrays, dict[str, Any]] | None = None
        self._loss_sum = self._weight = self._norm_sum = 0.0
        self._steps = 0

    def update(self, loss: Loss, weight: float, index: int) -> None:
        """Make one step on the mean loss of a batch, each network's gradient clipped; none where it is not finite."""
        done = self.epoch - self.cycle_start + min(index / self.settings.updates_per_epoch, 1.0)
        factor = one_cycle(done / (self.end - self.cycle_start), self.settings.warm_up)
        norms = self.optimiser.step(
            loss,
            self.settings.learning_rate * factor,
            scale=1.0 / weight,
            clip_norm=self.settings.clip_norm,
        )
        finite = norms[np.isfinite(norms)]
        self.history.updates += 1
        self.history.clipped += float((norms > self.settings.clip_norm).mean())
        self.history.skipped += 1 - len(finite) / len(norms)
        if len(finite):
            self._loss_sum, self._weight = self._loss_sum + loss.value, self._weight + weight
            self._norm_sum, self._steps = self._norm_sum + float(finite.sum()), self._steps + 1

    def close_epoch(self) -> None:
        """Record the epoch's means."""
        self.epoch += 1
        self.history.train_loss.append(self._loss_sum / self._weight if self._weight else None)
        self.history.grad_norm.append(self._norm_sum / self._steps if self._steps else None)
        self._loss_sum = self._weight = self._norm_sum = 0.0
        self._steps = 0

    @property
    def is_due(self) -> bool:
        """Whether validation sets are scored after this epoch."""
        return (self.end - self.epoch) % self.settings.validate_every == 0

    def validate(self, validators: Sequence[Validator]) -> None:
        """Score the weights on every validation set and keep them where they are the best so far."""
        if not validators:
            self.history.validation_loss.append([None] * len(self.best_loss))
            return
        losses = np.concatenate([np.atleast_1d(np.asarray(v(), np.float64)) for v in validators])
        if not self.best_loss:
            self.best_loss = [math.inf] * len(losses)
            self.history.best_epoch = [0] * len(losses)
            self.history.train_loss.append(None)
            self.history.grad_norm.append(None)
        self.history.validation_loss.append([float(x) if math.isfinite(x) else None for x in losses])
        better = [i for i, loss in enumerate(losses) if loss < self.best_loss[i]]  # NaN is never better
        for i in better:
            self.best_loss[i], self.history.best_epoch[i] = float(losses[i]), self.epoch
        if better or not self.states:
            self.states[self.epoch] = self.net.state_dict()
        wanted = set(self.history.best_epoch)
        self.states = {epoch: state for epoch, state in self.states.items() if epoch in wanted}

    def plan_next_cycle(self) -> None:
        """Stop when patience is used up; at a cycle's end begin a longer one if the loss was still falling."""
        latest = max(self.history.best_epoch)
        patience = self.settings.patience
        if patience is not None and self.epoch - max(latest, self.cycle_start) >= patience:
            self.end = self.epoch
        if self.epoch < self.end:
            return
        self.history.cycle_ends.append(self.epoch)
        length = self.epoch - self.cycle_start
        if (
            self._late_gain(max(1, length // 5)) > self.settings.least_gain
            and len(self.history.cycle_ends) < self.settings.max_cycles
        ):
            self.cycle_start, self.end = self.epoch, self.epoch + 2 * length

    def _late_gain(self, n_last: int) -> float:
        """Return by how much the best loss of the last epochs is below that of all before: the most of any set."""
        losses = np.array(self.history.validation_loss[: self.epoch + 1 - n_last], dtype=np.float64)  # None is NaN
        earlier, best = np.where(np.isnan(losses), np.inf, losses).min(axis=0), np.array(self.best_loss)
        scored = np.isfinite(best)
        return float(np.max(earlier[scored] - best[scored], initial=0.0))

    def save_if_due(self) -> None:
        """Take a snapshot at the end of this epoch, and write it if the last write was some seconds ago."""
        if self.checkpoint is None:
            return
        self.snapshot = self._snapshot()
        if time.monotonic() - self.last_save > self.settings.save_every_s:
            self.save()

    def save(self) -> None:
        """Write the last snapshot, which is of the end of an epoch."""
        if self.checkpoint is not None and self.snapshot is not None:
            self.checkpoint.save(*self.snapshot)
            self.last_save = time.monotonic()

    def _snapshot(self) -> tuple[Arrays, dict[str, Any]]:
        arrays = {f"net.{name}": each for name, each in self.net.state_dict().items()}
        arrays |= {f"optimiser.{name}": each for name, each in self.optimiser.state().items()}
        for epoch, state in self.states.items():
            arrays |= {f"best.{epoch}.{name}": each for name, each in state.items()}
        values = {name: getattr(self, name) for name in ("epoch", "cycle_start", "end", "best_loss")}
        values["steps"] = self.optimiser.steps
        values["history"] = {name: _plain(value) for name, value in vars(self.history).items()}
        return arrays, values

    def resume(self) -> bool:
        """Continue a stored training; False where there is none."""
        stored = self.checkpoint.load() if self.checkpoint else None
        if stored is None:
            return False
        arrays, values = stored
        self.net.load_state_dict(_under(arrays, "net."))
        self.optimiser.load(_under(arrays, "optimiser."), values["steps"])
        for name, array in _under(arrays, "best.").items():
            epoch, inner = name.split(".", 1)
            self.states.setdefault(int(epoch), {})[inner] = array
        self.epoch, self.cycle_start, self.end = values["epoch"], values["cycle_start"], values["end"]
        self.best_loss = [float(x) for x in values["best_loss"]]
        self.history = History(**values["history"])
        self.snapshot = stored
        return True

    def result(self) -> TrainingResult:
        """Return the best state for each validation set."""
        return TrainingResult(tuple(self.states[epoch] for epoch in self.history.best_epoch), self.history)


def _under(arrays: Arrays, prefix: str) -> Arrays:
    return {name.removeprefix(prefix): each for name, each in arrays.items() if name.startswith(prefix)}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value
