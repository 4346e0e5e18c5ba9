"""Fits in parts, by shards, come to the bytes of a whole one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnspike.config import FitSettings
from rnnspike.errors import RunError
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.report.build import write_report
from rnnspike.runs.active import FitOptions
from rnnspike.runs.batch import fit_recordings
from rnnspike.runs.engines.in_process import InProcess
from rnnspike.runs.engines.shards import Shard
from rnnspike.runs.events import Failed, Fitted, PartDone, TaskDone
from rnnspike.runs.stored.lock import RunLock
from rnnspike.runs.unfinished import finish_runs
from tests.runs.test_lost import contents

SOURCES = {"models": "flag"}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three units, 20 trials of .3 s."""
    rng, path = np.random.default_rng(3), tmp_path_factory.mktemp("data") / "s.nwb"
    starts = np.arange(20) + 1.0
    units = tuple(Unit(name, np.sort(rng.uniform(0, 22, 600)), np.array([[0.0, 22.0]])) for name in "abc")
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 0.3})
    write_nwb(path, Recording(path, "", 0, "nwb", units, intervals={"trials": trials}))
    return path


def settings(out: Path, *models: str) -> FitSettings:
    return FitSettings(out=out, models=models or ("psth", "renewal"), replicates=2, folds=3, effort="fast")


def fit(path: Path, chosen: FitSettings, shard: Shard | None = None, **more: Any) -> Any:
    options = FitOptions(shard=shard, provenance={"sources": SOURCES}, on_complete=write_report, **more)
    return list(fit_recordings([path], chosen, InProcess(), options))[-1]


def test_shards_of_one_recording_give_the_bytes_of_a_whole_fit(session: Path, tmp_path: Path) -> None:
    """With a pooled rung shards are called again, for it and to evaluate; the last one to end writes the run."""
    models = ("psth", "spike-lstm")
    fit(session, settings(tmp_path / "whole", *models))
    calls = [fit(session, settings(tmp_path / "parts", *models), Shard(k, 2)) for k in (1, 2, 1, 2, 1, 2)]
    assert [isinstance(each, PartDone) for each in calls[:3]] == [True] * 3 and isinstance(calls[-1], Fitted)
    assert contents(tmp_path / "parts" / "s") == contents(tmp_path / "whole" / "s")
    assert isinstance(fit(session, settings(tmp_path / "parts", *models), Shard(1, 2)), Fitted)


def test_what_shards_have_left_is_finished(session: Path, tmp_path: Path) -> None:
    fit(session, settings(tmp_path / "whole"))
    fit(session, settings(tmp_path / "part"), Shard(2, 3))
    events = finish_runs([tmp_path / "part" / "s"], InProcess(), FitOptions(on_complete=write_report))
    (ended,) = [each for each in events if isinstance(each, Fitted)]
    assert ended.index == 0
    assert contents(tmp_path / "part" / "s") == contents(tmp_path / "whole" / "s")


def test_a_recording_that_changed_is_not_finished(session: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.nwb"
    path.write_bytes(session.read_bytes())
    fit(path, settings(tmp_path / "out"), Shard(1, 3))
    with path.open("ab") as file:
        file.write(b"\0")
    (ended,) = finish_runs([tmp_path / "out" / "s"], InProcess(), FitOptions())
    assert isinstance(ended, Failed) and "changed since the fit was begun" in str(ended.error)


def test_a_run_directory_is_one_processs(session: Path, tmp_path: Path) -> None:
    held = RunLock(tmp_path / "s")
    ended = fit(session, settings(tmp_path))
    assert isinstance(ended, Failed) and isinstance(ended.error, RunError)
    assert "is being fitted by process" in str(ended.error)
    held.release()
    assert isinstance(fit(session, settings(tmp_path)), Fitted)


def test_a_run_directory_that_vanishes_fails_its_recording(session: Path, tmp_path: Path) -> None:
    """Whatever is gone: nothing reads as complete that is not, and the same fit comes to the same bytes."""
    fit(session, settings(tmp_path / "whole"))
    for kind in ("fit", "finish"):
        out, ended = tmp_path / kind, None
        for event in fit_recordings([session], settings(out), InProcess(), FitOptions(on_complete=write_report)):
            if isinstance(event, TaskDone) and event.task.kind == kind:
                shutil.rmtree(out, ignore_errors=True)
            ended = event
        assert isinstance(ended, Failed), kind
        assert not (out / "s" / "done.json").exists()
        assert isinstance(fit(session, settings(out)), Fitted)
        assert contents(out / "s") == contents(tmp_path / "whole" / "s")


def test_no_shard_overwrites_what_others_did(session: Path, tmp_path: Path) -> None:
    fit(session, settings(tmp_path), Shard(1, 3))
    ended = fit(session, settings(tmp_path), Shard(2, 3), overwrite=True)
    assert isinstance(ended, Failed) and "--overwrite would remove" in str(ended.error)
