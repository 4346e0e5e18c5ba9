"""Training of the network of a shared state, by torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rnnspike.models.networks.cell import GATES, Architecture, Cell
from rnnspike.models.population.blocks import Blocks, piece_length
from rnnspike.trials.data import FloatArray

Network = tuple[dict[str, npt.NDArray[Any]], FloatArray, FloatArray]
Case = tuple[FloatArray, Blocks]

#: torch's layer of each architecture.
LAYERS: dict[Architecture, type[torch.nn.GRU] | type[torch.nn.LSTM]] = {"gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
#: Hidden units, sequences of a batch.
N_HIDDEN, BATCH = 32, 32
#: Epochs by effort; more of them where they would make fewer updates than the second figure.
EPOCHS = {"fast": 10, "standard": 20, "thorough": 40}
FEWEST_UPDATES = {"fast": 100, "standard": 300, "thorough": 600}
#: Rate at the top of the cycle and the share of it that warms up, decay, largest gradient; dropout of whole units and
#: of the state.
RATE, WARM_UP, DECAY, CLIP, DROPPED_UNITS, DROPPED_STATE = 5e-3, 0.15, 0.01, 1.0, 0.2, 0.2


class _Net(torch.nn.Module):
    """A recurrent layer and a read-out that begins at 0: the units' own models."""

    def __init__(self, architecture: Architecture, n_units: int, memory: int | None) -> None:
        super().__init__()
        self.layer = LAYERS[architecture](n_units, N_HIDDEN, batch_first=True)
        if memory is not None:
            self._begin_with_memory(architecture, memory)
        self.readout = torch.nn.Linear(N_HIDDEN, n_units)
        torch.nn.init.zeros_(self.readout.weight)
        torch.nn.init.zeros_(self.readout.bias)

    def _begin_with_memory(self, architecture: Architecture, longest: int) -> None:
        """Set the gates that keep the state to time constants of 2 to ``longest`` steps (Tallec & Ollivier 2018)."""
        kept = torch.log(1 + torch.rand(N_HIDDEN) * max(longest - 2, 1))
        by_gate = {"f": kept, "i": -kept} if architecture == "lstm" else {"z": kept}
        parameters = dict(self.layer.named_parameters())
        for gate, bias in by_gate.items():
            at = GATES[architecture].index(gate)
            rows = slice(at * N_HIDDEN, (at + 1) * N_HIDDEN)
            with torch.no_grad():
                parameters["bias_ih_l0"][rows] = bias
                parameters["bias_hh_l0"][rows] = 0.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the log gain (sequence, block, unit) of inputs of that shape."""
        if self.training:  # a unit that is dropped is dropped for the whole sequence
            kept = torch.rand(len(x), 1, x.shape[2], device=x.device) >= DROPPED_UNITS
            x = x * kept / (1 - DROPPED_UNITS)
        states, _ = self.layer(x)
        states = torch.nn.functional.dropout(states, DROPPED_STATE, self.training)
        gain: torch.Tensor = self.readout(states)
        return gain


def train_network(
    architecture: Architecture,
    warm_up: int,
    cases: Sequence[Case],
    rng: np.random.Generator,
    effort: str,
    device: str,
    with_memory: bool = False,
) -> list[Network]:
    """Return the network's arrays at the best epoch of each validation set.

    Parameters
    ----------
    architecture
        One of ``LAYERS``.
    warm_up
        Blocks that precede each sequence and are not scored.
    cases
        What the network reads and the blocks that it predicts, (trial, block, unit), of the training trials and then
        of each validation set.
    rng
        Source of the weights, batches and dropout.
    effort, device
        How long it is trained, and where.
    with_memory
        Begin with gates that keep the state over up to ``warm_up`` steps: slow rhythms need it, and what is left by a
        model with spike history is learned better without.
    """
    with _seeded(rng):
        return _train(architecture, warm_up, *cases[0], cases[1:], effort, device, with_memory)


def initial_cell(
    architecture: Architecture, n_units: int, warm_up: int, rng: np.random.Generator, with_memory: bool
) -> Cell:
    """Return a cell as it is before training; the arguments are those of ``train_network``."""
    with _seeded(rng):
        net = _Net(architecture, n_units, warm_up if with_memory else None)
    return Cell.from_torch(architecture, _arrays(net)[0])


@contextmanager
def _seeded(rng: np.random.Generator) -> Iterator[None]:
    """Draw torch's seed from a generator, and leave its global state as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(rng.integers(2**31)))
        yield


def _train(
    architecture: Architecture,
    warm_up: int,
    inputs: FloatArray,
    blocks: Blocks,
    validation: Sequence[Case],
    effort: str,
    device: str,
    with_memory: bool,
) -> list[Network]:
    arrays = _pieces(warm_up, inputs, blocks.counts, blocks.exposure)
    x, counts, exposure = (_tensor(each, device) for each in arrays)
    cases = [tuple(_tensor(each, device) for each in (at, b.counts, b.exposure)) for at, b in validation]
    net = _Net(architecture, x.shape[2], warm_up if with_memory else None).to(device)
    n_batches = -(-len(x) // BATCH)
    n_epochs = max(EPOCHS[effort], -(-FEWEST_UPDATES[effort] // n_batches))
    steps = n_epochs * n_batches
    optimiser = torch.optim.AdamW(net.parameters(), RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, steps, pct_start=WARM_UP)
    n_spikes = float(counts.sum()) / len(x)
    best = [(_loss(net, *case), _arrays(net)) for case in cases]
    for _ in range(n_epochs):
        net.train()
        order = torch.randperm(len(x)).to(device)
        for some in torch.split(order, BATCH):
            gain = net(x[some])
            loss = (exposure[some] * gain.exp() - counts[some] * gain).sum() / (n_spikes * len(some))
            optimiser.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), CLIP)
            optimiser.step()
            schedule.step()
        for k, case in enumerate(cases):
            if (found := _loss(net, *case)) < best[k][0]:
                best[k] = found, _arrays(net)
    return [network for _, network in best]


def _loss(net: _Net, x: torch.Tensor, counts: torch.Tensor, exposure: torch.Tensor) -> float:
    """Return the loss of a validation set in nats, up to a constant."""
    net.eval()
    with torch.no_grad():
        parts = [net(some) for some in torch.split(x, BATCH)]
        gain = torch.cat(parts).double()
        return float((exposure.double() * gain.exp() - counts.double() * gain).sum())


def _arrays(net: _Net) -> Network:
    tensors = {name: each.detach().cpu().numpy().copy() for name, each in net.layer.named_parameters()}
    weight, bias = (each.detach().cpu().numpy().astype(np.float64) for each in net.readout.parameters())
    return tensors, weight, bias


def _tensor(values: FloatArray, device: str) -> torch.Tensor:
    return torch.as_tensor(np.ascontiguousarray(values, np.float32), device=device)


def _pieces(warm_up: int, *arrays: FloatArray) -> list[FloatArray]:
    """Return sequences (trial, warm-up + block, unit) cut into pieces of equal length (``piece_length``).

    Each piece follows the ``warm_up`` blocks before it, of which nothing is scored: the first array is read, the
    others are 0 there. A few blocks at the end are left out.
    """
    n_blocks = arrays[0].shape[1] - warm_up
    length = piece_length(n_blocks)
    starts = range(0, n_blocks - length + 1, length)
    read, *scored = (np.concatenate([each[:, k : k + warm_up + length] for k in starts]) for each in arrays)
    for each in scored:
        each[:, :warm_up] = 0.0
    return [read, *scored]
