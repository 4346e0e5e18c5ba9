"""Which rows are the trials, where time zero is, which condition each is of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rnnspike.errors import ConfigError, RecordingError
from rnnspike.recording.findings import found
from rnnspike.trials.data import TrialOptions
from rnnspike.trials.plan import plan_trials
from rnnspike.trials.rows import check_window, choose_table, default_window, label_conditions, trial_rows

TRIALS = {"start_time": [0.0, 2.0, 4.0, 6.0], "stop_time": [1.0, 3.5, 5.0, 7.25], "cue": [0.5, 2.5, np.nan, 6.5]}


def epochs(n: int) -> pd.DataFrame:
    return pd.DataFrame({"start_time": np.arange(n) * 2.0, "stop_time": np.arange(n) * 2.0 + 1})


def test_default_is_trials_from_their_start_over_the_shortest(make_recording) -> None:
    rows = trial_rows(make_recording({}, TRIALS), TrialOptions())
    window_s, rows = default_window(make_recording({}), rows)
    assert window_s == (0.0, 1.0) and len(rows.zero_s) == 4 and not rows.findings


def test_tables_that_were_not_read_are_no_missing_tables(make_recording) -> None:
    told = found("link-outside", "/intervals is a link to /data/trials.h5, which is outside", count=1)
    recording = replace(make_recording({}, None), intervals={}, findings=(told,))
    with pytest.raises(
        RecordingError, match=r"trials could not be read: /intervals is a link .*--follow-links"
    ) as caught:
        choose_table(recording, None)
    assert caught.value.finding_id == "link-outside"


def test_rows_come_in_order_of_time_with_their_metadata(make_recording) -> None:
    table = {"start_time": [4.0, 0.0, 2.0], "stop_time": [5.0, 1.0, 3.0], "name": ["c", "a", "b"]}
    rows = trial_rows(make_recording({}, table), TrialOptions())
    assert rows.table["name"].tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(rows.zero_s, [0, 2, 4])


def test_align_to_another_column_drops_and_counts_missing_times(make_recording) -> None:
    rows = trial_rows(make_recording({}, TRIALS), TrialOptions(align="cue"))
    np.testing.assert_array_equal(rows.zero_s, [0.5, 2.5, 6.5])
    (finding,) = rows.findings
    assert (finding.id, finding.count) == ("trial-rows-dropped", 1)
    assert default_window(make_recording({}), rows)[0] == (0.0, 0.5)


def test_rows_that_stop_before_they_start_are_dropped_and_counted(make_recording) -> None:
    table = {"start_time": [0.0, 2.0, 4.0], "stop_time": [1.0, 2.0, 5.0]}
    rows = trial_rows(make_recording({}, table), TrialOptions())
    assert rows.findings[0].count == 1 and len(rows.zero_s) == 2


@pytest.mark.parametrize("stop", [np.nan, np.inf, 1e18, -5.0])
@pytest.mark.parametrize("align", [None, "cue"])
def test_a_stop_is_asked_for_only_where_the_window_needs_it(make_recording, stop: float, align: str | None) -> None:
    table = {**TRIALS, "stop_time": [1.0, stop, 5.0, stop], "cue": [0.5, 2.5, 4.5, 6.5]}
    recording = make_recording({"0": np.arange(0, 9, 0.05)}, table)
    plan = plan_trials(recording, TrialOptions(align=align, window_s=(0.0, 1.0)))
    assert plan.n_trials == 4 and plan.n_spikes["0"] == 80
    needed = plan_trials(recording, TrialOptions(align=align))
    assert needed.n_trials == 2
    assert [item.count for item in needed.findings if item.id == "trial-rows-dropped"] == [2]


def test_a_start_is_not_asked_for_where_another_column_is_time_zero(make_recording) -> None:
    table = {**TRIALS, "start_time": [np.nan, 2.0, 4.0, np.nan], "cue": [0.5, 2.5, 4.5, 6.5]}
    recording = make_recording({"0": np.arange(0, 9, 0.05)}, table)
    assert plan_trials(recording, TrialOptions(align="cue", window_s=(0.0, 1.0))).n_trials == 4
    assert plan_trials(recording, TrialOptions(align="cue")).window_s == pytest.approx((0.0, 0.5))
    assert plan_trials(recording, TrialOptions(window_s=(0.0, 1.0))).n_trials == 2


@pytest.mark.parametrize("far", [1e9, 1e16, 1e18, 1e300])
@pytest.mark.parametrize("options", [TrialOptions(), TrialOptions(table="trials", segment_s=1.0)])
def test_times_far_away_end_in_one_line(make_recording, far: float, options: TrialOptions) -> None:
    table = {"start_time": [0.0, 2.0, 4.0], "stop_time": [far, far, far]}
    recording = make_recording({"0": np.arange(0, 9, 0.05)}, table)
    with pytest.raises(RecordingError, match=r"windows of|needed|lasts|cut"):
        plan_trials(recording, options)
    assert plan_trials(recording, TrialOptions(window_s=(0.0, 1.0))).n_spikes["0"] == 60


@pytest.mark.parametrize("far", [1e9, 1e16, -1e18, 1e300])
def test_starts_far_away_drop_their_rows_alone(make_recording, far: float) -> None:
    table = {"start_time": [0.0, 2.0, 4.0, far], "stop_time": [1.0, 3.0, 5.0, 7.0]}
    recording = make_recording({"0": np.arange(0, 9, 0.05)}, table)
    plan = plan_trials(recording, TrialOptions(window_s=(0.0, 1.0)))
    assert plan.n_spikes["0"] == 60 and plan.n_trials == 3


@pytest.mark.parametrize(("window", "burn_in"), [((0.0, 1e12), 2.0), ((-1e300, 1e300), 2.0), ((0.0, 1.0), 1e12)])
def test_windows_of_too_many_bins_are_refused(make_recording, window: tuple[float, float], burn_in: float) -> None:
    with pytest.raises(RecordingError, match="bins, more than"):
        plan_trials(make_recording({"0": [0.5, 1.0]}, TRIALS), TrialOptions(window_s=window, burn_in_s=burn_in))


def test_a_few_absurdly_short_trials_do_not_cut_down_all_others(make_recording) -> None:
    start = np.arange(30) * 3.0
    length = np.where(np.arange(30) == 7, 0.05, 2.0)
    rows = trial_rows(make_recording({}, {"start_time": start, "stop_time": start + length}), TrialOptions())
    window_s, kept = default_window(make_recording({}), rows)
    assert window_s == pytest.approx((0.0, 2.0)) and len(kept.zero_s) == 29
    assert kept.findings[0].id == "trials-too-short"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (TrialOptions(table="trails"), "no such table .did you mean trials"),
        (TrialOptions(align="cues"), "no such column .did you mean cue"),
        (TrialOptions(align="label"), "holds no times"),
        (TrialOptions(condition=("dirction",)), "did you mean direction"),
        (TrialOptions(condition=("serial",)), "--condition serial: 10 conditions in 10 trials"),
        (TrialOptions(condition=("direction", "serial")), "--condition serial"),
        (TrialOptions(condition=("empty",)), "empty"),
        (TrialOptions(align="same"), "same is 3 s in all 10 rows"),
        (TrialOptions(units="rate_hz >"), "--units 'rate_hz >'"),
        (TrialOptions(units="deepness > 3"), "columns: id"),
        (TrialOptions(units="n_spikes > 1e9"), "matches none of 1 units"),
        (TrialOptions(covariates=("curent",)), "did you mean current"),
    ],
)
def test_one_line_that_names_the_file_and_the_fix(make_recording, options: TrialOptions, words: str) -> None:
    start = np.arange(10) * 2.0
    table = {
        "start_time": start,
        "stop_time": start + 1,
        "cue": start + 0.2,
        "label": list("abcdefghij"),
        "direction": ["left", "right"] * 5,
        "serial": np.arange(10),
        "empty": [None] * 10,
        "same": np.full(10, 3.0),
    }
    recording = make_recording({"0": np.arange(0, 20, 0.1)}, table, series={"current": ([0.0, 1.0], [0.0, 1.0])})
    with pytest.raises(RecordingError, match=words) as raised:
        plan_trials(recording, options)
    assert str(raised.value).startswith("session.nwb: ") and "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("intervals", "events", "chosen"),
    [
        ({"stimuli": 3, "trials": 3}, {}, "trials"),
        ({"stimuli": 3}, {}, "stimuli"),
        ({"epochs": 6}, {}, "epochs"),
        ({"epochs": 2, "stimuli": 3}, {}, "stimuli"),
        ({"epochs": 2}, {"licks": 5}, "licks"),
        ({"first": 3, "second": 4}, {"licks": 5}, "first"),
        ({"epochs": 2}, {"licks": 5, "trials": 5}, "trials"),
    ],
)
def test_the_first_table(make_recording, intervals: dict, events: dict, chosen: str) -> None:
    recording = make_recording(
        {},
        intervals={name: epochs(n) for name, n in intervals.items()},
        events={name: epochs(n)[["start_time"]] for name, n in events.items()},
    )
    assert choose_table(recording, None) == chosen


@pytest.mark.parametrize(("n", "words"), [(2, r"epochs \(2 rows\).*--segment 2s"), (0, "tables: none")])
def test_nothing_to_align_to_lists_what_there_is(make_recording, n: int, words: str) -> None:
    with pytest.raises(RecordingError, match=words):
        choose_table(make_recording({}, intervals={"epochs": epochs(n)} if n else {}), None)


def test_events_need_a_window(make_recording) -> None:
    recording = make_recording(
        {"0": np.arange(0, 20, 0.05)}, events={"licks": pd.DataFrame({"start_time": [1.0, 5.0]})}
    )
    with pytest.raises(RecordingError, match="--window"):
        plan_trials(recording)
    plan = plan_trials(recording, TrialOptions(window_s=(-0.5, 1.0)))
    assert plan.n_trials == 2 and plan.window_s == (-0.5, 1.0)
    np.testing.assert_allclose(plan.start_s, [0.5, 4.5])


def test_condition_labels(make_recording) -> None:
    start = np.arange(12.0)
    table = {
        "start_time": start,
        "stop_time": start + 1,
        "contrast": [10.0, 2.0, 0.5] * 4,
        "side": ["right", "right", "right", "left", "left", "left"] * 2,
    }
    recording = make_recording({}, table)
    rows = trial_rows(recording, TrialOptions())
    condition, labels, _ = label_conditions(recording, rows, ["contrast"])
    assert labels == ("contrast=0.5", "contrast=2", "contrast=10")
    assert condition[:3].tolist() == [2, 1, 0]
    assert label_conditions(recording, rows, ["contrast", "side"])[1][0] == "contrast=0.5, side=left"
    assert label_conditions(recording, rows, [])[1] == ("all",)


def test_trials_without_a_condition_are_dropped_and_counted(make_recording) -> None:
    table = {"start_time": np.arange(6.0), "stop_time": np.arange(6.0) + 1, "side": ["a", None, "b", "a", "b", None]}
    recording = make_recording({}, table)
    condition, labels, rows = label_conditions(recording, trial_rows(recording, TrialOptions()), ["side"])
    assert rows.findings[-1].count == 2 and rows.table["side"].tolist() == ["a", "b", "a", "b"]
    assert condition.tolist() == [0, 1, 0, 1] and labels == ("side=a", "side=b")


@pytest.mark.parametrize(
    ("window", "bin_s"), [((1.0, 0.0), 0.001), ((0.0, 0.1), 0.2), ((0.0, 0.1), 0.10005), ((0.0, 1.0), -1.0)]
)
def test_windows_that_cannot_be(window: tuple[float, float], bin_s: float) -> None:
    with pytest.raises(ConfigError, match="--"):
        check_window(window, bin_s)


def test_findings_name_the_rows_that_are_dropped(make_recording) -> None:
    """By their number in the table, also after the rows were put in order of time."""
    table = {
        "start_time": [8.0, 0.0, 2.0, np.nan, 6.0],
        "stop_time": [9.0, 1.0, 1.5, 5.0, 7.0],
        "side": [1, 1, 1, 2, np.nan],
    }
    recording = make_recording({}, table)
    rows = trial_rows(recording, TrialOptions())
    rows = label_conditions(recording, rows, ["side"])[2]
    assert [(each.id, each.count, each.rows) for each in rows.findings] == [
        ("trial-rows-dropped", 1, (3,)),
        ("trial-rows-dropped", 1, (2,)),
        ("conditions-missing", 1, (4,)),
    ]
    assert rows.row.tolist() == [1, 0]
