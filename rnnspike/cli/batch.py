"""Several recordings in one call: some are fitted whole, each by a worker; of the others, workers share the tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rnnspike.cli.output import Log, say_findings, shown_names
from rnnspike.cli.progress import progress_bar
from rnnspike.config import FitSettings
from rnnspike.errors import RnnspikeError
from rnnspike.recording.data import Finding
from rnnspike.report.build import write_report
from rnnspike.runs.engine import fit_recording, make_job
from rnnspike.runs.job import Loaded
from rnnspike.runs.store import run_name
from rnnspike.trials.units import asked_for


@dataclass(frozen=True)
class Fit:
    """A recording that was fitted: where, what was found in it, which units were left out and why, and its rows."""

    folder: Path
    findings: tuple[Finding, ...]
    left_out: Mapping[str, str]
    rows: list[dict[str, Any]]


def fits(
    paths: Sequence[Path],
    settings: FitSettings,
    overwrite: bool,
    provenance: dict[str, Any],
    executor: Executor | None,
    log: Log,
) -> Iterator[tuple[Path, Callable[[], Fit]]]:
    """Yield each recording, in order, with what gives its fit or raises what went wrong with it."""
    names, shown = [run_name(path) for path in paths], shown_names(paths)
    n = n_whole(len(paths), settings.workers) if executor is not None else 0
    whole: list[Future[Fit]] = []
    for i, path in enumerate(paths[:n]):
        assert executor is not None
        whole.append(executor.submit(fit_alone, path, settings, names[:i], overwrite, provenance))
    for path, future in zip(paths[:n], in_order(whole, [shown[path] for path in paths], log), strict=True):
        yield path, partial(kept, path, partial(told, future, shown[path], log))
    for i, path in enumerate(paths[n:], start=n):
        title = f"{shown[path]} ({i + 1} of {len(paths)})"
        say = partial(say_findings, log, shown[path])
        shared = partial(fit_shared, path, settings, names[:i], overwrite, provenance, executor, log, title, say)
        yield path, partial(kept, path, shared)


def kept(path: Path, fit: Callable[[], Fit]) -> Fit:
    """Return a fit; what the system refuses amid it is this recording's failure, and the others go on."""
    try:
        return fit()
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise RnnspikeError(f"{path}: {where}{error.strerror or error} (try another --out, or again)") from error


def n_whole(n_recordings: int, n_workers: int) -> int:
    """Return how many of the recordings, the first ones, are fitted whole.

    Whole ones wait for no one, and there is no other way in which recordings of one unit keep many workers busy. The
    last ones, as many as there are workers, are shared: none is idle while a long recording comes to its end.
    """
    return n_recordings - n_workers if 1 < n_workers <= n_recordings // 2 else 0


def fit_alone(
    path: Path, settings: FitSettings, taken: Sequence[str], overwrite: bool, provenance: dict[str, Any]
) -> Fit:
    """Fit a recording from file to report in this process."""
    job, loaded = make_job(path, settings, taken)
    rows = fit_recording(job, loaded, None, None, overwrite, provenance)
    write_report(job.folder, settings.report)
    return Fit(job.folder, *found_in(loaded), rows)


def found_in(loaded: Loaded) -> tuple[tuple[Finding, ...], Mapping[str, str]]:
    """Return what was found in a recording and its trials, and which units were left out and why."""
    left_out = loaded.plan.left_out or {}
    return asked_for((*loaded.recording.findings, *loaded.plan.findings), left_out), left_out


def in_order(futures: Sequence[Future[Fit]], names: Sequence[str], log: Log) -> Iterator[Future[Fit]]:
    """Yield finished fits in the order of the recordings, with a bar that counts them as they come."""
    if not futures:
        return
    waiting, name_of = set(futures), dict(zip(futures, names, strict=False))
    with progress_bar(f"{len(futures)} of {len(names)} recordings", log) as progress:
        for future in futures:
            while future in waiting:
                finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                for each in finished:
                    progress(len(futures) - len(waiting), len(futures), name_of[each])
            yield future


def told(future: Future[Fit], name: str, log: Log) -> Fit:
    """Return a fit that a worker did on its own, and tell what it found."""
    fit = future.result()
    say_findings(log, name, fit.findings, fit.left_out)
    return fit


def fit_shared(
    path: Path,
    settings: FitSettings,
    taken: Sequence[str],
    overwrite: bool,
    provenance: dict[str, Any],
    executor: Executor | None,
    log: Log,
    title: str,
    say: Callable[[tuple[Finding, ...], Mapping[str, str]], None],
) -> Fit:
    """Fit a recording whose tasks all workers share (or here, without any)."""
    job, loaded = make_job(path, settings, taken)
    findings, left_out = found_in(loaded)
    say(findings, left_out)
    with progress_bar(title, log) as progress:
        rows = fit_recording(job, loaded, executor, progress, overwrite, provenance)
    write_report(job.folder, settings.report)
    return Fit(job.folder, findings, left_out, rows)
