"""Statistics of spike trains against elephant."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.evaluation.free_running.spike_statistics import describe, fano_factors, spike_sets

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def one_trial() -> np.ndarray:
    gaps = np.random.default_rng(0).gamma(2.0, 10.0, 200).round().astype(int) + 2
    counts = np.zeros((1, 1, int(gaps.sum()) + 5), np.uint8)
    counts[0, 0, np.cumsum(gaps)] = 1
    return counts


def test_interval_statistics(one_trial: np.ndarray) -> None:
    elephant = pytest.importorskip("elephant.statistics")
    import quantities as pq

    shape = one_trial.shape[1:]
    found = describe(spike_sets(one_trial, np.ones(shape, bool), np.zeros(1, np.int64), 0.001))
    isi = np.diff(np.flatnonzero(one_trial)).astype(float)
    assert found["cv"][0] == pytest.approx(elephant.cv(isi))
    assert found["cv2"][0] == pytest.approx(elephant.cv2(isi))
    assert found["lv"][0] == pytest.approx(elephant.lv(isi))
    assert found["lvr"][0] == pytest.approx(elephant.lvr(isi * pq.ms, R=5 * pq.ms))


def test_fano_factor() -> None:
    elephant = pytest.importorskip("elephant.statistics")
    import neo
    import quantities as pq

    counts = (np.random.default_rng(1).random((1, 40, 500)) < 0.05).astype(np.uint8)
    spikes = spike_sets(counts, np.ones((40, 500), bool), np.zeros(40, np.int64), 0.001)
    trains = [neo.SpikeTrain(np.flatnonzero(row) * pq.ms, t_stop=500 * pq.ms) for row in counts[0]]
    biased = elephant.fanofactor(trains)  # divides the variance by n
    assert fano_factors(spikes, np.array([500]))[0, 0] == pytest.approx(biased * 40 / 39)
