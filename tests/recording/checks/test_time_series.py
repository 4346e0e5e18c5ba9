"""Series that may serve as covariates: what is said of their samples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rnnspike.recording.checks.time_series import is_constant, sample_findings, series_findings, with_series_findings
from rnnspike.recording.read import examine_recording
from tests.recording.conftest import put_series

TIMES = np.arange(0.0, 5.0, 0.5)
VALUES = np.sin(TIMES)


def changed(array: np.ndarray, index: object, value: object) -> np.ndarray:
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("finding_id", "times", "values", "count"),
    [
        ("covariate-empty", TIMES, np.full(10, np.nan), 10),
        ("covariate-clock-reset", changed(TIMES, slice(5, None), TIMES[:5]), VALUES, 1),
        ("covariate-unsorted", changed(TIMES, 3, 0.9), VALUES, 1),
        ("covariate-infinite", TIMES, changed(VALUES, [2, 3], [np.inf, 1e300]), 2),
        ("covariate-nan", changed(TIMES, 9, np.nan), changed(VALUES, 0, np.nan), 2),
        ("covariate-constant", TIMES, np.full(10, 7.0), 1),
    ],
)
def test_what_is_odd_is_counted(finding_id: str, times: np.ndarray, values: np.ndarray, count: int) -> None:
    (finding,) = sample_findings("x", times, values)
    assert (finding.id, finding.count) == (finding_id, count) and " x" in f" {finding.message}"


def test_nothing_is_odd_in_a_plain_series() -> None:
    assert sample_findings("x", TIMES, np.stack([VALUES, 1e6 + VALUES * 10], axis=1)) == []


def test_the_channel_that_never_varies_is_named() -> None:
    (finding,) = sample_findings("x", TIMES, np.stack([VALUES, np.full(10, 0.25)], axis=1))
    assert finding.message == "x[1] is 0.25 throughout: not usable as a covariate"
    assert is_constant(np.zeros((3, 1))).all()


def test_series_of_a_file_are_told_and_the_large_judged_by_their_header(
    nwb: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def also(file):  # type: ignore[no-untyped-def]
        put_series(file, "acquisition/flat", np.ones(60), rate=10.0)
        put_series(file, "acquisition/late", np.arange(60.0), rate=10.0, start=100.0)

    recording = examine_recording(nwb(also=also))
    assert {each.id for each in series_findings(recording)} == {"covariate-constant", "covariate-off-trials"}
    assert "sha256" not in with_series_findings(recording).__dict__
    monkeypatch.setattr("rnnspike.recording.checks.time_series.MAX_VALUES", 10)
    assert [each.id for each in series_findings(recording)] == ["covariate-off-trials"]
