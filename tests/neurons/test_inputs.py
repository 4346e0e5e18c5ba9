from __future__ import annotations

import numpy as np
import pytest

from rnnspike.neurons.inputs import SPONTANEOUS, slow_path, stimulus


def test_a_stimulus_is_smooth_centred_and_about_unit_sd() -> None:
    signals = np.stack([stimulus(1000, 0.001, np.random.default_rng(seed)) for seed in range(200)])
    assert abs(signals.mean()) < 0.15
    assert signals.std() == pytest.approx(1.0, abs=0.15)
    assert np.abs(np.diff(signals, axis=1)).max() < 0.3
    assert np.abs(signals[:, [0, -1]] - SPONTANEOUS).max() < 0.2


def test_a_slow_path_is_an_ornstein_uhlenbeck_process() -> None:
    time_s = np.arange(0.0, 4000.0, 1.0)
    path = slow_path(time_s, 20.0, np.random.default_rng(0))
    assert path.std() == pytest.approx(1.0, abs=0.15)
    assert np.corrcoef(path[:-20], path[20:])[0, 1] == pytest.approx(np.exp(-1.0), abs=0.12)
