"""The network of the spike-clocked LSTM in torch (``net.py``)."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import nn

from rnnspike.models.networks.spike_clock.net import Batch, HazardNet
from rnnspike.models.networks.torch_training import TorchLoss, TorchNet, loss_by_bin
from rnnspike.models.protocol import LOG_MU_RANGE
from rnnspike.observation import Observation
from rnnspike.trials.data import FloatArray


class HazardModule(nn.Module):
    """LSTM over events and head between them, with the parameters of a ``HazardNet`` to begin with."""

    def __init__(self, net: HazardNet) -> None:
        super().__init__()
        n_head, n_hidden = net.arrays["a.weight"].shape
        self.n_units = net.n_units
        self.lstm = nn.LSTM(net.arrays["lstm.weight_ih_l0"].shape[1], n_hidden)
        self.a = nn.Linear(n_hidden, n_head)
        self.b = nn.Linear(n_hidden, 1)
        self.w_h = nn.Linear(n_hidden, n_hidden)
        self.w_x = nn.Linear(n_head, n_hidden, bias=False)
        self.v = nn.Linear(n_hidden, 1, bias=False)
        self.unit_bias = nn.Embedding(net.n_units, 1)
        TorchNet(self).load_state_dict(net.arrays)

    def forward(self, batch: Any) -> torch.Tensor:
        """Return log mu (interval, point) of a batch whose arrays are tensors."""
        code = nn.functional.one_hot(batch.sequence_unit, self.n_units).to(batch.inputs.dtype)
        coded = torch.cat([batch.inputs, code.expand(len(batch.inputs), -1, -1)], dim=2)
        h = self.lstm(coded)[0][batch.at, batch.which]  # (interval, hidden)
        if batch.keep is not None:
            h = h * batch.keep
        hidden = nn.functional.silu(self.w_h(h)[:, None, :] + self.w_x(batch.head))  # (interval, point, hidden)
        linear = torch.bmm(batch.head, self.a(h)[:, :, None])[:, :, 0]
        bias = self.b(h) + self.unit_bias(batch.unit)
        log_mu = batch.log_base + linear + bias + self.v(hidden)[:, :, 0]
        bounded: torch.Tensor = log_mu.clamp(*LOG_MU_RANGE)
        return bounded


class TorchHazardNet(TorchNet):
    """The module as batches and validation see it (``net.HazardLoss``)."""

    module: HazardModule

    def __init__(self, net: HazardNet, device: str) -> None:
        super().__init__(HazardModule(net).to(device))
        self.device, self.n_parameters = torch.device(device), net.n_parameters
        self.n_units, self.n_hidden = net.n_units, net.n_hidden

    def loss(self, batch: Batch, observation: Observation) -> TorchLoss:
        """Return the summed loss of a batch, with its gradient."""
        return TorchLoss(self._by_interval(batch, observation).sum())

    @torch.no_grad()
    def losses(self, batch: Batch, observation: Observation) -> FloatArray:
        """Return the loss (interval,) of a batch."""
        return np.asarray(self._by_interval(batch, observation).double().cpu().numpy())

    def _by_interval(self, batch: Batch, observation: Observation) -> torch.Tensor:
        tensors = to_tensors(batch, self.device)
        loss: torch.Tensor = interval_loss(self.module(tensors), tensors, observation)
        return loss


def to_tensors(batch: Batch, device: torch.device) -> Any:
    """Return a batch with tensors for arrays."""
    arrays = {each.name: getattr(batch, each.name) for each in fields(batch)}
    return Batch(**{name: None if a is None else torch.from_numpy(a).to(device) for name, a in arrays.items()})  # type: ignore[arg-type]


def interval_loss(log_mu: torch.Tensor, batch: Any, observation: Observation) -> torch.Tensor:
    """Return minus the log-likelihood (interval,) of a batch of tensors, as ``net.HazardNet`` does."""
    silent: torch.Tensor = (log_mu.exp() * batch.weight).sum(dim=1)
    count = batch.stop_count
    with_spikes: torch.Tensor = loss_by_bin(log_mu[:, -1], count, observation) * (count > 0)
    return silent + with_spikes
