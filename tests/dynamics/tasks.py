"""Tasks whose solution is known as a dynamical system, and networks trained on them (torch, seconds to minutes).

Flip-flops need one attractor a combination of bits; delayed recall needs memory of a known length.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from rnnspike.dynamics.network import Network
from rnnspike.dynamics.state_dict import CellOptions, network_from

KINDS = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}


class Net(torch.nn.Module):
    """A recurrent layer and a linear readout."""

    def __init__(self, kind: str, n_input: int, n_hidden: int, n_output: int) -> None:
        super().__init__()
        self.core = KINDS[kind](n_input, n_hidden, batch_first=True)
        self.fc = torch.nn.Linear(n_hidden, n_output)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return outputs (trial, time, output)."""
        return self.fc(self.core(inputs)[0])


@dataclass(frozen=True)
class Trained:
    """A trained network, the same before training, the last loss, and inputs of the task (trial, time, input)."""

    network: Network
    untrained: Network
    loss: float
    inputs: np.ndarray


def as_network(net: Net, bin_s: float = 0.001) -> Network:
    arrays = {name: tensor.detach().double().numpy().copy() for name, tensor in net.state_dict().items()}
    return network_from(arrays, bin_s, CellOptions(link="identity"))


def flip_flop_batch(rng: np.random.Generator, n_trials: int, n_times: int, n_bits: int = 3, chance: float = 0.05):
    """Return pulses (trial, time, bit) of -1, 0 or 1, the first step setting every bit, and the bits held."""
    pulses = (rng.random((n_trials, n_times, n_bits)) < chance) * rng.choice([-1.0, 1.0], (n_trials, n_times, n_bits))
    pulses[:, 0] = rng.choice([-1.0, 1.0], (n_trials, n_bits))
    held = np.zeros_like(pulses)
    held[:, 0] = pulses[:, 0]
    for t in range(1, n_times):
        held[:, t] = np.where(pulses[:, t] != 0, pulses[:, t], held[:, t - 1])
    return pulses, held


def train_flip_flops(kind: str, seed: int, n_hidden: int = 48, n_updates: int = 600, n_times: int = 64) -> Trained:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    net = Net(kind, 3, n_hidden, 3)
    before = as_network(net)
    optimiser = torch.optim.Adam(net.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, n_updates)
    loss = torch.tensor(0.0)
    for _ in range(n_updates):
        pulses, held = (torch.from_numpy(a).float() for a in flip_flop_batch(rng, 32, n_times))
        loss = ((net(pulses) - held) ** 2).mean()
        step(net, optimiser, loss)
        schedule.step()
    return Trained(as_network(net), before, float(loss.detach()), flip_flop_batch(rng, 32, 4 * n_times)[0])


def recall_batch(rng: np.random.Generator, n_trials: int, delay: int, noise: float = 0.1):
    """Return inputs (trial, delay + 1, 2) and the sign to recall: channel 0 shows it in the first step, amid noise;
    channel 1 asks for it in the last."""
    sign = rng.choice([-1.0, 1.0], n_trials)
    inputs = np.zeros((n_trials, delay + 1, 2))
    inputs[:, 1:, 0] = noise * rng.normal(size=(n_trials, delay))
    inputs[:, 0, 0] = sign
    inputs[:, -1, 1] = 1.0
    return inputs, sign


def train_recall(
    kind: str, delay: int, seed: int, n_hidden: int = 32, n_updates: int = 400, n_trials: int = 32
) -> tuple[Trained, float]:
    """Train on the recall after ``delay`` steps; return the network and its share of right answers on new trials.

    The LSTM starts with chrono biases (Tallec & Ollivier 2018): forget gates that span the delay.
    """
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    net = Net(kind, 2, n_hidden, 1)
    if kind == "lstm":
        chrono_initialise(net, delay)
    before = as_network(net)
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    loss = torch.tensor(0.0)
    for _ in range(n_updates):
        inputs, sign = (torch.from_numpy(a).float() for a in recall_batch(rng, n_trials, delay))
        loss = torch.nn.functional.softplus(-2 * sign * net(inputs)[:, -1, 0]).mean()
        step(net, optimiser, loss)
        if float(loss.detach()) < 0.01:
            break
    inputs, sign = recall_batch(rng, 200, delay)
    with torch.no_grad():
        right = float((np.sign(net(torch.from_numpy(inputs).float())[:, -1, 0].numpy()) == sign).mean())
    return Trained(as_network(net), before, float(loss.detach()), inputs[:32]), right


def chrono_initialise(net: Net, longest: int) -> None:
    n = net.core.hidden_size
    with torch.no_grad():
        chrono = torch.log(torch.rand(n) * max(longest - 1, 1) + 1)
        net.core.bias_ih_l0.zero_()
        net.core.bias_hh_l0.zero_()
        net.core.bias_ih_l0[:n] = -chrono
        net.core.bias_ih_l0[n : 2 * n] = chrono


def step(net: Net, optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()
