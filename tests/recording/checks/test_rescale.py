"""``--time-scale`` and ``--event-offset`` reach all that they concern, and nothing else; what they reach is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rnnspike.errors import ConfigError
from rnnspike.recording.data import ReadOptions, Recording
from rnnspike.recording.read import examine_recording
from rnnspike.trials.data import TrialOptions
from rnnspike.trials.plan import plan_trials

START = np.arange(1.0, 80.0, 2.0)
TIMES = np.sort(np.random.default_rng(2).uniform(0.5, 81.0, 900))


def put(file: h5py.File, place: str, **columns: Any) -> None:
    group = file.create_group(place)
    group.attrs["neurodata_type"], group.attrs["colnames"] = "TimeIntervals", list(columns)
    group["id"] = np.arange(len(columns["start_time"]))
    for name, values in columns.items():
        group[name] = values


def put_series(file: h5py.File, place: str, data: np.ndarray, **times: Any) -> None:
    group = file.create_group(place)
    group.attrs["neurodata_type"] = "TimeSeries"
    group["data"] = data
    for name, (value, rate) in times.items():
        group[name] = value
        if rate:
            group[name].attrs["rate"] = rate


@pytest.fixture
def made(nwb: Callable[..., Path]) -> Callable[..., Path]:
    """A recording of 81 s, each part in units of time of which so many are a second."""

    def write(spikes: float, trials: float = 1, invalid: float = 1, stamps: float = 1, start: float = 1) -> Path:
        def also(file: h5py.File) -> None:
            put(
                file,
                "intervals/trials",
                start_time=START * trials,
                stop_time=(START + 1.5) * trials,
                cue_time=np.asarray((START + 0.3) * trials).astype(np.int64 if trials > 1 else float),
                contrast=np.linspace(0, 1, 40),
            )
            put(file, "intervals/invalid_times", start_time=[20.0 * invalid], stop_time=[31.0 * invalid])
            put_series(file, "acquisition/speed", np.arange(810.0), timestamps=(np.arange(810) * 0.1 * stamps, None))
            put_series(file, "acquisition/light", np.arange(760.0), starting_time=(5.0 * start, 10.0))

        return nwb([TIMES * spikes], trials=None, observed=[[[0.0, 81.0 * spikes]]], also=also)

    return write


def seconds(recording: Recording) -> None:
    trials = recording.intervals["trials"]
    np.testing.assert_allclose(recording.units[0].spike_times_s, TIMES)
    np.testing.assert_allclose(recording.units[0].observed_s, [[0, 81]])
    np.testing.assert_allclose(recording.invalid_s, [[20, 31]])
    np.testing.assert_allclose(trials[["start_time", "stop_time"]], np.stack([START, START + 1.5], axis=1))
    np.testing.assert_allclose(trials["cue_time"], START + 0.3)
    np.testing.assert_allclose(trials["contrast"], np.linspace(0, 1, 40))
    speed, light = recording.covariates["speed"], recording.covariates["light"]
    np.testing.assert_allclose(speed.load()[0], np.arange(810) * 0.1)
    np.testing.assert_allclose(light.load()[0], 5 + np.arange(760) * 0.1)
    assert light.rate_hz == pytest.approx(10) and light.span_s == pytest.approx((5, 80.9))
    assert speed.span_s == pytest.approx((0, 80.9))


@pytest.mark.parametrize(
    ("units", "scaled", "kept"),
    [
        ((1e3, 1e3, 1e3, 1e3, 1e3), {"invalid times", "trials (start_time", "cue_time)", "series speed"}, set()),
        ((1e3, 1, 1, 1, 1), {"observed intervals"}, {"trials", "invalid times", "series speed", "series light"}),
        ((1e3, 1, 1e3, 1, 1), {"invalid times"}, {"trials"}),
        ((1e3, 1e3, 1, 1, 1), {"trials ("}, {"invalid times"}),
        ((1e3, 1, 1, 1e3, 1), {"series speed"}, {"series light"}),
        ((1e6, 1e6, 1e6, 1, 1e6), {"trials (", "series light"}, {"series speed"}),
        ((30e3, 1, 30e3, 30e3, 1), {"invalid times", "series speed"}, {"trials"}),
        ((1 / 60, 1 / 60, 1, 1 / 60, 1), {"trials (", "series speed"}, {"invalid times", "series light"}),
    ],
)
def test_what_shares_the_spikes_unit_of_time_is_scaled(
    made, units: tuple[float, ...], scaled: set, kept: set
) -> None:
    recording = examine_recording(made(*units), ReadOptions(time_scale=1 / units[0]))
    seconds(recording)
    said = {item.id: item.message for item in recording.findings}
    assert all(name in said["tables-rescaled"] for name in scaled)
    assert all(name in said.get("times-not-scaled", "") for name in kept)


def test_trials_in_invalid_time_are_masked(made) -> None:
    recording = examine_recording(made(1e3, 1e3, 1e3), ReadOptions(time_scale=1e-3))
    plan = plan_trials(recording, TrialOptions(burn_in_s=0.0, min_spikes=1))
    np.testing.assert_allclose(plan.zero_s, START[(START < 20) | (START > 30)])
    whole = plan.zero_s != 19  # that one is masked from .9 s on
    expected = [np.sum((zero <= TIMES) & (zero + 1.5 > TIMES)) for zero in plan.zero_s[whole]]
    assert plan.trials().counts[whole].sum(axis=(1, 2)).tolist() == expected
    assert plan.trials().observed[~whole].sum() == 1000


def test_an_offset_moves_events_and_trials_and_nothing_else(made) -> None:
    """In seconds, after the scaling."""
    recording = examine_recording(made(1e3, 1e3, 1e3, 1, 1), ReadOptions(time_scale=1e-3, event_offset_s=-0.25))
    trials = recording.intervals["trials"]
    np.testing.assert_allclose(trials["start_time"], START - 0.25)
    np.testing.assert_allclose(trials["cue_time"], START + 0.05)
    np.testing.assert_allclose(recording.invalid_s, [[20, 31]])
    assert recording.covariates["speed"].load()[0][0] == 0.0
    said = {item.id: item.message for item in recording.findings}
    assert "-0.25 s: trials (start_time, stop_time, cue_time)" in said["events-shifted"]
    assert "invalid times, series" in said["times-not-shifted"]


def test_events_are_scaled_with_their_other_times(nwb) -> None:
    def also(file: h5py.File) -> None:
        put(file, "intervals/trials", start_time=START * 1e3, seen_time=(START + 20) * 1e3)

    recording = examine_recording(nwb([TIMES * 1e3], trials=None, also=also), ReadOptions(time_scale=1e-3))
    np.testing.assert_allclose(recording.events["trials"]["seen_time"], START + 20)


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_a_scale_is_a_positive_number(made, scale: float) -> None:
    with pytest.raises(ConfigError, match="--time-scale"):
        examine_recording(made(1), ReadOptions(time_scale=scale))
