"""Content hash of a recording's files, or of its arrays, computed when first needed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from rnnspike.errors import RecordingError
from rnnspike.names import plain
from rnnspike.recording.data import Recording


@dataclass(frozen=True, repr=False)
class StoredRecording(Recording):
    """A recording whose ``sha256`` is computed at first use: hashing takes longer than reading the spikes.

    ``sources`` are the files read; without any, the hash is that of its arrays and tables.
    """

    sources: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not self.sha256:
            object.__delattr__(self, "sha256")

    def __getattr__(self, name: str) -> Any:
        """Compute ``sha256`` at first use."""
        sources = self.__dict__.get("sources")
        if name != "sha256" or sources is None:
            raise AttributeError(name)
        object.__setattr__(self, "sha256", content_hash(sources) if sources else recording_hash(self))
        return self.__dict__["sha256"]


@dataclass(frozen=True)
class Source:
    """The files that a fit reads, as they were when it was planned.

    ``files`` are the recording's, its events file among them; ``stamps`` are the size and modification time (ns) of
    each.
    """

    files: tuple[Path, ...]
    stamps: tuple[tuple[int, int] | None, ...]
    sha256: str

    @classmethod
    def of(cls, recording: Recording) -> Source:
        """Return the files of a recording that was just read.

        Raises
        ------
        RecordingError
            If one of them can no longer be read, or changed while it was read.
        """
        files: tuple[Path, ...] = getattr(recording, "sources", ())
        stamps = _stamps(files)
        source = cls(files, stamps, recording.sha256)
        if _stamps(files) != stamps:
            raise RecordingError(recording.path, "changed while it was being read", "again")
        return source

    def is_unchanged(self) -> bool:
        """Return whether the files are unchanged; their content is hashed again if size or time differ."""
        stamps = _stamps(self.files)
        return stamps == self.stamps or (None not in stamps and content_hash(self.files) == self.sha256)


def _stamps(files: Sequence[Path]) -> tuple[tuple[int, int] | None, ...]:
    return tuple(map(stamp, files))


def stamp(file: Path) -> tuple[int, int] | None:
    """Return size and modification time (ns) of a file; None if it is missing."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def content_hash(files: Sequence[Path]) -> str:
    """Return the SHA-256 of a file in hexadecimal; for several files, that of their names and hashes."""
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


def recording_hash(recording: Recording) -> str:
    """Return the SHA-256 of a recording's name, session, units, tables, covariates, excluded time, span and findings.

    Equal contents have an equal hash, in whichever format they were given.
    """
    digest = hashlib.sha256()
    for part in _parts(recording):
        content = part if isinstance(part, bytes) else repr(part).encode("utf-8", "backslashreplace")
        digest.update(f"{len(content)} ".encode() + content)
    return digest.hexdigest()


def _parts(recording: Recording) -> Iterator[Any]:
    """Yield the contents as bytes or plain values."""
    yield recording.path.name
    yield sorted(recording.session.items())
    for unit in recording.units:
        yield unit.id, sorted((name, plain(value)) for name, value in unit.metadata.items())
        yield from _array(unit.spike_times_s)
        yield from _array(unit.observed_s)
    for kind, tables in (("intervals", recording.intervals), ("events", recording.events)):
        for name, table in tables.items():
            for column in table:
                yield kind, name, column, table[column].tolist()
    for name, series in recording.covariates.items():
        yield name, series.unit
        for array in series.load():
            yield from _array(array)
    yield from _array(recording.invalid_s)
    yield recording.span_s and tuple(map(float, recording.span_s))
    yield [astuple(each) for each in recording.findings]


def _array(array: npt.NDArray[Any] | None) -> Iterator[Any]:
    yield None if array is None else (str(array.dtype), array.shape)
    yield b"" if array is None else array.tobytes()
