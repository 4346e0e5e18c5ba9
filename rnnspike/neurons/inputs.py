"""What drives simulated cells: a stimulus repeated over trials, and slow drifts over the session."""

from __future__ import annotations

import numpy as np

from rnnspike.trials.data import FloatArray

#: Input between trials: cells are spontaneously active, at about half their driven rate.
SPONTANEOUS = -1.0
_RAMP_S = 0.02


def stimulus(n_bins: int, bin_s: float, rng: np.random.Generator) -> FloatArray:
    """Return a smooth signal (bin,) of about unit standard deviation: an onset and waves of .7 to 8 Hz.

    Mean about 0; it comes from ``SPONTANEOUS`` and goes back to it by ramps of 20 ms inside the window.
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


def slow_path(time_s: FloatArray, tau_s: float, rng: np.random.Generator) -> FloatArray:
    """Return an Ornstein-Uhlenbeck path of unit variance at these ascending times (s).

    Exact at steps of a fiftieth of the time constant, linear between.
    """
    step_s = tau_s / 50.0
    n_steps = int(np.ceil((time_s[-1] - time_s[0]) / step_s)) + 2
    decay = np.exp(-step_s / tau_s)
    knots = rng.standard_normal(n_steps)
    for i in range(1, n_steps):
        knots[i] = decay * knots[i - 1] + np.sqrt(1.0 - decay**2) * knots[i]
    path: FloatArray = np.interp(time_s, time_s[0] + step_s * np.arange(n_steps), knots)
    return path
