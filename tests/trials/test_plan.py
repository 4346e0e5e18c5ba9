"""From a recording to trials: masks, burn-in, groups, units."""

from __future__ import annotations

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnspike.errors import ConfigError, RecordingError
from rnnspike.trials.data import TrialOptions
from rnnspike.trials.plan import overlap_groups, plan_trials

ANY = TrialOptions(min_spikes=0)


def back_to_back(n: int = 10, length_s: float = 1.0, every_s: float = 2.0) -> dict[str, np.ndarray]:
    start = np.arange(n) * every_s
    return {"start_time": start, "stop_time": start + length_s}


def poisson_spikes(rng: np.random.Generator, stop_s: float = 20.0, rate_hz: float = 30.0) -> np.ndarray:
    times = np.sort(rng.uniform(0, stop_s, rng.poisson(rate_hz * stop_s)))
    return times[np.concatenate([[True], np.floor(times[1:] * 1000) != np.floor(times[:-1] * 1000)])]


def test_counts_are_those_of_a_histogram(make_recording, rng) -> None:
    spikes = {"a": poisson_spikes(rng), "b": poisson_spikes(rng)}
    recording = make_recording(spikes, back_to_back(), observed={"a": [[0, 20]], "b": [[0, 20]]})
    trials = plan_trials(recording, TrialOptions(window_s=(-0.1, 0.8), bin_s=0.001)).trials()
    assert trials.counts.shape == (10, 900, 2) and trials.unit_ids == ("a", "b")
    assert not trials.observed[0, :100].any() and trials.observed.sum() == (9 * 900 + 800) * 2
    for u, times in enumerate(spikes.values()):
        for r, zero in enumerate(trials.table["start_time"]):
            expected = np.histogram(times, zero - 0.1 + np.arange(901) * 0.001)[0]
            np.testing.assert_array_equal(trials.counts[r, :, u], expected)


def test_past_before_the_window_is_the_recorded_one(make_recording, rng) -> None:
    times = poisson_spikes(rng)
    recording = make_recording({"a": times}, back_to_back(), observed={"a": [[0, 20]]})
    trials = plan_trials(recording, TrialOptions(burn_in_s=0.5)).trials()
    assert trials.burn_in.shape == (10, 500, 1)
    assert not trials.burn_in_observed[0].any() and trials.burn_in_observed[1:].all()
    expected = np.histogram(times, 1.5 + np.arange(501) * 0.001)[0]
    np.testing.assert_array_equal(trials.burn_in[1, :, 0], expected)
    past, known = trials.past_and_window()
    assert past.shape == known.shape == (10, 1500, 1)


def test_unobserved_is_masked_not_zero(make_recording, rng) -> None:
    times = poisson_spikes(rng)
    recording = make_recording(
        {"a": times, "b": times},
        back_to_back(),
        observed={"a": [[0, 4.5], [8, 20]], "b": [[0, 20]]},
        invalid_s=np.array([[0.2, 0.3]]),
        span_s=(0.0, 18.5),
    )
    trials = plan_trials(recording, ANY).trials()
    observed = trials.observed[:, :, 0]
    assert observed[2, :500].all() and not observed[2, 500:].any()
    assert not observed[3].any() and trials.observed[3, :, 1].all()
    assert not trials.observed[0, 200:300].any() and trials.observed[0, 300:].all()
    assert trials.observed[9, :500].all() and not trials.observed[9, 500:].any()
    assert trials.counts[~trials.observed].sum() == 0
    np.testing.assert_array_equal(trials.session.exposure_bins, trials.observed.sum(axis=1))
    np.testing.assert_array_equal(trials.session.counts, trials.counts.sum(axis=1))


