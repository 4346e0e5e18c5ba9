from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from rnnspike.evaluation.departures.refractoriness import violations
from rnnspike.recording.checks.spike_trains import Train
from rnnspike.recording.checks.violations import FEW_PAIRS, Gate, Violations, pairs_within
from rnnspike.recording.overview.summary import unit_rows
from rnnspike.recording.read import read_recording
from rnnspike.trials.data import TrialOptions
from rnnspike.trials.plan import plan_trials


def test_pairs_are_counted_beyond_neighbours() -> None:
    times = np.array([0.0, 0.001, 0.002, 0.1, 0.1, 0.5])
    assert pairs_within(times, 0.0025) == 4
    assert pairs_within(times, 0.0005) == 1
    assert pairs_within(np.empty(0), 0.001) == 0


def test_violations_of_unrelated_spikes(rng: np.random.Generator) -> None:
    """A Poisson train has as many violations as unrelated spikes: the share is 1, or near it."""
    found = Train(np.cumsum(rng.exponential(0.02, 50_000))).violations
    assert found.n_pairs == pytest.approx(found.expected, rel=0.1)
    assert found.contamination > 0.7


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_contamination_is_recovered(rng: np.random.Generator, share: float) -> None:
    """A cell without intervals under 2 ms and a Poisson share of foreign spikes."""
    own = np.cumsum(0.002 + rng.exponential(0.03, int(60_000 * (1 - share))))
    foreign = rng.uniform(0, own[-1], int(60_000 * share))
    found = Train(np.sort(np.concatenate([own, foreign]))).violations
    assert found.contamination == pytest.approx(share, rel=0.25)


@pytest.mark.parametrize(
    ("n_pairs", "gate"), [(0, "clean"), (18, "clean"), (20, "doubtful"), (45, "contaminated"), (200, "contaminated")]
)
def test_gate(n_pairs: int, gate: Gate) -> None:
    found = Violations(n_pairs, n_spikes=10_000, observed_s=1500.0)  # 100 expected
    assert found.gate == gate
    assert 0 <= found.contamination <= 1


def test_too_few_spikes_say_nothing() -> None:
    assert Violations(FEW_PAIRS - 1, n_spikes=1000, observed_s=100.0).gate == "clean"
    few = Violations(FEW_PAIRS - 1, n_spikes=100, observed_s=100.0)
    assert math.isnan(few.contamination) and few.gate is None
    assert Violations(FEW_PAIRS, n_spikes=100, observed_s=100.0).gate == "contaminated"
    assert Violations(0, n_spikes=1, observed_s=0.0).gate is None


@pytest.mark.parametrize("name", ["case_stn", "nd_it_bp1005", "star_purkinje_mPK"])
def test_inspect_and_rows_agree_where_the_trials_are_the_recording(shared_data: Path, name: str) -> None:
    recording = read_recording(shared_data / f"{name}.nwb")
    segments = TrialOptions() if "trials" in recording.intervals else TrialOptions(segment_s=2.0)
    plan = plan_trials(recording, segments)
    for row in unit_rows(recording):
        found = violations(plan.trials([row["unit"]]))
        assert found is not None
        assert found.contamination == pytest.approx(row["contamination"], abs=0.06), row["unit"]
