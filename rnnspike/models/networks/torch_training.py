"""Training with torch: a module's parameters as arrays, AdamW, and losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from rnnspike.models.networks.optimiser import BETAS
from rnnspike.models.networks.parameters import Arrays, Single
from rnnspike.observation import Observation
from rnnspike.trials.data import FloatArray


@dataclass(frozen=True)
class TorchLoss:
    """A summed loss with its graph."""

    tensor: torch.Tensor

    @property
    def value(self) -> float:
        """The loss as a number."""
        return float(self.tensor.detach())


def loss_by_bin(log_mu: torch.Tensor, spikes: torch.Tensor, observation: Observation) -> torch.Tensor:
    """Return the loss of each bin in nats, any shape: ``observation_loops.bin_loss`` in torch.

    log mu is within ``LOG_MU_RANGE``. See science.md#observation-model.
    """
    mu = log_mu.exp()
    with_spikes = -torch.log(-torch.expm1(-mu)) if observation == "bernoulli" else mu - spikes * log_mu
    return torch.where(spikes > 0, with_spikes, mu)


class TorchNet:
    """A module as the training loop sees it (``training.Network``).

    A module with ``n_nets`` holds so many networks, each parameter with the network as its first axis; any other is
    one network.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def optimiser(self, weight_decay: float, rate_factors: Mapping[str, float]) -> TorchAdamW:
        """Return the optimiser."""
        return TorchAdamW(self.module, weight_decay, rate_factors)

    def state_dict(self) -> Arrays:
        """Return the parameters by name, copies in the host's memory."""
        return {name: _array(each) for name, each in self.module.named_parameters()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Single]) -> None:
        """Load these parameters."""
        for name, each in self.module.named_parameters():
            each.copy_(torch.from_numpy(state[name]))


class TorchAdamW:
    """``optimiser.AdamW`` over a module's parameters; ``mean`` and ``square`` are (net, parameter)."""

    def __init__(
        self, module: nn.Module, weight_decay: float, rate_factors: Mapping[str, float] | None = None
    ) -> None:
        self.parameters = dict(module.named_parameters())
        several = getattr(module, "n_nets", None)
        self.n_nets, matrix = several or 1, 2 if several is None else 3
        named, rates = self.parameters.items(), rate_factors or {}
        factors = [torch.full_like(p, rates.get(name, 1.0)) for name, p in named]
        decays = [torch.full_like(p, weight_decay if p.ndim >= matrix else 0.0) for _, p in named]
        self.factor, self.decay = self._flat(factors).detach(), self._flat(decays).detach()
        self.mean, self.square = torch.zeros_like(self.decay), torch.zeros_like(self.decay)
        self.steps = 0
        #: (net, parameter), of which the parameters become views.
        self.values = self._flat(list(self.parameters.values())).detach()
        sizes = [p.numel() // self.n_nets for p in self.parameters.values()]
        for p, part in zip(self.parameters.values(), torch.split(self.values, sizes, 1), strict=True):
            p.data = part.view(p.shape)

    def step(self, loss: TorchLoss, rate: float, *, scale: float = 1.0, clip_norm: float = np.inf) -> FloatArray:
        """Move the parameters by one step along ``scale`` times the gradient of a loss, clipped to a norm.

        Returns the norms (net,) before clipping. Where a norm is not finite, that network's parameters do not change.
        """
        leaves = list(self.parameters.values())
        return self.step_along(self._flat(torch.autograd.grad(loss.tensor, leaves)), rate, scale, clip_norm)

    @torch.no_grad()
    def step_along(self, gradient: torch.Tensor, rate: float, scale: float, clip_norm: float) -> FloatArray:
        """Make ``step`` along a gradient (net, parameter)."""
        norm = scale * torch.linalg.vector_norm(gradient, dim=1, keepdim=True)
        finite = torch.isfinite(norm)
        self.steps += bool(finite.any())
        gradient = gradient * (scale * (clip_norm / norm.clamp(min=1e-12)).clamp(max=1.0))
        mean, square = self.mean.lerp(gradient, 1 - BETAS[0]), self.square.lerp(gradient.square(), 1 - BETAS[1])
        direction = mean / (1 - BETAS[0] ** self.steps)
        direction /= (square / (1 - BETAS[1] ** self.steps)).sqrt_().add_(1e-8)
        values = self.values - rate * self.factor * (direction + self.decay * self.values)
        for old, new in ((self.mean, mean), (self.square, square), (self.values, values)):
            old.copy_(torch.where(finite, new, old))
        return np.asarray(norm[:, 0].double().cpu().numpy())

    def state(self) -> Arrays:
        """Return a copy of the moments."""
        return {"mean": _array(self.mean), "square": _array(self.square)}

    def load(self, state: Mapping[str, Single], steps: int) -> None:
        """Load moments, and the number of steps made so far."""
        self.mean.copy_(torch.from_numpy(state["mean"]))
        self.square.copy_(torch.from_numpy(state["square"]))
        self.steps = steps

    def _flat(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.cat([tensor.reshape(self.n_nets, -1) for tensor in tensors], dim=1)


def _array(tensor: torch.Tensor) -> Single:
    return np.array(tensor.detach().cpu().numpy(), np.float32)
