"""Each cell's spikes against its own intensity: the discrete-time rescaling test rejects as often as it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, kstest

from rnnspike.neurons.cell import simulate
from rnnspike.neurons.inputs import frozen_noise, stimulus
from rnnspike.neurons.registry import CELLS

N_SETS, N_ROWS, N_BINS, BIN_S = 150, 3, 1500, 0.001


def rescaled(counts: np.ndarray, mu: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Uniforms of science.md#time-rescaling on the concatenated clock of (row, bin), written out spike by spike."""
    y, q = counts.reshape(-1), mu.reshape(-1)
    p = -np.expm1(-q)
    clock = np.concatenate([[0.0], np.cumsum(q)])
    s = np.flatnonzero(y)
    xi = clock[s[1:]] - clock[s[:-1] + 1] - np.log1p(-rng.random(len(s) - 1) * p[s[1:]])
    return -np.expm1(-xi)


def p_values(name: str, wrong: bool = False) -> np.ndarray:
    spec, rng = CELLS[name], np.random.default_rng(7)
    signal = stimulus(N_BINS, BIN_S, rng)
    if spec.noise_sd:
        signal = signal + spec.noise_sd * frozen_noise(N_BINS, BIN_S, spec.noise_sigma_s, rng)
    x = np.broadcast_to(signal[None, :, None], (N_SETS * N_ROWS, N_BINS, spec.group))
    counts, mu = simulate(spec.cell, x, BIN_S, rng)
    mu = np.full_like(mu, mu.mean()) if wrong else mu
    sets = zip(np.split(counts, N_SETS), np.split(mu, N_SETS), strict=True)
    return np.array([kstest(rescaled(c[:, :, -1], m[:, :, -1], rng), "uniform").pvalue for c, m in sets])


@pytest.mark.parametrize("name", CELLS)
def test_ks_on_the_true_intensity_is_calibrated(name: str) -> None:
    p = p_values(name)
    low, high = binom.ppf([0.0005, 0.9995], N_SETS, 0.05)
    assert low <= (p < 0.05).sum() <= high
    assert kstest(p, "uniform").pvalue > 0.001


@pytest.mark.parametrize("name", ["burst-counter", "izhikevich-rs", "threshold-adapting"])
def test_ks_rejects_a_constant_rate(name: str) -> None:
    assert (p_values(name, wrong=True) < 0.05).mean() > 0.9
