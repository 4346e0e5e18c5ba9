"""Upper bounds of predictions by the time since the last spike."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.models.ceiling import Ceiling

LONGEST, LOG_MEAN = 100, np.log(0.01)


def ceiling(beyond_bins: float) -> float:
    """Ceiling of silences longer than any that is told apart, from one row there with a high intensity."""
    log_mu, age = np.log([0.02, 0.05, 40.0]), np.array([5.0, 40.0, LONGEST + 1.0])
    return float(Ceiling.of(log_mu, age, LONGEST, LOG_MEAN, np.array([500.0, 500.0, beyond_bins])).table[LONGEST + 1])


def test_a_class_has_the_ceiling_of_its_training_bins() -> None:
    assert ceiling(50.0) == pytest.approx(np.log(80.0))


def test_a_spike_in_the_only_bin_of_its_class_lifts_no_ceiling() -> None:
    assert ceiling(1.0) == pytest.approx(np.log(0.02))
