"""Cells whose log intensity is linear in their past spikes, as in a history GLM.

log lambda(t) = log rate + gain x(t) + sum over past spikes of the kernels at their lag (Pillow 2008;
science.md#simulated-cells), and zero in the absolute refractory time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rnnspike.neurons.cell import CEILING_HZ, State, is_refractory, lag_at_rest, next_lag
from rnnspike.trials.data import CountArray, FloatArray


@dataclass(frozen=True)
class Kernel:
    """Effect of one spike on the log intensity: ``weight exp(-lag/tau) cos(2 pi frequency lag)``."""

    weight: float
    tau_s: float
    frequency_hz: float = 0.0

    def at(self, lag_s: FloatArray) -> FloatArray:
        """Return the kernel at these lags (s)."""
        return self.weight * np.exp(-lag_s / self.tau_s) * np.cos(2 * np.pi * self.frequency_hz * lag_s)

    def step(self, bin_s: float) -> complex:
        """Return the complex factor (rotation and decay) of the trace of a spike per bin."""
        return complex(np.exp((-1.0 / self.tau_s + 2j * np.pi * self.frequency_hz) * bin_s))


@dataclass(frozen=True)
class LogLinear:
    """A Poisson-like cell with kernels of its own past spikes.

    ``rate_hz`` is the rate at zero input after a long silence; ``gain`` is the log rate per unit of input.
    State: time since the last spike (row, unit), trace of each kernel (row, unit, kernel), real and imaginary part.
    """

    rate_hz: float
    gain: float = 0.6
    absolute_s: float = 0.0
    kernels: tuple[Kernel, ...] = ()

    def start(self, n_rows: int, n_units: int, bin_s: float) -> State:
        """Return the resting state."""
        silent = np.zeros((n_rows, n_units, len(self.kernels)))
        return (lag_at_rest(n_rows, n_units), silent, silent)

    def intensity_hz(self, state: State, x: FloatArray) -> FloatArray:
        """Return the intensity (row, unit)."""
        lag_s, real, _ = state
        log_rate = np.log(self.rate_hz) + self.gain * x + real @ np.array([k.weight for k in self.kernels])
        rate_hz: FloatArray = np.exp(np.minimum(log_rate, np.log(CEILING_HZ)))
        return np.where(is_refractory(lag_s, self.absolute_s), 0.0, rate_hz)

    def advance(self, state: State, x: FloatArray, spikes: CountArray, bin_s: float) -> State:
        """Return the state at the next bin."""
        lag_s, real, imaginary = state
        step = np.array([kernel.step(bin_s) for kernel in self.kernels], dtype=complex)
        real = real + spikes[:, :, None]
        return (
            next_lag(lag_s, spikes, bin_s),
            real * step.real - imaginary * step.imag,
            real * step.imag + imaginary * step.real,
        )


@dataclass(frozen=True)
class CoupledPair:
    """Cells in pairs (units 0 and 1, 2 and 3, ...) that depend on each other's past spikes as well as their own.

    ``onto_first`` is the kernel of the second cell's spikes in the first one's log intensity, ``onto_second`` the
    reverse. The intensity is conditional on the recorded past of both.
    """

    own: LogLinear
    onto_first: Kernel
    onto_second: Kernel

    def start(self, n_rows: int, n_units: int, bin_s: float) -> State:
        """Return the resting state; ``n_units`` is even."""
        return (*self.own.start(n_rows, n_units, bin_s), np.zeros((n_rows, n_units)))

    def intensity_hz(self, state: State, x: FloatArray) -> FloatArray:
        """Return the intensity (row, unit)."""
        partner = state[3]
        weight = np.tile([self.onto_first.weight, self.onto_second.weight], partner.shape[1] // 2)
        return self.own.intensity_hz(state[:3], x) * np.exp(weight * partner)

    def advance(self, state: State, x: FloatArray, spikes: CountArray, bin_s: float) -> State:
        """Return the state at the next bin."""
        steps = [self.onto_first.step(bin_s).real, self.onto_second.step(bin_s).real]
        of_partner = spikes.reshape(len(spikes), -1, 2)[:, :, ::-1].reshape(spikes.shape)
        partner = (state[3] + of_partner) * np.tile(steps, spikes.shape[1] // 2)
        return (*self.own.advance(state[:3], x, spikes, bin_s), partner)


def power_law(
    weight: float, exponent: float, shortest_s: float = 0.01, longest_s: float = 10.0
) -> tuple[Kernel, ...]:
    """Return exponential kernels whose sum is about ``weight (lag / shortest_s)^-exponent`` between these lags.

    Time constants a factor of three apart (Drew & Abbott 2006); ``weight`` is the sum of the kernels at lag
    ``shortest_s`` within a tenth or two.
    """
    n = int(np.ceil(np.log(longest_s / shortest_s) / np.log(3.0))) + 1
    taus_s = shortest_s * 3.0 ** np.arange(n)
    shares = (taus_s / shortest_s) ** -exponent
    at_shortest = float((shares * np.exp(-shortest_s / taus_s)).sum())
    return tuple(Kernel(weight * share / at_shortest, tau) for share, tau in zip(shares, taus_s, strict=True))
