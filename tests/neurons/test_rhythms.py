from __future__ import annotations

import numpy as np
import pytest

from rnnspike.neurons.cell import intensity, simulate
from rnnspike.neurons.rhythms import Relaxation, Rhythmic
from rnnspike.rhythm import spike_rhythm


@pytest.mark.parametrize("period_s", [0.5, 2.0])
def test_a_rhythm_has_its_period(period_s: float, rng: np.random.Generator) -> None:
    counts, _ = simulate(Rhythmic(period_s), np.zeros((20, 20_000, 1)), 0.001, rng)
    assert spike_rhythm(counts[:, :, 0], 0.001).period_s == pytest.approx(period_s, rel=0.05)


def test_a_trace_is_the_sum_of_damped_oscillations(rng: np.random.Generator) -> None:
    cell, spikes = Rhythmic(0.1, gain=0.0), np.array([3, 40, 90])
    counts = np.zeros((1, 130, 1), np.uint8)
    counts[0, spikes] = 1
    mu = intensity(cell, counts, np.zeros(counts.shape), 0.001)[0, 120, 0]
    lags_s = (120 - spikes) * 0.001
    trace = (np.exp(-lags_s / 0.1) * np.cos(2 * np.pi * lags_s / 0.1)).sum() * 6.0 / (25.0 * 0.1)
    assert 1000 * mu == pytest.approx(25.0 * np.exp(np.tanh(trace)), rel=0.01)


@pytest.mark.parametrize("period_s", [0.5, 2.0])
def test_a_relaxation_oscillator_has_its_period(period_s: float, rng: np.random.Generator) -> None:
    counts, _ = simulate(Relaxation(period_s), np.zeros((20, 20_000, 1)), 0.001, rng)
    assert spike_rhythm(counts[:, :, 0], 0.001).period_s == pytest.approx(period_s, rel=0.15)


def test_fatigue_ends_the_active_phase_and_its_decay_the_quiet_one() -> None:
    cell = Relaxation(period_s=2.0)
    n_to_tire = int(np.ceil(cell.high * cell.up_hz * cell.tau_s)) + 1
    spikes = list(range(0, 3 * n_to_tire, 3))
    rested_ms = spikes[-1] + round(1000 * cell.tau_s * np.log(1.5 * cell.high / cell.low))
    counts = np.zeros((1, rested_ms + 1, 1), np.uint8)
    counts[0, spikes] = 1
    rates = 1000 * intensity(cell, counts, np.zeros(counts.shape), 0.001)[0, [12, spikes[-1] + 4, rested_ms], 0]
    assert rates == pytest.approx([cell.up_hz, cell.down_hz, cell.up_hz], rel=0.01)
