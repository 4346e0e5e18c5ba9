"""Inputs of simulated cells: a stimulus and frozen noise repeated over trials, slow drifts, a chaotic state."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from rnnspike.trials.data import FloatArray

#: Input between trials: spontaneous activity at about half the driven rate.
SPONTANEOUS = -1.0
_RAMP_S = 0.02
#: Mean and standard deviation of the Lorenz state; its time per second, longest step and time before a trial; and the
#: standard deviation of its smoothing, s.
LORENZ_MEAN, LORENZ_SD = np.array([0.0, 0.0, 23.5]), np.array([7.9, 9.0, 8.6])
LORENZ_SPEED, LORENZ_STEP, LORENZ_BEFORE, LORENZ_SIGMA_S = 1.2, 0.004, 8.0, 0.04


def stimulus(n_bins: int, bin_s: float, rng: np.random.Generator) -> FloatArray:
    """Return a smooth signal (bin,) of about unit standard deviation: an onset and oscillations of .7 to 8 Hz.

    Its mean is about 0; it starts and ends at ``SPONTANEOUS``, with ramps of 20 ms inside the window.
    """
    time_s = (np.arange(n_bins) + 0.5) * bin_s
    frequency_hz = np.geomspace(0.7, 8.0, 6) * rng.uniform(0.85, 1.15, 6)
    phase = rng.uniform(0.0, 2 * np.pi, 6)
    waves = np.cos(2 * np.pi * frequency_hz * time_s[:, None] + phase).sum(axis=1) / np.sqrt(3.0)
    onset = 1.5 * np.exp(-time_s / 0.05)
    end_s = n_bins * bin_s
    ramp = np.clip(np.minimum(time_s, end_s - time_s) / _RAMP_S, 0.0, 1.0)
    signal: FloatArray = ramp * (0.9 * waves + onset) + (1.0 - ramp) * SPONTANEOUS
    return signal


def frozen_noise(n_bins: int, bin_s: float, sigma_s: float, rng: np.random.Generator) -> FloatArray:
    """Return Gaussian noise (bin,) of unit variance whose autocorrelation is a Gaussian of SD ``sqrt(2) sigma_s``."""
    sigma = sigma_s / bin_s
    margin = int(np.ceil(4 * sigma)) + 1
    white = rng.standard_normal(n_bins + 2 * margin)
    kernel = gaussian_filter1d(np.eye(1, 2 * margin + 1, margin)[0], sigma)
    noise: FloatArray = gaussian_filter1d(white, sigma)[margin : margin + n_bins] / np.linalg.norm(kernel)
    return noise


def slow_path(time_s: FloatArray, tau_s: float, rng: np.random.Generator) -> FloatArray:
    """Return an Ornstein-Uhlenbeck path of unit variance at these ascending times (s).

    Exact at steps of a fiftieth of the time constant, linearly interpolated between them.
    """
    step_s = tau_s / 50.0
    n_steps = int(np.ceil((time_s[-1] - time_s[0]) / step_s)) + 2
    decay = np.exp(-step_s / tau_s)
    knots = rng.standard_normal(n_steps)
    for i in range(1, n_steps):
        knots[i] = decay * knots[i - 1] + np.sqrt(1.0 - decay**2) * knots[i]
    path: FloatArray = np.interp(time_s, time_s[0] + step_s * np.arange(n_steps), knots)
    return path


def lorenz(n_trials: int, n_bins: int, bin_s: float, rng: np.random.Generator) -> FloatArray:
    """Return the Lorenz state (trial, bin, dimension) from random starts, smoothed and scaled (Lorenz 1963)."""
    per_bin = max(1, int(np.ceil(bin_s * LORENZ_SPEED / LORENZ_STEP)))
    step = bin_s * LORENZ_SPEED / per_bin
    state = LORENZ_MEAN + LORENZ_SD * rng.standard_normal((n_trials, 3))
    for _ in range(int(LORENZ_BEFORE / step)):
        state = _lorenz_step(state, step)
    path = np.empty((n_bins, n_trials, 3))
    for k in range(n_bins):
        path[k] = state
        for _ in range(per_bin):
            state = _lorenz_step(state, step)
    smooth: FloatArray = gaussian_filter1d((path - LORENZ_MEAN) / LORENZ_SD, LORENZ_SIGMA_S / bin_s, axis=0)
    return np.moveaxis(smooth, 0, 1)


def _lorenz_step(state: FloatArray, step: float) -> FloatArray:
    """Return the states (trial, dimension) after a step by the midpoint."""
    return state + step * _lorenz_slope(state + 0.5 * step * _lorenz_slope(state))


def _lorenz_slope(state: FloatArray) -> FloatArray:
    x, y, z = state.T
    return np.stack([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8.0 / 3.0 * z], axis=1)
