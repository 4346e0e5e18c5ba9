"""Strengths of the drive's pieces: one for all where it is equally rough, their own where it is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from rnnspike.models.glm.model import Drive
from rnnspike.models.glm.reml import promised


@pytest.mark.parametrize(("freedom", "size"), [(3.0, 3.0), (2.0, 0.5), (0.7, 4.0)])
def test_what_a_strength_of_its_own_promises_is_what_the_best_one_gains(freedom, size):
    minus = lambda log_ratio: -0.5 * (freedom * log_ratio - size * np.exp(log_ratio))
    best = minimize_scalar(minus, bounds=(-5, 5), method="bounded", options={"xatol": 1e-9})
    assert promised(np.array([freedom]), np.array([size])) == pytest.approx(minus(0.0) - best.fun, abs=1e-9)


def drive_strengths(make_trials, rate: np.ndarray) -> np.ndarray:
    """The strengths of the drive's pieces of 100 Poisson trials with this rate (bin,)."""
    spikes = (np.random.default_rng(3).random((100, len(rate), 1)) < rate[:, None]).astype(np.uint8)
    trials = make_trials(spikes, burn_in=np.zeros((100, 0, 1), np.uint8))
    return np.array(Drive().fit(trials.take(range(80)), [trials.take(range(80, 100))], None)[0].strengths.smooth)


def test_pieces_of_a_drive_that_is_equally_rough_everywhere_share_a_strength(make_trials):
    time_s = np.arange(2000) / 1000
    strengths = drive_strengths(make_trials, 0.02 * np.exp(0.8 * np.sin(2 * np.pi * 3 * time_s)))
    assert len(strengths) > 3
    assert np.ptp(strengths) == 0


def test_a_response_in_a_silence_has_a_strength_of_its_own(make_trials):
    time_s = np.arange(2000) / 1000
    burst = np.exp(-0.5 * ((time_s - 1.0) / 0.02) ** 2)
    strengths = drive_strengths(make_trials, 0.005 + 0.15 * burst)
    middle = len(strengths) // 2
    assert strengths[0] > 100 * strengths[middle]
