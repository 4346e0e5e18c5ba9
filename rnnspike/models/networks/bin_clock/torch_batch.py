"""Networks of many units and folds trained in one batch on a GPU (science.md#bin-clock).

A step of hundreds of small networks takes a GPU as long as a step of one. The networks share only the loop and the
schedule: each has its own batches, gradient norm and best epochs, and the result is that of training it alone, except
for rounding and for the number of updates, which is that of the network with most spikes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import nn

from rnnspike.models.networks.bin_clock.batches import Chunk, Sequences
from rnnspike.models.networks.bin_clock.net import MODE_NAMES, READOUT_SCALE, RecurrentNet
from rnnspike.models.networks.bin_clock.task import RecurrentTask
from rnnspike.models.networks.checkpoint import Checkpoint
from rnnspike.models.networks.parameters import Arrays
from rnnspike.models.networks.torch_training import TorchLoss, TorchNet, loss_by_bin
from rnnspike.models.networks.training import History, TrainingResult, TrainingSettings, train
from rnnspike.models.numerics.compilation import Single
from rnnspike.models.protocol import LOG_MU_RANGE
from rnnspike.trials.data import FloatArray

#: Networks in one batch; what is stored of a chunk for its gradient then takes about a gigabyte.
MOST_NETWORKS = 400

#: h, or h and c of the LSTM, each (network, row, hidden).
States = tuple[torch.Tensor, ...]


def train_together(tasks: Sequence[RecurrentTask], checkpoints: Path | None = None) -> list[TrainingResult]:
    """Train tasks of one model, those of equal shape in one batch; return the result of each (``RecurrentTask.run``).

    ``checkpoints`` is a folder for the state of an interrupted training.
    """
    results: dict[int, TrainingResult] = {}
    by_form = sorted(range(len(tasks)), key=lambda i: _form(tasks[i]))
    for form, same in groupby(by_form, key=lambda i: _form(tasks[i])):
        members = list(same)
        for start in range(0, len(members), MOST_NETWORKS):
            some = members[start : start + MOST_NETWORKS]
            batch = BatchedTraining([tasks[i] for i in some])
            file = None if checkpoints is None else checkpoints / f"{'-'.join(map(str, form))}-{start}.safetensors"
            results |= dict(zip(some, batch.run(file), strict=True))
    return [results[i] for i in range(len(tasks))]


def _form(task: RecurrentTask) -> tuple[int, int, int]:
    """Return what tasks in one batch must have in common: bins, inputs, chunks."""
    return task.sequences.n_bins, task.sequences.inputs.shape[2], task.streams.n_chunks


class BatchedNet(nn.Module):
    """Many networks; each parameter has the network as its first axis, and ``/`` in its name for ``.``."""

    def __init__(self, nets: Sequence[RecurrentNet]) -> None:
        super().__init__()
        self.n_nets, self.architecture, self.n_hidden = len(nets), nets[0].architecture, nets[0].n_hidden
        self.bends = nets[0].n_bends > 0
        for name in nets[0].arrays:
            stacked = np.stack([net.arrays[name] for net in nets])
            self.register_parameter(_key(name), nn.Parameter(torch.from_numpy(stacked)))

    def begin(self, n_rows: int) -> States:
        """Return the states that sequences start from."""
        zeros = self.get_parameter(_key("readout.bias")).new_zeros(self.n_nets, n_rows, self.n_hidden)
        return (zeros, zeros) if self.architecture == "lstm" else (zeros,)

    def forward(self, inputs: torch.Tensor, log_drive: torch.Tensor, state: States) -> tuple[torch.Tensor, States]:
        """Return log mu (time, net, row) and the last state, for inputs (time, net, row, channel)."""
        hidden, state = self.run(inputs, state)
        if self.bends:
            inner, shift = (self.get_parameter(_key(f"bend.{name}")) for name in ("inner", "shift"))
            hidden = torch.cat([hidden, torch.tanh(hidden @ inner.transpose(1, 2) + shift[:, None])], dim=3)
        w_y, c = (self.get_parameter(_key(f"readout.{name}")) for name in ("weight", "bias"))  # (net, 1, h), (net, 1)
        log_gain = READOUT_SCALE * ((hidden @ w_y.transpose(1, 2))[..., 0] + c)
        return (log_drive + log_gain).clamp(*LOG_MU_RANGE), state

    def run(self, inputs: torch.Tensor, state: States) -> tuple[torch.Tensor, States]:
        """Return h (time, net, row, hidden) and the last state; the equations are those of ``cell.Cell``."""
        w_x, w_h, bias = self._weights()
        by_hidden, at_h = w_h.transpose(1, 2), None
        if self.architecture == "gru":
            at_h = self.get_parameter(_key("layer.bias_hh_l0"))[:, None]
        steps = []
        for projected in inputs @ w_x.transpose(1, 2) + bias[:, None]:
            h = state[0]
            if at_h is not None:
                recurrent = torch.baddbmm(at_h, h, by_hidden)
                (r_x, z_x, n_x), (r_h, z_h, n_h) = projected.chunk(3, 2), recurrent.chunk(3, 2)
                candidate = torch.tanh(n_x + torch.sigmoid(r_x + r_h) * n_h)
                state = (torch.lerp(candidate, h, torch.sigmoid(z_x + z_h)),)
            else:
                gates = torch.baddbmm(projected, h, by_hidden)
                if self.architecture == "lstm":
                    i, f, g, o = gates.chunk(4, 2)
                    c = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
                    state = (torch.sigmoid(o) * torch.tanh(c), c)
                else:
                    state = (torch.tanh(gates) if self.architecture == "rnn" else gates,)
            steps.append(state[0])
        return torch.stack(steps), state

    def _weights(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return W_x (net, gates * hidden, input), W_h (net, gates * hidden, hidden) and b (net, gates * hidden)."""
        if self.architecture == "lru":
            return self._modes()
        w_x, w_h, bias = (
            self.get_parameter(_key(f"layer.{name}_l0")) for name in ("weight_ih", "weight_hh", "bias_ih")
        )
        return w_x, w_h, bias

    def _modes(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the weights of a linear recurrent unit (``diagonal.linear_layer``)."""
        nu, theta, weight = (self.get_parameter(_key(f"layer.{name}")) for name in MODE_NAMES)
        real = nu.shape[1] - theta.shape[1]
        decay, angle = torch.exp(-nu.exp()), theta.exp()
        gain = (-torch.expm1(-2 * nu.exp())).sqrt()
        turning = torch.diag_embed(decay[:, real:] * torch.sin(angle))  # (net, oscillating, oscillating)
        own = torch.cat([decay[:, :real], (decay[:, real:] * torch.cos(angle)).repeat(1, 2)], dim=1)
        across = torch.diag_embed(own)
        across[:, nu.shape[1] :, real : nu.shape[1]] = turning
        across[:, real : nu.shape[1], nu.shape[1] :] = -turning
        return torch.cat([gain, gain[:, real:]], dim=1)[..., None] * weight, across, torch.zeros_like(own)


def _key(name: str) -> str:
    return name.replace(".", "/")


class BatchedTraining:
    """Tasks of equal shape, with their batches and validation sets stacked."""

    def __init__(self, tasks: Sequence[RecurrentTask]) -> None:
        self.tasks = tasks
        self.device = torch.device(tasks[0].device)
        self.net = BatchedNet([task.net for task in tasks]).to(self.device)
        n_batches = max(task.streams.n_batches for task in tasks)
        self.streams = [task.streams.with_batches(n_batches) for task in tasks]
        self.held_out = self._side_by_side([Sequences.side_by_side(task.held_out) for task in tasks])

    @property
    def settings(self) -> TrainingSettings:
        """The loop's settings: those of the task with most updates."""
        longest = max((task.settings for task in self.tasks), key=lambda each: each.updates_per_epoch)
        return replace(longest, rate_factors={_key(name): rate for name, rate in longest.rate_factors.items()})

    def run(self, checkpoint: Path | None) -> list[TrainingResult]:
        """Train, or continue an interrupted training; return each task's best states and history."""
        kept = None if checkpoint is None else Checkpoint(checkpoint, self.fingerprint())
        result = train(
            TorchNet(self.net),
            self.batches,
            [self.validation_losses],
            self.settings,
            seed=self.tasks[0].seed,
            checkpoint=kept,
        )
        n_sets = len(self.tasks[0].held_out)
        return [
            TrainingResult(
                tuple(_of_net(state, i) for state in result.best[i * n_sets : (i + 1) * n_sets]),
                _history_of(result.history, i, n_sets, len(self.tasks)),
            )
            for i in range(len(self.tasks))
        ]

    def batches(self, epoch: int, rng: np.random.Generator) -> Iterator[tuple[TorchLoss, float]]:
        """Yield the loss of each update of an epoch: the sum of the tasks' mean losses."""
        left = self.settings.updates_per_epoch
        rngs = [np.random.default_rng([task.seed, epoch]) for task in self.tasks]
        state: States | None = None
        while left > 0:
            for chunks in zip(*(s(own) for s, own in zip(self.streams, rngs, strict=True)), strict=True):
                loss, state = self._chunk_loss(chunks, state)
                yield TorchLoss(loss), 1.0
                left -= 1
                if left == 0:
                    return

    def _chunk_loss(self, chunks: Sequence[Chunk], state: States | None) -> tuple[torch.Tensor, States]:
        inputs, targets = self._side_by_side([Sequences(chunk.inputs, chunk.targets) for chunk in chunks])
        if chunks[0].is_first or state is None:
            state = self._state_warm_up(chunks, inputs.shape[2])
        carries_state = self._padded([chunk.carries_state[None, :, None] for chunk in chunks])[0]
        state = tuple(part * carries_state for part in state)
        spikes, log_drive, scored = targets.unbind(dim=3)
        log_mu, state = self.net(inputs, log_drive, state)
        loss = (loss_by_bin(log_mu, spikes, self.tasks[0].observation) * scored).sum(dim=(0, 2))
        weight = scored.sum(dim=(0, 2)) * loss.new_tensor([task.mean_count for task in self.tasks])
        return (loss / weight.clamp(min=1e-12)).sum(), tuple(part.detach() for part in state)

    def _state_warm_up(self, chunks: Sequence[Chunk], n_rows: int) -> States:
        """Return the states of rows that begin within their trial, zeros where none does."""
        state = self.net.begin(n_rows)
        before = [chunk.state_warm_up for chunk in chunks]
        some = next((each for each in before if each is not None), None)
        if some is None:
            return state
        with torch.no_grad():
            return self.net.run(
                self._padded([some[:, :0] if each is None else each for each in before], n_rows), state
            )[1]

    @torch.no_grad()
    def validation_losses(self) -> FloatArray:
        """Return the loss (task and set,) in nats per expected spike; each sequence from its start, in pieces."""
        inputs, targets = self.held_out
        state, total = self.net.begin(inputs.shape[2]), torch.zeros(targets.shape[1:3], dtype=torch.float64)
        for start in range(0, len(inputs), self.streams[0].length):
            piece = slice(start, start + self.streams[0].length)
            spikes, log_drive, scored = targets[piece].unbind(dim=3)
            log_mu, state = self.net(inputs[piece], log_drive, state)
            by_bin = loss_by_bin(log_mu.double(), spikes, self.tasks[0].observation) * scored
            total += by_bin.sum(dim=0).cpu()
        n_scored = targets[..., 2].sum(dim=0, dtype=torch.float64).cpu()  # (net, row)
        losses = []
        for task, nats, scored in zip(self.tasks, total, n_scored, strict=True):
            rows = [each.n_rows for each in task.held_out]
            end = sum(rows)
            for own, weight in zip(torch.split(nats[:end], rows), torch.split(scored[:end], rows), strict=True):
                losses.append(float(own.sum()) / max(float(weight.sum()) * task.mean_count, 1e-12))
        return np.array(losses)

    def _side_by_side(self, several: Sequence[Sequences]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return inputs and targets of one length (time, net, row, channel), short of rows that are never scored."""
        return self._padded([each.inputs for each in several]), self._padded([each.targets for each in several])

    def _padded(self, arrays: Sequence[Single], n_rows: int = 0) -> torch.Tensor:
        """Return arrays (time, row, channel) as one (time, net, row, channel), zeros where some have fewer rows."""
        n_times, _, n_channels = arrays[0].shape
        most = max(n_rows, *(each.shape[1] for each in arrays))
        together = np.zeros((n_times, len(arrays), most, n_channels), np.float32)
        for k, each in enumerate(arrays):
            together[:, k, : each.shape[1]] = each
        return torch.from_numpy(together).to(self.device)

    def fingerprint(self) -> str:
        """Return what tells this training from any other."""
        return hashlib.sha256("".join(task.fingerprint() for task in self.tasks).encode()).hexdigest()


def _of_net(state: Arrays, index: int) -> Arrays:
    return {name.replace("/", "."): each[index] for name, each in state.items()}


def _history_of(history: History, index: int, n_sets: int, n_nets: int) -> History:
    """Return the history of one network; its training loss and gradient norm are the mean over all."""
    own = slice(index * n_sets, (index + 1) * n_sets)

    def mean(values: list[float | None]) -> list[float | None]:
        return [None if each is None else each / n_nets for each in values]

    return replace(
        history,
        train_loss=mean(history.train_loss),
        validation_loss=[each[own] for each in history.validation_loss],
        best_epoch=history.best_epoch[own],
    )
