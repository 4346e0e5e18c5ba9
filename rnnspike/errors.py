"""Expected errors, and the exit code of each.

Every message is one line with the file, the problem, and the option that corrects it.
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
    HUNG_UP = 129
    INTERRUPTED = 130
    CLOSED_PIPE = 141
    TERMINATED = 143


class RnnspikeError(Exception):
    """Base of all expected errors; its text is one line for the user.

    ``cure`` is the advice for an unexpected error that is turned into one.
    """

    exit_code = ExitCode.SOME_FAILED
    cure = "rnnspike --debug shows where"

    @property
    def reason(self) -> str:
        """The text without the path, which differs between working directories."""
        return str(self)


class InputError(RnnspikeError):
    """An input file cannot be read, or its contents cannot be used.

    Parameters
    ----------
    path
        The file, as given by the user.
    finding
        The problem, as text.
    option
        The option that corrects it, with a value to try, or another thing to try, if there is one.
    """

    exit_code = ExitCode.BAD_INPUT

    def __init__(self, path: object, finding: str, option: str | None = None) -> None:
        self.path, self.finding, self.option = str(path), finding, option
        super().__init__(f"{path}: {self.reason}")

    @property
    def reason(self) -> str:
        """The finding, and the option that corrects it."""
        return self.finding + (f" (try {self.option})" if self.option else "")

    def __reduce__(self) -> tuple[type[InputError], tuple[str | None, ...]]:
        """Return how to rebuild the error in another process (pickle)."""
        return type(self), (self.path, self.finding, self.option)


class RecordingError(InputError):
    """A recording cannot be read, or its contents cannot be used.

    Parameters
    ----------
    path, finding, option
        As of ``InputError``.
    finding_id
        Id of the finding (``recording.findings``), if it is one of those.
    """

    def __init__(self, path: object, finding: str, option: str | None = None, finding_id: str | None = None) -> None:
        super().__init__(path, finding, option)
        self.finding_id = finding_id

    def __reduce__(self) -> tuple[type[InputError], tuple[str | None, ...]]:
        """Return how to rebuild the error in another process (pickle)."""
        return type(self), (self.path, self.finding, self.option, self.finding_id)


class RatesError(InputError):
    """Rates of another model cannot be read, or do not fit the trials."""


class ConfigError(RnnspikeError):
    """A setting is unknown or has a value that cannot be used."""

    exit_code = ExitCode.BAD_INPUT


class OutputError(RnnspikeError):
    """Results cannot be written to stdout; not caused by a recording."""


class ModelError(RnnspikeError):
    """A model cannot be fitted to these trials; its row states this, and the others continue."""


class TaskLost(RnnspikeError):
    """The process that did a task was killed, crashed or took too long, and so did the one that tried it again."""

    cure = "try the same command again, with fewer --workers"


class TaskTookTooLong(TaskLost):
    """A task took longer than its limit."""

    cure = "try the same command again, with a longer --task-timeout"


class EngineLost(RnnspikeError):
    """The cluster that does the tasks can no longer be reached."""


class RunError(RnnspikeError):
    """A run directory is missing, unfinished, damaged, of another schema, or not usable for a fit."""

    exit_code = ExitCode.BAD_INPUT
    cure = "fit the recording again with --overwrite; rnnspike --debug shows where it failed"


@contextmanager
def output_errors(path: object, option: str) -> Iterator[None]:
    """Turn a system error about an output path into one line that names the option."""
    try:
        yield
    except BrokenPipeError:
        raise  # of stdout: ``main`` ends with its exit code
    except OSError as error:
        blocked = isinstance(error, FileExistsError)  # a file exists where a folder is needed
        why = f"{error.filename} is not a folder" if blocked else error.strerror or str(error)
        raise ConfigError(f"{option} {path}: cannot be written: {why} (try another path)") from error


@contextmanager
def damage_errors(path: object) -> Iterator[None]:
    """Turn any error in reading one file of a run directory into one line that names the file and the cure."""
    again = "(fit the recording again with --overwrite)"
    try:
        yield
    except RnnspikeError:
        raise
    except FileNotFoundError as error:
        raise RunError(f"{path}: is missing from the run {again}") from error
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error} {again}") from error
    except Exception as error:
        raise RunError(f"{path}: is damaged and cannot be read {again}") from error


@contextmanager
def failure_on_one_line(path: object, kind: type[RnnspikeError] = RnnspikeError) -> Iterator[None]:
    """Turn any error of one recording or run into one line, so that the others continue.

    An unexpected error becomes a ``kind``, with its exit code and its cure.
    """
    try:
        yield
    except TaskLost as error:
        raise RnnspikeError(f"{path}: {error} ({error.cure})") from error
    except (RnnspikeError, BrokenPipeError):
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise RnnspikeError(f"{path}: {where}{error.strerror or error} (try another --out, or again)") from error
    except Exception as error:
        what = " ".join(f"{type(error).__name__}: {error}".split())[:160]
        raise kind(f"{path}: failed ({what}); {kind.cure}") from error
