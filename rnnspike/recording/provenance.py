"""The content hash of a recording's files: needed for provenance, so worked out when somebody asks for it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rnnspike.errors import RecordingError
from rnnspike.recording.data import Recording


@dataclass(frozen=True)
class StoredRecording(Recording):
    """A recording whose ``sha256`` is worked out at first use: hashing takes longer than reading the spikes.

    ``sources`` are the files read.
    """

    sources: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not self.sha256:
            object.__delattr__(self, "sha256")

    def __getattr__(self, name: str) -> Any:
        """Work out ``sha256`` where it is not there yet."""
        sources = self.__dict__.get("sources")
        if name != "sha256" or sources is None:
            raise AttributeError(name)
        object.__setattr__(self, "sha256", content_hash(sources))
        return self.__dict__["sha256"]


def content_hash(files: Sequence[Path]) -> str:
    """Return the SHA-256 of a file as hexadecimal digits; of several files, that of their names and hashes."""
    digests = [(file.name, _file_hash(file)) for file in files]
    if len(digests) == 1:
        return digests[0][1]
    listing = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests))
    return hashlib.sha256(listing.encode()).hexdigest()


def _file_hash(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise RecordingError(file, f"cannot be read for its hash ({error.strerror})") from error
