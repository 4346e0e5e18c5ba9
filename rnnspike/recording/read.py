"""Read a recording from a path: format by name and first bytes, then its reader, then checks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np

from rnnspike.errors import RecordingError
from rnnspike.names import any_text
from rnnspike.recording.checks.assemble import assemble
from rnnspike.recording.child_process import ChildCall, errors_on_one_line, run_in_child
from rnnspike.recording.contents import Contents
from rnnspike.recording.data import Finding, ReadOptions, Recording
from rnnspike.recording.formats.refusals import refuse_missing
from rnnspike.recording.formats.registry import Format, format_of
from rnnspike.recording.formats.text.events import add_events

Reader = Callable[[Path, ReadOptions], Contents]


def read_recording(path: Path | str, options: ReadOptions | None = None) -> Recording:
    """Read a recording of any format in ``formats.registry.FORMATS``, with checks and cleaning.

    Parameters
    ----------
    path
        A file, or a folder for formats that are folders (Phy, Neuralynx, TDT, one text file per unit).
    options
        How to read it (``ReadOptions``).

    Returns
    -------
    Recording
        Spike times ascending in session seconds, with findings of level warning and info.

    Raises
    ------
    RecordingError
        If the file cannot be read or has a finding of level error; one line that names the option to use.
    """
    return refuse_errors(examine_recording(path, options))


def refuse_errors(recording: Recording) -> Recording:
    """Return a recording without findings of level error; RecordingError where it has one."""
    for finding in recording.findings:
        if finding.level == "error":
            raise error_of(recording, finding)
    return recording


@any_text()
@np.errstate(over="ignore", invalid="ignore")
def examine_recording(path: Path | str, options: ReadOptions | None = None) -> Recording:
    """Read a recording and keep findings of level error, to show them with its contents.

    Raises
    ------
    RecordingError
        If nothing can be read.
    """
    if path == "":
        raise RecordingError("''", "the name is empty: was the shell variable set?")
    path, options = Path(path), options or ReadOptions()
    with errors_on_one_line(path):
        refuse_missing(path)
        contents = run_in_child(path, partial(_read, path, options, _reader(format_of(path))))
        covariates = {
            name: replace(series, load=ChildCall(path, series.load)) for name, series in contents.covariates.items()
        }
        return assemble(path, replace(contents, covariates=covariates), options).read_from((path, options))


def _reader(chosen: Format) -> Reader:
    """Return a format's reader; its deferred imports are done here once, not in every child process."""
    module, function = chosen.reader.split(":")
    for name in chosen.imports:
        import_module(name)
    reader: Reader = getattr(import_module(module), function)
    return reader


def _read(path: Path, options: ReadOptions, reader: Reader) -> Contents:
    contents = reader(path, options)
    return contents if options.events_file is None else add_events(contents, options.events_file)


def error_of(recording: Recording, finding: Finding) -> RecordingError:
    """Return a finding of level error as an exception."""
    return RecordingError(recording.path, finding.message, finding.option, finding.id)
