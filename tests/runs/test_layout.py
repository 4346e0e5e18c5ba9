"""Where run directories lie."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rnnspike.config import FitSettings
from rnnspike.errors import ConfigError, RecordingError, RunError
from rnnspike.recording.data import Recording
from rnnspike.recording.read import read_recording
from rnnspike.recording.write import write_nwb
from rnnspike.runs.active import FitOptions
from rnnspike.runs.batch import fit_recordings
from rnnspike.runs.engines.in_process import InProcess
from rnnspike.runs.engines.shards import Shard
from rnnspike.runs.events import Failed, Fitted
from rnnspike.runs.layout import base_of, fields_of, folder_of
from rnnspike.runs.plan import plan_recording
from rnnspike.runs.stored.reopen import reopen
from rnnspike.runs.stored.tables import find_runs
from tests.cli.conftest import session  # noqa: F401 - a fixture


def recording(**metadata: str) -> Recording:
    return Recording(Path("a.nwb"), "", 0, "nwb", (), session=metadata)


@pytest.mark.parametrize(
    ("out", "folder"),
    [
        ("runs", "runs/a"),
        ("runs/{subject}/{session}", "runs/m%2F3/day 1"),
        ("runs/{subject_id}-{name}", "runs/m%2F3-a"),
        ("runs/{lab}", "runs/%2E%2E"),
        ("runs/{hidden}", "runs/%2Ea"),
        ("runs/{{x}}/{name}", "runs/{x}/a"),
        ("runs/{{x}}", "runs/{x}/a"),
    ],
)
def test_names_from_the_file_are_names_of_folders_and_nothing_else(out: str, folder: str) -> None:
    found = folder_of(Path(out), recording(subject_id="m/3", session_id=" day 1 ", lab="..", hidden=".a"), "a")
    assert str(found) == folder.replace(" ", "%20")


def test_metadata_that_are_missing_are_named() -> None:
    with pytest.raises(
        RecordingError, match=r"no metadata for \{session\} in --out \(it has subject, .*--out with {name}"
    ):
        folder_of(Path("runs/{subject}/{session}"), recording(subject_id="m3", session_id=" "), "a")


@pytest.mark.parametrize("out", ["runs/{subject", "runs/}", "runs/{}", "runs/{0.x}", "runs/{a!r}", "runs/{a:>3}"])
def test_a_template_that_is_none_is_refused(out: str) -> None:
    with pytest.raises(ConfigError, match="--out runs/"):
        fields_of(Path(out))


def test_the_folder_that_holds_all() -> None:
    assert [base_of(Path(out)) for out in ("a/b", "a/{x}/b", "{x}")] == [Path("a/b"), Path("a"), Path()]


class LastFirst(InProcess):
    """Reads the last of two recordings first."""

    look_again_s: Any = 0.01

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    @property
    def capacity(self) -> int:  # type: ignore[override]
        """Two; where two recordings wait to be read, they are."""
        if len(self.waiting) == 2:
            for each in reversed(self.waiting):
                each()
            self.waiting.clear()
        return 2

    def submit(self, fn: Any, /, *args: Any) -> Any:
        if fn is not plan_recording:
            return super().submit(fn, *args)
        future: Future[Any] = Future()
        self.waiting.append(lambda: future.set_result(fn(*args)))
        return future


def test_which_of_two_is_refused_does_not_hang_on_who_is_read_first(session: Path, tmp_path: Path) -> None:  # noqa: F811
    read, paths = read_recording(session), [tmp_path / "a.nwb", tmp_path / "b.nwb"]
    for path in paths:
        write_nwb(path, replace(read, session={**read.session, "subject_id": "m3"}))
    chosen = FitSettings(out=tmp_path / "runs" / "{subject}", models=("constant",), replicates=0, folds=3)
    events: list[Any] = list(fit_recordings(paths, chosen, LastFirst(), FitOptions()))
    ended = {each.index: type(each) for each in events if isinstance(each, Fitted | Failed)}
    assert ended == {0: Fitted, 1: Failed}


def test_two_recordings_of_one_place_are_refused(session: Path, tmp_path: Path) -> None:  # noqa: F811
    read = read_recording(session)
    paths = [tmp_path / f"{name}.nwb" for name in "abc"]
    for path, number in zip(paths, ("1", "2", "1"), strict=True):
        first = int(path == paths[2])  # the last one has other spikes
        units = tuple(replace(unit, spike_times_s=unit.spike_times_s[first:]) for unit in read.units)
        of_path = {**read.session, "subject_id": "m3", "session_id": number}
        write_nwb(path, replace(read, units=units, session=of_path))
    chosen = FitSettings(
        out=tmp_path / "runs" / "{subject}" / "{session}", models=("constant",), replicates=0, folds=3
    )
    for overwrite in (False, True):
        events: list[Any] = list(fit_recordings(paths, chosen, InProcess(), FitOptions(overwrite=overwrite)))
        ended = {each.index: each for each in events if isinstance(each, Fitted | Failed)}
        assert isinstance(ended[2], Failed) and isinstance(ended[2].error, RunError)
        assert "c.nwb and " in str(ended[2].error) and "would share this run directory (add {name} to --out)" in str(
            ended[2].error
        )
        assert isinstance(ended[0], Fitted) and isinstance(ended[1], Fitted)
    for overwrite in (False, True):  # one shard does not see what the other was given
        part = FitOptions(overwrite=overwrite, shard=Shard(3, 3))
        (ended_there,) = [
            each for each in fit_recordings(paths, chosen, InProcess(), part) if isinstance(each, Failed)
        ]
        assert "would share this run directory (add {name} to --out)" in str(ended_there.error)
    assert find_runs([tmp_path / "runs"]) == [tmp_path / "runs" / "m3" / number for number in "12"]
    assert reopen(tmp_path / "runs" / "m3" / "1").job.name == "a"
