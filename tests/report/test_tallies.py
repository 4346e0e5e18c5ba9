"""When an axis of gains must be logarithmic."""

from __future__ import annotations

import pytest

from rnnspike.report.tallies import gain_unit


@pytest.mark.parametrize(
    ("gains", "unit"),
    [
        ([0.2, 0.1, 0.05], None),
        ([2.0, 0.01, 0.02, -0.03], 0.01),  # 2 bits beside hundredths
        ([0.5, 1e-6, 2e-6], 1e-3),
        ([2e-3, 1e-6], None),
        ([0.0, 0.0], None),
        ([], None),
    ],
)
def test_small_gains_are_seen_beside_large_ones(gains: list[float], unit: float | None) -> None:
    steps = [{"model": str(k), "over": "x", "gain": gain} for k, gain in enumerate(gains)]
    assert gain_unit(steps) == unit