def test_units_are_binned_alone_as_together(make_recording, rng) -> None:
    spikes = {str(u): poisson_spikes(rng) for u in range(4)}
    plan = plan_trials(make_recording(spikes, back_to_back()))
    whole, part = plan.trials(), plan.trials(["2", "0"])
    assert part.unit_ids == ("2", "0")
    np.testing.assert_array_equal(part.counts, whole.counts[:, :, [2, 0]])
    np.testing.assert_array_equal(part.session.counts, whole.session.counts[:, [2, 0]])
    assert whole.unit(1).counts[:, :, 0].strides[-1] == 1  # one unit lies together


def test_overlapping_trials_stay_apart_and_go_together_into_a_fold(make_recording, rng) -> None:
    table = {"start_time": [0.0, 0.5, 3.0, 6.0], "stop_time": [1.0, 1.5, 4.0, 7.0]}
    plan = plan_trials(make_recording({"a": poisson_spikes(rng, 8.0)}, table), ANY)
    assert plan.group.tolist() == [0, 0, 1, 2]
    trials = plan.trials()
    np.testing.assert_array_equal(trials.counts[0, 500:], trials.counts[1, :500])
    assert [(f.id, f.count) for f in plan.findings if f.level == "warning"] == [("window-over-neighbour", 2)]


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 20)), min_size=1, max_size=20))
def test_groups_are_connected_windows(rows: list[tuple[int, int]]) -> None:
    start = np.sort(np.array([row[0] for row in rows], float))
    stop = start + np.array([row[1] for row in rows], float)
    group = overlap_groups(start, stop)
    covered = np.zeros(130, bool)
    for a, b in zip(start.astype(int), stop.astype(int), strict=True):
        covered[a:b] = True
    for i in range(len(rows)):
        for j in range(i):
            joined = covered[int(start[j]) : int(start[i])].all() and start[i] < stop[group == group[j]].max()
            assert (group[i] == group[j]) == joined


def test_windows_off_the_recording(make_recording, rng) -> None:
    recording = make_recording({"a": poisson_spikes(rng)}, back_to_back(12), observed={"a": [[0, 20.0]]})
    plan = plan_trials(recording, ANY)
    (finding,) = plan.findings
    assert (finding.id, finding.level, finding.count) == ("windows-miss-recording", "warning", 2)
    assert plan.n_trials == 10
    late = back_to_back() | {"start_time": np.arange(10) * 2.0 + 500, "stop_time": np.arange(10) * 2.0 + 501}
    for observed in ({}, {"a": [[0, 20.0]]}):
        with pytest.raises(RecordingError, match="--event-offset"):
            plan_trials(make_recording({"a": poisson_spikes(rng)}, late, observed=observed), ANY)


def test_a_window_or_a_bin_that_misses_the_recording_is_not_put_on_the_clock(make_recording) -> None:
    trials = back_to_back()
    held = np.stack([trials["start_time"] - 0.1, trials["start_time"] + 0.4], axis=1)
    recording = make_recording({"a": np.arange(0.005, 20, 0.05)}, trials, observed={"a": held})
    with pytest.raises(
        RecordingError, match=r"from -0.1 to 0.4 s around time zero: --window 0.5 1.5 is too far"
    ) as error:
        plan_trials(recording, TrialOptions(window_s=(0.5, 1.5)))
    assert error.value.option == "another --window" and error.value.finding_id == "windows-miss-recording"
    with pytest.raises(
        RecordingError, match=r"no whole bin of 0.6 s .* longest interval is 0.5 s \(try a narrower --bin\)"
    ):
        plan_trials(recording, TrialOptions(bin_s=0.6))


def test_shared_bins_are_counted_and_units_of_many_left_out(make_recording, rng) -> None:
    clean = poisson_spikes(rng)
    some = np.sort(np.concatenate([clean, clean[:5] + 1e-5]))
    many = np.sort(np.concatenate([clean, clean[::5] + 1e-5]))
    recording = make_recording({"clean": clean, "some": some, "many": many}, back_to_back(10, 2.0))
    plan = plan_trials(recording)
    assert plan.unit_ids == ("clean", "some")
    assert "share a bin" in plan.left_out["many"] and "--observation poisson" in plan.left_out["many"]
    merged = [finding for finding in plan.findings if finding.id == "multi-spike-bins"]
    assert [(finding.unit, finding.count) for finding in merged] == [("some", plan.trials(["some"]).n_merged)]
    poisson = plan_trials(recording, TrialOptions(observation="poisson"))
    assert poisson.unit_ids == ("clean", "some", "many") and poisson.trials().n_merged == 0


