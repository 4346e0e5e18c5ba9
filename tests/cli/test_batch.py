"""Several recordings in one call: what crashes, hangs or is killed costs no more than itself."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from rnnspike.cli.main import cli
from rnnspike.recording import child_process
from rnnspike.recording.child_process import Limits
from rnnspike.recording.formats.text import spike_times
from rnnspike.runs.tasks import Pair, Task
from tests.runs.test_lost import WHY, Lossy

OPTIONS = ("--replicates", "0", "-m", "renewal", "--folds", "3", "--no-report")


def invoke(*arguments: object) -> Any:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_a_lost_task_is_told_and_the_exit_code_is_1(
    session: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def lossy(*_: object) -> Any:
        yield Lossy(Task("fit", "0", Pair(0, 1)))

    monkeypatch.setattr("rnnspike.runs.engines.engine.engine_for", lossy)
    result = invoke("fit", session, *OPTIONS, "--out", tmp_path)
    rows = {row["model"]: row for row in map(json.loads, result.stdout.splitlines())}
    assert result.exit_code == 1
    assert (rows["psth-gain"]["status"], rows["renewal"]["status"]) == ("ok", "failed")
    reason = f"unit 0, folds 0 and 1 left out: {WHY}"
    assert rows["renewal"]["message"] == reason
    told = f"rnnspike: error: {session}: 1 task failed ({reason}); run the same command again to repeat only these"
    assert result.stderr.splitlines()[-1] == told


def test_a_scheduler_that_is_not_there_is_told_in_one_line(session: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    result = invoke("fit", session, *OPTIONS, "--out", tmp_path / "runs", "--scheduler-file", tmp_path / "none.json")
    assert "none.json: no such file (dask scheduler --scheduler-file writes it)" in str(result.exception)
    assert not (tmp_path / "runs").exists()
    both = invoke("fit", session, "--scheduler", "tcp://localhost:1", "--scheduler-file", "s.json")
    assert "give one of them" in str(both.exception)


def crash(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def hang(*_: object) -> None:
    time.sleep(600)


@pytest.mark.skipif(not child_process.CAN_FORK, reason="nothing is forked here")
@pytest.mark.parametrize("command", ["inspect", "psth", "fit"])
@pytest.mark.parametrize(
    ("fault", "words"), [(crash, "crashed the reader (signal 11)"), (hang, "far too long")], ids=["crash", "hang"]
)
def test_a_file_that_crashes_or_hangs_its_reader_fails_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, fault: Any, words: str
) -> None:
    for name in ("bad", "good"):
        (tmp_path / f"{name}.txt").write_text("\n".join(str(0.5 + 0.1 * i + (i % 7) / 100) for i in range(300)))
    read = spike_times.read_text

    def faulty(path: Path, *rest: Any) -> Any:
        if path.stem == "bad":
            fault()
        return read(path, *rest)

    monkeypatch.setattr(spike_times, "read_text", faulty)
    monkeypatch.setattr(child_process, "limits_of", lambda _: Limits(2**31, 5, 5.0 if fault is crash else 0.5))
    (tmp_path / "trials.csv").write_text(
        "start_time,stop_time\n" + "\n".join(f"{t},{t + 1}" for t in range(1, 28, 2))
    )
    more = {"inspect": (), "psth": ("--draws", "100"), "fit": ("--out", tmp_path / "runs", *OPTIONS)}
    files = [tmp_path / "bad.txt", tmp_path / "good.txt", "--events", tmp_path / "trials.csv"]
    result = invoke(command, *files, *more[command])
    assert result.exit_code == 1
    assert "bad.txt" in result.stderr and words in result.stderr and "Traceback" not in result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert any("good" in row["recording"] for row in rows)


def test_names_from_lists(session: Path, tmp_path: Path) -> None:
    """With spaces, a line end and bytes that are not UTF-8; named twice, a recording is taken once."""
    names = [b"a b.nwb", b"line\nend.nwb", b"\xff.nwb"]
    for name in names:
        shutil.copy(session, os.path.join(os.fsencode(tmp_path), name))
    listed = b"\0".join(os.path.join(os.fsencode(tmp_path), name) for name in [*names, names[0]]) + b"\0"
    (tmp_path / "list").write_bytes(listed)
    by_file = invoke("inspect", "--files-from", tmp_path / "list", "-0", "--format", "jsonl")
    by_stdin = CliRunner().invoke(cli, ["inspect", "--files-from", "-", "-0", "--format", "jsonl"], input=listed)
    assert (by_file.exit_code, by_stdin.exit_code, by_stdin.stdout) == (0, 0, by_file.stdout)
    rows = [row for row in map(json.loads, by_file.stdout.splitlines()) if row["row"] == "recording"]
    assert [os.fsencode(row["name"]) for row in rows] == names
    lines = CliRunner().invoke(cli, ["inspect", "-", "--format", "jsonl"], input=f"{session}\r\n\n")
    assert lines.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Missing argument 'RECORDING...' (or --files-from FILE)"),
        (("--files-from", "none"), "none cannot be read: No such file or directory"),
        (("-", "--files-from", "-"), "stdin holds one list of recordings"),
        (("--files-from", "-"), "names in it end with null bytes: give -0"),
        (("--files-from", "-", "-0"), "the lists name no recordings"),
    ],
)
def test_lists_that_cannot_be_read(arguments: tuple[str, ...], words: str) -> None:
    result = CliRunner().invoke(cli, ["inspect", *arguments], input=b"\0")
    assert result.exit_code == 2 and words in result.stderr


def test_rows_of_units_as_they_are_done(session: Path, tmp_path: Path) -> None:
    """Once each; a bad file has a row and a line on stderr, and the code is 1; a second call has corrected rows."""
    bad, other = tmp_path / "bad.nwb", tmp_path / "other.nwb"
    bad.write_bytes(b"not a recording")
    shutil.copy(session, other)
    command = ("fit", session, bad, other, *OPTIONS, "--out", tmp_path / "runs", "--stream", "units")
    first = invoke(*command)
    rows = [json.loads(line) for line in first.stdout.splitlines()]
    failed = next(row for row in rows if row["recording"] == "bad")
    assert {key for key, value in failed.items() if value is not None} == {"schema", "recording", "status", "message"}
    assert failed["status"] == "failed" and failed["message"] in first.stderr and "bad.nwb" not in failed["message"]
    rows.remove(failed)
    assert first.exit_code == 1 and "bad.nwb" in first.stderr
    assert [(row["recording"], row["model"]) for row in rows] == [
        (name, model) for name in ("session", "other") for model in ("constant", "psth-gain", "renewal")
    ]
    assert all("verdicts are not yet corrected over units" in row["message"] for row in rows)
    again = [row for row in map(json.loads, invoke(*command).stdout.splitlines()) if row["recording"] != "bad"]
    assert len(again) == len(rows) and not any("not yet" in (row["message"] or "") for row in again)
    assert [row["log_likelihood"] for row in again] == [row["log_likelihood"] for row in rows]


def test_a_failed_recording_is_not_taken_for_another_of_its_name(session: Path, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    bad = tmp_path / "bad" / session.name
    bad.write_bytes(b"not a recording")
    result = invoke("fit", session, bad, *OPTIONS, "--out", tmp_path / "runs", "--format", "jsonl")
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["recording"] for row in rows if row["status"] == "failed"] == [str(bad)]


def test_a_closed_pipe_ends_with_141(session: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rnnspike", "fit", str(session), *OPTIONS, "--out", str(tmp_path)]
    child = subprocess.Popen([*command, "--stream", "units", "-q"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.close()
    child.stdout = None
    _, stderr = child.communicate(timeout=120)
    assert (child.returncode, stderr) == (141, b"")


def workers_of(pid: int) -> list[int]:
    """Return the processes forked from the fork server of a command (Linux)."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    children = [child for child, parent in parents.items() if parent == pid]
    return [child for child, parent in parents.items() if parent in children]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_killed_workers_change_nothing(session: Path, tmp_path: Path) -> None:
    """Every worker that there is after the first task is killed, once; there is much left to do."""
    options = [*OPTIONS, "-m", "lstm", "--effort", "standard"]
    whole = invoke("fit", session, *options, "--out", tmp_path / "whole")
    command = [sys.executable, "-m", "rnnspike", "fit", str(session), *options, "--out", str(tmp_path / "killed")]
    child = subprocess.Popen([*command, "-j", "2", "-v"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stderr is not None
    assert any("folds" in line for line in child.stderr)
    killed = workers_of(child.pid)
    for pid in killed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    stdout, stderr = child.communicate(timeout=120)
    assert killed and child.returncode == 0, stderr
    same = [{**json.loads(line), "seconds": None} for line in stdout.splitlines()]
    assert same == [{**json.loads(line), "seconds": None} for line in whole.stdout.splitlines()]
