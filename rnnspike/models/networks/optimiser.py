"""AdamW (Loshchilov & Hutter 2019) on one flat vector, compiled: small networks spend their time on calls."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnnspike.models.networks.optimiser_loops import adamw_step
from rnnspike.models.networks.parameters import ArrayNet, Arrays, CompiledLoss, Single
from rnnspike.trials.data import FloatArray

#: Squares are averaged over some hundred steps, not the usual thousand: trainings here are hardly longer, and the
#: large gradients of the first steps would keep the step size small to the end.
BETAS = (0.9, 0.99)


class AdamW:
    """Adam with decoupled weight decay, on matrices only, over a network's parameters.

    ``rate_factors`` by a parameter's name multiply its rate. ``mean`` and ``square`` (parameter,) are the running
    moments of the gradient, ``steps`` how many steps were made.
    """

    def __init__(self, net: ArrayNet, weight_decay: float, rate_factors: Mapping[str, float] | None = None) -> None:
        self.net, rates = net, rate_factors or {}
        named = net.arrays.items()
        self.factor = net.vector({name: np.full_like(each, rates.get(name, 1.0)) for name, each in named})
        self.decay = net.vector(
            {name: np.full_like(each, weight_decay if each.ndim > 1 else 0.0) for name, each in named}
        )
        self.mean, self.square = np.zeros_like(net.values), np.zeros_like(net.values)
        self.steps = 0

    def step(self, loss: CompiledLoss, rate: float, *, scale: float = 1.0, clip_norm: float = np.inf) -> FloatArray:
        """Move the parameters by one step along ``scale`` times the gradient of a loss, clipped to a norm.

        Returns the norm (1,) before clipping. Where it is not finite, the parameters do not change.
        """
        gradient = self.net.vector(loss.back())
        moved = (self.net.values, gradient, self.mean, self.square, self.factor, self.decay)
        norm = adamw_step(*moved, scale, clip_norm, rate, *BETAS, self.steps + 1)
        self.steps += bool(np.isfinite(norm))
        return np.array([norm])

    def state(self) -> Arrays:
        """Return a copy of the moments."""
        return {"mean": self.mean.copy(), "square": self.square.copy()}

    def load(self, state: Mapping[str, Single], steps: int) -> None:
        """Load moments, and the number of steps made so far."""
        self.mean[:], self.square[:], self.steps = state["mean"], state["square"], steps
