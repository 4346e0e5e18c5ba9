"""What a function is given, a path, a recording or spikes in memory: as a recording, or a file that workers read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from rnnspike.api.arguments import Source
from rnnspike.api.calls import ArgumentError
from rnnspike.api.terms import in_python_terms
from rnnspike.config import READ_OPTIONS, FitSettings
from rnnspike.recording.contents import Contents
from rnnspike.recording.data import ReadOptions, Recording
from rnnspike.recording.formats.text.events import add_events
from rnnspike.recording.memory.arrays import recording_of, refuse_errors_of_arrays
from rnnspike.recording.memory.keep import keep
from rnnspike.recording.memory.objects import contents_of, with_trials
from rnnspike.recording.read import examine_recording, refuse_errors
from rnnspike.runs.layout import base_of

#: Folder, beside the run directories, of the files of recordings that were in memory.
KEPT = "recordings"


def as_recording(source: Source, trials: Any = None, *, name: str | None = None) -> Recording:
    """Return spikes of any kind as a ``Recording``, with the checks and findings of a file.

    Parameters
    ----------
    source
        A path, a Neo ``Block`` or ``Segment``, a pynapple ``TsGroup``, a SpikeInterface sorting, or spike times in
        session seconds: a list of arrays, or arrays by unit id (``Recording.from_arrays`` takes more).
    trials
        Trials of spikes in memory: a table with ``start_time``, ``stop_time`` and columns of other times and of
        conditions (DataFrame, columns by name), or a pynapple ``IntervalSet``.
    name
        Name of spikes in memory, and of their run directory; default that of the Neo block, or ``recording``.

    Returns
    -------
    Recording
        Spike times ascending in session seconds.

    Raises
    ------
    ConfigError
        Where it is none of these.
    RecordingError
        Where it cannot be read, or the checks find an error.
    """
    with in_python_terms():
        found = given(source, trials, name)
        if isinstance(found, Recording):
            return refuse_errors_of_arrays(found)
        return refuse_errors(examine_recording(found))


def given(source: Source, trials: Any = None, name: str | None = None) -> Path | Recording:
    """Return a path as it is, and anything else as a recording, with findings of level error kept."""
    if isinstance(source, (str, os.PathLike)):
        if trials is not None:
            raise ArgumentError(
                "trials: a table of trials goes with spikes in memory (of a file, give events=FILE.csv)"
            )
        return Path(source)
    if not isinstance(source, Recording):
        own, contents = contents_of(source, trials)
        return recording_of(name or own, contents)
    if trials is None:
        return source
    if not isinstance(source.origin, Contents):
        raise ArgumentError("trials: the recording has its tables: name one of them")
    return recording_of(source.path.name, with_trials(source.origin, trials))


def split(settings: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the table of trials among settings, None where ``trials`` names one, and the other settings."""
    trials = settings.get("trials")
    if trials is None or isinstance(trials, str):
        return None, dict(settings)
    return trials, {**settings, "trials": "trials"}


def examined(source: Source, trials: Any, options: ReadOptions) -> Recording:
    """Return the recording, read with these options; findings of level error are kept."""
    found = given(source, trials)
    if isinstance(found, Path):
        return examine_recording(found, options)
    if options == ReadOptions():
        return found
    if isinstance(found.origin, Contents):
        file = options.events_file
        contents = found.origin if file is None else add_events(found.origin, file)
        return recording_of(found.path.name, contents, options)
    if found.origin is None:
        named = ", ".join(name for name, option in READ_OPTIONS.items() if _is_given(options, option))
        raise ArgumentError(f"{named}: the recording was changed after it was read, so it cannot be read again")
    path, own = found.origin
    return examine_recording(path, _joined(own, options))


def usable(source: Source, trials: Any, options: ReadOptions) -> Recording:
    """Return the recording, read with these options; RecordingError for a finding of level error."""
    found = examined(source, trials, options)
    return (
        refuse_errors_of_arrays(found, can_scale=True) if isinstance(found.origin, Contents) else refuse_errors(found)
    )


def file_of(source: Source, trials: Any, settings: FitSettings) -> tuple[Path, FitSettings]:
    """Return a file of the recording that workers can read, written where there is none, and settings to read it."""
    found = given(source, trials)
    if isinstance(found, Path):
        return found, settings
    if isinstance(found.origin, tuple):
        path, own = found.origin
        options = _joined(own, settings.read_options())
        read = {name: getattr(options, option) for name, option in READ_OPTIONS.items()}
        return path, settings.model_copy(update=read)
    of_arrays = isinstance(found.origin, Contents)
    if of_arrays and any(finding.level == "error" for finding in found.findings):  # no file is to be mended
        usable(found, None, settings.read_options())
    return keep(found, base_of(settings.out) / KEPT, settings.covariate), settings


def _is_given(options: ReadOptions, option: str) -> bool:
    return bool(getattr(options, option) != getattr(ReadOptions(), option))


def _joined(own: ReadOptions, options: ReadOptions) -> ReadOptions:
    """Return the options with which a recording was read, with those that are given now."""
    names = [field.name for field in fields(ReadOptions)]
    return ReadOptions(**{name: getattr(options if _is_given(options, name) else own, name) for name in names})
