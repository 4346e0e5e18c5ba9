"""A dask scheduler and workers as processes of their own: they come, are killed, and the bytes are the same."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnspike.config import FitSettings
from rnnspike.errors import ConfigError, EngineLost, RecordingError, TaskLost
from rnnspike.report.build import write_report
from rnnspike.runs.active import FitOptions
from rnnspike.runs.batch import fit_plan, fit_recordings
from rnnspike.runs.engines import cluster
from rnnspike.runs.engines.cluster import Cluster
from rnnspike.runs.engines.in_process import InProcess
from rnnspike.runs.events import Fitted, TaskDone
from rnnspike.runs.scoring import ScoreOptions, plan_scoring
from tests.cli.conftest import session  # noqa: F401 - a fixture
from tests.runs.test_lost import contents

distributed = pytest.importorskip("distributed")
ROOT = Path(__file__).parents[3]
#: One lost worker is enough to give a task up: tests need not wait for more.
ENVIRONMENT = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0", "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": ""}


class Dask:
    """A scheduler, and workers that are begun and killed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "scheduler.json"
        self.processes: list[subprocess.Popen[bytes]] = []
        self.begin("scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(self.file))
        wait_for(self.file.is_file)

    def begin(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", f"distributed.cli.dask_{what}", *options, "--no-dashboard"]
        environment = {**os.environ, **ENVIRONMENT}
        with (self.folder / f"{len(self.processes)}.log").open("w") as file:
            child = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=file, stderr=file)
        self.processes.append(child)
        return child

    def worker(self, *options: str) -> subprocess.Popen[bytes]:
        folder = self.folder / f"worker{len(self.processes)}"
        return self.begin(
            "worker",
            "--scheduler-file",
            str(self.file),
            "--nthreads",
            "1",
            "--local-directory",
            str(folder),
            *options,
        )

    def end(self) -> None:
        for child in self.processes:
            child.kill()
            child.wait()


def wait_for(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def dask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dask]:
    running = Dask(tmp_path_factory.mktemp("dask"))
    running.worker()
    yield running
    running.end()


@pytest.fixture
def engine(dask: Dask, tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(dask.file, 600.0, tmp_path) as engine:
        wait_for(lambda: bool(engine._client.nthreads()))
        yield engine


def settings(out: Path) -> FitSettings:
    return FitSettings(out=out, models=("psth", "renewal"), replicates=2, folds=3)


def test_a_worker_is_killed_and_another_comes_late(
    session: Path,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The paths are relative to a folder that is not the workers'."""
    monkeypatch.chdir(session.parent)
    monkeypatch.setitem(ENVIRONMENT, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "3")
    (session.parent / "runs").mkdir(exist_ok=True)
    paths, options = [Path(session.name)], FitOptions(on_complete=write_report)
    assert isinstance(list(fit_recordings(paths, settings(tmp_path / "one"), InProcess(), options))[-1], Fitted)
    running = Dask(tmp_path)
    try:
        first = running.worker("--no-nanny")
        with Cluster(running.file, 600.0, Path("runs"), paths) as engine:
            for event in fit_recordings(paths, settings(Path("runs")), engine, options):
                if isinstance(event, TaskDone) and first.poll() is None:
                    first.kill()
                    first.wait()
                    running.worker("--no-nanny")
        assert isinstance(event, Fitted) and not event.lost
    finally:
        running.end()
    assert contents(session.parent / "runs" / "session") == contents(tmp_path / "one" / "session")


def test_rates_are_scored_by_workers(session: Path, engine: Cluster, tmp_path: Path) -> None:  # noqa: F811
    for name, where in (("here", InProcess()), ("there", engine)):
        rates, asked = {"mine": np.full((20, 500, 1), 20.0)}, settings(tmp_path / name)
        fit_plan(plan_scoring(session, asked, rates, ScoreOptions("hz")), where)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_a_task_that_kills_its_workers_is_given_up_and_no_other(engine: Cluster) -> None:
    killed = engine.submit(os.abort)
    with pytest.raises(TaskLost, match=r"^1 worker died during this task, the last at tcp://"):
        killed.result(120)
    assert engine.submit(abs, -4).result(120) == 4


def test_a_task_that_takes_too_long_is_given_up(dask: Dask, tmp_path: Path) -> None:
    with Cluster(dask.file, 0.5, tmp_path) as engine:
        with pytest.raises(TaskLost, match="--task-timeout"):
            engine.submit(time.sleep, 600).result(120)
        assert engine.submit(abs, -4).result(120) == 4


def test_what_a_task_raises_comes_back(engine: Cluster, tmp_path: Path) -> None:
    from rnnspike.recording.read import read_recording

    error = engine.submit(read_recording, tmp_path / "none.nwb").exception(120)
    assert isinstance(error, RecordingError) and "no such file" in str(error)


def test_capacity_follows_the_workers(engine: Cluster) -> None:
    assert engine.capacity == 2 and engine.look_again_s is not None


def test_other_versions_are_refused(dask: Dask, engine: Cluster, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(cluster, "versions", Versions("0.0.1"))
    with pytest.raises(ConfigError, match=r"--scheduler-file .*: worker tcp://.* has numpy .*, this process 0\.0\.1"):
        Cluster(dask.file, 600.0, tmp_path)


class Versions:
    """Other versions here than on the workers, to which it is sent as the function that it stands for."""

    def __init__(self, numpy: str) -> None:
        self.here = {**cluster.versions(), "numpy": numpy}

    def __call__(self) -> dict[str, str]:
        return self.here

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (cluster, "versions")


def test_a_worker_that_joins_late_with_other_versions_does_nothing(engine: Cluster) -> None:
    engine._versions = {**engine._versions, "rnnspike": "9.9"}
    with pytest.raises(
        ConfigError, match=r"^--scheduler-file .*: worker tcp://.* has rnnspike .*, this process 9\.9"
    ):
        engine.submit(abs, -3).result(60)


def test_a_file_system_that_is_not_shared_is_refused(
    dask: Dask, engine: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "write_text", lambda *_: 0)  # so that no worker sees it
    monkeypatch.setattr(cluster, "SEEN_S", 0.0)
    with pytest.raises(
        ConfigError, match=r"worker tcp://.* does not see .*put recordings and --out on a file system"
    ):
        Cluster(dask.file, 600.0, tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("scheduler", ["tcp://127.0.0.1:1", "not an address", Path("none.json")])
def test_a_scheduler_that_is_not_there_is_one_line(
    scheduler: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    with pytest.raises(ConfigError, match=r"^--scheduler(-file)? .*: no (scheduler answers|such file)[^\n]*$"):
        Cluster(scheduler, 600.0, tmp_path)


def test_what_listens_there_and_is_no_scheduler_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "CONNECT_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(ConfigError, match="no scheduler answers"):
        Cluster(f"tcp://127.0.0.1:{silent.getsockname()[1]}", 600.0, tmp_path)


@pytest.mark.parametrize("text", ["", "{}", "[]", "no json"])
def test_a_scheduler_file_without_an_address_is_one_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(ConfigError, match=r"s\.json: holds no address \(dask scheduler --scheduler-file writes it\)"):
        Cluster(tmp_path / "s.json", 600.0, tmp_path)


def test_a_worker_that_joins_late_and_sees_other_files_says_so(
    engine: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_seen", {str(tmp_path / "elsewhere"): None})
    with pytest.raises(ConfigError, match=r"worker tcp://.* does not see .*elsewhere \(put recordings and --out on"):
        engine.submit(abs, -3).result(60)


def worker_here(_: object) -> str:
    """Return the worker that does this task, after a while: so that no worker does all of them."""
    time.sleep(0.05)
    return str(distributed.get_worker().address)


def test_tasks_of_a_late_worker_that_sees_other_files_go_to_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    running = Dask(tmp_path)
    try:
        running.worker("--no-nanny")
        with Cluster(running.file, 600.0, tmp_path) as engine:
            wait_for(lambda: len(engine._client.nthreads()) == 1)
            (fit,) = engine._client.nthreads()
            blind = tmp_path / "blind.py"
            blind.write_text("from rnnspike.runs.engines import cluster\ncluster.unseen_files = list\n")
            running.worker("--no-nanny", "--preload", str(blind))
            wait_for(lambda: len(engine._client.nthreads()) == 2)
            found = [engine.submit(worker_here, k) for k in range(20)]
            assert {each.result(60) for each in found} == {fit}
    finally:
        running.end()
    (warning,) = [each.message for each in caplog.records if "its tasks go to others" in each.message]
    assert "does not see" in warning


def test_a_scheduler_that_goes_ends_the_fit(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    running = Dask(tmp_path)
    try:
        with Cluster(running.file, 600.0, tmp_path) as engine:
            future = engine.submit(abs, -3)  # there is no worker to do it
            running.processes[0].kill()
            with pytest.raises(EngineLost, match="connection to the scheduler was lost"):
                future.result(120)
        told = capfd.readouterr().err
        assert "distributed" not in told and "Traceback" not in told
    finally:
        running.end()
