from __future__ import annotations

import numpy as np
import pytest

from rnnspike.neurons.cell import intensity, simulate
from rnnspike.neurons.loglinear import Kernel, LogLinear, power_law
from rnnspike.neurons.registry import CELLS

LOG_LINEAR = [name for name, spec in CELLS.items() if isinstance(spec.cell, LogLinear)]


def isis(counts: np.ndarray) -> np.ndarray:
    """Intervals (bins) within rows, of counts (row, bin)."""
    return np.concatenate([np.diff(np.flatnonzero(row)) for row in counts])


def run(name: str, n_rows: int = 200, n_bins: int = 1000, rate: float = 0.0) -> np.ndarray:
    spec = CELLS[name]
    x = np.full((n_rows, n_bins, spec.group), rate)
    return simulate(spec.cell, x, 0.001, np.random.default_rng(5))[0]


@pytest.mark.parametrize("name", LOG_LINEAR)
def test_log_intensity_is_the_convolution_with_the_kernels(name: str, rng: np.random.Generator) -> None:
    cell = CELLS[name].cell
    assert isinstance(cell, LogLinear)
    x = rng.normal(size=300)
    y = rng.random(300) < 0.02
    lags_s = np.arange(300) * 0.001
    filters = sum((kernel.at(lags_s) for kernel in cell.kernels), np.zeros(300))
    filters[0] = 0.0  # a spike acts from the next bin on
    expected = cell.rate_hz * np.exp(cell.gain * x + np.convolve(y, filters)[:300])
    blocked = np.convolve(y, [0] + [1] * round(cell.absolute_s * 1000))[:300] > 0
    mu = intensity(cell, y[None, :, None].astype(np.uint8), x[None, :, None], 0.001)[0, :, 0]
    np.testing.assert_allclose(mu, np.where(blocked, 0.0, expected * 0.001), rtol=0.008)


def test_an_adapting_cell_slows_down_in_a_step() -> None:
    def index(name: str) -> float:
        counts = run(name, n_rows=2000, n_bins=800)[:, :, 0]
        onset, steady = counts[:, :40].mean(), counts[:, 400:].mean()
        return float((onset - steady) / onset)

    assert index("adapting") > 0.4
    assert abs(index("poisson")) < 0.05


def test_two_time_constants_go_on_adapting_after_the_first() -> None:
    def late_fall(name: str) -> float:
        counts = run(name, n_rows=1500, n_bins=2500)[:, :, 0]
        return float(1 - counts[:, 1800:].mean() / counts[:, 250:450].mean())

    assert late_fall("adapting2") > 0.12
    assert abs(late_fall("adapting")) < 0.06


def test_power_law_kernels_fall_with_the_exponent() -> None:
    lags_s = np.geomspace(0.02, 5.0, 40)
    total = sum((kernel.at(lags_s) for kernel in power_law(-0.8, 0.7)), np.zeros(40))
    slope = np.polyfit(np.log(lags_s), np.log(-total), 1)[0]
    assert slope == pytest.approx(-0.7, abs=0.06)
    assert sum(kernel.at(np.array([0.01]))[0] for kernel in power_law(-0.8, 0.7)) == pytest.approx(-0.8)


def test_bursts_have_intervals_of_3_to_6_ms() -> None:
    intervals = isis(run("bursting")[:, :, 0])
    in_burst = (intervals >= 3) & (intervals <= 6)
    assert in_burst.mean() > 0.15
    assert ((intervals > 12) & (intervals <= 24)).mean() < 0.25 * in_burst.mean()


def test_a_resonant_cell_has_its_rhythm() -> None:
    counts = run("resonant", n_rows=400)[:, :, 0].astype(float)
    centred = counts - counts.mean()
    correlation = [(centred[:, lag:] * centred[:, : 1000 - lag]).mean() for lag in range(100)]
    smooth = np.convolve(correlation, np.ones(9) / 9, mode="same")
    assert 40 <= 35 + np.argmax(smooth[35:70]) <= 58
    assert smooth[50] > 0 > smooth[25]


def test_coupling_goes_the_stated_way() -> None:
    counts = run("coupled-pair", n_rows=1000).astype(float)

    def change(source: int, target: int, window: int) -> float:
        after = before = 0.0
        for lag in range(1, window + 1):
            after += (counts[:, 50:-50, source] * counts[:, 50 + lag : 1000 - 50 + lag, target]).sum()
            before += (counts[:, 50:-50, source] * counts[:, 50 - lag : 1000 - 50 - lag, target]).sum()
        return after / before

    assert change(0, 1, 10) > 1.4
    assert change(1, 0, 20) < 0.75


def test_a_kernel_is_its_formula() -> None:
    assert Kernel(2.0, 0.05, 10.0).at(np.array([0.05]))[0] == pytest.approx(2.0 * np.exp(-1.0) * np.cos(np.pi))
