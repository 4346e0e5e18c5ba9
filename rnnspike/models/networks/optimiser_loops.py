"""A step of AdamW (Loshchilov & Hutter 2019), gradients clipped by their norm (Pascanu et al. 2013)."""

from __future__ import annotations

import math

import numpy as np

from rnnspike.models.numerics.compilation import Single, compiled


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
) -> float:
    """Make step ``n_steps`` of a network's parameters (parameter,); return the norm of the scaled gradient.

    Where the norm is not finite, the parameters do not change.
    """
    total = 0.0
    for k in range(len(values)):
        total += float(gradient[k]) ** 2
    norm = scale * math.sqrt(total)
    if not math.isfinite(norm):
        return norm
    leak, leak_of_square = np.float32(1.0 - beta), np.float32(1.0 - beta_of_square)
    by_mean, by_square = np.float32(1.0 / (1.0 - beta**n_steps)), np.float32(1.0 / (1.0 - beta_of_square**n_steps))
    clip = np.float32(scale * min(clip_norm / max(norm, 1e-12), 1.0))
    for k in range(len(values)):
        g = clip * gradient[k]
        m = mean[k] + leak * (g - mean[k])
        s = square[k] + leak_of_square * (g * g - square[k])
        mean[k], square[k] = m, s
        direction = by_mean * m / (np.sqrt(by_square * s) + np.float32(1e-8)) + decay[k] * values[k]
        values[k] -= np.float32(rate) * factor[k] * direction
    return norm