def test_repeated_spikes_are_told_from_close_ones(make_recording, rng) -> None:
    clean = poisson_spikes(rng)
    twice = np.sort(np.concatenate([clean, clean[::5]]))
    recording = make_recording({"twice": twice, "once": np.sort([*clean, clean[7]])}, back_to_back(10, 2.0))
    plan = plan_trials(recording)
    assert (
        plan.left_out["twice"]
        == "17% of its spikes share a bin of 1 ms, 17% repeat a time exactly (--drop-duplicates)"
    )
    assert [each.option for each in plan.findings if each.id == "multi-spike-bins"] == ["--drop-duplicates"]


@pytest.mark.parametrize(
    ("bin_s", "observation", "expected"),
    [
        (0.001, "auto", "bernoulli"),
        (0.002, "auto", "bernoulli"),
        (0.003, "auto", "poisson"),
        (0.01, "bernoulli", "bernoulli"),
    ],
)
def test_observation_follows_the_bin(make_recording, rng, bin_s: float, observation, expected: str) -> None:
    options = TrialOptions(bin_s=bin_s, observation=observation, min_spikes=0)
    assert plan_trials(make_recording({"a": poisson_spikes(rng)}, back_to_back()), options).observation == expected


def test_units_with_many_spikes_a_bin_are_left_out_where_that_is_asked_for(make_recording) -> None:
    """A PSTH may have any bins, a model of single spikes may not."""
    recording = make_recording(
        {"fast": np.arange(0.001, 12, 0.004), "slow": np.arange(0.005, 12, 0.1)}, back_to_back(5, 2.0)
    )
    wide = TrialOptions(bin_s=0.1, min_spikes=0)
    assert plan_trials(recording, wide).unit_ids == ("fast", "slow")
    plan = plan_trials(recording, replace(wide, most_per_bin=10.0))
    assert plan.unit_ids == ("slow",)
    assert "25 spikes per bin on average" in plan.left_out["fast"] and "--bin 4ms" in plan.left_out["fast"]


def test_units_chosen_and_left_out_with_reasons(make_recording, rng) -> None:
    spikes = {"0": poisson_spikes(rng), "1": poisson_spikes(rng, 20.0, 1.0), "2": poisson_spikes(rng)}
    recording = make_recording(
        spikes, back_to_back(), metadata={u: {"area": "IT" if u != "2" else "V1"} for u in spikes}
    )
    plan = plan_trials(recording, TrialOptions(units="area == 'IT'"))
    assert plan.unit_ids == ("0",)
    assert plan.left_out["2"] == "not in --units" and "fewer than --min-spikes 50" in plan.left_out["1"]
    for query in ("id in ['0', '2']", "id in [0, 2]", "id != 1", "rate_hz > 5 and n_spikes > 100"):
        assert plan_trials(recording, TrialOptions(units=query)).unit_ids == ("0", "2")


def test_unit_of_another_trial_is_not_held(make_recording, rng) -> None:
    recording = make_recording(
        {"a": poisson_spikes(rng), "b": poisson_spikes(rng)},
        back_to_back(),
        observed={"a": [[0, 9]], "b": [[30, 40]]},
    )
    plan = plan_trials(recording, ANY)
    assert plan.unit_ids == ("a",) and plan.left_out == {"b": "not observed in any window"}


