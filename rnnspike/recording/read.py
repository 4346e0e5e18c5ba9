"""A recording from a path: the format told from the name and the first bytes, the right reader, one result type."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np

from rnnspike.errors import RecordingError
from rnnspike.recording.assemble import assemble
from rnnspike.recording.contents import Contents
from rnnspike.recording.data import Finding, ReadOptions, Recording
from rnnspike.recording.formats import format_of

Reader = Callable[[Path, ReadOptions], Contents]


def read_recording(path: Path | str, options: ReadOptions | None = None) -> Recording:
    """Read a recording, checked and mended, of any format in ``formats.FORMATS``.

    Parameters
    ----------
    path
        A file, or a folder where the format is one (Phy, Neuralynx, TDT, a text file per unit).
    options
        What the file does not say (``ReadOptions``).

    Returns
    -------
    Recording
        Spike times ascending in session seconds, its findings of level warning and info.

    Raises
    ------
    RecordingError
        Where the file cannot be read, or has a finding of level error; one line that names the fix.
    """
    recording = examine_recording(path, options)
    for finding in recording.findings:
        if finding.level == "error":
            raise error_of(recording, finding)
    return recording


@np.errstate(over="ignore", invalid="ignore")
def examine_recording(path: Path | str, options: ReadOptions | None = None) -> Recording:
    """Read a recording and keep findings of level error among the others, to show them beside what is there.

    Raises
    ------
    RecordingError
        Where nothing can be read.
    """
    path, options = Path(path), options or ReadOptions()
    _refuse_missing(path)
    chosen = format_of(path)
    module, function = chosen.reader.split(":")
    reader: Reader = getattr(import_module(module), function)
    contents = reader(path, options)
    if options.events_file is not None:
        contents = _with_events(contents, options.events_file)
    return assemble(path, contents, options)


def _with_events(contents: Contents, events_file: Path) -> Contents:
    from rnnspike.recording.events_file import add_events

    return add_events(contents, events_file)


def error_of(recording: Recording, finding: Finding) -> RecordingError:
    """Return a finding of level error as the exception it ends with."""
    return RecordingError(recording.path, finding.message, finding.option, finding.id)


def _refuse_missing(path: Path) -> None:
    try:
        if not path.exists():
            raise RecordingError(path, "no such file or folder")
        if path.is_file():
            with path.open("rb"):
                pass
        elif not path.is_dir():
            raise RecordingError(path, "neither a file nor a folder")
    except PermissionError as error:
        raise RecordingError(path, "no permission to read it: chmod u+r") from error
    except OSError as error:
        raise RecordingError(path, f"cannot be opened ({error.strerror})") from error
