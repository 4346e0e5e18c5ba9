"""AdamW (Loshchilov & Hutter 2019) on one flat vector: for small networks the number of operations is what costs.

torch's own optimisers import its compiler on first use, which takes longer than many a training here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from rnnspike.models.compiled.adamw import adamw_step
from rnnspike.models.loss import CompiledLoss
from rnnspike.models.scans import is_ours
from rnnspike.trials.data import FloatArray

#: Squares are averaged over some hundred steps, not the customary thousand: trainings here are hardly longer, and the
#: large gradients of their beginning would hold the rate down to their end.
BETAS = (0.9, 0.99)


class AdamW:
    """Adam with decoupled weight decay, on matrices only, over a module's parameters.

    ``rate_factors`` by a parameter's name multiply its rate. A module with ``n_nets`` holds so many networks, each
    parameter with the network as its first axis; any other is one network.
    ``mean`` and ``square`` (net, parameter) are the running moments of the gradient, ``steps`` how many steps were
    made.
    """

    def __init__(
        self, module: torch.nn.Module, weight_decay: float, rate_factors: Mapping[str, float] | None = None
    ) -> None:
        self.parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
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

    def gradient(self, loss: torch.Tensor | CompiledLoss) -> torch.Tensor:
        """Return the gradient of a loss (net, parameter)."""
        if isinstance(loss, CompiledLoss):
            gradients = loss.back()
            return torch.from_numpy(np.concatenate([gradients[name].ravel() for name in self.parameters]))[None]
        leaves = list(self.parameters.values())
        return self._flat(torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True))

    def _flat(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.cat([tensor.reshape(self.n_nets, -1) for tensor in tensors], dim=1)

    @torch.no_grad()
    def step(
        self, gradient: torch.Tensor, rate: float, *, scale: float = 1.0, clip_norm: float = np.inf
    ) -> FloatArray:
        """Move the parameters by one step along ``scale`` times a gradient (net, parameter), clipped to a norm.

        Returns the norms (net,) before that. A network whose norm is not finite stays where it is.
        """
        if is_ours(self.values):
            norms = np.empty(self.n_nets)
            self.steps += adamw_step(
                self.values.numpy(),
                gradient.numpy(),
                self.mean.numpy(),
                self.square.numpy(),
                self.factor.numpy(),
                self.decay.numpy(),
                scale,
                clip_norm,
                rate,
                *BETAS,
                self.steps + 1,
                norms,
            )
            return norms
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
