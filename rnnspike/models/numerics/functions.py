"""Scalar functions in single precision, written so that compilers vectorise them."""

from __future__ import annotations

import numpy as np

from rnnspike.models.numerics.compilation import compiled

_HALF = np.float32(0.5)
_END = np.float32(7.905311)  # tanh is 1 in single precision beyond this


@compiled
def tanh(x: np.float32) -> np.float32:
    """Return tanh x to 2e-7 by a quotient of polynomials (the coefficients are Eigen's), NaN for NaN."""
    x = -_END if x < -_END else x
    x = _END if x > _END else x
    y = x * x
    over = np.float32(-2.76076847742355e-16)
    over = over * y + np.float32(2.00018790482477e-13)
    over = over * y + np.float32(-8.60467152213735e-11)
    over = over * y + np.float32(5.12229709037114e-08)
    over = over * y + np.float32(1.48572235717979e-05)
    over = over * y + np.float32(6.37261928875436e-04)
    over = over * y + np.float32(4.89352455891786e-03)
    under = np.float32(1.19825839466702e-06)
    under = under * y + np.float32(1.18534705686654e-04)
    under = under * y + np.float32(2.26843463243900e-03)
    under = under * y + np.float32(4.89352518554385e-03)
    return x * over / under


@compiled
def sigmoid(x: np.float32) -> np.float32:
    """Return 1 / (1 + exp(-x))."""
    return _HALF + _HALF * tanh(_HALF * x)
