"""Recordings without trials, cut into pieces."""

from __future__ import annotations

import numpy as np
import pytest

from rnnspike.errors import ConfigError, RecordingError
from rnnspike.trials.data import TrialOptions
from rnnspike.trials.plan import plan_trials

CUT = TrialOptions(segment_s=2.0, min_spikes=0)


def test_pieces_follow_one_another_with_the_true_past(make_recording, rng) -> None:
    times = np.sort(rng.uniform(0, 20, 300))
    plan = plan_trials(make_recording({"a": times}, observed={"a": [[0, 9.5], [10, 20]]}), CUT)
    np.testing.assert_allclose(plan.start_s, [0, 2, 4, 6, 10, 12, 14, 16, 18])
    trials = plan.trials()
    assert not trials.has_repeats and trials.n_bins == 2000
    np.testing.assert_array_equal(trials.burn_in[1], trials.counts[0])
    assert not trials.burn_in_observed[0].any()
    assert trials.burn_in_observed[4, :1500].all() and not trials.burn_in_observed[4, 1500:].any()
    assert len(np.unique(trials.group)) == 9
    assert plan.findings[0].id == "segments-remainder"


def test_units_observed_at_different_times(make_recording) -> None:
    recording = make_recording({"a": [1.0], "b": [7.0]}, observed={"a": [[0, 4]], "b": [[4, 8]]})
    trials = plan_trials(recording, CUT).trials()
    np.testing.assert_array_equal(trials.observed[:, 0], [[True, False]] * 2 + [[False, True]] * 2)


def test_without_intervals_from_first_to_last_spike(make_recording) -> None:
    plan = plan_trials(make_recording({"a": np.arange(3.0, 11.05, 0.1)}), CUT)
    np.testing.assert_allclose(plan.start_s, [3, 5, 7, 9])


def test_within_a_tables_intervals(make_recording) -> None:
    table = {"start_time": [1.0, 11.0], "stop_time": [6.0, 15.0], "drug": ["no", "yes"]}
    recording = make_recording({"a": np.arange(0, 20, 0.1)}, table, observed={"a": [[0, 20]]})
    plan = plan_trials(recording, TrialOptions(segment_s=2.0, table="trials", min_spikes=0, condition=("drug",)))
    np.testing.assert_allclose(plan.start_s, [1, 3, 11, 13])
    assert plan.conditions == ("drug=no", "drug=yes") and plan.condition.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize("option", [{"window_s": (0.0, 1.0)}, {"align": "cue"}, {"segment_s": 0.0}])
def test_contradictions(make_recording, option: dict) -> None:
    with pytest.raises(ConfigError, match="--segment"):
        plan_trials(make_recording({"a": [1.0, 5.0]}), TrialOptions(**{"segment_s": 1.0, **option}))


def test_nothing_as_long_as_a_segment(make_recording) -> None:
    with pytest.raises(RecordingError, match="no interval of recorded time lasts 2 s"):
        plan_trials(make_recording({"a": [1.0]}, observed={"a": [[0, 1]]}), CUT)
