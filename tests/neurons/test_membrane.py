from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from rnnspike.neurons.cell import intensity, simulate
from rnnspike.neurons.membrane import IntegrateAndFire, Izhikevich, ThresholdAdapting, escape_hz
from rnnspike.neurons.registry import CELLS


def isis(name: str, n_rows: int = 100, n_bins: int = 1500) -> np.ndarray:
    counts, _ = simulate(CELLS[name].cell, np.zeros((n_rows, n_bins, 1)), 0.001, np.random.default_rng(3))
    return np.concatenate([np.diff(np.flatnonzero(row)) for row in counts[:, :, 0]])


def mu_given(cell: IntegrateAndFire | ThresholdAdapting, spike_bins: list[int], n_bins: int) -> np.ndarray:
    counts = np.zeros((1, n_bins, 1), np.uint8)
    counts[0, spike_bins] = 1
    return intensity(cell, counts, np.zeros(counts.shape), 0.001)[0, :, 0]


def test_integrate_and_fire_is_its_closed_form() -> None:
    cell = IntegrateAndFire()
    mu = mu_given(cell, [10, 40], 100)
    since = np.arange(1, 60) * 0.001  # V is at the reset in the bin after the spike
    v = cell.current_mv * -np.expm1(-(since - 0.001) / cell.membrane_s)
    raised = cell.jump_mv * (np.exp(-since / cell.threshold_s) + np.exp(-(since + 0.03) / cell.threshold_s))
    expected = cell.at_threshold_hz * np.exp((v - cell.threshold_mv - raised) / cell.softness_mv)
    expected[:2] = 0.0
    np.testing.assert_allclose(mu[41:], 0.001 * expected, rtol=0.008, atol=1e-9)


def test_the_threshold_saturates_and_recovers_faster_when_high() -> None:
    cell = ThresholdAdapting()
    state = cell.start(1, 1, 0.001)
    none, one = np.zeros((1, 1), np.uint8), np.ones((1, 1), np.uint8)
    rises, x = [], np.zeros((1, 1))
    for _ in range(4):
        after = cell.advance(state, x, one, 0.001)
        rises.append(float(after[2][0, 0] - state[2][0, 0]))
        state = after
    assert rises[0] > 2 * rises[1] > 2 * rises[2]
    falls = []
    for _ in range(200):
        before = float(state[2][0, 0])
        state = cell.advance(state, x, none, 0.001)
        falls.append((before - float(state[2][0, 0])) / before)
    assert falls[0] > 5 * falls[-1] > 0


def test_the_izhikevich_membrane_is_its_differential_equation() -> None:
    cell = Izhikevich(current=3.0)
    state, zero = cell.start(1, 1, 0.001), np.zeros((1, 1))
    for _ in range(40):
        state = cell.advance(state, zero, zero.astype(np.uint8), 0.001)

    def slope(t: float, y: np.ndarray) -> list[float]:
        v, u = y
        return [0.04 * v * v + 5 * v + 140 - u + cell.current, cell.a * (cell.b * v - u)]

    exact = solve_ivp(slope, (0, 40), [-65.0, -13.0], rtol=1e-8).y[:, -1]
    assert [float(state[1][0, 0]), float(state[2][0, 0])] == pytest.approx(exact, abs=0.1)


def test_a_spike_resets_and_recovers() -> None:
    cell = Izhikevich(c=-50.0, d=2.0)
    state = cell.start(1, 1, 0.001)
    zero = np.zeros((1, 1))
    silent = cell.advance(state, zero, zero.astype(np.uint8), 0.001)
    spiked = cell.advance(state, zero, np.ones((1, 1), np.uint8), 0.001)
    assert spiked[1][0, 0] == -50.0
    assert spiked[2][0, 0] == pytest.approx(silent[2][0, 0] + 2.0)


def test_firing_types_differ_as_they_are_named() -> None:
    chattering, bursting, fast, regular = (isis(f"izhikevich-{name}") for name in ("ch", "ib", "fs", "rs"))
    assert (chattering <= 6).mean() > 0.5
    assert 0.02 < (bursting <= 8).mean() < 0.4
    assert (regular <= 8).mean() < 0.02
    assert np.median(fast) < 0.6 * np.median(regular)
    assert regular.std() / regular.mean() < 0.5


def test_a_regular_cell_adapts_and_a_fast_one_does_not() -> None:
    def growth(name: str) -> float:
        cell, x = CELLS[name].cell, np.zeros((300, 800, 1))
        counts, _ = simulate(cell, x, 0.001, np.random.default_rng(3))
        intervals = np.array([np.diff(np.flatnonzero(row))[:4] for row in counts[:, :, 0] if row.sum() > 4])
        return float(np.median(intervals[:, 3]) / np.median(intervals[:, 0]))

    assert growth("izhikevich-rs") > 1.15
    assert growth("izhikevich-fs") < 1.1


def test_escape_noise_has_a_ceiling() -> None:
    assert escape_hz(np.array([0.0, 1e6]), 2.0, 60.0) == pytest.approx([60.0, 5000.0])
