"""Eigenvalues as time constants and frequencies, with guards for unreliable ones (science.md#eigenvalues)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from rnnspike.trials.data import BoolArray, FloatArray

ComplexArray = npt.NDArray[np.complex128]
Stability = Literal["stable", "saddle", "unstable", "neutral"]

#: |1 - |lambda|| below which a mode counts as neutral: it hardly decays or grows within a recording.
NEUTRAL = 1e-6
#: |arg lambda| above which an oscillation is an artefact of the time grid (pi for a negative real eigenvalue).
NYQUIST_ANGLE = 0.98 * np.pi


@dataclass(frozen=True)
class Modes:
    """Eigenvalues of Jacobians (..., mode), largest modulus first, with time constants and frequencies.

    ``tau_s`` decay time -bin/ln|lambda| (infinite where neutral, NaN where growing); ``growth_s`` e-folding time
    bin/ln|lambda| of growing modes (NaN else); ``frequency_hz`` |arg lambda|/(2 pi bin), 0 where real and positive;
    ``damping`` ratio zeta = -ln|lambda| / sqrt(ln^2|lambda| + arg^2), negative where growing; ``quality`` pi f tau.
    ``note`` is empty or the reason why the value is not reliable: ``< 2 bins``, ``> window``, ``neutral``,
    ``Nyquist``.
    """

    eigenvalues: ComplexArray
    tau_s: FloatArray
    growth_s: FloatArray
    frequency_hz: FloatArray
    damping: FloatArray
    quality: FloatArray
    note: npt.NDArray[np.str_]

    @property
    def n_unstable(self) -> npt.NDArray[np.int64]:
        """Number of growing directions, (...)."""
        return np.asarray((np.abs(self.eigenvalues) > 1 + NEUTRAL).sum(axis=-1), dtype=np.int64)


def read_modes(eigenvalues: npt.ArrayLike, bin_s: float, window_s: float | None = None) -> Modes:
    """Read eigenvalues (..., mode) as time constants and frequencies.

    Parameters
    ----------
    eigenvalues
        (..., mode), any order.
    bin_s
        Width of a step, in seconds.
    window_s
        Length of the training sequences: longer time constants are not identified.

    Examples
    --------
    >>> modes = read_modes(np.exp([-0.1 + 0.5j, -0.1 - 0.5j]), 0.001)
    >>> modes.tau_s.round(6).tolist(), modes.frequency_hz.round(2).tolist()
    ([0.01, 0.01], [79.58, 79.58])
    """
    values = np.asarray(eigenvalues, dtype=np.complex128)
    order = np.argsort(-np.abs(values), axis=-1, kind="stable")
    values = np.take_along_axis(values, order, axis=-1)
    log_modulus = np.log(np.maximum(np.abs(values), 1e-300))
    neutral = np.abs(log_modulus) < NEUTRAL
    safe = np.where(neutral, 1.0, log_modulus)
    tau_s = np.where(neutral, np.inf, np.where(log_modulus < 0, -bin_s / safe, np.nan))
    growth_s = np.where(~neutral & (log_modulus > 0), bin_s / safe, np.nan)
    angle = np.abs(np.angle(values))
    frequency_hz = angle / (2 * np.pi * bin_s)
    radius = np.hypot(log_modulus, angle)
    damping = np.where(radius > 0, -log_modulus / np.where(radius > 0, radius, 1.0), 0.0)
    quality = np.where(np.isfinite(tau_s), np.pi * frequency_hz * np.nan_to_num(tau_s), np.inf)
    note = np.full(values.shape, "", dtype="<U10")
    note[angle > NYQUIST_ANGLE] = "Nyquist"
    if window_s is not None:
        note[tau_s > window_s] = "> window"
    note[neutral] = "neutral"
    note[(tau_s < 2 * bin_s) | (growth_s < 2 * bin_s)] = "< 2 bins"
    return Modes(values, tau_s, growth_s, frequency_hz, damping, quality, note)


def stability(eigenvalues: ComplexArray) -> Stability:
    """Return the class of one point from its eigenvalues (mode,): growing in no, some or all directions."""
    modulus = np.abs(eigenvalues)
    growing = int((modulus > 1 + NEUTRAL).sum())
    if growing:
        return "unstable" if growing == len(modulus) else "saddle"
    return "neutral" if bool((modulus > 1 - NEUTRAL).any()) else "stable"


def oscillating(modes: Modes) -> BoolArray:
    """Return which modes (...) oscillate and last at least 2 bins.

    Eigenvalues real and positive do not oscillate, nor do modes with a damping ratio above .9, which decay before one
    turn; those at the Nyquist frequency are artefacts of the grid.
    """
    lasting = (modes.frequency_hz > 0) & (modes.note != "Nyquist") & (modes.note != "< 2 bins")
    lasting &= modes.damping < 0.9
    lasting &= np.abs(modes.eigenvalues.imag) > 1e-9 * np.maximum(np.abs(modes.eigenvalues), 1e-300)
    return np.asarray(lasting)


def oscillations_hz(modes: Modes, n_most: int = 5) -> list[float]:
    """Return the distinct frequencies of modes that oscillate, longest-lived first (growing before)."""
    lasting = oscillating(modes)
    modulus, frequency = np.abs(modes.eigenvalues)[lasting], modes.frequency_hz[lasting]
    found: list[float] = []
    for k in np.argsort(-modulus, kind="stable"):
        if all(abs(frequency[k] - other) > 1e-3 * other for other in found):
            found.append(float(frequency[k]))
    return found[:n_most]


def henrici(jacobians: FloatArray, eigenvalues: ComplexArray) -> FloatArray:
    """Return the departure from normality sqrt(|J|_F^2 - sum |lambda|^2) / |J|_F, (...), 0 for a normal matrix."""
    norm_2 = (jacobians**2).sum(axis=(-2, -1))
    spectrum_2 = (np.abs(eigenvalues) ** 2).sum(axis=-1)
    departure = np.sqrt(np.maximum(norm_2 - spectrum_2, 0.0))
    return np.asarray(departure / np.sqrt(np.where(norm_2 > 0, norm_2, 1.0)))


def transient_growth(
    jacobians: FloatArray, eigenvalues: ComplexArray, max_steps: int = 4096
) -> tuple[FloatArray, FloatArray]:
    """Return max over k of |J^k|_2 and the k where it is reached, both (point,), of Jacobians (point, state, state).

    1 at k = 0 where perturbations only shrink; infinite, at an infinite k, where a direction grows. Every k up to 8
    is evaluated, then four per octave up to ``max_steps``.
    """
    growing = (np.abs(eigenvalues) > 1 + NEUTRAL).any(axis=-1)
    best = np.where(growing, np.inf, 1.0)
    at = np.where(growing, np.inf, 0.0)
    left = np.flatnonzero(~growing)
    power = stride = jacobians[left]
    k, step = 1, 1
    while len(left) and k <= max_steps:
        norm = np.linalg.norm(power, 2, axis=(-2, -1))
        higher = norm > best[left] * (1 + 1e-12)
        best[left[higher]], at[left[higher]] = norm[higher], k
        going = norm > 1e-3
        left, power, stride = left[going], power[going], stride[going]
        if k == 8 * step:
            step, stride = 2 * step, stride @ stride
        power, k = power @ stride, k + step
    return best, at


def describe_tau(tau_s: float, note: str) -> str:
    """Return a time constant for tables: milliseconds, or the guard.

    >>> describe_tau(0.0299, ""), describe_tau(0.0004, "< 2 bins")
    ('29.9 ms', '< 2 bins')
    """
    if note in ("< 2 bins", "> window"):
        return note
    if not np.isfinite(tau_s):
        return "does not decay"
    return f"{short(tau_s * 1e3)} ms"


def short(value: float) -> str:
    """Return a number to three digits, without decimals from a thousand on.

    >>> short(12.345), short(1234.5)
    ('12.3', '1234')
    """
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
