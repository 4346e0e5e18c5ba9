"""A fork server: the package is imported once, then every case has a process of its own, with limits."""

from __future__ import annotations

import json
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, NoReturn

from benchmarks.fuzz.cases import Case

MEMORY_BYTES = 1 << 30
FILE_BYTES = 1 << 28
LIMIT_S = 30.0
#: A case is made and judged beside the command, by code that may itself hang on a damaged file.
CASE_LIMIT_S = 2 * LIMIT_S


@dataclass(frozen=True)
class Outcome:
    """What a command left: ``code`` is its exit code, negative for a signal, None where time ran out."""

    code: int | None
    stdout: bytes
    stderr: bytes
    seconds: float
    grown_bytes: int
    left_behind: int
    changed: tuple[str, ...]


@dataclass(frozen=True)
class Verdict:
    """A case and what is wrong with its outcome; ``faults`` is empty where all is well.

    ``unforeseen`` is an error that no message was written for, told in one line all the same; ``where`` is where in
    the code a traceback ends.
    """

    kind: str
    seed: int
    form: str
    what: str
    arguments: tuple[str, ...]
    code: int | None
    seconds: float
    megabytes: float
    faults: tuple[str, ...]
    where: str = ""
    unforeseen: str = ""

    @classmethod
    def from_json(cls, line: bytes) -> Verdict:
        """Return a verdict from its line of JSON."""
        fields = json.loads(line)
        return cls(**{**fields, "arguments": tuple(fields["arguments"]), "faults": tuple(fields["faults"])})


@dataclass(frozen=True)
class Work:
    """What gives a verdict, and the verdict where it does not end."""

    call: Callable[[], Verdict]
    unfinished: Callable[[str], Verdict]


def isolated(works: Sequence[Work], limit_s: float = CASE_LIMIT_S) -> Iterator[Verdict]:
    """Yield what each of the works returns, called in a forked process; one that dies or hangs is told and left out.

    A fork of a process of some 200 MB costs as much as a case, so that several share one.
    """
    done = 0
    while done < len(works):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _answer(works[done:], writing)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            for answer in _lines(pipe, limit_s):
                yield Verdict.from_json(answer)
                done += 1
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if done < len(works):
            yield works[done].unfinished(f"suite: making or judging the case ended with status {status}")
            done += 1


def _lines(pipe: IO[bytes], limit_s: float) -> Iterator[bytes]:
    """Yield lines until the end of the pipe, or until one takes too long."""
    while select.select([pipe], [], [], limit_s)[0]:
        line = pipe.readline()  # each is written at once
        if not line.endswith(b"\n"):
            return
        yield line


def _answer(works: Sequence[Work], writing: int) -> NoReturn:
    with os.fdopen(writing, "wb", buffering=0) as pipe:
        for work in works:
            try:
                verdict = work.call()
            except BaseException:
                verdict = work.unfinished("suite: " + traceback.format_exc()[-1500:])
            pipe.write(json.dumps(asdict(verdict)).encode() + b"\n")
    os._exit(0)


def execute(case: Case, folder: Path) -> Outcome:
    """Run a case's command in its folder and say what became of it."""
    for name in ("out", "home", "tmp"):
        (folder / name).mkdir(exist_ok=True)
    before = _listing(folder)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            _become_command(case, folder, out.fileno(), err.fileno())
        code, grown, left_behind = _wait(child)
        seconds = time.monotonic() - began
        out.seek(0), err.seek(0)
        after = _listing(folder)
        changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
        return Outcome(code, out.read(), err.read(), seconds, grown, left_behind, tuple(changed))


def _wait(child: int) -> tuple[int | None, int, int]:
    """Return exit code, bytes by which the process grew, and how many processes of its group it left."""
    deadline = time.monotonic() + LIMIT_S
    pause = 0.001
    while True:
        pid, status, usage = os.wait4(child, os.WNOHANG)
        if pid:
            code: int | None = os.waitstatus_to_exitcode(status)
            break
        if time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
            code = None
            break
        time.sleep(pause)
        pause = min(0.02, 1.5 * pause)
    left_behind = 0 if code is None else _still_there(child)
    grown = usage.ru_maxrss * 1024 - _resident_bytes()
    return code, grown, left_behind


def _still_there(group: int) -> int:
    """Return how many processes of a group live two seconds after its leader ended, and end them."""
    deadline = time.monotonic() + 2.0
    while alive := _members(group):
        if time.monotonic() > deadline:
            os.killpg(group, signal.SIGKILL)
            break
        time.sleep(0.02)
    return alive


def _members(group: int) -> int:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return 0
    states = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            states.append(fields[0])
    return len(states)


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _data_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()


def _listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Return name -> (size, time of change) of all files outside ``out``, where a command may write."""
    found = {}
    for place, folders, files in os.walk(folder):
        if Path(place) == folder:
            folders.remove("out")
        for name in files:
            path = os.path.join(place, name)
            try:
                status = os.lstat(path)
            except FileNotFoundError:  # a process that was left behind cleared it
                continue
            found[os.fsencode(os.path.relpath(path, folder)).decode("utf-8", "backslashreplace")] = (
                status.st_size, status.st_mtime_ns
            )  # fmt: skip
    return found


def _become_command(case: Case, folder: Path, out: int, err: int) -> NoReturn:
    """Turn this process into the command: own group, folder, environment, streams and limits."""
    code = 70
    try:
        os.setsid()
        os.chdir(folder)
        _set_environment(case.environment, folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.closerange(3, 1024)
        # As the interpreter opens them: what cannot be encoded is an error on stdout and escaped on stderr.
        sys.stdin = os.fdopen(0, closefd=False)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="strict", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False, buffering=1)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
        limit = _data_bytes() + MEMORY_BYTES
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        code = _call(list(case.arguments))
    finally:
        os._exit(code)


def _set_environment(given: Mapping[str, str], folder: Path) -> None:
    for name in [name for name in os.environ if name.startswith("RNNSPIKE_") or name in ("COLUMNS", "FORCE_COLOR")]:
        del os.environ[name]
    own = {"HOME": str(folder / "home"), "XDG_CONFIG_HOME": str(folder / "home"), "TMPDIR": str(folder / "tmp")}
    os.environ.update({**own, **given})
    tempfile.tempdir = None


def _call(arguments: list[str]) -> int:
    """Run the command line as ``python -m rnnspike`` does and return its exit code."""
    from rnnspike.cli.main import main

    code: object = 0
    try:
        main(arguments)
    except SystemExit as error:
        code = error.code
    except BaseException:
        traceback.print_exc()
        code = 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        return 120
    return code if isinstance(code, int) else int(code is not None)


def keep(folder: Path, into: Path, verdict: Verdict, outcome: Outcome) -> None:
    """Keep a failing case's folder, what it said, and what was said of it."""
    shutil.rmtree(into, ignore_errors=True)
    shutil.copytree(folder, into, symlinks=True)
    (into / "verdict.json").write_text(json.dumps(asdict(verdict), indent=1))
    (into / "stdout").write_bytes(outcome.stdout)
    (into / "stderr").write_bytes(outcome.stderr)
