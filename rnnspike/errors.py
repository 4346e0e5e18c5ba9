"""The errors that rnnspike raises on purpose, and the exit code that each ends with.

Every message is one line that names the file, what was found, and the option that mends it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line, listed in ``rnnspike --help``."""

    OK = 0
    SOME_FAILED = 1
    USAGE = 2
    BAD_INPUT = 3
    NOTHING_USABLE = 4
    INTERRUPTED = 130
    CLOSED_PIPE = 141
    TERMINATED = 143


class RnnspikeError(Exception):
    """Base of every expected failure; its text is one line for the user."""

    exit_code = ExitCode.SOME_FAILED


class RecordingError(RnnspikeError):
    """A recording cannot be read, or what it holds cannot be used as it stands.

    Parameters
    ----------
    path
        The file, as the user named it.
    finding
        What is wrong, in words.
    option
        The option that mends it, with a value to try, where there is one.
    finding_id
        Identifier of the finding (``recording.checks``), where it is one of those.
    """

    exit_code = ExitCode.BAD_INPUT

    def __init__(self, path: object, finding: str, option: str | None = None, finding_id: str | None = None) -> None:
        self.path, self.finding, self.option, self.finding_id = str(path), finding, option, finding_id
        super().__init__(f"{path}: {finding}" + (f" (try {option})" if option else ""))

    def __reduce__(self) -> tuple[type[RecordingError], tuple[str, str, str | None, str | None]]:
        """Say how to make it anew, in the process that waits for it."""
        return type(self), (self.path, self.finding, self.option, self.finding_id)


class ConfigError(RnnspikeError):
    """A setting is unknown or has a value that cannot be used."""

    exit_code = ExitCode.BAD_INPUT


class ModelError(RnnspikeError):
    """A model cannot be fitted to these trials; the row says so and the others go on."""


class RunError(RnnspikeError):
    """A run directory is missing, unfinished, damaged, of another schema, or not one that a fit may take."""

    exit_code = ExitCode.BAD_INPUT


@contextmanager
def told_if_unwritable(path: object, option: str) -> Iterator[None]:
    """Make one line that names the option of what the system says of a place that cannot be written."""
    try:
        yield
    except BrokenPipeError:
        raise  # stdout's own: ``main`` ends with its exit code
    except OSError as error:
        blocked = isinstance(error, FileExistsError)  # a file stands where a folder is needed
        why = f"{error.filename} is no folder" if blocked else error.strerror or str(error)
        raise ConfigError(f"{option} {path}: cannot be written: {why} (try another place)") from error
