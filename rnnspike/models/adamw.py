"""AdamW (Loshchilov & Hutter 2019) on one flat vector, compiled: on small networks operations cost, not numbers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from rnnspike.models.compiled.adamw import adamw_step
from rnnspike.models.net import ArrayNet, Arrays, CompiledLoss, Single
from rnnspike.trials.data import FloatArray

#: Squares are averaged over some hundred steps, not the customary thousand: trainings here are hardly longer, and the
#: large gradients of their beginning would hold the rate down to their end.
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

        Returns the norm (1,) before that. Where it is not finite the network stays where it is.
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
        """Take moments over, and the number of steps behind them."""
        self.mean[:], self.square[:], self.steps = state["mean"], state["square"], steps