def test_covariate_masks_where_it_is_absent(make_recording, rng) -> None:
    recording = make_recording(
        {"a": poisson_spikes(rng)},
        back_to_back(),
        observed={"a": [[0, 20]]},
        series={"current": (np.arange(0, 9, 0.01), np.sin(np.arange(0, 9, 0.01)))},
    )
    plan = plan_trials(recording, TrialOptions(covariates=("current",), burn_in_s=1.0, min_spikes=0))
    trials = plan.trials()
    assert trials.covariate_names == ("current",) and trials.covariates.shape == (5, 1000, 1)
    assert any(finding.id == "covariate-absent" and finding.count == 5 for finding in plan.findings)
    assert trials.observed.all() and trials.burn_in_observed[1:].all()
    np.testing.assert_allclose(trials.covariates[2, :, 0], np.sin(4 + np.arange(1000) * 0.001), atol=0.011)
    np.testing.assert_allclose(trials.covariates_burn_in[2, :, 0], np.sin(3 + np.arange(1000) * 0.001), atol=0.011)


def with_series(make_recording, values: np.ndarray, every_s: float = 0.01):
    """Ten trials of 1 s, one unit, and a series x that starts with the first trial."""
    spikes = {"a": np.arange(0.005, 20, 0.05)}
    series = {"x": (np.arange(len(values)) * every_s, values)}
    return make_recording(spikes, back_to_back(), observed={"a": [[0, 20]]}, series=series)


def test_a_series_is_read_once(make_recording) -> None:
    recording, n_reads = with_series(make_recording, np.sin(np.arange(2000.0))), []
    series = recording.covariates["x"]
    counted = replace(series, load=lambda: (n_reads.append(1), series.load())[1])
    plan = plan_trials(replace(recording, covariates={"x": counted}), TrialOptions(covariates=("x",), min_spikes=0))
    plan.trials()
    assert len(n_reads) == 1


def test_bins_and_spikes_without_a_covariate_are_told(make_recording) -> None:
    values = np.sin(np.arange(2000.0))
    values[20:70] = np.nan  # .5 s of the first trial, but that a sample is held for .03 s
    plan = plan_trials(with_series(make_recording, values), TrialOptions(covariates=("x",), bin_s=0.01, min_spikes=0))
    (finding,) = [each for each in plan.findings if each.id == "covariate-gaps"]
    assert finding.level == "warning" and finding.count == 48
    assert "x is missing in 48 of 1000 bins (4.8% of the trials' time)" in finding.message
    assert "nor are 9 of 200 spikes" in finding.message
    assert plan.n_spikes == {"a": 191}


def test_a_covariate_that_does_not_vary_in_the_windows_is_told(make_recording) -> None:
    values = np.where(np.arange(2000) % 200 < 110, 3.0, np.arange(2000))  # varies between trials only
    plan = plan_trials(with_series(make_recording, values), TrialOptions(covariates=("x",), min_spikes=0))
    assert [each.message for each in plan.findings if each.id == "covariate-constant"] == [
        "x is 3 throughout the windows: not usable as a covariate"
    ]


def test_a_series_that_can_be_no_covariate_is_refused(make_recording) -> None:
    options = TrialOptions(covariates=("x",), min_spikes=0)
    with pytest.raises(RecordingError, match="none of 2000 samples of x") as error:
        plan_trials(with_series(make_recording, np.full(2000, np.nan)), options)
    assert error.value.finding_id == "covariate-empty"
    late = np.where(np.arange(3000) < 2000, np.nan, 1.0)
    with pytest.raises(RecordingError, match=r"x covers 20 to 29.99 s, but the trials 0 to 19 s"):
        plan_trials(with_series(make_recording, late), options)


def test_default_window_holds_whole_bins_only(make_recording, rng) -> None:
    plan = plan_trials(
        make_recording({"a": poisson_spikes(rng)}, back_to_back(10, 0.9997)), TrialOptions(bin_s=0.01, min_spikes=0)
    )
    assert plan.window_s == pytest.approx((0.0, 0.99)) and plan.trials().observed.all()


