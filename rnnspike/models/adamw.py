"""AdamW (Loshchilov & Hutter 2019) on one flat vector: for small networks the number of operations is what costs.

torch's own optimisers import its compiler on first use, which takes longer than many a training here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch


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
        named = [(name, p) for name, p in module.named_parameters() if p.requires_grad]
        self.parameters = [p for _, p in named]
        several = getattr(module, "n_nets", None)
        self.n_nets, matrix = several or 1, 2 if several is None else 3
        factors = [torch.full_like(p, (rate_factors or {}).get(name, 1.0)) for name, p in named]
        decays = [torch.full_like(p, weight_decay if p.ndim >= matrix else 0.0) for p in self.parameters]
        self.factor, self.decay = self._flat(factors).detach(), self._flat(decays).detach()
        self.mean, self.square = torch.zeros_like(self.decay), torch.zeros_like(self.decay)
        self.steps = 0
        self.values = self._flat(self.parameters).detach()  # (net, parameter), of which the parameters become views
        sizes = [p.numel() // self.n_nets for p in self.parameters]
        for p, part in zip(self.parameters, torch.split(self.values, sizes, 1), strict=True):
            p.data = part.view(p.shape)

    def gradient(self, loss: torch.Tensor) -> torch.Tensor:
        """Return the gradient of a loss (net, parameter)."""
        return self._flat(torch.autograd.grad(loss, self.parameters, allow_unused=True, materialize_grads=True))

    def _flat(self, tensors: Sequence[torch.Tensor]) -> torch.Tensor:
        return torch.cat([tensor.reshape(self.n_nets, -1) for tensor in tensors], dim=1)

    @torch.no_grad()
    def step(self, gradient: torch.Tensor, rate: float, betas: tuple[float, float] = (0.9, 0.99)) -> None:
        """Move the parameters by one step along a gradient (net, parameter).

        Squares are averaged over some hundred steps, not the customary thousand: trainings here are hardly longer,
        and the large gradients of their beginning would hold the rate down to their end.
        """
        self.steps += 1
        self.mean.lerp_(gradient, 1 - betas[0])
        self.square.lerp_(gradient.square(), 1 - betas[1])
        mean = self.mean / (1 - betas[0] ** self.steps)
        direction = mean.div_((self.square / (1 - betas[1] ** self.steps)).sqrt_().add_(1e-8))
        self.values.sub_(direction.addcmul_(self.decay, self.values).mul_(self.factor), alpha=rate)
