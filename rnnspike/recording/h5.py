"""Plain HDF5: opening a file with a message that helps, links that may lead nowhere, text and reference columns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from rnnspike.errors import RecordingError
from rnnspike.recording.checks import fatal

SIGNATURE = b"\x89HDF\r\n\x1a\n"
#: Files up to this size are searched for damage on which the HDF5 library hangs.
HEAPS_SEARCHED_BYTES = 2**25
#: What h5py raises on a damaged file, beside RecordingError which says it already.
DAMAGE = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,
    TypeError,
    IndexError,
    AttributeError,
    UnicodeError,
    MemoryError,
)


def is_hdf5(path: Path) -> bool:
    """Return whether the file begins as HDF5 does, possibly after a user block."""
    with path.open("rb") as file:
        head = file.read(4096)
    return any(head[start : start + 8] == SIGNATURE for start in (0, 512, 1024, 2048))


@contextmanager
def open_file(path: Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading; whatever goes wrong while it is open ends as one line that names the fix."""
    if not is_hdf5(path):
        raise RecordingError(path, _no_hdf5(path))
    if has_endless_heap(path):
        raise RecordingError(path, "the file is damaged (its text was overwritten): copy or download it again")
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            yield file
    except RecordingError:
        raise
    except DAMAGE as error:
        raise _explained(path, error) from error


def has_endless_heap(path: Path) -> bool:
    """Return whether a heap of strings was overwritten with zeros, on which the HDF5 library never returns.

    A global heap collection is ``GCOL``, version 1, its size, then objects of 16 bytes and more; a free object says
    how much is left, and where that is 0 the library goes round for ever. Large files are not searched.
    """
    if path.stat().st_size > HEAPS_SEARCHED_BYTES:
        return False
    content = path.read_bytes()
    start = content.find(b"GCOL\x01")
    while start >= 0:
        if not _heap_ends(content[start : start + int.from_bytes(content[start + 8 : start + 16], "little")]):
            return True
        start = content.find(b"GCOL\x01", start + 4)
    return False


def _heap_ends(heap: bytes) -> bool:
    place = 16
    while place + 16 <= len(heap):
        index = int.from_bytes(heap[place : place + 2], "little")
        size = int.from_bytes(heap[place + 8 : place + 16], "little")
        if index == 0 and size == 0:
            return False
        place += size if index == 0 else 16 + -(-size // 8) * 8
    return True


def _no_hdf5(path: Path) -> str:
    size = path.stat().st_size
    if size == 0:
        return "the file is empty (0 bytes): copy it again"
    return "this is no HDF5 file, so no NWB or NIX: check that the copy is whole and the suffix right"


def _explained(path: Path, error: BaseException) -> RecordingError:
    text = " ".join(str(error).split())
    if "truncated" in text or "end of file" in text.lower() or "addr overflow" in text:
        return fatal(path, "truncated", "the file is truncated: copy or download it again")
    if isinstance(error, BlockingIOError) or "unable to lock" in text or "already open for write" in text:
        return fatal(
            path, "locked", "another program has the file open for writing: close it there, or copy the file"
        )
    if "lib/plugin" in text or ("filter" in text and ("not registered" in text or "required" in text)):
        return fatal(path, "filter-missing", "a compression filter is not installed: pip install hdf5plugin")
    if isinstance(error, PermissionError) or "Permission denied" in text:
        return RecordingError(path, "no permission to read the file: chmod u+r")
    return RecordingError(path, f"the file is damaged ({text[:160]}): copy or download it again")


def enable_filters() -> None:
    """Register the compression filters of hdf5plugin where it is installed."""
    try:
        import hdf5plugin  # type: ignore[import-not-found,unused-ignore] # noqa: F401
    except ImportError:
        return


def child(group: h5py.Group, name: str) -> Any:
    """Return a member of a group, or None where it is missing or its link leads nowhere."""
    try:
        return group[name]
    except (KeyError, OSError):
        return None


def broken_links(group: h5py.Group, names: tuple[str, ...]) -> list[str]:
    """Return the targets of those members that are links leading nowhere."""
    targets = []
    for name in names:
        link = group.get(name, getlink=True)
        if isinstance(link, (h5py.ExternalLink, h5py.SoftLink)) and child(group, name) is None:
            targets.append(f"{getattr(link, 'filename', '')}{link.path}")
    return targets


def text(value: Any) -> str:
    """Return a stored string (bytes, array of one, str) as text."""
    if isinstance(value, np.ndarray):
        value = ", ".join(text(item) for item in value.ravel())
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def attribute(item: Any, name: str, default: str = "") -> str:
    """Return an attribute as text."""
    return text(item.attrs[name]) if name in item.attrs else default


def whole_numbers(dataset: h5py.Dataset) -> npt.NDArray[np.int64]:
    """Return a dataset of counts or indices as int64, one dimension; ValueError where it holds anything else."""
    values = np.asarray(dataset[...]).ravel()
    if values.dtype.kind not in "iuf" or not np.array_equal(values, np.round(values)):
        raise ValueError(f"{dataset.name} holds no whole numbers")
    return values.astype(np.int64)


def strings(dataset: h5py.Dataset) -> npt.NDArray[Any]:
    """Return a dataset of text as an object array of str; references as the name of what they refer to."""
    if h5py.check_ref_dtype(dataset.dtype) is not None:
        return np.array([_referred(dataset.file, item) for item in dataset[...].ravel()], dtype=object)
    return np.array([text(item) for item in dataset[...].ravel()], dtype=object)


def _referred(file: h5py.File, reference: Any) -> str:
    try:
        return str(file[reference].name).rsplit("/", 1)[-1]
    except (ValueError, KeyError, TypeError):
        return ""


def is_text(dataset: h5py.Dataset) -> bool:
    """Return whether a dataset holds strings or references."""
    dtype = dataset.dtype
    return h5py.check_string_dtype(dtype) is not None or h5py.check_ref_dtype(dtype) is h5py.Reference
