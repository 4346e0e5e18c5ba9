"""The order in which workers are given tasks."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest

from rnnspike.config import FitSettings
from rnnspike.runs import engine
from rnnspike.runs.engine import Task, completed
from rnnspike.runs.job import Job


class AtOnce:
    """An executor that has done what it is given before the next is asked for."""

    def __init__(self) -> None:
        self.given: list[str] = []

    def submit(self, run, job, task):
        self.given.append(task.unit)
        future: Future[None] = Future()
        future.set_result(None)
        return future


def test_a_long_task_goes_before_short_ones_as_soon_as_it_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "run_task", None)
    short = [Task("fit", str(i)) for i in range(7)]
    long, last = Task("pooled", "long"), Task("finish", "last")
    tasks = {task: [] for task in short} | {long: short[:2], last: [*short, long]}
    executor = AtOnce()
    job = Job(Path("a.nwb"), "a", Path("a"), FitSettings(workers=2), "id")
    done = [task for task, _ in completed(job, tasks, executor)]
    assert executor.given == ["0", "1", "2", "long", "3", "4", "5", "6", "last"]
    assert sorted(done, key=str) == sorted(tasks, key=str)
