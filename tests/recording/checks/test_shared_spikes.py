"""Units that share spike times are found; units that fire together less exactly are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rnnspike.recording.checks.shared_spikes import shared_spikes
from rnnspike.recording.data import Unit
from rnnspike.recording.read import read_recording


def unit(name: str, times_s: np.ndarray) -> Unit:
    return Unit(name, np.sort(times_s))


@pytest.mark.parametrize("jitter_s", [0.0, 0.0002])
def test_a_split_cluster_is_found(rng: np.random.Generator, jitter_s: float) -> None:
    first, own = rng.uniform(0, 100, 2000), rng.uniform(0, 100, 800)
    doubled = first[:200] + rng.uniform(-jitter_s, jitter_s, 200)
    (found,) = shared_spikes([unit("a", first), unit("b", np.concatenate([own, doubled]))])
    assert found.units == ("a", "b")
    assert found.share == pytest.approx(0.2, abs=0.03)


def test_units_that_fire_together_within_milliseconds_are_not(rng: np.random.Generator) -> None:
    common = rng.uniform(0, 100, 2000)
    jittered = [common + rng.normal(0, 0.01, 2000) for _ in range(2)]
    assert shared_spikes([unit("a", jittered[0]), unit("b", jittered[1])]) == []


def test_the_grid_of_the_times_is_allowed_for(rng: np.random.Generator) -> None:
    on_grid = [np.unique(rng.integers(0, 20_000, 3000)) / 1000 for _ in range(2)]
    assert shared_spikes([unit("a", on_grid[0]), unit("b", on_grid[1])]) == []


def test_known_duplicates_of_recordings(shared_data: Path) -> None:
    locust = read_recording(shared_data / "locust_20000613.nwb")
    assert [each.units for each in shared_spikes(locust.units)] == [("3", "8")]
    nelpy = {each.units for each in shared_spikes(read_recording(shared_data / "nelpy_linear_track.nwb").units)}
    assert ("24", "28") in nelpy and len(nelpy) < 8
    for name in ("nd_it_bp1005", "nd_it_bp1020", "star_cockroach_e070528"):
        assert shared_spikes(read_recording(shared_data / f"{name}.nwb").units) == []