def test_a_bin_wider_than_the_trials_is_refused(make_recording, rng) -> None:
    recording = make_recording({"a": poisson_spikes(rng)}, back_to_back())
    for bin_s in (1.0005, 2.0):
        with pytest.raises(
            RecordingError, match=rf"--bin {bin_s:g}: .* the shortest of which lasts 1 s \(try --bin 0.1s\)"
        ):
            plan_trials(recording, TrialOptions(bin_s=bin_s))
        with pytest.raises(
            ConfigError, match=rf"--bin {bin_s:g}: a bin must be positive and fit into the window of 1 s"
        ):
            plan_trials(recording, TrialOptions(bin_s=bin_s, window_s=(0.0, 1.0)))


@pytest.mark.parametrize("asked", [{"window_s": (0.0, 1.0)}, {"segment_s": 1.0}, {}])
def test_the_window_is_never_longer_than_asked_for(make_recording, rng, asked) -> None:
    recording = make_recording({"a": poisson_spikes(rng)}, back_to_back())
    plan = plan_trials(recording, TrialOptions(bin_s=0.38, min_spikes=0, **asked))
    assert plan.window_s == pytest.approx((0.0, 0.76)) and plan.grid.n_bins == 2
    assert [each.message for each in plan.findings if each.id == "window-cut"] == [
        "the window of 1 s is cut to 2 bins of 0.38 s: its last 0.24 s are not used"
    ]


def test_overflow_and_contradictions(make_recording) -> None:
    recording = make_recording({"a": np.full(300, 0.5)}, back_to_back(2))
    with pytest.raises(RecordingError, match=r"unit a: a bin holds 300 spikes.*--bin"):
        plan_trials(recording)
    with pytest.raises(ConfigError, match="--burn-in"):
        plan_trials(recording, TrialOptions(burn_in_s=-1.0))


def test_plan_goes_to_workers(make_recording, rng) -> None:
    plan = plan_trials(make_recording({"a": poisson_spikes(rng)}, back_to_back()))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(plan)).trials().counts, plan.trials().counts)


def test_recording_without_units_or_spikes(make_recording) -> None:
    plan = plan_trials(make_recording({"a": []}, back_to_back()))
    assert plan.unit_ids == () and "0 spikes" in plan.left_out["a"]


class TestRealRecordings:
    """Figures of the recordings' README and of their tables."""

    def plan(self, folder, name: str, **options):
        from rnnspike.recording.read import read_recording

        return plan_trials(read_recording(folder / f"{name}.nwb"), TrialOptions(**options))

    def test_cockroach(self, shared_data) -> None:
        trials = self.plan(shared_data, "star_cockroach_e070528").trials()
        assert trials.counts.shape == (15, 13000, 4)
        assert trials.counts.sum(axis=(0, 1)).tolist() == [1596, 3073, 5884, 2873]
        assert trials.observed.all() and not trials.burn_in_observed.any()

    def test_conditions(self, shared_data) -> None:
        plan = self.plan(
            shared_data, "nd_it_bp1005", align="stim_on_time", window_s=(-0.4, 0.5), condition=("condition",)
        )
        assert len(plan.conditions) == 21 and np.bincount(plan.condition).tolist() == [20] * 21

    def test_cells_in_their_own_sweeps(self, shared_data) -> None:
        plan = self.plan(shared_data, "bbp_steps", covariates=("injected_current",))
        trials = plan.trials()
        assert trials.observed.any(axis=1).sum(axis=0).tolist() == [5, 5]
        assert trials.covariates[0, 1500, 0] > trials.covariates[0, 100, 0]

    def test_epochs_cut_into_segments(self, shared_data) -> None:
        plan = self.plan(shared_data, "star_purkinje_mPK", table="epochs", segment_s=2.0)
        assert plan.n_trials == 300 and plan.table["tags"].value_counts().tolist() == [150, 150]
        trials = plan.trials()
        assert not trials.has_repeats and trials.burn_in_observed[1:150].all()
        assert not trials.burn_in_observed[[0, 150]].any()
        assert (np.diff(pd.Series(trials.start_s)) >= 2 - 1e-9).all()
