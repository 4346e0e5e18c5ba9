"""Tasks that are lost with their workers: failed rows with the reason, all else as ever, and tried again."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnspike.config import FitSettings
from rnnspike.errors import TaskLost
from rnnspike.recording.data import Recording, Unit
from rnnspike.recording.write import write_nwb
from rnnspike.report.build import write_report
from rnnspike.runs.active import FitOptions
from rnnspike.runs.batch import fit_recording, fit_recordings
from rnnspike.runs.engines.in_process import InProcess
from rnnspike.runs.events import Failed
from rnnspike.runs.plan import make_job
from rnnspike.runs.stored.tables import compare_stored
from rnnspike.runs.tasks import Pair, Task

WHY = "the worker was killed by signal 9: out of memory?"
TRAINING = Task("fit", "b", Pair(0, 1))
EVALUATION = Task("finish", "b")


class Lossy(InProcess):
    """Loses some tasks."""

    def __init__(self, *lost: Task | Callable[..., Any]) -> None:
        super().__init__()
        self.lost = lost

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future: Future[Any] = Future()
        if fn in self.lost or (len(args) > 1 and args[1] in self.lost):
            future.set_exception(TaskLost(WHY))
            return future
        return super().submit(fn, *args)


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two units, 20 trials of .3 s."""
    rng, path = np.random.default_rng(3), tmp_path_factory.mktemp("data") / "s.nwb"
    starts = np.arange(20) + 1.0
    units = tuple(Unit(name, np.sort(rng.uniform(0, 22, 600)), np.array([[0.0, 22.0]])) for name in "ab")
    trials = pd.DataFrame({"start_time": starts, "stop_time": starts + 0.3})
    write_nwb(path, Recording(path, "", 0, "nwb", units, intervals={"trials": trials}))
    return path


def settings(out: Path, **more: Any) -> FitSettings:
    return FitSettings(out=out, models=("psth", "renewal", "stack"), replicates=2, folds=3, **more)


def contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file() and file.name != "run.json")
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


@pytest.mark.parametrize(
    ("lost", "failed"),
    [
        (TRAINING, ["renewal", "stack"]),
        (EVALUATION, ["constant", "psth", "psth-gain", "renewal", "stack"]),
    ],
    ids=["training", "evaluation"],
)
def test_a_lost_task_fails_the_rows_that_hang_on_it_and_is_done_again(
    session: Path, tmp_path: Path, lost: Task, failed: list[str]
) -> None:
    whole, loaded = make_job(session, settings(tmp_path / "whole"))
    fit_recording(whole, loaded, on_complete=write_report)
    job, loaded = make_job(session, settings(tmp_path / "lost"))
    rows = fit_recording(job, loaded, Lossy(lost), on_complete=write_report)
    assert [row["model"] for row in rows if row["status"] == "failed"] == failed
    assert {row["unit"] for row in rows if row["status"] == "failed"} == {"b"}
    assert {row["message"] for row in rows if row["status"] == "failed"} == {f"{lost.label}: {WHY}"}
    assert json.loads((job.folder / "done.json").read_text())["lost"] == [f"{lost.label}: {WHY}"]
    assert len(list(compare_stored([job.folder], by="unit", draws=100))) > 0
    assert (job.folder / "report.html").is_file()
    again = fit_recording(job, loaded, on_complete=write_report)
    assert {row["status"] for row in again} == {"ok"}
    assert contents(job.folder) == contents(whole.folder)


def test_a_pooled_rung_is_not_trained_without_a_unit_that_was_lost(session: Path, tmp_path: Path) -> None:
    asked = settings(tmp_path, effort="fast").model_copy(update={"models": ("psth", "spike-lstm")})
    job, loaded = make_job(session, asked)
    rows = fit_recording(job, loaded, Lossy(TRAINING))
    status = {(row["unit"], row["model"]): row["status"] for row in rows}
    assert status["a", "spike-lstm"] == status["b", "spike-lstm"] == "failed"
    assert status["a", "psth"] == status["b", "psth"] == "ok"


def test_a_recording_that_cannot_be_read_or_written_fails_alone(session: Path, tmp_path: Path) -> None:
    from rnnspike.runs.plan import plan_recording
    from rnnspike.runs.tasks import WRITE

    for lost in (plan_recording, WRITE):
        events = list(fit_recordings([session], settings(tmp_path), Lossy(lost), FitOptions()))
        assert isinstance(events[-1], Failed) and str(events[-1].error) == WHY
