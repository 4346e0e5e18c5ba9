"""Whose a run directory is: a fit takes one that is free or its own, and never touches what others put there."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase as fnmatch
from pathlib import Path
from typing import Any

from rnnspike.errors import RnnspikeError, RunError
from rnnspike.files import name_on_its_way
from rnnspike.runs.job import Job
from rnnspike.runs.stored.lock import RunLock, lock_file
from rnnspike.runs.stored.store import write_json

#: All that a fit, a report, ``dynamics`` and ``decode`` write into a run directory.
WRITTEN = (
    *(
        "done.json",
        "run.json",
        "settings.json",
        "findings.jsonl",
        "rows.jsonl",
        "rows.csv",
        "pairs.csv",
        "trials.csv",
    ),
    *("coupling.csv", "population.json", "population.npz", "decode.jsonl", "decode.npz"),
    *("decode_covariate.jsonl", "decode_covariate.npz", "report.html"),
    *(f"units/*/{name}" for name in ("curves.npz", "per_trial.csv", "stack.json", "intensity.npz")),
    *("units/*/models/*/test*-stop*/**/*", "models/*/test*-stop*/**/*"),
    *("models/*/group*/test*-stop*/**/*", "units/*/models.zip", "models.zip"),
    *("dynamics/rows.jsonl", "dynamics/summary.jsonl", "dynamics/*/*/*/*.npz", "dynamics/*/*/*/*.png"),
    "work/**/*",
)
FOLDERS = ("units", "models", "dynamics", "work")
#: What the mark of a run directory holds while the run that lay there is being removed.
CLEARING = "clearing"


def take(job: Job, overwrite: bool = False, shared: bool = False, wait: bool = False) -> RunLock:
    """Take the run directory for this fit, and hold it until the lock is released (``claim``, ``RunLock``)."""
    refuse_foreign(job)
    with _folder_errors(job.folder):
        lock = RunLock(job.folder, shared, wait)
    try:
        if overwrite or not is_complete(job.folder, job.id):  # as it may be by now, where it was waited for
            claim(job, overwrite, tidy=not shared)
    except BaseException:
        lock.release()
        raise
    return lock


def claim(job: Job, overwrite: bool = False, tidy: bool = True) -> None:
    """Mark the run directory as this fit's; with ``overwrite`` throw away the run that lies in it.

    It is made ``tidy`` unless other processes do parts of the same fit.

    Raises
    ------
    RunError
        Where the directory is the recording's own, holds what is no run, holds another fit and ``overwrite`` is not
        asked for, or cannot be written.
    """
    folder, mark = job.folder, job.work / "id.json"
    refuse_foreign(job)
    with _folder_errors(folder):
        if tidy:
            remove_leftovers(folder)
        if cleared := overwrite or mark_id(mark) == CLEARING:
            write_json(mark, {"id": CLEARING})  # cut short from here on, it is known and done again
            remove_run(folder, but=(mark, lock_file(folder)))
        if not cleared and mark_id(mark) == job.id == mark_id(folder / "done.json"):
            _take_up_again(folder)
        was_run = is_run(folder)  # before the mark is looked at: another shard may write it in between
        unlike = not cleared and (mark_id(mark) != job.id if mark.is_file() else was_run)
        if unlike or (folder / "done.json").is_file():
            raise RunError(f"{folder}: holds a fit with other settings or input (try --overwrite or another --out)")
        write_json(mark, {"id": job.id})


def refuse_foreign(job: Job) -> None:
    """Raise RunError where a run directory would be the recording's own, or holds what is no run."""
    _refuse_the_recording(job)
    with _folder_errors(job.folder):
        if _holds_anything(job.folder) and not is_run(job.folder):  # in this order: another shard may begin it now
            raise RunError(
                f"{job.folder}: exists and is no run of rnnspike; nothing in it is touched (try another --out)"
            )


@contextmanager
def _folder_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error.strerror} (try another --out)") from error


def is_complete(folder: Path, content_id: str) -> bool:
    """Say whether a run directory holds the finished fit of this content id, and no task of it was lost."""
    mark = read_mark_file(folder / "done.json")
    return mark.get("id") == content_id and not mark.get("lost")


