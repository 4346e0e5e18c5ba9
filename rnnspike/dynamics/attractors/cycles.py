"""Limit cycles with their period, and the largest Lyapunov exponents (science.md#basins)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rnnspike.dynamics.maps import Map
from rnnspike.trials.data import FloatArray

#: Steps over which the largest Lyapunov exponent is measured where orbits are not on a cycle.
LYAPUNOV_STEPS = 300


@dataclass(frozen=True)
class Cycle:
    """A closed orbit: ``period_s``, ``amplitude`` (root mean square distance from its mean), ``orbit`` (bin, state).

    ``orbit`` is one period, rounded up to whole bins.
    """

    period_s: float
    amplitude: float
    orbit: FloatArray

    @property
    def frequency_hz(self) -> float:
        """Cycles per second."""
        return 1 / self.period_s

    def passes(self, state: FloatArray) -> bool:
        """Return whether a state (state,) is on the orbit: closer than half of its longest step."""
        closed = np.vstack([self.orbit, self.orbit[:1]])
        longest = float(np.linalg.norm(np.diff(closed, axis=0), axis=1).max())
        return bool(np.linalg.norm(self.orbit - state, axis=1).min() < 0.5 * longest)


def find_cycle(orbit: FloatArray, bin_s: float) -> Cycle | None:
    """Return the cycle that an orbit (time, state) follows, or None where it does not return.

    Poincaré section through the mean, across the first principal component: the period is the mean time between
    upward crossings (interpolated), or between every second, third, ... where only those return to the same state.
    Cycles of a few bins are too coarse for that; they are detected by an exact return.
    """
    mean = orbit.mean(axis=0)
    centred = orbit - mean
    amplitude = float(np.sqrt((centred**2).sum(axis=1).mean()))
    if not amplitude > 1e-12 * max(float(np.abs(mean).max()), 1.0) or _dies_away(centred):
        return None
    period = _section_period(centred, amplitude) or _exact_period(orbit, amplitude)
    if period is None:
        return None
    return Cycle(period * bin_s, amplitude, orbit[: int(np.ceil(period - 1e-6))])


def _dies_away(centred: FloatArray) -> bool:
    """Say whether an orbit (time, state) is a slow spiral: a tenth smaller in its last quarter than in the first."""
    quarter = max(len(centred) // 4, 1)
    first, last = (float((part**2).sum(axis=1).mean()) for part in (centred[:quarter], centred[-quarter:]))
    return last < 0.81 * first


def _exact_period(orbit: FloatArray, amplitude: float) -> float | None:
    n = len(orbit) // 3
    distance = np.linalg.norm(orbit[1 : n + 1] - orbit[0], axis=1)
    for lag in np.flatnonzero(distance < 1e-7 * amplitude) + 1:
        if np.abs(orbit[lag:] - orbit[:-lag]).max() < 1e-6 * amplitude:
            return float(lag)
    return None


def _section_period(centred: FloatArray, amplitude: float) -> float | None:
    axis = np.linalg.eigh(centred.T @ centred)[1][:, -1]
    height = centred @ axis
    at = np.flatnonzero((height[:-1] < 0) & (height[1:] >= 0))
    if len(at) < 4:
        return None
    part = -height[at] / (height[at + 1] - height[at])
    times = at + part
    states = centred[at] + part[:, None] * (centred[at + 1] - centred[at])
    for n_turns in range(1, min(9, len(at) // 2)):
        period = float((times[-1] - times[(len(at) - 1) % n_turns]) / ((len(at) - 1) // n_turns))
        # error of linear interpolation on a curve of this many bins per turn
        allowed = min(0.02 + 10 * (n_turns / period) ** 2, 0.3)
        away = np.linalg.norm(states[n_turns:] - states[:-n_turns], axis=1) / amplitude
        spread = np.std(times[n_turns:] - times[:-n_turns]) / period
        if float(np.quantile(away, 0.9)) < allowed and spread < 0.05:
            return period
    return None


def lyapunov_exponents(
    jacobian_at: Callable[[int], FloatArray],
    n_steps: int,
    n_state: int,
    bin_s: float,
    n_exponents: int = 3,
    n_skipped: int | None = None,
) -> FloatArray:
    """Return the largest Lyapunov exponents (exponent,) per second, mean over orbits, by repeated QR.

    Parameters
    ----------
    jacobian_at
        Step -> Jacobians (orbit, state, state) of that step, in order.
    n_steps
        Number of steps; the first ``n_skipped`` (default a third) only align the frame and are not counted.
    n_state, bin_s
        Length of the state and width of a step.
    """
    n_exponents = min(n_exponents, n_state)
    frame = np.linalg.qr(np.random.default_rng(0).normal(size=(n_state, n_exponents)))[0]
    skipped = n_steps // 3 if n_skipped is None else n_skipped
    total = np.zeros(n_exponents)
    with np.errstate(divide="ignore"):
        for step in range(n_steps):
            frame, triangle = np.linalg.qr(jacobian_at(step) @ frame)
            if step >= skipped:
                total += np.log(np.abs(np.einsum("...ii->...i", triangle))).reshape(-1, n_exponents).mean(axis=0)
    return np.asarray(total / ((n_steps - skipped) * bin_s))


def lyapunov_of_map(
    system: Map, states: FloatArray, bin_s: float, n_steps: int = LYAPUNOV_STEPS, n_skipped: int | None = None
) -> float:
    """Return the largest Lyapunov exponent per second along orbits from states (orbit, state).

    On a limit cycle the steps counted should be whole turns, because the local exponent varies within a turn.
    """
    current = states

    def jacobian_at(step: int) -> FloatArray:
        nonlocal current
        jacobians = system.jacobian(current)
        current = system.step(current)
        return jacobians

    return float(lyapunov_exponents(jacobian_at, n_steps, states.shape[1], bin_s, n_skipped=n_skipped)[0])
