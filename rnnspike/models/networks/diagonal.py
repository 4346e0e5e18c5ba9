"""The linear recurrent unit: a linear recurrence of uncoupled modes (Orvieto et al. 2023; science.md#lru).

    z_t = lambda z_(t-1) + sqrt(1 - |lambda|^2) W x_t,    lambda = exp(-exp(nu) + i exp(theta))

It is a linear layer whose W_h has blocks on its diagonal. Its units are the real modes, which have no theta and only
decay, then the real and then the imaginary parts of the modes that oscillate.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from rnnspike.trials.data import FloatArray

Array = npt.NDArray[Any]
ComplexArray = npt.NDArray[np.complex128]

#: Shortest time constant and period of an oscillating mode before training, in bins.
SHORTEST_PERIOD = 4.0


def n_modes(n_hidden: int) -> tuple[int, int]:
    """Return how many modes of a layer of ``n_hidden`` units are real, and how many oscillate."""
    oscillating = n_hidden // 4
    return n_hidden - 2 * oscillating, oscillating


def initial_modes(n_hidden: int, longest_bins: float) -> tuple[FloatArray, FloatArray]:
    """Return nu (mode,) and theta (oscillating mode,): evenly spaced in log time, up to ``longest_bins``.

    Real modes begin at a time constant of one bin; those that oscillate last for one of their periods.
    """
    real, oscillating = n_modes(n_hidden)
    longest = max(longest_bins, 2 * SHORTEST_PERIOD)
    period = np.geomspace(SHORTEST_PERIOD, longest, oscillating)
    tau = np.concatenate([np.geomspace(1.0, longest, real), period])
    return -np.log(tau), np.log(2 * np.pi / period)


def linear_layer(nu: Array, theta: Array, weight: Array) -> tuple[FloatArray, FloatArray]:
    """Return W_x (hidden, input) and W_h (hidden, hidden) of the linear layer; ``weight`` (hidden, input) is W."""
    values = _eigenvalues(nu, theta)
    return _by_unit(_gain(nu), len(theta))[:, None] * weight, matrix(values.real, values.imag[len(nu) - len(theta) :])


def layer_gradients(
    nu: Array, theta: Array, weight: Array, by_w_x: Array, by_w_h: Array
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return d loss / d (nu, theta, weight) from d loss / d W_x and ``gradient_matrix``."""
    oscillating, real = len(theta), len(nu) - len(theta)
    values, by_values, gain = _eigenvalues(nu, theta), eigenvalues(by_w_h), _gain(nu)
    by_weight = _by_unit(gain, oscillating)[:, None] * by_w_x
    by_gain = (by_w_x * weight).sum(axis=1)
    by_gain[real : len(nu)] += by_gain[len(nu) :]
    # d lambda = lambda (-exp(nu) d nu + i exp(theta) d theta), d gain = exp(nu) |lambda|^2 / gain d nu
    along = by_values.conj() * values
    by_nu = np.exp(nu.astype(np.float64)) * (by_gain[: len(nu)] * np.abs(values) ** 2 / gain - along.real)
    return by_nu, -np.exp(theta.astype(np.float64)) * along.imag[real:], by_weight


def parts(w_h: Array) -> tuple[Array, Array]:
    """Return the real (mode,) and imaginary parts (oscillating mode,) of the eigenvalues of W_h."""
    real, oscillating = n_modes(len(w_h))
    last = real + oscillating
    return np.diag(w_h)[:last].copy(), np.diag(w_h[last:, real:last]).copy()


def eigenvalues(w_h: Array) -> ComplexArray:
    """Return the eigenvalue of each mode (mode,) of W_h, the upper one of each conjugate pair."""
    real, imaginary = parts(w_h)
    values = real.astype(np.complex128)
    values[len(real) - len(imaginary) :] += 1j * imaginary
    return values


def matrix(real: Array, imaginary: Array) -> FloatArray:
    """Return W_h (hidden, hidden) of these parts of its eigenvalues."""
    w_h = np.diag(_by_unit(real, len(imaginary))) + gradient_matrix(np.zeros(len(real)), imaginary)
    w_h -= gradient_matrix(np.zeros(len(real)), imaginary).T
    return np.asarray(w_h)


def gradient_matrix(by_real: Array, by_imaginary: Array) -> FloatArray:
    """Return d loss / d ``parts`` of W_h where ``parts`` reads them, zeros elsewhere (hidden, hidden)."""
    real, oscillating = len(by_real) - len(by_imaginary), len(by_imaginary)
    at: FloatArray = np.zeros((real + 2 * oscillating,) * 2)
    at[: len(by_real), : len(by_real)] = np.diag(by_real)
    at[len(by_real) :, real : len(by_real)] = np.diag(by_imaginary)
    return at


def _eigenvalues(nu: Array, theta: Array) -> ComplexArray:
    angle = np.zeros(len(nu))
    angle[len(nu) - len(theta) :] = np.exp(theta)
    return np.asarray(np.exp(-np.exp(nu.astype(np.float64)) + 1j * angle))


def _gain(nu: Array) -> FloatArray:
    """Return sqrt(1 - |lambda|^2) (mode,), with which white input gives every mode the same variance."""
    return np.asarray(np.sqrt(-np.expm1(-2 * np.exp(nu.astype(np.float64)))))


def _by_unit(values: Array, oscillating: int) -> Array:
    """Return values by unit (hidden,) of values by mode (mode,)."""
    return np.concatenate([values, values[len(values) - oscillating :]])
