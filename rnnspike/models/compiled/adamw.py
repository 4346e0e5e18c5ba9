"""A step of AdamW (Loshchilov & Hutter 2019), gradients clipped by their norm (Pascanu et al. 2013)."""

from __future__ import annotations

import numpy as np

from rnnspike.models.compiled import Double, Single, compiled


@compiled
def adamw_step(
    values: Single,
    gradient: Single,
    mean: Single,
    square: Single,
    factor: Single,
    decay: Single,
    scale: float,
    clip_norm: float,
    rate: float,
    beta: float,
    beta_of_square: float,
    n_steps: int,
    norms: Double,
) -> int:
    """Make step ``n_steps`` of some networks (net, parameter) and fill the ``norms`` (net,) of the scaled gradients.

    A network whose norm is not finite stays where it is; returns 1, or 0 where all do.
    """
    some = 0
    leak, leak_of_square = np.float32(1.0 - beta), np.float32(1.0 - beta_of_square)
    by_mean, by_square = np.float32(1.0 / (1.0 - beta**n_steps)), np.float32(1.0 / (1.0 - beta_of_square**n_steps))
    for net in range(len(values)):
        total = 0.0
        for k in range(values.shape[1]):
            total += float(gradient[net, k]) ** 2
        norm = scale * np.sqrt(total)
        norms[net] = norm
        if not np.isfinite(norm):
            continue
        some, clip = 1, np.float32(scale * min(clip_norm / max(norm, 1e-12), 1.0))
        for k in range(values.shape[1]):
            g = clip * gradient[net, k]
            m = mean[net, k] + leak * (g - mean[net, k])
            s = square[net, k] + leak_of_square * (g * g - square[net, k])
            mean[net, k], square[net, k] = m, s
            direction = by_mean * m / (np.sqrt(by_square * s) + np.float32(1e-8)) + decay[net, k] * values[net, k]
            values[net, k] -= np.float32(rate) * factor[net, k] * direction
    return some