def is_run(folder: Path) -> bool:
    """Say whether a folder is a run directory, finished or not: by the marks that a fit leaves."""
    return (
        mark_id(folder / "done.json") is not None
        or mark_id(folder / "work" / "id.json") is not None
        or "rnnspike" in _dictionary(_dictionary(_read(folder / "run.json")).get("versions"))
    )


def recording_in(folder: Path) -> Path | None:
    """Return the recording that a run directory is of, finished or not; None where it does not say."""
    for file in (folder / "run.json", folder / "work" / "request.json"):
        if isinstance(found := read_mark_file(file).get("input"), str):
            return Path(found)
    return None


def mark_id(file: Path) -> str | None:
    """Return the content id that a mark holds; None where the file is no mark."""
    found = read_mark_file(file).get("id")
    return found if isinstance(found, str) else None


def read_mark_file(file: Path) -> dict[str, Any]:
    """Return what a mark holds, nothing where the file is none."""
    return _dictionary(_read(file))


def remove_run(folder: Path, but: Collection[Path] = ()) -> None:
    """Remove what rnnspike wrote into a run directory (but some files), and the folders that this leaves empty."""
    remove_leftovers(folder)
    for pattern in WRITTEN:
        for file in [file for file in folder.glob(pattern) if file.is_symlink() or not file.is_dir()]:
            if file not in but:
                file.unlink()
    for name in FOLDERS:
        top = folder / name
        for inner in sorted([top, *top.rglob("*")], key=lambda each: len(each.parts), reverse=True):
            if inner.is_dir() and not inner.is_symlink() and not any(inner.iterdir()):
                inner.rmdir()


def remove_leftovers(folder: Path) -> None:
    """Remove files on their way that a killed process left in a run directory."""
    for file in [file for file in folder.rglob("*") if is_leftover(folder, file)]:
        file.unlink()


def is_leftover(folder: Path, file: Path) -> bool:
    """Say whether a file was on its way to be one that rnnspike writes into a run directory."""
    meant = name_on_its_way(file.name)
    if meant is None or file.is_symlink() or not file.is_file():
        return False
    aim = file.with_name(meant).relative_to(folder)
    return any(_matches(aim, pattern) for pattern in WRITTEN)


def _matches(path: Path, pattern: str) -> bool:
    """Say whether a relative path is one of a pattern's, ``**`` standing for any number of folders."""
    parts = pattern.replace("**/*", "*").split("/")
    deep = len(path.parts) >= len(parts) if "**" in pattern else len(path.parts) == len(parts)
    return deep and all(map(fnmatch, path.parts, parts))


def refuse_vanished(job: Job) -> None:
    """Raise RnnspikeError where the run directory is not this fit's any more: what was done in it is gone."""
    if mark_id(job.work / "id.json") != job.id:
        raise vanished(job)


def vanished(job: Job) -> RnnspikeError:
    """Return the error of a run directory that others removed, or parts of it, while it was being fitted."""
    return RnnspikeError(f"{job.folder}: was removed, or part of it, during the fit (remove the rest and fit again)")


def _take_up_again(folder: Path) -> None:
    """Remove what says that a run of which tasks were lost is complete, the mark first."""
    for name in ("done.json", "report.html"):
        (folder / name).unlink(missing_ok=True)


def _refuse_the_recording(job: Job) -> None:
    folder, recording = job.folder.resolve(), job.path.resolve()
    if folder == recording:
        raise RunError(f"{job.folder}: the run directory would be the recording itself (try another --out)")
    if recording.is_relative_to(folder):
        raise RunError(f"{job.folder}: the run directory would hold the recording {job.path} (try another --out)")
    if folder.is_relative_to(recording):
        raise RunError(f"{job.folder}: the run directory would lie in the recording {job.path} (try another --out)")


def _holds_anything(folder: Path) -> bool:
    if folder.is_dir():
        lock = lock_file(folder)
        files = (each for each in folder.rglob("*") if not each.is_dir() and each != lock)
        return any(not is_leftover(folder, each) for each in files)
    return folder.exists()


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):  # nested too deeply for the parser
        return None


def _dictionary(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
