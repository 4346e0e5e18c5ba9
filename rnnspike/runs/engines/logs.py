"""What workers log goes where the messages of the process that began them go: to stderr, and to its log files."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass

from rnnspike.names import in_message

NAME = "rnnspike"


@dataclass(frozen=True)
class Messages:
    """Where messages go: to stderr from ``level`` on, and all of them to the end of ``files``."""

    level: int
    files: tuple[str, ...] = ()


def messages_here() -> Messages:
    """Return where the messages of this process go.

    A handler may say by ``shown_from`` from which level on it shows messages, and by ``log_file`` where it keeps all.
    """
    library = logging.getLogger(NAME)
    shown = [getattr(each, "shown_from", each.level) for each in library.handlers]
    files = [getattr(each, "log_file", None) for each in library.handlers]
    return Messages(max([library.getEffectiveLevel(), *shown]), tuple(filter(None, files)))


def send(messages: Messages) -> None:
    """Send what this process logs there."""
    to_stderr = logging.StreamHandler()
    to_stderr.setFormatter(logging.Formatter("rnnspike: %(message)s"))
    to_stderr.setLevel(messages.level)
    library = logging.getLogger(NAME)
    library.handlers, library.propagate = [to_stderr, *map(_ToFile, messages.files)], False
    library.setLevel(min(messages.level, logging.INFO) if messages.files else messages.level)


class _ToFile(logging.Handler):
    """Appends messages to a file that other processes write to as well; what it does not take is dropped."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def emit(self, record: logging.LogRecord) -> None:
        """Append a message."""
        text = in_message(record.getMessage()) + "\n"
        with suppress(OSError), open(self.path, "ab", buffering=0) as file:
            file.write(text.encode("utf-8", "backslashreplace"))
