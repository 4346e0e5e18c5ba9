"""Given rates in a folder are what they were in memory."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from rnnspike.rates.given import GivenRates


@pytest.mark.parametrize("kind", [">f4", "f8", "i2"])
def test_kept_rates_are_the_same_and_small(tmp_path: Path, rng: np.random.Generator, kind: str) -> None:
    values = (100 * rng.random((20, 50, 3))).astype(kind)
    units = ("a", "../b", "A")
    rates = GivenRates("mine", "mine.npy", "hz", False, 100, 0.001, units, "0", values, add_history=True)
    kept = rates.kept(tmp_path / "rates")
    again = pickle.loads(pickle.dumps(kept))
    assert len(pickle.dumps(kept)) < 1000 < values.nbytes
    assert again == rates and hash(again) == hash(rates) and again.in_settings() == rates.in_settings()
    assert all(np.array_equal(again.mu(unit), rates.mu(unit)) for unit in units)
    assert len(list(tmp_path.rglob("*.npy"))) == 3
    assert again.names == ("mine", "mine+history")
