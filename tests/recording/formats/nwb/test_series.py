from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from rnnspike.errors import RecordingError
from rnnspike.recording.read import read_recording

Build = Callable[..., Path]


def series(file: h5py.File, place: str, data: Any, **given: Any) -> h5py.Group:
    group = file.create_group(place)
    group.attrs["neurodata_type"] = "TimeSeries"
    group["data"] = np.asarray(data)
    group["data"].attrs.update({"unit": "V", **given.pop("attrs", {})})
    if "rate" in given:
        group["starting_time"] = given.pop("start", 0.0)
        group["starting_time"].attrs["rate"] = given.pop("rate")
    for name, values in given.items():
        group[name] = values
    return group


def test_listed_without_being_read(nwb: Build) -> None:
    path = nwb(also=lambda f: series(f, "stimulus/presentation/sound", np.zeros((10, 2)), rate=5.0, start=1.0))
    covariate = read_recording(path).covariates["sound"]
    assert (covariate.unit, covariate.n_samples, covariate.n_channels) == ("V", 10, 2)
    assert covariate.rate_hz == 5.0 and covariate.span_s == (1.0, 2.8)


def test_conversion_and_offset_are_honoured(nwb: Build) -> None:
    attrs = {"conversion": 0.5, "offset": 1.0}
    path = nwb(
        also=lambda f: series(f, "acquisition/x", np.array([2, 4], np.int16), rate=10.0, start=3.0, attrs=attrs)
    )
    times_s, values = read_recording(path).covariates["x"].load()
    assert times_s.tolist() == [3.0, 3.1] and values.tolist() == [[2.0], [3.0]]


def test_channel_conversion_is_honoured(nwb: Build) -> None:
    path = nwb(also=lambda f: series(f, "acquisition/x", np.ones((3, 2)), rate=10.0, channel_conversion=[2.0, 3.0]))
    assert read_recording(path).covariates["x"].load()[1][0].tolist() == [2.0, 3.0]


def test_timestamps_shared_by_a_link(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        series(file, "processing/behavior/Position/head", np.zeros((4, 2)), timestamps=[0.0, 0.1, 0.3, 0.6])
        group = series(file, "processing/behavior/Position/tail", np.ones(4))
        group["timestamps"] = h5py.SoftLink("/processing/behavior/Position/head/timestamps")

    covariates = read_recording(nwb(also=add)).covariates
    assert covariates["tail"].load()[0].tolist() == [0.0, 0.1, 0.3, 0.6] and covariates["tail"].rate_hz is None


@pytest.mark.parametrize("rate", [0.0, -1.0])
def test_a_series_without_a_rate_is_left_out_and_named(nwb: Build, rate: float) -> None:
    recording = read_recording(nwb(also=lambda f: series(f, "acquisition/x", np.zeros(5), rate=rate)))
    assert not recording.covariates
    assert any(item.id == "covariate-broken" and "/acquisition/x" in item.message for item in recording.findings)


def test_sweeps_that_follow_one_another_are_one_covariate(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        for i, start in enumerate((20.0, 0.0, 10.0)):
            series(file, f"stimulus/presentation/current_{i:02d}", np.full(5, start), rate=1.0, start=start)

    covariate = read_recording(nwb(also=add)).covariates["current"]
    times_s, values = covariate.load()
    assert times_s.tolist() == [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24]
    assert values[:, 0].tolist() == [0.0] * 5 + [10.0] * 5 + [20.0] * 5 and covariate.n_samples == 15


def test_channels_recorded_together_are_not_joined(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        for i in range(2):
            series(file, f"acquisition/lick_{i}", np.zeros(5), rate=1.0)

    assert set(read_recording(nwb(also=add)).covariates) == {"lick_0", "lick_1"}


def test_series_of_one_name_are_told_apart(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        for module in ("a", "b"):
            series(file, f"processing/{module}/speed", np.zeros(5), rate=1.0)

    assert set(read_recording(nwb(also=add)).covariates) == {"a/speed", "b/speed"}


def test_images_and_text_are_no_covariates(nwb: Build) -> None:
    def add(file: h5py.File) -> None:
        series(file, "acquisition/movie", np.zeros((3, 4, 4)), rate=1.0)
        series(file, "acquisition/empty", np.zeros(0), rate=1.0)

    assert not read_recording(nwb(also=add)).covariates


def test_a_covariate_goes_to_another_process(nwb: Build) -> None:
    path = nwb(also=lambda f: series(f, "acquisition/x", np.arange(5.0), rate=1.0))
    covariate = pickle.loads(pickle.dumps(read_recording(path).covariates["x"]))
    assert covariate.load()[1][:, 0].tolist() == [0, 1, 2, 3, 4]


def test_a_file_gone_since_is_said_in_one_line(nwb: Build) -> None:
    path = nwb(also=lambda f: series(f, "acquisition/x", np.arange(5.0), rate=1.0))
    covariate = read_recording(path).covariates["x"]
    path.write_bytes(b"")
    with pytest.raises(RecordingError, match="empty"):
        covariate.load()


@pytest.mark.parametrize("shape", [(4,), (4, 1), (1, 4)])
def test_series_of_one_channel_in_any_shape(nwb: Build, shape: tuple[int, ...]) -> None:
    def add(file: h5py.File) -> None:
        data, times = np.arange(4.0).reshape(shape), np.array([0.0, 0.1, 0.3, 0.6]).reshape(shape)
        series(file, "acquisition/x", data, timestamps=times)
        attrs = {"conversion": np.array([2.0]), "offset": np.array([[1.0]])}
        series(file, "acquisition/y", data, rate=np.array([[2.0]]), start=np.array([5.0]), attrs=attrs)

    covariates = read_recording(nwb(also=add)).covariates
    times_s, values = covariates["x"].load()
    assert times_s.tolist() == [0.0, 0.1, 0.3, 0.6] and values.tolist() == [[0.0], [1.0], [2.0], [3.0]]
    times_s, values = covariates["y"].load()
    assert times_s.tolist() == [5.0, 5.5, 6.0, 6.5] and values.tolist() == [[1.0], [3.0], [5.0], [7.0]]
    assert (covariates["y"].n_samples, covariates["y"].n_channels, covariates["y"].rate_hz) == (4, 1, 2.0)


def test_a_channel_in_each_row_is_turned_where_the_times_say_so(nwb: Build) -> None:
    path = nwb(also=lambda f: series(f, "acquisition/x", [[0.0, 1, 2], [10, 11, 12]], timestamps=[0.0, 0.1, 0.2]))
    assert read_recording(path).covariates["x"].load()[1].tolist() == [[0.0, 10.0], [1.0, 11.0], [2.0, 12.0]]


@pytest.mark.parametrize(
    "given",
    [{"rate": "100 Hz"}, {"rate": np.nan}, {"rate": np.inf}, {"rate": [1.0, 2.0]}, {"rate": 1.0, "start": "now"},
     {"timestamps": np.zeros((2, 5))}, {"timestamps": [b"a"] * 5}, {},
     {"rate": 1.0, "attrs": {"conversion": "milli"}}],
)  # fmt: skip
def test_a_series_with_an_odd_header_is_left_out_alone(nwb: Build, given: dict[str, Any]) -> None:
    def add(file: h5py.File) -> None:
        series(file, "acquisition/odd", np.zeros(5), **given)
        series(file, "acquisition/even", np.arange(5.0), rate=1.0)

    recording = read_recording(nwb(also=add))
    assert list(recording.covariates) == ["even"]
    assert [item.id for item in recording.findings if "odd" in item.message] == ["covariate-broken"]
